// SPDX-License-Identifier: MIT
import { type BitWindow, Bzip2Error } from "./bzip2-bits.js";

const GROUP_SIZE = 50;
const CODE_LENGTH_MAX = 20;
/** Codes of up to so many bits are looked up at once. */
const FAST_BITS = 10;
/** A run is counted in bijective base 2; longer ones than this fit no block. */
const RUN_DIGITS_MAX = 21;

/** Places of a list up to which moving them by a loop is cheaper than by a call. */
const MOVE_BY_HAND_MAX = 12;

/** CRC-32 with the highest bit first, as bzip2 has it and zlib does not. */
const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24;
  for (let bit = 0; bit < 8; bit++) value = value < 0 ? (value << 1) ^ 0x04c11db7 : value << 1;
  return value;
});

/** One of the prefix codes of a block. */
class PrefixCode {
  /** Symbol and length of a code by the bits that come, 0 for longer ones and those that aren't. */
  private readonly fast = new Uint16Array(1 << FAST_BITS);
  /** By length: the first code, how many there are, and where their symbols begin. */
  private readonly first = new Uint32Array(CODE_LENGTH_MAX + 1);
  private readonly count = new Uint32Array(CODE_LENGTH_MAX + 1);
  private readonly start = new Uint32Array(CODE_LENGTH_MAX + 1);
  private readonly symbols: Uint16Array;

  /** @param lengths of the codes, by symbol @throws Bzip2Error when a code is not in its table */
  constructor(lengths: Uint8Array) {
    this.symbols = new Uint16Array(lengths.length);
    let code = 0;
    let used = 0;
    for (let length = 1; length <= CODE_LENGTH_MAX; length++) {
      this.first[length] = code;
      this.start[length] = used;
      for (let symbol = 0; symbol < lengths.length; symbol++) {
        if (lengths[symbol] !== length) continue;
        if (code >= 1 << length) throw new Bzip2Error("a code is ambiguous");
        if (length <= FAST_BITS) {
          const shift = FAST_BITS - length;
          this.fast.fill((symbol << 5) | length, code << shift, (code + 1) << shift);
        }
        this.symbols[used++] = symbol;
        code++;
      }
      this.count[length] = used - this.start[length]!;
      code <<= 1;
    }
  }

  /**
   * Finds the code at the top of bits.
   * @param bits whose lowest `have`, at least 20, count
   * @returns 32 × symbol + length, 0 when a code is not in its table
   */
  find(bits: number, have: number): number {
    const entry = this.fast[(bits >>> (have - FAST_BITS)) & ((1 << FAST_BITS) - 1)]!;
    return entry !== 0 ? entry : this.findLong(bits, have);
  }

  private findLong(bits: number, have: number): number {
    for (let length = FAST_BITS + 1; length <= CODE_LENGTH_MAX; length++) {
      const code = (bits >>> (have - length)) & ((1 << length) - 1);
      const index = code - this.first[length]!;
      if (index < 0 || index >= this.count[length]!) continue;
      return (this.symbols[this.start[length]! + index]! << 5) | length;
    }
    return 0;
  }
}

/** Reads blocks from a window that holds the whole of each. */
export class BlockDecoder {
  /** Whether all of the block was unpacked. */
  done = true;
  private size = 0;
  /** By position in the sorted block: a byte, and above it, the position of the next. */
  private chain = new Uint32Array(0);
  private count = 0;
  private readonly selectors = new Uint8Array(1 << 15);
  private crc = 0;
  // Where unpacking stands: position in the chain, bytes left, the last byte and its run so far.
  private at = 0;
  private left = 0;
  private last = -1;
  private run = 0;

  constructor(private readonly window: BitWindow) {}

  /** CRC-32 of what was unpacked of the block. */
  get checksum(): number {
    return ~this.crc >>> 0;
  }

  /**
   * Reads a block behind its magic.
   * @param size bytes that a block may have
   * @returns the checksum that it should have
   * @throws Bzip2Error, or OutOfBitsError
   */
  read(size: number): number {
    const { window } = this;
    const checksum = window.bits(32);
    if (window.bits(1) !== 0) throw new Bzip2Error("a block is of the randomised kind of old");
    const origin = window.bits(24);
    if (this.chain.length < size) this.chain = new Uint32Array(size);
    this.size = size;
    const alphabet = this.readAlphabet();
    const codeCount = window.bits(3);
    if (codeCount < 2 || codeCount > 6) throw new Bzip2Error("it has a wrong number of codes");
    const selectorCount = this.readSelectors(codeCount);
    const codes: PrefixCode[] = [];
    for (let i = 0; i < codeCount; i++) codes.push(this.readCode(alphabet.length + 2));
    this.readSymbols(alphabet, codes, selectorCount);
    if (origin >= this.count) throw new Bzip2Error("a block begins outside itself");
    this.link();
    this.at = this.chain[origin]! >>> 8;
    this.left = this.count;
    this.done = false;
    this.crc = -1;
    this.last = -1;
    this.run = 0;
    return checksum;
  }

  /** The bytes that occur in the block, in ascending order. */
  private readAlphabet(): Uint8Array {
    const { window } = this;
    const used = window.bits(16);
    const alphabet: number[] = [];
    for (let high = 0; high < 16; high++) {
      if ((used & (0x8000 >>> high)) === 0) continue;
      const low = window.bits(16);
      for (let i = 0; i < 16; i++) if ((low & (0x8000 >>> i)) !== 0) alphabet.push(high * 16 + i);
    }
    if (alphabet.length === 0) throw new Bzip2Error("a block is empty");
    return Uint8Array.from(alphabet);
  }

