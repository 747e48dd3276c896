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
