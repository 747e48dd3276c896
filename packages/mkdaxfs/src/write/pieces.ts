// SPDX-License-Identifier: MIT
import {
  type ContentList,
  PIECE_SIZE,
  partsByCost,
  type Stretches,
  stretchesOf,
} from "../content/list.js";
import type { Plan } from "../plan/plan.js";

/** The contents of a plan, cut into pieces. They depend only on the plan. */
export interface Pieces {
  readonly stretches: Stretches;
  /** Where in the image each goes, ascending. */
  readonly offsets: Float64Array;
  /** Where each part that is worth a task begins, and where the last ends. */
  readonly parts: readonly number[];
  /** Bytes of all of them. */
  readonly bytes: number;
}

/** Cuts the contents of a plan into pieces. */
export function piecesOf(plan: Plan): Pieces {
  const { inodes, offsets: places } = plan.extents;
  const stretches = stretchesOf(inodes);
  const offsets = new Float64Array(stretches.length);
  for (let i = 0, piece = 0; i < inodes.length; i++) {
    for (let from = 0; from < inodes[i]!.size; from += PIECE_SIZE) {
      offsets[piece++] = places[i]! + from;
    }
  }
  const bytes = stretches.sizes.reduce((sum, size) => sum + size, 0);
  const parts = partsByCost(stretches.length, (index) => stretches.bytesRead(index));
  return { stretches, offsets, parts, bytes };
}

/** Bytes of the pieces of a part. */
export function bytesOfPart({ stretches, parts }: Pieces, part: number): number {
  let bytes = 0;
  for (let index = parts[part]!; index < parts[part + 1]!; index++)
    bytes += stretches.sizes[index]!;
  return bytes;
}

/** The pieces of a part. */
export function partOf(
  pieces: Pieces,
  part: number,
): { readonly pieces: ContentList; readonly offsets: Float64Array } {
  const from = pieces.parts[part]!;
  const to = pieces.parts[part + 1]!;
  return { pieces: pieces.stretches.list(from, to), offsets: pieces.offsets.slice(from, to) };
}
