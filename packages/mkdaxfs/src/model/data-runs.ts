// SPDX-License-Identifier: MIT
import { BLOCK_SIZE } from "@daxfs/format";

/**
 * The runs of a content that may hold other bytes than zeros: start and end of each, in bytes from
 * the start of the content, ascending. All bytes outside of them are zeros. A run begins on a
 * multiple of the block size, and ends on one or at the end of the content.
 */
export type DataRuns = Float64Array;

/** Holes shorter than this are read as data: a read call costs as much as so many bytes. */
const HOLE_MIN = 64 * 1024;

/**
 * Makes runs that are aligned to blocks, and merges those that lie close together.
 * @param pairs offset and length of each run of data, ascending, none past `size`
 * @param size bytes of the content
 */
export function dataRuns(pairs: ArrayLike<number>, size: number): DataRuns {
  const runs: number[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const length = pairs[i + 1]!;
    if (length === 0) continue;
    const start = Math.floor(pairs[i]! / BLOCK_SIZE) * BLOCK_SIZE;
    const end = Math.min(Math.ceil((pairs[i]! + length) / BLOCK_SIZE) * BLOCK_SIZE, size);
    if (runs.length > 0 && start - runs.at(-1)! < HOLE_MIN) runs[runs.length - 1] = end;
    else runs.push(start, end);
  }
  return Float64Array.from(runs);
}

/** The part of runs from byte `from` to before `to`, counted from `from`. */
export function runsWithin(runs: DataRuns, from: number, to: number): DataRuns {
  const first = firstRunBehind(runs, from);
  let last = first;
  while (last < runs.length && runs[last]! < to) last += 2;
  const within = runs.slice(first, last);
  for (let i = 0; i < within.length; i += 2) {
    within[i] = Math.max(within[i]!, from) - from;
    within[i + 1] = Math.min(within[i + 1]!, to) - from;
  }
  return within;
}

/** Bytes that runs cover. */
export function bytesIn(runs: DataRuns): number {
  let bytes = 0;
  for (let i = 0; i < runs.length; i += 2) bytes += runs[i + 1]! - runs[i]!;
  return bytes;
}

/** Index of the first run that ends behind `from`; a content may have a million of them. */
function firstRunBehind(runs: DataRuns, from: number): number {
  let low = 0;
  let high = runs.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs[middle * 2 + 1]! > from) high = middle;
    else low = middle + 1;
  }
  return low * 2;
}
