// SPDX-License-Identifier: MIT
import { BuildError } from "../../errors.js";
import { type FileWindow, WINDOW_SIZE } from "./archive-file.js";

/** Where the directory of an archive lies, and what offsets in it count from. */
export interface DirectoryPlace {
  /** First byte of the directory, from the start of the file. */
  readonly start: number;
  /** Byte behind what may be directory. */
  readonly end: number;
  /** What lies in front of the archive and is not counted by its offsets: a stub, a script. */
  readonly base: number;
  /** Entries that it says it has. */
  readonly count: number;
  /** Whether that number has only its lower 16 bits, as programs write it that know no zip64. */
  readonly countIsShort: boolean;
  /** Bytes behind the end record and its comment, and whether any of them is not zero. */
  readonly behind: number;
  readonly hasJunk: boolean;
}

/** The end record without its comment, APPNOTE 4.3.16. */
const END_SIZE = 22;
const END_SIGNATURE = Buffer.from("PK\x05\x06", "latin1");
/** The zip64 end record without its extensible part, and its locator: APPNOTE 4.3.14, 4.3.15. */
const ZIP64_END_SIZE = 56;
const ZIP64_END_SIGNATURE = 0x06064b50;
const LOCATOR_SIZE = 20;
const LOCATOR_SIGNATURE = 0x07064b50;

export const ENTRY_SIGNATURE = 0x02014b50;
/** Header of an entry in the archive's directory without its variable parts, APPNOTE 4.3.12. */
export const ENTRY_SIZE = 46;
const LOCAL_SIGNATURE = 0x04034b50;
/** Begins the first volume of a split archive, APPNOTE 8.5.3. */
const SPLIT_SIGNATURE = 0x08074b50;

/** Stand for a number in a zip64 record. */
const MAX_16 = 0xffff;
const MAX_32 = 0xffffffff;

const REPAIR = "(zip -FF may repair it, or make it again)";
const JOIN = "(join them with zip -s 0 ARCHIVE.zip --out WHOLE.zip)";

/** The error for an archive that can't be read. */
export function unsound(description: string, what: string, remedy = REPAIR): BuildError {
  const text = what.replace(/\.$/, "");
  return new BuildError(`${description}: not a sound zip archive: ${text} ${remedy}`);
}

/** What the end record says, or the zip64 one where the end record leaves it to that. */
interface EndRecord {
  /** Where the first of the records lies: the directory ends there at the latest. */
  readonly start: number;
  readonly behind: number;
  readonly hasJunk: boolean;
  readonly count: number;
  readonly countIsShort: boolean;
  readonly directorySize: number;
  readonly directoryOffset: number;
  /** Whether the tail holds another signature of an end record. */
  readonly ambiguous: boolean;
}

/**
 * Finds the directory of a zip archive by its end record. Bytes may lie in front of the archive,
 * whether its offsets count them or not, and behind it.
 * @param size of the file, in bytes
 * @param description for messages
 * @throws BuildError
 */
export function findDirectory(
  window: FileWindow,
  size: number,
  description: string,
): DirectoryPlace {
  const end = readEnd(window, size, description);
  const place = (start: number, base: number): DirectoryPlace => ({
    ...{ start, base, end: end.start, count: end.count },
    ...{ countIsShort: end.countIsShort, behind: end.behind, hasJunk: end.hasJunk },
  });
  // As unzip, libarchive and Python do it: the directory ends where the record begins, and what its
  // offset lacks was put in front.
  const start = end.start - end.directorySize;
  const base = start - end.directoryOffset;
  if (end.count === 0 && end.directorySize === 0 && base >= 0) return place(start, base);
  if (base >= 0 && isDirectory(window, start, base)) {
    // An archive that was cut short may hold a whole one, and archives may be put together with cat:
    // what is in the first would be lost.
    if (hasEntry(window, base, end.hasJunk)) {
      throw unsound(
        description,
        `another archive comes before the one that begins at byte ${base}`,
        "(make one archive of them, or get it again if it was cut short)",
      );
    }
    return place(start, base);
  }
  // Something lies between directory and record, such as a signature.
  const { directoryOffset } = end;
  if (directoryOffset < end.start && isDirectory(window, directoryOffset, 0)) {
    return place(directoryOffset, 0);
  }
  if (end.ambiguous) {
    throw unsound(
      description,
      "bytes follow its end of central directory record, or its comment contains another one",
    );
  }
  throw unsound(description, "its central directory is not where its end record says");
}

