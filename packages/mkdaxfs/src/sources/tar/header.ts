// SPDX-License-Identifier: MIT
import type { ByteString } from "@daxfs/format";

// Formats: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar's manual, "Basic Tar Format".
// There is an own parser because tar-stream decodes names and PAX values as UTF-8, and knows neither
// sparse members nor times before 1970.

/** Bytes of a header, and the unit of everything in an archive. */
export const TAR_BLOCK = 512;

/** What is wrong with an archive; the reader adds where. */
export class TarError extends Error {}

/** How a header is laid out behind its first 257 bytes. */
export type TarFormat = "v7" | "ustar" | "gnu";

/** One header as it stands in the archive, its numbers checked for their ranges. */
export interface TarHeader {
  readonly format: TarFormat;
  /** One character: "0" is a regular file, and so is "\0", as it was written before ustar. */
  readonly type: string;
  readonly path: ByteString;
  readonly linkPath: ByteString;
  /** Permissions only. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes that follow, where the type has any. */
  readonly size: number;
  /** Seconds since 1970; where a safe integer can't hold them, the nearest that is one. */
  readonly mtime: number;
  /** Of a device; 0 for all else, whose fields may hold anything. */
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

const U32_MAX = 0xffffffff;
const ZERO = 0x30;
const SPACE = 0x20;
const CHECKSUM_START = 148;
const CHECKSUM_END = 156;

/** Whether the first 512 bytes of something are those of a tar archive: a header, or all zeros. */
export function looksLikeTar(first: Uint8Array): boolean {
  if (first.length < TAR_BLOCK) return false;
  const sum = byteSum(first);
  return sum === 0 || hasChecksum(first, sum);
}

/** Whether a block is the header of an entry, and not the end of an archive. */
export function isEntry(block: Uint8Array): boolean {
  return looksLikeTar(block) && block.some((byte) => byte !== 0);
}

/**
 * Reads a header.
 * @param block 512 bytes
 * @returns undefined for a block of zeros, which ends an archive
 * @throws TarError when it is no header.
 */
export function parseHeader(block: Uint8Array): TarHeader | undefined {
  const sum = byteSum(block);
  if (sum === 0) return undefined;
  if (!hasChecksum(block, sum)) throw new TarError("no tar header found");
  const format = formatOf(block);
  const type = typeOf(block);
  const isDevice = type === "3" || type === "4";
  return {
    format,
    type,
    path: pathOf(block, format),
    linkPath: textField(block, 157, 100),
    mode: numberField(block, 100, 8, "mode") & 0o7777,
    uid: numberIn(block, 108, 8, "uid", U32_MAX),
    gid: numberIn(block, 116, 8, "gid", U32_MAX),
    size: numberIn(block, 124, 12, "size", Number.MAX_SAFE_INTEGER),
    mtime: clampedSafe(rawNumberField(block, 136, 12, "mtime")),
    deviceMajor: isDevice ? numberIn(block, 329, 8, "devmajor", U32_MAX) : 0,
    deviceMinor: isDevice ? numberIn(block, 337, 8, "devminor", U32_MAX) : 0,
  };
}

function byteSum(block: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < TAR_BLOCK; i++) sum += block[i]!;
  return sum;
}

/** @param sum of all bytes */
function hasChecksum(block: Uint8Array, sum: number): boolean {
  const stored = octal(block, CHECKSUM_START, 8);
  if (stored === undefined) return false;
  let unsigned = sum + SPACE * 8;
  for (let i = CHECKSUM_START; i < CHECKSUM_END; i++) unsigned -= block[i]!;
  if (stored === unsigned) return true;
  // Some old programs took bytes for signed.
  let signed = unsigned;
  for (let i = 0; i < TAR_BLOCK; i++) {
    const inField = i >= CHECKSUM_START && i < CHECKSUM_END;
    if (!inField && block[i]! >= 0x80) signed -= 0x100;
  }
  return stored === signed;
}

function formatOf(block: Uint8Array): TarFormat {
  const magic = text(block, 257, 262);
  if (magic !== "ustar") return "v7";
  // "ustar\0" is POSIX's, "ustar " GNU's, which has other fields where POSIX has the prefix.
  if (block[262] === 0) return "ustar";
  return block[262] === SPACE ? "gnu" : "v7";
}

