// SPDX-License-Identifier: MIT
import { BitWindow, Bzip2Error, OutOfBitsError } from "./bzip2-bits.js";
import { BlockDecoder } from "./bzip2-block.js";
import { cutShort, damaged } from "./damage.js";
import { trailingBytes } from "./members.js";

// There is an own decoder because unbzip2-stream gathers a block in an array of numbers: a few bytes
// that stand for 46 MB of zeros take it close to 2 GiB, and any data three times as long.

/** "BZh", what a block begins with, and what stands in place of a last one. */
const MAGIC = 0x425a68;
const MAGIC_BYTES = [0x42, 0x5a, 0x68];
const BLOCK_MAGIC = [0x314159, 0x265359] as const;
const END_MAGIC = [0x177245, 0x385090] as const;

/** More bytes than any block takes: 18002 groups of 50 codes of 20 bits, and what precedes them. */
const BLOCK_INPUT_MAX = 2_500_000;
const OUTPUT_SIZE = 256 * 1024;

/**
 * Unpacks bzip2 data, which may be several streams.
 * @param what the data, for messages
 * @param warn gets a line about bytes behind the data that belong to no member
 * @throws BuildError
 */
export async function* bunzip2(
  stream: AsyncIterable<Uint8Array>,
  what: string,
  warn: (text: string) => void,
): AsyncGenerator<Uint8Array> {
  const decoder = new StreamDecoder();
  let ended = false;
  try {
    for await (const chunk of stream) yield* decoder.decode(chunk);
    ended = true;
    yield* decoder.finish();
    if (decoder.trailing > 0) warn(trailingBytes(what, "bzip2", decoder.trailing));
  } catch (error) {
    if (error instanceof Bzip2Error) throw damaged(what, "bzip2", error.message);
    if (!(error instanceof OutOfBitsError)) throw error;
    throw ended ? cutShort(what, "bzip2") : damaged(what, "bzip2", "a block has no end");
  }
}

class StreamDecoder {
  private readonly window = new BitWindow(BLOCK_INPUT_MAX);
  private readonly block = new BlockDecoder(this.window);
  /** Bytes that a block of this stream unpacks to, before runs are; 0 between streams. */
  private blockSize = 0;
  private checksum = 0;
  private isFirst = true;
  /** Bytes behind the last stream, without the zeros that are padding. */
  trailing = 0;

  /** Unpacks as many blocks as surely are there as a whole. */
  *decode(chunk: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < chunk.length; ) {
      if (this.trailing > 0) {
        this.trailing += chunk.length - at;
        return;
      }
      at += this.window.add(chunk.subarray(at));
      while (this.window.length >= BLOCK_INPUT_MAX) yield* this.step();
    }
  }

  /** Unpacks the rest. */
  *finish(): Generator<Uint8Array> {
    while (this.blockSize > 0 || this.window.length > 0) yield* this.step();
  }

  /** Takes the start of a stream, or a block, or the end of a stream. */
  private *step(): Generator<Uint8Array> {
    const { window } = this;
    if (this.blockSize === 0) {
      if (!this.isFirst && !this.hasStream()) return;
      this.isFirst = false;
      if (window.bits(24) !== MAGIC) throw new Bzip2Error("something else follows it");
      const level = window.bits(8) - 0x30;
      if (level < 1 || level > 9) throw new Bzip2Error("its block size is unknown");
      this.blockSize = level * 100_000;
      this.checksum = 0;
      return;
    }
    const magic = [window.bits(24), window.bits(24)];
    if (magic[0] === BLOCK_MAGIC[0] && magic[1] === BLOCK_MAGIC[1]) {
      yield* this.blockBytes();
    } else if (magic[0] === END_MAGIC[0] && magic[1] === END_MAGIC[1]) {
      if (window.bits(32) !== this.checksum) throw new Bzip2Error("its checksum is wrong");
      window.alignToByte();
      this.blockSize = 0;
    } else {
      throw new Bzip2Error("a block has no start");
    }
  }

  /** Whether another stream follows. Passes over zeros, which are padding, and over bytes behind the last. */
  private hasStream(): boolean {
    const { window } = this;
    window.skipZeros();
    if (window.length === 0) return false;
    const start = window.peekBytes(MAGIC_BYTES.length);
    if (start.every((byte, index) => byte === MAGIC_BYTES[index])) return true;
    this.trailing = window.length;
    window.skipAll();
    return false;
  }

  private *blockBytes(): Generator<Uint8Array> {
    const { block } = this;
    const expected = block.read(this.blockSize);
    while (!block.done) {
      const output = new Uint8Array(OUTPUT_SIZE);
      yield output.subarray(0, block.unpack(output));
    }
    if (block.checksum !== expected) throw new Bzip2Error("the checksum of a block is wrong");
    this.checksum = (((this.checksum << 1) | (this.checksum >>> 31)) ^ expected) >>> 0;
  }
}
