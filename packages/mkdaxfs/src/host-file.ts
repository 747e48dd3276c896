// SPDX-License-Identifier: MIT
import { closeSync, openSync } from "node:fs";
import { describing } from "./errors.js";
import { fsPath, type HostPath, shown } from "./host-path.js";

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
