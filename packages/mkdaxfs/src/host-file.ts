// SPDX-License-Identifier: MIT
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { BuildError, describing, isSystemError } from "./errors.js";
import { fsPath, type HostPath, shown } from "./host-path.js";

/** Bytes in front of a buffer that keep its start away from that of a page. */
const DISTANCE = 64;

/**
 * Flags to open a file that was found to be regular or a directory. A fifo that has taken its place
 * since is opened at once, instead of when somebody writes to it.
 */
export const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/** Whether an open failed because the file's lease has to be broken first, which takes time. */
export function isLeased(error: unknown): boolean {
  return isSystemError(error) && error.code === "EAGAIN";
}

/** The error for a file that is not regular, though it was when it was found. */
export function notRegular(path: HostPath): BuildError {
  return new BuildError(
    `${shown(path)} was a regular file when it was found, and is not one now (build again)`,
  );
}

/** Opens what lies at a path for reading, and returns its descriptor. @throws the error of open(2) */
export function openWithoutWaiting(path: HostPath): number {
  try {
    return openSync(fsPath(path), OPEN_FLAGS);
  } catch (error) {
    if (!isLeased(error)) throw error;
    return openSync(fsPath(path), "r");
  }
}

/**
 * The same for a file or directory.
 * @throws BuildError for anything else, or the error of a system call
 */
export function openForReading(path: HostPath): number {
  const descriptor = openWithoutWaiting(path);
  const stats = fstatSync(descriptor);
  if (stats.isFile() || stats.isDirectory()) return descriptor;
  closeSync(descriptor);
  throw notRegular(path);
}

/** Opens a file for reading, runs `use`, and closes it. @throws BuildError naming the file. */
export function withFile<T>(path: HostPath, use: (descriptor: number) => T): T {
  return describing(
    () => `cannot read ${shown(path)}`,
    () => {
      const descriptor = openForReading(path);
      try {
        return use(descriptor);
      } finally {
        closeSync(descriptor);
      }
    },
  );
}

/**
 * Reads one file after the other, of which the next is often the same: an archive. It stays open
 * until another is asked for.
 */
export class FileSequence {
  private path: HostPath | undefined;
  private descriptor = -1;

  /** Runs `use` with a file. @throws BuildError naming it. */
  with<T>(path: HostPath, use: (descriptor: number) => T): T {
    return describing(
      () => `cannot read ${shown(path)}`,
      () => {
        if (path !== this.path) {
          this.close();
          this.descriptor = openForReading(path);
          this.path = path;
        }
        return use(this.descriptor);
      },
    );
  }

  close(): void {
    if (this.path !== undefined) closeSync(this.descriptor);
    this.path = undefined;
  }
}

/**
 * Memory to read files into, its content undefined.
 *
 * Large memory begins 16 bytes into a page, where glibc keeps its length; contents that are read
 * begin with a page. A processor that copies one to the other then takes each load for one of what
 * was just stored, since it compares the low 12 bits of addresses ("4K aliasing"): measured on an
 * AMD EPYC, copies of the page cache took 3.5 times as long.
 */
export function readBuffer(size: number): Uint8Array {
  return Buffer.allocUnsafeSlow(DISTANCE + size).subarray(DISTANCE);
}
