// SPDX-License-Identifier: MIT
/** Sources that are given as patterns, where no shell has expanded them. */
import { lstatSync } from "node:fs";
import { BuildError } from "../errors.js";
import type { SourceSpec } from "../options.js";
import { shownText } from "./json.js";

/** What makes a pattern: `*`, `?`, `[…]`, `{a,b}`, `{1..3}`, `!(…)`, `+(…)` and `@(…)`. */
const SPECIAL = /[*?]|\[.+\]|\{.*(?:,|\.\.).*\}|[!+@]\(.*\)/s;

/** In which `layer2` comes before `layer10`. */
const natural = new Intl.Collator("en", { numeric: true });

/**
 * Replaces patterns such as `layers/*.tar` by the paths that match, in natural order. A path that
 * exists under that very name is no pattern, and neither is one in front of `:TAG`.
 * @throws BuildError for a pattern that matches nothing
 */
export async function expandPatterns(specs: readonly SourceSpec[]): Promise<SourceSpec[]> {
  const expanded: SourceSpec[] = [];
  for (const spec of specs) {
    if (typeof spec !== "string" || !isPattern(spec)) expanded.push(spec);
    else expanded.push(...(await matches(spec)));
  }
  return expanded;
}

function isPattern(spec: string): boolean {
  if (!SPECIAL.test(spec) || spec.includes("\0") || exists(spec)) return false;
  const colon = spec.lastIndexOf(":");
  return colon < 0 || !exists(spec.slice(0, colon));
}

/** Whether there is such a path. One that can't be asked for is opened as it is, and says why. */
function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

async function matches(pattern: string): Promise<string[]> {
  // Loaded where there is a pattern: most builds have none.
  const { default: fastGlob } = await import("fast-glob");
  const paths = await fastGlob(pattern, { onlyFiles: false });
  if (paths.length === 0) {
    throw new BuildError(`nothing matches the pattern '${shownText(pattern)}' (check the path)`);
  }
  return paths.sort((a, b) => natural.compare(a, b) || (a < b ? -1 : 1));
}