function typeOf(block: Uint8Array): string {
  const code = block[156]!;
  // "7" is a file that lies in one piece, which is no matter here.
  return code === 0x37 ? "0" : String.fromCharCode(code);
}

function pathOf(block: Uint8Array, format: TarFormat): ByteString {
  const name = textField(block, 0, 100);
  if (format !== "ustar" || block[345] === 0) return name;
  return `${textField(block, 345, 155)}/${name}`;
}

/** A field that ends at a NUL or where it has no more room. */
function textField(block: Uint8Array, start: number, length: number): ByteString {
  let end = start;
  while (end < start + length && block[end] !== 0) end++;
  return text(block, start, end);
}

function text(block: Uint8Array, start: number, end: number): ByteString {
  return Buffer.from(block.buffer, block.byteOffset + start, end - start).toString("latin1");
}

/** @throws TarError for a number that is negative or more than `max` */
function numberIn(
  block: Uint8Array,
  start: number,
  length: number,
  field: string,
  max: number,
): number {
  const value = numberField(block, start, length, field);
  if (value < 0 || value > max) throw new TarError(`its ${field} is ${value}, not 0 to ${max}`);
  return value;
}

/**
 * A number: octal digits, or after a byte with the top bit set, base-256 in two's complement.
 * @throws TarError
 */
function numberField(block: Uint8Array, start: number, length: number, field: string): number {
  const value = rawNumberField(block, start, length, field);
  if (!Number.isSafeInteger(value)) throw new TarError(`its ${field} is out of range`);
  return value;
}

/** The same, which may be past the safe integers and then is rounded. @throws TarError */
function rawNumberField(block: Uint8Array, start: number, length: number, field: string): number {
  const value = block[start]! >= 0x80 ? base256(block, start, length) : octal(block, start, length);
  if (value === undefined) throw new TarError(`its ${field} is not a number`);
  return value;
}

function clampedSafe(value: number): number {
  return Math.min(Math.max(value, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
}

/**
 * Octal digits behind spaces, up to a space or NUL; 0 for a field of spaces and NULs only. Undefined
 * for anything else, also for digits behind a NUL: some readers skip it, others end the number there.
 */
function octal(block: Uint8Array, start: number, length: number): number | undefined {
  const end = start + length;
  let at = start;
  while (at < end && block[at] === SPACE) at++;
  if (block[at] === 0) {
    while (at < end && (block[at] === SPACE || block[at] === 0)) at++;
    return at === end ? 0 : undefined;
  }
  let value = 0;
  for (; at < end; at++) {
    const digit = block[at]! - ZERO;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  return at === end || block[at] === SPACE || block[at] === 0 ? value : undefined;
}

function base256(block: Uint8Array, start: number, length: number): number {
  // The top bit says that it is one; the next is the sign.
  const negative = (block[start]! & 0x40) !== 0;
  let value = BigInt((block[start]! & 0x3f) - (negative ? 0x40 : 0));
  for (let i = 1; i < length; i++) value = value * 256n + BigInt(block[start + i]!);
  return Number(value);
}

/** A sparse member's map as old GNU tar writes it: pairs of offset and length, see sparse.ts. */
export interface GnuSparseBlock {
  readonly pairs: readonly number[];
  /** Whether a further block with pairs follows. */
  readonly more: boolean;
}

/** The pairs in the header of a member of type "S". @throws TarError */
export function gnuSparseHeader(block: Uint8Array): GnuSparseBlock & { readonly realSize: number } {
  const realSize = numberIn(block, 483, 12, "real size", Number.MAX_SAFE_INTEGER);
  return { pairs: sparsePairs(block, 386, 4), more: block[482] !== 0, realSize };
}

/** The pairs in a block that follows such a header. @throws TarError */
export function gnuSparseExtension(block: Uint8Array): GnuSparseBlock {
  return { pairs: sparsePairs(block, 0, 21), more: block[504] !== 0 };
}

function sparsePairs(block: Uint8Array, start: number, count: number): number[] {
  const pairs: number[] = [];
  for (let at = start; at < start + count * 24 && block[at + 12] !== 0; at += 24) {
    pairs.push(
      numberIn(block, at, 12, "sparse map", Number.MAX_SAFE_INTEGER),
      numberIn(block, at + 12, 12, "sparse map", Number.MAX_SAFE_INTEGER),
    );
  }
  return pairs;
}
