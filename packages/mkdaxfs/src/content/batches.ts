// SPDX-License-Identifier: MIT

/** What opening, reading and closing one file costs, in bytes that are copied in the same time. */
const COST_OF_FILE = 32 * 1024;

/** Cost of a batch that is worth a task of its own: some milliseconds. */
const COST_OF_BATCH = 4 * 1024 * 1024;

/**
 * Divides chunks or whole contents into batches of about the same cost.
 * @param sizeOf bytes that are read of each of the `count` items
 * @returns where each batch begins, and where the last ends
 */
export function batchesByCost(count: number, sizeOf: (index: number) => number): number[] {
  const starts = [0];
  let cost = 0;
  for (let index = 0; index < count; index++) {
    cost += sizeOf(index) + COST_OF_FILE;
    if (cost < COST_OF_BATCH) continue;
    starts.push(index + 1);
    cost = 0;
  }
  if (starts.at(-1) !== count) starts.push(count);
  return starts;
}
