// SPDX-License-Identifier: MIT
import { BuildError } from "../errors.js";
import { type Glob, globOf } from "./glob.js";

/**
 * How much of a pattern the path of a directory has used up: numbers of parts, one for each way
 * there is. Empty where nothing below the directory can match.
 */
export type Matched = readonly number[];

/**
 * A glob on paths, taken apart at its slashes, so that a walk through a tree looks at each name
 * once however deep it lies.
 */
export class PathGlob {
  /** What matches each part; undefined for `**`, which is as many names as there are, or none. */
  private readonly parts: readonly (Glob | undefined)[];
  private readonly onlyDirectories: boolean;
  /** Before the first name of a path. */
  readonly start: Matched;

  /**
   * @param pattern with a slash anywhere but at its end it stands for paths from the root, else for
   *   names anywhere; one at its end has it match only directories
   * @throws BuildError
   */
  constructor(pattern: string) {
    this.onlyDirectories = pattern.endsWith("/");
    const names = pattern.split("/").filter((name) => name !== "" && name !== ".");
    if (names.length === 0) throw new BuildError(`the glob '${pattern}' names nothing`);
    if (names.includes("..")) throw new BuildError(`the glob '${pattern}' has '..' in it`);
    if (!pattern.replace(/\/+$/, "").includes("/")) names.unshift("**");
    // What is below a directory, in distinction from the directory: all of its names.
    if (names.at(-1) === "**") names.splice(-1, 1, "*");
    this.parts = names.map((name) => (name === "**" ? undefined : globOf(name, pattern)));
    this.start = this.withNone([0]);
  }

  /** Whether a name matches, in a directory that has used up so much. */
  matches(matched: Matched, name: string, isDirectory: boolean): boolean {
    if (this.onlyDirectories && !isDirectory) return false;
    for (const count of matched) {
      if (count === this.parts.length - 1 && this.parts[count]?.(name)) return true;
    }
    return false;
  }

  /** What a directory has used up when the one that holds it has used up so much. */
  below(matched: Matched, name: string): Matched {
    if (matched.length === 0) return matched;
    const next: number[] = [];
    for (const count of matched) {
      const part = this.parts[count];
      if (part === undefined) next.push(count);
      else if (count < this.parts.length - 1 && part(name)) next.push(count + 1);
    }
    return this.withNone(next);
  }

  /** Adds the ways in which each `**` stands for no name. */
  private withNone(counts: readonly number[]): Matched {
    const all = new Set<number>();
    for (let count of counts) {
      all.add(count);
      // Ends at the last part, which is no `**`.
      while (this.parts[count] === undefined) all.add(++count);
    }
    return [...all];
  }
}
