// SPDX-License-Identifier: MIT
import type { KernelOutcome } from "./corruptions/index.js";
import { errorsOf, escapeBytes, type ReportedError } from "./view.js";

type Mounts = Extract<KernelOutcome, { mount: "mounts" }>;

function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);
}

/**
 * Compares the lines of a walk with the declared outcome of a corruption.
 * @returns a description of each difference
 */
export function compareWithExpectation(outcome: Mounts, lines: readonly string[]): string[] {
  const wrong: string[] = [];
  const found = errorsOf(lines);
  const affected = outcome.errors.map((error) => ({ ...error, path: escapeBytes(error.path) }));
  const same = (a: ReportedError, b: ReportedError) =>
    a.path === b.path && a.operation === b.operation && a.errno === b.errno;
  for (const error of affected) {
    if (!found.some((candidate) => same(candidate, error))) {
      wrong.push(`${error.operation} of ${error.path} did not fail with ${error.errno}`);
    }
  }
  for (const error of found) {
    if (affected.some((candidate) => same(candidate, error))) continue;
    const below = affected.some(({ path }) => error.path !== path && isBelow(error.path, path));
    if (!below) wrong.push(`${error.operation} of ${error.path} failed with ${error.errno}`);
  }
  return wrong;
}
