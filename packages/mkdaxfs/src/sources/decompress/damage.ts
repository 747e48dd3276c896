// SPDX-License-Identifier: MIT
import { BuildError, withoutAddressSpace } from "../../errors.js";

/** The error for compressed data that ends in the middle. @param what the stream, for messages */
export function cutShort(what: string, kind: string): BuildError {
  return new BuildError(`${what}: its ${kind} data ends too early (get it again)`);
}

/** The error for compressed data that can't be right. */
export function damaged(what: string, kind: string, reason: string): BuildError {
  return new BuildError(`${what}: its ${kind} data is damaged: ${reason} (get it again)`);
}

/** The error for a decoder that could not be loaded. */
export function notLoaded(what: string, kind: string, error: unknown): unknown {
  return withoutAddressSpace(() => `${what}: cannot unpack its ${kind} data`, error);
}

/** The error for zstd data that needs more memory than is reasonable. */
export function windowTooLarge(what: string): BuildError {
  return new BuildError(
    `${what}: its zstd data needs a window of more than 128 MiB (compress it with --long=27 or less)`,
  );
}
