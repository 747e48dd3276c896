// SPDX-License-Identifier: MIT
import { crc32 } from "node:zlib";
import { type ByteString, byteStringOf, byteStringOfText } from "@daxfs/format";
import { type Entry, getFileNameLowLevel } from "yauzl";
import { extraField, isUnixMade } from "./headers.js";

const UTF8_NAMES = 1 << 11;
/** Info-ZIP's Unicode path: version, CRC-32 of the name in the header, name in UTF-8. */
const UNICODE_PATH = 0x7075;
const UNICODE_PATH_START = 5;

/**
 * An entry's name as bytes, not yet checked. Marked as UTF-8 it is taken as it is; so are names
 * from Unix, which are bytes in whatever encoding. All others are in code page 437, as the
 * specification (APPNOTE, appendix D) has it, and become UTF-8.
 */
export function entryName(entry: Entry): ByteString {
  const unicode = extraField(entry.extraFields, UNICODE_PATH);
  // Where the checksum does not fit, the name was changed by a program that knew no such field.
  if (
    unicode !== undefined &&
    unicode.length > UNICODE_PATH_START &&
    unicode[0] === 1 &&
    unicode.readUInt32LE(1) === crc32(entry.fileNameRaw)
  ) {
    return byteStringOf(unicode.subarray(UNICODE_PATH_START));
  }
  if ((entry.generalPurposeBitFlag & UTF8_NAMES) !== 0 || isUnixMade(entry)) {
    return byteStringOf(entry.fileNameRaw);
  }
  return byteStringOfText(getFileNameLowLevel(0, entry.fileNameRaw, [], true));
}

/**
 * Why a name is not taken, in words that go on from it; undefined for a good one. An archive whose
 * names lead elsewhere was made by mistake or to do harm, so nothing is guessed.
 */
export function whyNameRefused(entry: Entry, name: ByteString): string | undefined {
  if (name === "") return "has an empty name";
  if (name.includes("\0")) return "has a NUL in its name";
  if (name.includes("\\")) {
    return "has a backslash in its name, which some programs take for a slash (zip it with slashes)";
  }
  if (name.startsWith("/") || (!isUnixMade(entry) && /^[A-Za-z]:/.test(name))) {
    return "has an absolute name (zip it with relative names)";
  }
  if (/(^|\/)\.\.(\/|$)/.test(name)) return "has '..' in its name (zip it with plain names)";
  return undefined;
}

/** Whether a name says by itself that it is a directory's. */
export function isDirectoryName(name: ByteString): boolean {
  return /(^|\/)\.?$/.test(name);
}
