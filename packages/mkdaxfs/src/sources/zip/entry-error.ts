// SPDX-License-Identifier: MIT
import { type ByteString, printable } from "@daxfs/format";
import { BuildError } from "../../errors.js";

/**
 * What is wrong with one entry of an archive, in words that go on from its name: "is encrypted".
 * {@link entryError} makes an error for the user of it, where the name is at hand.
 */
export class EntryError extends Error {
  override readonly name = "EntryError";
}

/** The {@link BuildError} for an entry's error; any other error as it is. */
export function entryError(archive: string, name: ByteString, error: EntryError): BuildError;
export function entryError(archive: string, name: ByteString, error: unknown): unknown;
export function entryError(archive: string, name: ByteString, error: unknown): unknown {
  if (!(error instanceof EntryError)) return error;
  return new BuildError(`${archive}: entry '${printable(name)}' ${error.message}`);
}
