// SPDX-License-Identifier: MIT
import { BuildError } from "../errors.js";
import { ID_MAX } from "../model/limits.js";
import type { IdMapping } from "../options.js";

/** Gives the id that one becomes, undefined where no range has it. */
export type IdMap = (id: number) => number | undefined;

/**
 * @param option what the user calls the ranges, for messages
 * @throws BuildError when a range is empty, leaves the ids there are, or overlaps another.
 */
export function idMap(mappings: readonly IdMapping[], option: string): IdMap {
  const sorted = [...mappings].sort((a, b) => a.from - b.from);
  for (const [index, { from, to, count }] of sorted.entries()) {
    const range = `${option} ${from}:${to}:${count}`;
    if (!isRange(from, count) || !isRange(to, count)) {
      throw new BuildError(`${range} is not a range of ids (they go from 0 to ${ID_MAX})`);
    }
    const before = sorted[index - 1];
    if (before !== undefined && before.from + before.count > from) {
      throw new BuildError(`${range} overlaps another range (give each id one place)`);
    }
  }
  // Trees have few owners, and the same one again and again.
  const known = new Map<number, number | undefined>();
  return (id) => {
    if (!known.has(id)) {
      const range = sorted.find(({ from, count }) => id >= from && id < from + count);
      known.set(id, range === undefined ? undefined : range.to + (id - range.from));
    }
    return known.get(id);
  };
}

function isRange(first: number, count: number): boolean {
  return (
    Number.isSafeInteger(first) &&
    Number.isSafeInteger(count) &&
    first >= 0 &&
    count >= 1 &&
    first + count - 1 <= ID_MAX
  );
}
