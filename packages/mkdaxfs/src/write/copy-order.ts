// SPDX-License-Identifier: MIT
import type { ContentList } from "../content/list.js";
import { streamPieces } from "./copy.js";
import { RingSink, type WindowRing } from "./window-ring.js";

/** Contents that the worker reads for the thread that writes the image. */
export interface CopyOrder {
  readonly pieces: ContentList;
  /** Where in the image each piece goes, ascending, block-aligned. */
  readonly offsets: Float64Array;
  readonly ring: WindowRing;
}

/**
 * Reads contents into the ring, from which another thread writes them.
 * @returns CRC-32 of each piece
 * @throws BuildError when one can't be read or has another size by now.
 */
export function copyIntoRing(order: CopyOrder): Uint32Array {
  return streamPieces(order.pieces, order.offsets, new RingSink(order.ring));
}
