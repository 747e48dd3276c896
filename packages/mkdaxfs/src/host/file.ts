// SPDX-License-Identifier: MIT
import { closeSync, openSync } from "node:fs";
import { describing } from "../errors.js";
import { fsPath, type HostPath, shown } from "./path.js";

/** Bytes in front of a buffer that keep its start away from that of a page. */
const DISTANCE = 64;

/** Opens a file for reading, runs `use`, and closes it. @throws BuildError naming the file. */
export function withFile<T>(path: HostPath, use: (descriptor: number) => T): T {
  return describing(
    () => `cannot read ${shown(path)}`,
    () => {
      const descriptor = openSync(fsPath(path), "r");
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
          this.descriptor = openSync(fsPath(path), "r");
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
