// SPDX-License-Identifier: MIT
import type { ByteString } from "@daxfs/format";
import { TAR_BLOCK, TarError } from "./header.js";
import { badValue, decimal } from "./pax.js";

// Formats: GNU tar's manual, "Storing Sparse Files".

/** Bytes of a sparse file that are stored; all between such stretches is zeros. */
export interface SparseMap {
  /** Pairs of offset in the file and length, ascending, none empty. */
  readonly pairs: readonly number[];
  /** Bytes of the file. */
  readonly realSize: number;
}

/** Stretches that a map may have: some tens of MiB of memory. */
export const SPARSE_PAIRS_MAX = 1_000_000;

/**
 * Holds a map against the file and what is stored of it.
 * @param numbers pairs of offset and length
 * @param storedSize bytes in the archive
 * @throws TarError
 */
export function sparseMap(
  numbers: readonly number[],
  realSize: number,
  storedSize: number,
): SparseMap {
  if (numbers.length % 2 !== 0) throw new TarError("its sparse map is incomplete");
  const pairs: number[] = [];
  let end = 0;
  let stored = 0;
  for (let i = 0; i < numbers.length; i += 2) {
    const offset = numbers[i]!;
    const length = numbers[i + 1]!;
    if (offset < end || length > realSize - offset) {
      throw new TarError("the stretches of its sparse map overlap or pass its end");
    }
    end = offset + length;
    stored += length;
    if (length > 0) pairs.push(offset, length);
  }
  if (stored !== storedSize) {
    throw new TarError(`its sparse map covers ${stored} bytes, but ${storedSize} are stored`);
  }
  return { pairs, realSize };
}

/** The map in one PAX record, as version 0.1 has it: numbers between commas. @throws TarError */
export function parseSparseRecord(keyword: ByteString, value: ByteString): number[] {
  const parts = value.split(",", SPARSE_PAIRS_MAX * 2 + 1);
  if (parts.length > SPARSE_PAIRS_MAX * 2) throw tooManyStretches();
  return parts.map((part) => {
    const number = decimal(part);
    if (number === undefined || !Number.isSafeInteger(number)) throw badValue(keyword, part);
    return number;
  });
}

/** What to throw for a map that has more than `SPARSE_PAIRS_MAX` stretches. */
export function tooManyStretches(): TarError {
  return new TarError(`its sparse map has more than ${SPARSE_PAIRS_MAX} stretches`);
}

/**
 * The map at the start of the content, as version 1.0 has it: how many pairs, then these, a number
 * a line, up to a block's end.
 */
export class SparseTextMap {
  /** Offsets and lengths so far. */
  readonly numbers: number[] = [];
  /** How many there will be; undefined before the first line. */
  private count: number | undefined;
  private line = 0;
  /** Digits of it that count. */
  private digits = 0;
  private anyDigit = false;

  /** Reads a block. Returns whether a further one belongs to the map. @throws TarError */
  addBlock(block: Uint8Array): boolean {
    for (let at = 0; at < TAR_BLOCK; at++) {
      const digit = block[at]! - 0x30;
      if (digit >= 0 && digit <= 9 && this.digits < 15) {
        this.line = this.line * 10 + digit;
        this.anyDigit = true;
        // Leading zeros take no room.
        if (this.line > 0) this.digits++;
      } else if (block[at] === 0x0a && this.anyDigit) {
        if (this.endLine()) return false;
      } else {
        throw new TarError("its sparse map is damaged");
      }
    }
    return true;
  }

  private endLine(): boolean {
    if (this.count === undefined) {
      if (this.line > SPARSE_PAIRS_MAX) throw tooManyStretches();
      this.count = this.line * 2;
    } else {
      this.numbers.push(this.line);
    }
    this.line = 0;
    this.digits = 0;
    this.anyDigit = false;
    return this.numbers.length === this.count;
  }
}
