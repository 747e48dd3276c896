// SPDX-License-Identifier: MIT
/** LZMA's range coder, and the probabilities of its symbols: the LZMA specification's own names. */

const TOP = 2 ** 24;
const HALF = 1024;
const MOVE = 5;

/** Decodes bits from bytes that arrive in pieces. */
export class RangeDecoder {
  /** Bytes at the start. */
  static readonly START_SIZE = 5;
  /** Bytes of what was fed last that have been used; more than there are where it was too short. */
  position = 0;
  private input: Uint8Array = new Uint8Array(0);
  private range = 0xffffffff;
  private code = 0;

  /** Goes on with these bytes. */
  feed(input: Uint8Array): void {
    this.input = input;
    this.position = 0;
  }

  /** Goes on as if `input`, in which `offset` bytes come first, had been fed. */
  rebase(input: Uint8Array, offset: number): void {
    this.input = input;
    this.position += offset;
  }

  /** Bytes that are left, negative where too many were used. */
  get available(): number {
    return this.input.length - this.position;
  }

  /** Reads the start. Returns whether it can be one. */
  start(): boolean {
    const first = this.next();
    for (let i = 0; i < 4; i++) this.code = ((this.code << 8) | this.next()) >>> 0;
    return first === 0;
  }

  /** A bit by a probability, which learns from it. */
  bit(probabilities: Uint16Array, index: number): number {
    const probability = probabilities[index]!;
    const bound = (this.range >>> 11) * probability;
    let bit = 0;
    if (this.code < bound) {
      this.range = bound;
      probabilities[index] = probability + ((2048 - probability) >>> MOVE);
    } else {
      this.range -= bound;
      this.code -= bound;
      probabilities[index] = probability - (probability >>> MOVE);
      bit = 1;
    }
    if (this.range < TOP) this.normalize();
    return bit;
  }

  /** A number of bits that are all as likely. */
  direct(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.range >>>= 1;
      const bit = this.code >= this.range ? 1 : 0;
      if (bit === 1) this.code -= this.range;
      if (this.range < TOP) this.normalize();
      value = value * 2 + bit;
    }
    return value;
  }

  /** A number of `count` bits by a tree of probabilities from `start` on. */
  tree(probabilities: Uint16Array, start: number, count: number): number {
    let node = 1;
    for (let i = 0; i < count; i++) node = node * 2 + this.bit(probabilities, start + node);
    return node - 2 ** count;
  }

  /** The same from the lowest bit on. */
  reverseTree(probabilities: Uint16Array, start: number, count: number): number {
    let node = 1;
    let value = 0;
    for (let i = 0; i < count; i++) {
      const bit = this.bit(probabilities, start + node);
      node = node * 2 + bit;
      value |= bit << i;
    }
    return value;
  }

  private normalize(): void {
    this.range = (this.range << 8) >>> 0;
    this.code = ((this.code << 8) | this.next()) >>> 0;
  }

  private next(): number {
    return this.input[this.position++] ?? 0;
  }
}

/** What the header says. */
export interface LzmaModel {
  /** lc, lp and pb. */
  readonly literalContextBits: number;
  readonly literalPositionBits: number;
  readonly positionBits: number;
}

const STATES = 12;
const POSITIONS = 16;
const LITERAL_SIZE = 0x300;
const LENGTH_STATES = 4;
const FULL_DISTANCES = 128;

const even = (count: number) => new Uint16Array(count).fill(HALF);

/** The probabilities of lengths. */
class LengthProbabilities {
  private readonly choice = even(2);
  private readonly low = even(POSITIONS * 8);
  private readonly middle = even(POSITIONS * 8);
  private readonly high = even(256);

  decode(range: RangeDecoder, position: number): number {
    if (range.bit(this.choice, 0) === 0) return range.tree(this.low, position * 8, 3);
    if (range.bit(this.choice, 1) === 0) return 8 + range.tree(this.middle, position * 8, 3);
    return 16 + range.tree(this.high, 0, 8);
  }
}

