// SPDX-License-Identifier: MIT
import { batchesByCost } from "../content/batches.js";
import { CHUNK_SIZE, type Chunks, chunksOf } from "../content/chunks.js";
import type { RangeList } from "../content/ranges.js";
import type { Plan } from "../plan/plan.js";

/** The chunks of a plan's contents and their places in the image. They depend only on the plan. */
export interface PlacedChunks {
  readonly chunks: Chunks;
  /** Where in the image each goes, ascending. */
  readonly offsets: Float64Array;
  /** Where each batch that is worth a task begins, and where the last ends. */
  readonly batches: readonly number[];
  /** Bytes of all of them. */
  readonly bytes: number;
}

/** Divides the contents of a plan into chunks. */
export function placedChunks(plan: Plan): PlacedChunks {
  const { inodes, offsets: places } = plan.extents;
  const chunks = chunksOf(inodes);
  const offsets = new Float64Array(chunks.length);
  for (let i = 0, chunk = 0; i < inodes.length; i++) {
    for (let from = 0; from < inodes[i]!.size; from += CHUNK_SIZE) {
      offsets[chunk++] = places[i]! + from;
    }
  }
  const bytes = chunks.sizes.reduce((sum, size) => sum + size, 0);
  const batches = batchesByCost(chunks.length, (index) => chunks.bytesRead(index));
  return { chunks, offsets, batches, bytes };
}

/** Bytes of the chunks of a batch. */
export function bytesOfBatch({ chunks, batches }: PlacedChunks, batch: number): number {
  let bytes = 0;
  for (let index = batches[batch]!; index < batches[batch + 1]!; index++)
    bytes += chunks.sizes[index]!;
  return bytes;
}

/** The chunks of a batch. */
export function batchOf(
  { chunks, offsets, batches }: PlacedChunks,
  batch: number,
): { readonly chunks: RangeList; readonly offsets: Float64Array } {
  const from = batches[batch]!;
  const to = batches[batch + 1]!;
  return { chunks: chunks.list(from, to), offsets: offsets.slice(from, to) };
}
