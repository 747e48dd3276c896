// SPDX-License-Identifier: MIT
import { BYTE, type Walk } from "./member-end.js";

// Format: "The .xz File Format" 1.2.0; chunks of LZMA2 as in XZ Embedded's xz_dec_lzma2.c. LZMA2 is
// the last filter of every chain, so that its chunks are what is in a block.

/** Bytes of the check behind a block, by its ID in the stream's flags. */
const CHECK_SIZES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const STREAM_HEADER_SIZE = 12;
const STREAM_FOOTER_SIZE = 12;

/** Bytes of something whose length is a multiple of 4 that are left when `size` have come. */
const padding = (size: number) => -size & 3;

/** Walks over one stream. */
export function* walkXzStream(): Walk<void> {
  yield 7;
  const checkSize = CHECK_SIZES[(yield BYTE) & 0xf]!;
  yield STREAM_HEADER_SIZE - 8;
  for (;;) {
    const headerSize = yield BYTE;
    if (headerSize === 0) break;
    yield headerSize * 4 + 3;
    const size = yield* walkChunks();
    const rest = padding(size) + checkSize;
    if (rest > 0) yield rest;
  }
  const size = yield* walkIndex();
  yield padding(size) + 4 + STREAM_FOOTER_SIZE;
}

/** @returns bytes of the chunks */
function* walkChunks(): Walk<number> {
  for (let size = 0; ; ) {
    const control = yield BYTE;
    size++;
    if (control === 0) return size;
    if (control >= 0x80) {
      // The low bits of the unpacked size, the packed size, and perhaps new properties.
      yield 2;
      const high = yield BYTE;
      const low = yield BYTE;
      const packed = high * 256 + low + 1 + (control >= 0xc0 ? 1 : 0);
      yield packed;
      size += 4 + packed;
    } else if (control <= 2) {
      const high = yield BYTE;
      const low = yield BYTE;
      const packed = high * 256 + low + 1;
      yield packed;
      size += 2 + packed;
    } else {
      // No chunk begins like this.
      yield Number.POSITIVE_INFINITY;
    }
  }
}

/** @returns bytes of the index so far, its first one among them */
function* walkIndex(): Walk<number> {
  let size = 1;
  function* number(): Walk<number> {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = yield BYTE;
      size++;
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) return value;
    }
  }
  const records = yield* number();
  for (let left = records * 2; left > 0; left--) yield* number();
  return size;
}