  /** Which code each group of symbols has. Returns how many groups there may be. */
  private readSelectors(codeCount: number): number {
    const { window } = this;
    const count = window.bits(15);
    const recent = [0, 1, 2, 3, 4, 5];
    for (let i = 0; i < count; i++) {
      let index = 0;
      while (window.bits(1) !== 0)
        if (++index >= codeCount) throw new Bzip2Error("a code is not in its table");
      const [code = 0] = recent.splice(index, 1);
      recent.unshift(code);
      this.selectors[i] = code;
    }
    return count;
  }

  private readCode(symbolCount: number): PrefixCode {
    const { window } = this;
    const lengths = new Uint8Array(symbolCount);
    let length = window.bits(5);
    for (let symbol = 0; symbol < symbolCount; symbol++) {
      while (window.bits(1) !== 0) length += window.bits(1) === 0 ? 1 : -1;
      if (length < 1 || length > CODE_LENGTH_MAX) throw new Bzip2Error("a code is too long");
      lengths[symbol] = length;
    }
    return new PrefixCode(lengths);
  }

  /** Reads the sorted block into `chain`: prefix codes, runs, and move-to-front undone. */
  // One long function because its state is in registers that way.
  private readSymbols(
    alphabet: Uint8Array,
    codes: readonly PrefixCode[],
    selectorCount: number,
  ): void {
    const { window, chain, size } = this;
    const { bytes } = window;
    const recent = new Uint8Array(256);
    recent.set(alphabet);
    const endSymbol = alphabet.length + 1;
    let position = window.position >>> 3;
    let have = 8 - (window.position & 7);
    let bits = bytes[position++]! & (0xff >>> (8 - have));
    let count = 0;
    let run = 0;
    let runDigits = 0;
    for (let group = 0; ; group++) {
      if (group >= selectorCount) throw this.faultAt(position * 8 - have, "a block has no end");
      const code = codes[this.selectors[group]!]!;
      for (let i = 0; i < GROUP_SIZE; i++) {
        while (have <= 24) {
          bits = (bits << 8) | bytes[position++]!;
          have += 8;
        }
        const found = code.find(bits, have);
        if (found === 0) throw this.faultAt(position * 8 - have, "a code has no meaning");
        have -= found & 31;
        const symbol = found >>> 5;
        if (symbol <= 1) {
          run += (symbol + 1) << runDigits;
          if (++runDigits > RUN_DIGITS_MAX)
            throw this.faultAt(position * 8 - have, "a run is too long");
          continue;
        }
        if (runDigits > 0) {
          if (run > size - count) throw this.faultAt(position * 8 - have, "a run is too long");
          // Most runs are short, and fill() is a call.
          const end = count + run;
          for (const byte = recent[0]!; count < end; count++) chain[count] = byte;
          run = 0;
          runDigits = 0;
        }
        if (symbol === endSymbol) {
          window.position = position * 8 - have;
          window.checkPosition();
          this.count = count;
          return;
        }
        if (count >= size) throw this.faultAt(position * 8 - have, "a block is too long");
        const byte = recent[symbol - 1]!;
        if (symbol > MOVE_BY_HAND_MAX) recent.copyWithin(1, 0, symbol - 1);
        else for (let at = symbol - 1; at > 0; at--) recent[at] = recent[at - 1]!;
        recent[0] = byte;
        chain[count++] = byte;
      }
      window.position = position * 8 - have;
      window.checkPosition();
    }
  }

  /** The error for what is wrong with symbols: behind the end of the data, that it has ended. */
  private faultAt(position: number, text: string): Error {
    this.window.position = position;
    this.window.checkPosition();
    return new Bzip2Error(text);
  }

  /** Undoes the sorting: links each byte to the one that follows it in the data. */
  private link(): void {
    const { chain, count } = this;
    const next = new Uint32Array(257);
    for (let i = 0; i < count; i++) next[(chain[i]! & 0xff) + 1]!++;
    for (let byte = 0; byte < 256; byte++) next[byte + 1]! += next[byte]!;
    for (let i = 0; i < count; i++) {
      const byte = chain[i]! & 0xff;
      chain[next[byte]!++]! |= i << 8;
    }
  }

  /**
   * Unpacks a part of the block: four equal bytes are followed by how many more of them come.
   * @returns bytes of `output` that were filled, more than 0 unless all of the block was unpacked
   */
  unpack(output: Uint8Array): number {
    const { chain } = this;
    const limit = output.length - 255;
    let { at, left, last, run, crc } = this;
    let used = 0;
    for (; left > 0 && used < limit; left--) {
      const entry = chain[at]!;
      const byte = entry & 0xff;
      at = entry >>> 8;
      if (run === 4) {
        for (let times = byte; times > 0; times--) {
          output[used++] = last;
          crc = (crc << 8) ^ CRC_TABLE[(crc >>> 24) ^ last]!;
        }
        run = 0;
        last = -1;
        continue;
      }
      output[used++] = byte;
      crc = (crc << 8) ^ CRC_TABLE[(crc >>> 24) ^ byte]!;
      run = byte === last ? run + 1 : 1;
      last = byte;
    }
    this.at = at;
    this.left = left;
    this.last = last;
    this.run = run;
    this.crc = crc;
    this.done = left === 0;
    return used;
  }
}
