// SPDX-License-Identifier: MIT

// Format: "The .xz File Format" 1.2.0; chunks of LZMA2 as in XZ Embedded's xz_dec_lzma2.c. LZMA2 is
// the last filter of every chain, so that its chunks are what is in a block.

/** Bytes of the check behind a block, by its ID in the stream's flags. */
const CHECK_SIZES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const STREAM_HEADER_SIZE = 12;
const STREAM_FOOTER_SIZE = 12;

/** Bytes of something whose length is a multiple of 4 that are left when `size` have come. */
const padding = (size: number) => -size & 3;

/**
 * Finds where an .xz stream ends, by the lengths in it. It judges nothing else: what can't be right
 * has no end, and the decoder says what is wrong.
 */
export class XzEnd {
  private readonly walk = walkStream();
  /** Bytes to pass over, or where it is negative, one byte to look at. */
  private wanted = 0;
  private started = false;
  private ended = false;

  /** @returns how many of the bytes belong to the stream: all, unless it ends among them */
  find(bytes: Uint8Array): number {
    let at = 0;
    if (!this.started) this.step();
    this.started = true;
    while (!this.ended && at < bytes.length) {
      if (this.wanted < 0) {
        this.step(bytes[at++]);
        continue;
      }
      const passed = Math.min(this.wanted, bytes.length - at);
      at += passed;
      this.wanted -= passed;
      if (this.wanted === 0) this.step();
    }
    return at;
  }

  /** Whether the end was among the bytes so far. */
  get isPast(): boolean {
    return this.ended;
  }

  private step(byte = 0): void {
    const next = this.walk.next(byte);
    if (next.done) this.ended = true;
    else this.wanted = next.value;
  }
}

const BYTE = -1;
type Walk<T> = Generator<number, T, number>;

/** Yields a number of bytes to pass over, at least 1, or BYTE to be given the next one. */
function* walkStream(): Walk<void> {
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