function readEnd(window: FileWindow, size: number, description: string): EndRecord {
  const length = Math.min(size, WINDOW_SIZE);
  const tailStart = size - length;
  const tail = Buffer.from(window.bytes(tailStart, length)!);
  const at = tail.lastIndexOf(END_SIGNATURE);
  if (at < 0 || at + END_SIZE > length) {
    if (size >= 4 && window.bytes(0, 4)?.readUInt32LE(0) === SPLIT_SIGNATURE) {
      throw unsound(description, "it is the first of several volumes", JOIN);
    }
    throw unsound(
      description,
      "it has no end of central directory record: it was cut short, or is not a zip archive",
    );
  }
  const end = at + END_SIZE + tail.readUInt16LE(at + 20);
  if (end > length) throw unsound(description, "its comment was cut short");
  const behind = length - end;
  const hasJunk = tail.subarray(end).some((byte) => byte !== 0);
  const ambiguous = at > 0 && tail.lastIndexOf(END_SIGNATURE, at - 1) >= 0;

  const disks = [tail.readUInt16LE(at + 4), tail.readUInt16LE(at + 6)];
  const onThisDisk = tail.readUInt16LE(at + 8);
  const count = tail.readUInt16LE(at + 10);
  const directorySize = tail.readUInt32LE(at + 12);
  const directoryOffset = tail.readUInt32LE(at + 16);
  const leavesToZip64 =
    count === MAX_16 ||
    directorySize === MAX_32 ||
    directoryOffset === MAX_32 ||
    disks.includes(MAX_16);
  const start = tailStart + at;
  // Only then: without need, what looks like a locator may be anything.
  const zip64 = leavesToZip64 ? zip64End(window, start, behind, description) : undefined;
  if (zip64 !== undefined) return { ...zip64, behind, hasJunk, ambiguous };
  if (disks.some((disk) => disk !== 0) || onThisDisk !== count)
    throw multiDisk(description, behind);
  return {
    ...{ start, behind, hasJunk, ambiguous, count, directorySize, directoryOffset },
    countIsShort: true,
  };
}

type Zip64End = Omit<EndRecord, "behind" | "hasJunk" | "ambiguous">;

/** The zip64 end record, undefined where there is no locator in front of the end record. */
function zip64End(
  window: FileWindow,
  end: number,
  behind: number,
  description: string,
): Zip64End | undefined {
  const locatorStart = end - LOCATOR_SIZE;
  const locator = locatorStart < 0 ? undefined : window.bytes(locatorStart, LOCATOR_SIZE);
  if (locator?.readUInt32LE(0) !== LOCATOR_SIGNATURE) return undefined;
  const said = Number(locator.readBigUInt64LE(8));
  if (locator.readUInt32LE(16) > 1 || locator.readUInt32LE(4) !== 0)
    throw multiDisk(description, behind);
  // The second place is the usual one, where bytes in front are not counted.
  for (const start of [said, locatorStart - ZIP64_END_SIZE]) {
    if (start < 0 || start + ZIP64_END_SIZE > locatorStart) continue;
    const record = window.bytes(start, ZIP64_END_SIZE);
    if (record?.readUInt32LE(0) !== ZIP64_END_SIGNATURE) continue;
    if (record.readUInt32LE(16) !== 0 || record.readUInt32LE(20) !== 0) {
      throw multiDisk(description, behind);
    }
    const count = Number(record.readBigUInt64LE(32));
    if (Number(record.readBigUInt64LE(24)) !== count) throw multiDisk(description, behind);
    return {
      ...{ start, count, countIsShort: false },
      directorySize: Number(record.readBigUInt64LE(40)),
      directoryOffset: Number(record.readBigUInt64LE(48)),
    };
  }
  throw unsound(description, "its zip64 end record is not where its locator says");
}

/**
 * Whether a directory begins at `start`. Where offsets are not what they say, the header that its
 * first entry leads to has to be there too.
 */
function isDirectory(window: FileWindow, start: number, base: number): boolean {
  const entry = start < 0 ? undefined : window.bytes(start, ENTRY_SIZE);
  if (entry?.readUInt32LE(0) !== ENTRY_SIGNATURE) return false;
  const offset = entry.readUInt32LE(42);
  if (base === 0 || offset === MAX_32) return true;
  return window.bytes(base + offset, 4)?.readUInt32LE(0) === LOCAL_SIGNATURE;
}

const LOCAL_SIGNATURE_BYTES = Buffer.from("PK\x03\x04", "latin1");
/** Bytes of a window that one window begins before the end of the one before. */
const OVERLAP = 64;
const VERSION_MAX = 63;
const METHOD_MAX = 99;
const NAME_MAX = 4096;

/**
 * Whether entries of another archive lie in front of byte `end`.
 * @param anywhere whether to look at more than the start of the file
 */
function hasEntry(window: FileWindow, end: number, anywhere: boolean): boolean {
  const limit = anywhere ? end : Math.min(end, 4);
  for (let start = 0; start < limit; start += WINDOW_SIZE - OVERLAP) {
    const length = Math.min(WINDOW_SIZE, end - start);
    const bytes = Buffer.from(window.bytes(start, length)!);
    let at = bytes.indexOf(LOCAL_SIGNATURE_BYTES);
    for (; at >= 0; at = bytes.indexOf(LOCAL_SIGNATURE_BYTES, at + 1)) {
      if (!anywhere && at > 0) break;
      if (at === 0 && start === 0) return true;
      // A program may have the signature in its code.
      if (at + 30 > length) break;
      const nameLength = bytes.readUInt16LE(at + 26);
      const plausible =
        bytes.readUInt16LE(at + 4) <= VERSION_MAX &&
        bytes.readUInt16LE(at + 8) <= METHOD_MAX &&
        nameLength > 0 &&
        nameLength <= NAME_MAX;
      if (plausible) return true;
    }
  }
  return false;
}

/** The error for the last volume of a split archive. */
export class LastVolume extends BuildError {
  /** @param behind bytes behind its end record */
  constructor(
    message: string,
    readonly behind: number,
  ) {
    super(message);
  }
}

function multiDisk(description: string, behind: number): LastVolume {
  const what = "it is one of several volumes (a multi-disk archive)";
  return new LastVolume(unsound(description, what, JOIN).message, behind);
}
