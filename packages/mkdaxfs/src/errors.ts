// SPDX-License-Identifier: MIT
import { getSystemErrorMap } from "node:util";

/**
 * Something that the user can mend: one line that says what, where, and what to do. Anything else
 * that is thrown is a fault of ours.
 */
export class BuildError extends Error {
  override readonly name = "BuildError";
}

/** An error of a system call, as Node throws it. */
export interface SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall?: string;
}

/** Whether an error comes from a system call. */
export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && "errno" in error && "code" in error;
}

/** What a system call's error means, in words: "permission denied". */
export function systemErrorText(error: SystemError): string {
  const known = getSystemErrorMap().get(error.errno);
  return known === undefined ? error.message : known[1];
}

/**
 * Runs `action` and turns a system call's error into a {@link BuildError}.
 * @param what said before the error's own words, such as "cannot read rootfs/etc/shadow"
 */
export function describing<T>(what: () => string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw described(what, error);
  }
}

/** The {@link BuildError} for a system call's error; any other error as it is. */
export function described(what: () => string, error: unknown): unknown {
  if (!isSystemError(error)) return error;
  return new BuildError(`${what()}: ${systemErrorText(error)}${hint(error.code)}`, {
    cause: error,
  });
}

/**
 * The {@link BuildError} for WebAssembly that could not get its memory: it reserves address space by
 * the gigabyte, whatever it uses in the end. Any other error as it is.
 * @param what said before it
 */
export function withoutAddressSpace(what: () => string, error: unknown): unknown {
  if (!(error instanceof RangeError)) return error;
  return new BuildError(
    `${what()}: there is not enough address space (raise ulimit -v, or set ` +
      "NODE_OPTIONS=--disable-wasm-trap-handler)",
    { cause: error },
  );
}

function hint(code: string): string {
  switch (code) {
    case "EACCES":
    case "EPERM":
      return " (run as the owner of the files, or as root)";
    case "ENOSPC":
      return " (free some space or choose another place for the image)";
    case "EMFILE":
    case "ENFILE":
      return " (raise the limit on open files)";
    default:
      return "";
  }
}