/** In place of which of the last distances is used again: one byte at the last of them. */
export const SHORT_REPEAT = 4;

/** The symbols of LZMA; each method decodes one. */
export class LzmaProbabilities {
  private readonly isMatch = even(STATES * POSITIONS);
  private readonly isRepeat = even(STATES);
  private readonly isRepeat0 = even(STATES);
  private readonly isRepeat1 = even(STATES);
  private readonly isRepeat2 = even(STATES);
  private readonly isLongRepeat = even(STATES * POSITIONS);
  private readonly literals: Uint16Array;
  private readonly matchLength = new LengthProbabilities();
  private readonly repeatLength = new LengthProbabilities();
  private readonly slots = even(LENGTH_STATES * 64);
  private readonly special = even(FULL_DISTANCES);
  private readonly align = even(16);

  constructor(
    private readonly range: RangeDecoder,
    private readonly model: LzmaModel,
  ) {
    const contexts = 2 ** (model.literalContextBits + model.literalPositionBits);
    this.literals = even(LITERAL_SIZE * contexts);
  }

  /** @param count bytes unpacked so far */
  matchOrLiteral(state: number, count: number): "match" | "literal" {
    const index = state * POSITIONS + this.positionOf(count);
    return this.range.bit(this.isMatch, index) === 0 ? "literal" : "match";
  }

  /**
   * A literal byte.
   * @param previous the byte before it
   * @param matched the byte at the last distance, -1 where no match came before
   */
  literal(count: number, previous: number, matched: number): number {
    const { range, literals, model } = this;
    const position = count % 2 ** model.literalPositionBits;
    const context =
      position * 2 ** model.literalContextBits + (previous >>> (8 - model.literalContextBits));
    const start = LITERAL_SIZE * context;
    let symbol = 1;
    if (matched >= 0) {
      for (let rest = matched; symbol < 0x100; ) {
        const expected = (rest >>> 7) & 1;
        rest <<= 1;
        const bit = range.bit(literals, start + (1 + expected) * 0x100 + symbol);
        symbol = symbol * 2 + bit;
        if (bit !== expected) break;
      }
    }
    while (symbol < 0x100) symbol = symbol * 2 + range.bit(literals, start + symbol);
    return symbol - 0x100;
  }

  /** Which of the last distances a match uses, or `SHORT_REPEAT`; -1 for a new distance. */
  repeated(state: number, count: number): number {
    const { range } = this;
    if (range.bit(this.isRepeat, state) === 0) return -1;
    if (range.bit(this.isRepeat0, state) === 0) {
      const index = state * POSITIONS + this.positionOf(count);
      return range.bit(this.isLongRepeat, index) === 0 ? SHORT_REPEAT : 0;
    }
    if (range.bit(this.isRepeat1, state) === 0) return 1;
    return range.bit(this.isRepeat2, state) === 0 ? 2 : 3;
  }

  /** Length of a match, less 2. */
  length(repeated: boolean, count: number): number {
    const lengths = repeated ? this.repeatLength : this.matchLength;
    return lengths.decode(this.range, this.positionOf(count));
  }

  /** Distance of a match, less 1. @param length of the match, less 2 */
  distance(length: number): number {
    const { range } = this;
    const slot = range.tree(this.slots, Math.min(length, LENGTH_STATES - 1) * 64, 6);
    if (slot < 4) return slot;
    const bits = (slot >>> 1) - 1;
    const base = (2 + (slot & 1)) * 2 ** bits;
    if (slot < 14) return base + range.reverseTree(this.special, base - slot, bits);
    const upper = range.direct(bits - 4) * 16;
    return base + upper + range.reverseTree(this.align, 0, 4);
  }

  private positionOf(count: number): number {
    return count % 2 ** this.model.positionBits;
  }
}
