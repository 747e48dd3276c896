// SPDX-License-Identifier: MIT
/** What is wrong with an attribute; the caller adds the file, the attribute and how to leave it out. */
export class XattrError extends Error {
  /** @param remedy what else to do, for the user */
  constructor(
    message: string,
    readonly remedy?: string,
  ) {
    super(message);
  }
}
