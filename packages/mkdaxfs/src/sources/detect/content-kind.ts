// SPDX-License-Identifier: MIT
import { looksLikeTar, TAR_BLOCK } from "../tar/header.js";
import { KINDS, type Kind, TRAILER_KINDS, WEAK_KINDS } from "./kinds.js";

/** Bytes at the start of a file that tell what it is: all magic bytes are within them. */
export const START_SIZE = 256 * 1024;
/** Bytes at the end of a file that tell what it is. */
export const TRAILER_SIZE = 512;

/** Characters that text has, of which an error message of some server may be made. */
const TEXT = /^[\t\n\r\x20-\x7e\x80-\xff]+$/;
const ADVICE = "(sources are directories, tar and zip archives, and container images)";

/** Whether the first bytes of something are the header of a tar archive, and not zeros. */
export function beginsWithTarHeader(start: Uint8Array): boolean {
  return looksLikeTar(start) && start.subarray(0, TAR_BLOCK).some((byte) => byte !== 0);
}

/**
 * Says what some content is that can't be used, and what to do with it.
 * @param start the first `START_SIZE` bytes, or all where there are fewer
 * @param trailer the last `TRAILER_SIZE` bytes, where they are at hand
 */
export function contentKind(start: Uint8Array, trailer?: Uint8Array): string {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.length);
  const known = kindIn(KINDS, bytes) ?? kindIn(TRAILER_KINDS, Buffer.from(trailer ?? []));
  if (known !== undefined) return known;
  if (isLzma(bytes)) return "lzma-compressed (decompress it into mkdaxfs -)";
  const first = bytes.subarray(0, 64).toString("latin1");
  if (TEXT.test(first)) {
    return `text that begins with ${JSON.stringify(firstLine(first))} ${ADVICE}`;
  }
  return kindIn(WEAK_KINDS, bytes) ?? (bytes[0] === 0 ? zerosKind(bytes) : unknownKind(bytes));
}

/**
 * Whether some content is of a kind that is known by magic bytes which nothing else has by chance.
 * @param start the first `START_SIZE` bytes, or all where there are fewer
 */
export function isKnownKind(start: Uint8Array): boolean {
  return kindIn(KINDS, Buffer.from(start.buffer, start.byteOffset, start.length)) !== undefined;
}

function kindIn(kinds: readonly Kind[], bytes: Buffer): string | undefined {
  const has = (magic: string, offset: number) =>
    bytes.toString("latin1", offset, offset + magic.length) === magic;
  return kinds.find(({ magics }) =>
    magics.some(([magic, ...offsets]) => offsets.some((offset) => has(magic, offset))),
  )?.text;
}

/**
 * Whether bytes are the header of an .lzma file, which has no magic bytes: properties, the size of
 * the dictionary (2^n, or 2^n + 2^(n-1)), and the size of the content or -1, as xz judges it.
 */
function isLzma(bytes: Buffer): boolean {
  if (bytes.length < 13 || bytes[0]! >= 9 * 5 * 5) return false;
  const dictionary = bytes.readUInt32LE(1);
  const top = 2 ** Math.floor(Math.log2(dictionary));
  if (dictionary < 4096 || ![top, top + top / 2].includes(dictionary)) return false;
  const size = bytes.readBigUInt64LE(5);
  return size === 0xffff_ffff_ffff_ffffn || (size > 0n && size < 1n << 38n);
}

/** What begins with a zero. An archive of nothing but its end marker has nothing to give. */
function zerosKind(bytes: Buffer): string {
  const zeros = bytes.findIndex((byte) => byte !== 0);
  if (zeros < 0 && bytes.length < START_SIZE) {
    return "nothing but zeros (it is an archive without entries, or a copy that failed: make it again)";
  }
  if (zeros < 0) return `not an archive: its first ${bytes.length} bytes are zeros ${ADVICE}`;
  const block = zeros - (zeros % TAR_BLOCK);
  if (block > 0 && beginsWithTarHeader(bytes.subarray(block))) {
    return `a tar archive behind ${block} bytes of zeros (cut them off: tail -c +${block + 1})`;
  }
  if (zeros < 8) return unknownKind(bytes);
  const next = bytes.toString("hex", zeros, zeros + 8);
  return `not an archive: it begins with ${zeros} bytes of zeros, then the bytes ${next} ${ADVICE}`;
}

/** What begins with neither zeros nor text. Names of formats are text, and say more than hex. */
function unknownKind(bytes: Buffer): string {
  const [word = ""] =
    /^.?[\x21-\x7e][\x20-\x7e]{2,39}/s.exec(bytes.toString("latin1", 0, 41)) ?? [];
  const shown =
    word === "" ? `the bytes ${bytes.toString("hex", 0, 8)}` : JSON.stringify(escaped(word));
  return `not an archive: it begins with ${shown} ${ADVICE}`;
}

function firstLine(text: string): string {
  const [line = ""] = text.trim().split(/[\r\n]/, 1);
  return line.replace(/[^\x20-\x7e]/g, "?").slice(0, 40);
}

/** A byte before the name, as PNG and others have, is a question mark. */
function escaped(word: string): string {
  return word.replace(/[^\x20-\x7e]/g, "?");
}
