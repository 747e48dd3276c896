// SPDX-License-Identifier: MIT
/** What is going on, for a progress bar. */
export interface Progress {
  /** "fetch" counts bytes, "read" and "hash" count entries and files, "copy" counts bytes. */
  readonly stage: "fetch" | "read" | "hash" | "copy";
  readonly done: number;
  /** Undefined while it is not known. */
  readonly total: number | undefined;
}
