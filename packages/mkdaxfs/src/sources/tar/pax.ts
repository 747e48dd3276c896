// SPDX-License-Identifier: MIT
import { type ByteString, byteStringOf, printable } from "@daxfs/format";
import { TarError } from "./header.js";

/** A keyword and its value, both bytes. */
export type PaxRecord = readonly [keyword: ByteString, value: ByteString];

const SPACE = 0x20;
const NEWLINE = 0x0a;
const ZERO = 0x30;
const NANOSECONDS = 1_000_000_000n;

/**
 * Splits the content of a PAX extended header: records "LENGTH KEYWORD=VALUE\n", where LENGTH
 * counts all of the record and VALUE may hold any bytes, newlines and NULs too.
 *
 * Names and values are not decoded: `hdrcharset` only tells UTF-8 from bytes, and a name of this
 * system is bytes either way.
 * @throws TarError
 */
export function parsePaxRecords(bytes: Uint8Array): PaxRecord[] {
  const records: PaxRecord[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = start + recordLength(bytes, start);
    if (end > bytes.length || bytes[end - 1] !== NEWLINE) throw badRecord(start);
    const text = byteStringOf(bytes.subarray(start, end - 1));
    const keyword = text.indexOf(" ") + 1;
    const equals = text.indexOf("=", keyword);
    if (keyword === 0 || equals <= keyword) throw badRecord(start);
    const name = text.slice(keyword, equals);
    // GNU tar passes over blanks in front of a keyword, to others they are part of it.
    if (/^[ \t]/.test(name)) throw badRecord(start);
    records.push([name, text.slice(equals + 1)]);
    start = end;
  }
  return records;
}

/** Reads the number that begins a record. */
function recordLength(bytes: Uint8Array, start: number): number {
  let first = start;
  while (bytes[first] === ZERO) first++;
  let length = 0;
  let at = first;
  for (; at < first + 10 && bytes[at] !== SPACE; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) throw badRecord(start);
    length = length * 10 + digit;
  }
  if (length <= at - start) throw badRecord(start);
  return length;
}

function badRecord(start: number): TarError {
  return new TarError(`the record at byte ${start} of its PAX header is damaged`);
}

/** A value that counts something. @throws TarError unless it is 0 to `max` in decimal. */
export function paxNumber([keyword, value]: PaxRecord, max = Number.MAX_SAFE_INTEGER): number {
  const number = decimal(value);
  if (number !== undefined && number <= max) return number;
  throw badValue(keyword, value, /^\d*/.exec(value)![0].length);
}

/**
 * A whole number in decimal; leading zeros count for nothing, as in all programs that read tar.
 * @returns undefined for what is not one; more than the largest safe integer may be rounded
 */
export function decimal(text: ByteString): number | undefined {
  // A zero can match in one place only, so that a long value costs no more than reading it.
  return text !== "" && /^0*(?:[1-9]\d{0,19})?$/.test(text) ? Number(text) : undefined;
}

/** Digits of seconds that are more than any image holds; what is past them makes no difference. */
const SECONDS_DIGITS = 18;

/**
 * A time in nanoseconds since 1970. Digits beyond that are cut off downwards, as GNU tar does. It may
 * be far outside what an image holds.
 * @throws TarError unless it is decimal seconds, perhaps with a sign and a fraction.
 */
export function paxTime([keyword, value]: PaxRecord): bigint {
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(value);
  if (match === null) throw badValue(keyword, value, /^-?\d*\.?\d*/.exec(value)![0].length);
  const [, sign, whole = "", fraction = ""] = match;
  const digits = whole.replace(/^0+(?=\d)/, "");
  const seconds = digits.length > SECONDS_DIGITS ? "9".repeat(SECONDS_DIGITS) : digits;
  const size = BigInt(seconds) * NANOSECONDS + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  if (sign === "") return size;
  return /[^0]/.test(fraction.slice(9)) ? -size - 1n : -size;
}

/** Bytes of a path in an archive, many times what Linux takes at once. */
export const PATH_MAX = 64 * 1024;

/** A path. @throws TarError when it holds a NUL, which no path can, or is too long. */
export function paxPath([keyword, value]: PaxRecord): ByteString {
  if (value.length > PATH_MAX) {
    throw new TarError(`its PAX record ${keyword} has ${value.length} bytes, at most ${PATH_MAX}`);
  }
  const nul = value.indexOf("\0");
  if (nul >= 0) throw badValue(keyword, value, nul);
  return value;
}

/** Characters of a value that a message has room for. */
const SHOWN = 40;

/**
 * What to throw for a record whose value its keyword can't have.
 * @param at the first byte that is wrong, which the message shows
 */
export function badValue(keyword: ByteString, value: ByteString, at = 0): TarError {
  const start = at < SHOWN ? 0 : at - SHOWN / 2;
  const part = printable(value.slice(start, start + SHOWN));
  const more = start + SHOWN < value.length;
  return new TarError(
    `its PAX record ${printable(keyword)} has the value ` +
      `'${start > 0 ? "…" : ""}${part}${more ? "…" : ""}'`,
  );
}
