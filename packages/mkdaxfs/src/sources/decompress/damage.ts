// SPDX-License-Identifier: MIT
import { BuildError } from "../../errors.js";

/** The error for compressed data that ends in the middle. @param what the stream, for messages */
export function cutShort(what: string, kind: string): BuildError {
  return new BuildError(`${what}: its ${kind} data ends too early (get it again)`);
}

/** The error for compressed data that can't be right. */
export function damaged(what: string, kind: string, reason: string): BuildError {
  return new BuildError(`${what}: its ${kind} data is damaged: ${reason} (get it again)`);
}

/**
 * The error for a decoder that could not be loaded: WebAssembly takes address space by the gigabyte,
 * whatever memory it uses in the end. Other errors are given back as they are.
 */
export function withoutMemory(what: string, kind: string, error: unknown): unknown {
  if (!(error instanceof RangeError) && !isOutOfMemory(error)) return error;
  return new BuildError(
    `${what}: there is not enough address space to unpack its ${kind} data (raise ulimit -v, or ` +
      `unpack it into a pipe: ${kind} -dc FILE | mkdaxfs -)`,
    { cause: error },
  );
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && /out of memory|allocat/i.test(error.message);
}

/** The error for zstd data that needs more memory than is reasonable. */
export function windowTooLarge(what: string): BuildError {
  return new BuildError(
    `${what}: its zstd data needs a window of more than 128 MiB (compress it with --long=27 or less)`,
  );
}
