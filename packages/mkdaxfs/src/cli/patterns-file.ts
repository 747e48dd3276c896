// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { describing } from "../errors.js";

/**
 * Reads a file of globs, one a line; empty lines and those that begin with `#` are none.
 * @throws BuildError when it can't be read.
 */
export function readPatterns(path: string): string[] {
  const text = describing(
    () => `cannot read patterns from ${path}`,
    () => readFileSync(path, "utf8"),
  );
  return text.split(/\r?\n/).filter((line) => line.trim() !== "" && !line.startsWith("#"));
}
