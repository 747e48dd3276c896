// SPDX-License-Identifier: MIT
import { type Entry, type ExtraField, parseExtraFields } from "yauzl";
import { EntryError } from "./entry-error.js";

/** Upper byte of "version made by", APPNOTE 4.4.2. */
const HOST_UNIX = 3;
const HOST_DARWIN = 19;

/** Whether an entry was made on a system with Unix modes and names that are bytes. */
export function isUnixMade(entry: Entry): boolean {
  const host = entry.versionMadeBy >>> 8;
  return host === HOST_UNIX || host === HOST_DARWIN;
}

/** Data of the first extra field with this id. */
export function extraField(fields: readonly ExtraField[], id: number): Buffer | undefined {
  return fields.find((field) => field.id === id)?.data;
}

/** A local file header, APPNOTE 4.3.7. */
export const LOCAL_HEADER_SIZE = 30;
const LOCAL_SIGNATURE = 0x04034b50;

const ENCRYPTED = 1 << 0;
const SIZES_FOLLOW = 1 << 3;
export const STRONG_ENCRYPTION = 1 << 6;
export const ENCRYPTED_TEXT = "is encrypted (make the archive without a password)";
export const STORED = 0;
export const DEFLATED = 8;
export const LZMA = 14;
/** Of LZMA: whether a marker ends the content. */
export const HAS_END_MARKER = 1 << 1;
/** Methods whose data is a stream as programs of their own write it; 20 is an old number of zstd. */
export const STREAM_METHODS: ReadonlyMap<number, "bzip2" | "zstd" | "xz"> = new Map([
  [12, "bzip2"],
  [20, "zstd"],
  [93, "zstd"],
  [95, "xz"],
]);
/** Names of methods that can't be unpacked, APPNOTE 4.4.5. */
const METHODS: Readonly<Record<number, string>> = {
  ...{ 1: "shrink", 2: "reduce", 3: "reduce", 4: "reduce", 5: "reduce", 6: "implode" },
  ...{ 9: "deflate64", 10: "PKWARE DCL implode", 16: "IBM z/OS CMPSC", 18: "IBM TERSE" },
  ...{ 19: "IBM LZ77", 94: "MP3", 96: "JPEG", 97: "WavPack", 98: "PPMd", 99: "AES encryption" },
};

/**
 * Refuses what can't be unpacked.
 * @throws EntryError for encryption, and for methods that there is no decoder for.
 */
export function checkMethod(entry: Entry): void {
  // Of method 99 the flag is set too.
  if ((entry.generalPurposeBitFlag & ENCRYPTED) !== 0) throw new EntryError(ENCRYPTED_TEXT);
  const method = entry.compressionMethod;
  if (![STORED, DEFLATED, LZMA].includes(method) && !STREAM_METHODS.has(method)) {
    const name = METHODS[method] ?? "unknown";
    throw new EntryError(
      `is compressed with method ${method}, ${name} (zip it with deflate, which all programs know)`,
    );
  }
  if (method === STORED && entry.compressedSize !== entry.uncompressedSize) {
    throw new EntryError(
      `is stored as it is, yet its sizes are ${entry.compressedSize} and ` +
        `${entry.uncompressedSize} bytes (it is damaged)`,
    );
  }
}

/** Stands in a header for a number in the zip64 extra field. */
const IN_ZIP64 = 0xffffffff;

/** Bytes of a local header with its name and extra fields. */
export function localHeaderLength(fixed: Buffer): number {
  if (fixed.readUInt32LE(0) !== LOCAL_SIGNATURE) {
    throw new EntryError("is not where the central directory says (it is damaged)");
  }
  return LOCAL_HEADER_SIZE + fixed.readUInt16LE(26) + fixed.readUInt16LE(28);
}

/**
 * Holds a local header against the entry in the archive's directory: where they differ, programs
 * would unpack different things.
 * @param header all {@link localHeaderLength} bytes of it
 * @returns its extra fields
 * @throws EntryError
 */
export function checkLocalHeader(entry: Entry, header: Buffer): ExtraField[] {
  const nameEnd = LOCAL_HEADER_SIZE + header.readUInt16LE(26);
  const flags = header.readUInt16LE(6);
  const differing = [
    header.subarray(LOCAL_HEADER_SIZE, nameEnd).equals(entry.fileNameRaw) ? "" : "name",
    header.readUInt16LE(8) === entry.compressionMethod ? "" : "method",
    ((flags ^ entry.generalPurposeBitFlag) & ENCRYPTED) === 0 ? "" : "encryption",
  ];
  if ((flags & SIZES_FOLLOW) === 0) {
    const same = (found: number, said: number) => found === said || found === IN_ZIP64;
    differing.push(
      header.readUInt32LE(14) === entry.crc32 ? "" : "checksum",
      same(header.readUInt32LE(18), entry.compressedSize) ? "" : "compressed size",
      same(header.readUInt32LE(22), entry.uncompressedSize) ? "" : "size",
    );
  }
  const first = differing.find((field) => field !== "");
  if (first !== undefined) {
    throw new EntryError(
      `has another ${first} in its local file header than in the central directory`,
    );
  }
  try {
    return parseExtraFields(header.subarray(nameEnd));
  } catch {
    throw new EntryError("has damaged extra fields in its local file header");
  }
}
