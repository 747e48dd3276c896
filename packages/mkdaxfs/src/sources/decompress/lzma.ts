// SPDX-License-Identifier: MIT
import { BuildError } from "../../errors.js";
import { cutShort, damaged } from "./damage.js";
import { type LzmaModel, LzmaProbabilities, RangeDecoder, SHORT_REPEAT } from "./lzma-range.js";

// This is a decoder of our own because those on npm that need no compiler hold all input and output in
// memory, and take no notice of damage. Written after the LZMA specification of the LZMA SDK.

/** Bytes of the header that zip archives have: version of the SDK, length of what follows, that. */
const HEADER_SIZE = 9;
const PROPERTIES_SIZE = 5;
/** More bytes than any symbol takes. */
const SYMBOL_MAX = 32;
const OUTPUT_SIZE = 256 * 1024;
const DICTIONARY_MIN = 4096;
const DICTIONARY_MAX = 128 * 1024 * 1024;
const END_MARKER = 0xffffffff;

/** What an entry of a zip archive says of its LZMA data. */
export interface LzmaContent {
  /** Bytes that it unpacks to. */
  readonly size: number;
  /** Whether a marker ends it, beside its size. */
  readonly hasEndMarker: boolean;
}

/**
 * Unpacks LZMA data with the header of zip archives, APPNOTE 5.8.8.
 * @param what the stream, for messages
 * @throws BuildError
 */
export async function* unlzma(
  stream: AsyncIterable<Uint8Array>,
  content: LzmaContent,
  what: string,
): AsyncGenerator<Uint8Array> {
  let input = Buffer.alloc(0);
  let decoder: LzmaDecoder | undefined;
  for await (const chunk of stream) {
    input = Buffer.concat([input, chunk]);
    if (decoder === undefined) {
      if (input.length < HEADER_SIZE + RangeDecoder.START_SIZE) continue;
      decoder = newDecoder(input, content, what);
    } else {
      decoder.range.feed(input);
    }
    while (decoder.run(SYMBOL_MAX)) yield decoder.take();
    input = input.subarray(decoder.range.position);
  }
  if (decoder === undefined) throw cutShort(what, "LZMA");
  decoder.range.feed(input);
  while (decoder.run(0)) yield decoder.take();
  yield decoder.take();
  if (decoder.range.position > input.length || !decoder.done) throw cutShort(what, "LZMA");
  if (decoder.range.position < input.length) {
    throw damaged(what, "LZMA", "something else follows it");
  }
}

function newDecoder(input: Buffer, content: LzmaContent, what: string): LzmaDecoder {
  const properties = input[4]!;
  if (input.readUInt16LE(2) !== PROPERTIES_SIZE || properties >= 9 * 5 * 5) {
    throw damaged(what, "LZMA", "its header is corrupt");
  }
  const model: LzmaModel = {
    literalContextBits: properties % 9,
    literalPositionBits: Math.floor(properties / 9) % 5,
    positionBits: Math.floor(properties / 45),
  };
  // A dictionary longer than the content is never used.
  const dictionary = Math.max(DICTIONARY_MIN, Math.min(input.readUInt32LE(5), content.size));
  if (dictionary > DICTIONARY_MAX) {
    throw new BuildError(
      `${what}: its LZMA data needs a dictionary of more than 128 MiB (compress it with a smaller one)`,
    );
  }
  const range = new RangeDecoder();
  range.feed(input.subarray(HEADER_SIZE));
  if (!range.start()) throw damaged(what, "LZMA", "its first byte is wrong");
  const decoder = new LzmaDecoder(range, model, dictionary, content, what);
  // Positions count from where the caller's bytes begin.
  range.rebase(input, HEADER_SIZE);
  return decoder;
}

class LzmaDecoder {
  done = false;
  private readonly dictionary: Uint8Array;
  /** Where the next byte goes in the dictionary, and where the first goes that was not taken. */
  private at = 0;
  private taken = 0;
  /** Bytes unpacked so far. */
  private count = 0;
  private state = 0;
  private readonly distances = [0, 0, 0, 0];
  private readonly probabilities: LzmaProbabilities;

  constructor(
    readonly range: RangeDecoder,
    model: LzmaModel,
    dictionarySize: number,
    private readonly content: LzmaContent,
    private readonly what: string,
  ) {
    this.dictionary = new Uint8Array(dictionarySize);
    this.probabilities = new LzmaProbabilities(range, model);
  }

  /**
   * Unpacks until there is output to take, the end, or less input than `reserve` bytes.
   * @returns whether there is output to take, and perhaps more to come
   */
  run(reserve: number): boolean {
    const { range } = this;
    while (!this.done && range.available >= reserve) {
      if (this.at === this.dictionary.length || this.at - this.taken >= OUTPUT_SIZE) return true;
      this.step();
    }
    return false;
  }

  /** What has been unpacked since. */
  take(): Uint8Array {
    const output = this.dictionary.slice(this.taken, this.at);
    if (this.at === this.dictionary.length) this.at = 0;
    this.taken = this.at;
    return output;
  }

  /** Rest of a match that did not fit in front of the dictionary's end. */
  private left = 0;

  private step(): void {
    if (this.left > 0) {
      this.copy();
      return;
    }
    const { content, count, probabilities } = this;
    if (count === content.size && !content.hasEndMarker) {
      this.done = true;
      return;
    }
    const symbol = probabilities.matchOrLiteral(this.state, count);
    if (symbol === "literal") {
      if (count === content.size) throw this.tooLong();
      const matched = this.state < 7 ? -1 : this.byteAt(this.distances[0]!);
      const previous = count === 0 ? 0 : this.byteAt(0);
      this.put(probabilities.literal(count, previous, matched));
      this.state = this.state < 4 ? 0 : this.state < 10 ? this.state - 3 : this.state - 6;
      return;
    }
    this.match(count);
  }

  private match(count: number): void {
    const { probabilities, distances, state } = this;
    const repeated = probabilities.repeated(state, count);
    if (repeated < 0) {
      const length = probabilities.length(false, count);
      const distance = probabilities.distance(length);
      this.state = state < 7 ? 7 : 10;
      if (distance === END_MARKER) {
        if (count !== this.content.size) throw damaged(this.what, "LZMA", "it ends too early");
        this.done = true;
        return;
      }
      distances.pop();
      distances.unshift(distance);
      this.left = length + 2;
    } else if (repeated === SHORT_REPEAT) {
      this.state = state < 7 ? 9 : 11;
      this.left = 1;
    } else {
      const [distance = 0] = distances.splice(repeated, 1);
      distances.unshift(distance);
      this.left = probabilities.length(true, count) + 2;
      this.state = state < 7 ? 8 : 11;
    }
    if (distances[0]! >= count || distances[0]! >= this.dictionary.length) {
      throw damaged(this.what, "LZMA", "it refers to bytes before its start");
    }
    if (this.left > this.content.size - count) throw this.tooLong();
    this.copy();
  }

  private copy(): void {
    const distance = this.distances[0]!;
    while (this.left > 0 && this.at < this.dictionary.length) {
      this.put(this.byteAt(distance));
      this.left--;
    }
  }

  private put(byte: number): void {
    this.dictionary[this.at++] = byte;
    this.count++;
  }

  /** @param distance 0 for the byte before the next */
  private byteAt(distance: number): number {
    const index = this.at - distance - 1;
    return this.dictionary[index < 0 ? index + this.dictionary.length : index]!;
  }

  private tooLong(): BuildError {
    return damaged(this.what, "LZMA", `it unpacks to more than ${this.content.size} bytes`);
  }
}
