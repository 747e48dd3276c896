// SPDX-License-Identifier: MIT

/** Data that can't be right; the caller adds whose. */
export class Bzip2Error extends Error {}

/** Thrown when more bits are read than the window has. */
export class OutOfBitsError extends Error {}

/** Bytes behind the end that may be looked at before anybody sees that they are none. */
const SLACK = 256;
/** Bytes that are taken in at once beyond the wanted length. */
const CHUNK_MAX = 512 * 1024;

/** Bytes of a stream from the place that is read next, to be read bit by bit, highest bit first. */
export class BitWindow {
  readonly bytes: Uint8Array;
  /** Bits from the start of `bytes` to what is read next. */
  position = 0;
  /** Where the bytes end that came. */
  end = 0;

  /** @param wanted bytes that there has to be room for */
  constructor(wanted: number) {
    this.bytes = new Uint8Array(wanted + CHUNK_MAX + SLACK);
  }

  /** Bytes not read yet. */
  get length(): number {
    return this.end - (this.position >>> 3);
  }

  /** Adds bytes, as many as there is room for. Returns how many. */
  add(chunk: Uint8Array): number {
    const start = this.position >>> 3;
    this.bytes.copyWithin(0, start, this.end);
    this.end -= start;
    this.position &= 7;
    const added = chunk.subarray(0, this.bytes.length - SLACK - this.end);
    this.bytes.set(added, this.end);
    this.end += added.length;
    return added.length;
  }

  /** Reads `count` bits, at most 32. @throws OutOfBitsError */
  bits(count: number): number {
    let value = 0;
    for (let left = count; left > 0; ) {
      const used = this.position & 7;
      const taken = Math.min(left, 8 - used);
      const byte = this.bytes[this.position >>> 3]!;
      value = ((value << taken) | ((byte >>> (8 - used - taken)) & ((1 << taken) - 1))) >>> 0;
      this.position += taken;
      left -= taken;
    }
    this.checkPosition();
    return value;
  }

  /** The next bytes, at most `count`, where what is read next is a whole byte. */
  peekBytes(count: number): Uint8Array {
    const start = this.position >>> 3;
    return this.bytes.subarray(start, Math.min(start + count, this.end));
  }

  /** Passes over zeros, where what is read next is a whole byte. */
  skipZeros(): void {
    while (this.length > 0 && this.bytes[this.position >>> 3] === 0) this.position += 8;
  }

  /** Passes over all bytes that came. */
  skipAll(): void {
    this.position = this.end * 8;
  }

  alignToByte(): void {
    this.position = (this.position + 7) & ~7;
  }

  /** @throws OutOfBitsError when more was read than came */
  checkPosition(): void {
    if (this.position > this.end * 8) throw new OutOfBitsError();
  }
}
