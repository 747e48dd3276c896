// SPDX-License-Identifier: MIT
import { BYTE, type Walk } from "./member-end.js";

// Format: RFC 8878, "Zstandard Frames" and "Skippable Frames".

const DICTIONARY_ID_SIZES = [0, 1, 2, 4];
const CONTENT_SIZE_SIZES = [0, 2, 4, 8];
const RLE_BLOCK = 1;

/** Walks over one frame. */
export function* walkZstdFrame(): Walk<void> {
  const isSkippable = (yield BYTE) !== 0x28;
  yield 3;
  if (isSkippable) {
    let size = 0;
    for (let shift = 1; shift < 2 ** 32; shift *= 256) size += (yield BYTE) * shift;
    if (size > 0) yield size;
    return;
  }
  const descriptor = yield BYTE;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const contentSize = CONTENT_SIZE_SIZES[descriptor >>> 6]!;
  const header =
    (isSingleSegment ? 0 : 1) +
    DICTIONARY_ID_SIZES[descriptor & 3]! +
    (contentSize === 0 && isSingleSegment ? 1 : contentSize);
  if (header > 0) yield header;
  for (let isLast = false; !isLast; ) {
    const low = yield BYTE;
    const middle = yield BYTE;
    const high = yield BYTE;
    isLast = (low & 1) !== 0;
    const size = (low >>> 3) + middle * 32 + high * 8192;
    const stored = ((low >>> 1) & 3) === RLE_BLOCK ? 1 : size;
    if (stored > 0) yield stored;
  }
  // The checksum of the content.
  if ((descriptor & 4) !== 0) yield 4;
}
