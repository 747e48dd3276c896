// SPDX-License-Identifier: MIT
import { type ByteString, FILE_TYPE } from "@daxfs/format";
import type { Entry, ExtraField } from "yauzl";
import { type InodeKind, kindOf, permissionsOf } from "../../model/inode-kind.js";
import { EntryError } from "./entry-error.js";
import { isUnixMade } from "./headers.js";
import { isDirectoryName } from "./names.js";

const DOS_READ_ONLY = 1 << 0;
const DOS_DIRECTORY = 1 << 4;
const SEARCHABLE = 0o111;

/** Kinds of files that an archive can hold. */
export type ZipKind = Exclude<InodeKind, "character-device" | "block-device">;

/** What the external attributes of an entry tell. */
export interface TypeAndPermissions {
  readonly kind: ZipKind;
  readonly permissions: number;
}

/**
 * File type and permissions: from the upper half of the external attributes where they were made on
 * Unix, else from those of MS-DOS.
 * @throws EntryError for a file that can't be had from a zip archive.
 */
export function typeAndPermissions(entry: Entry, name: ByteString): TypeAndPermissions {
  const attributes = entry.externalFileAttributes;
  const unix = isUnixMade(entry) ? attributes >>> 16 : 0;
  const asDirectory = isDirectoryName(name);
  if (unix === 0) {
    if (asDirectory || (attributes & DOS_DIRECTORY) !== 0) {
      return { kind: "directory", permissions: 0o755 };
    }
    return { kind: "file", permissions: (attributes & DOS_READ_ONLY) === 0 ? 0o644 : 0o444 };
  }
  const type = unix & FILE_TYPE.MASK;
  const permissions = permissionsOf(unix);
  const kind = type === 0 ? "file" : kindOf(unix);
  switch (kind) {
    case "directory":
      return { kind, permissions };
    case "file":
      // Some programs write a file's mode for directories, as unzip and bsdtar know too.
      return asDirectory
        ? { kind: "directory", permissions: SEARCHABLE | permissions }
        : { kind, permissions };
    case "symlink":
    case "fifo":
    case "socket":
      if (asDirectory) throw new EntryError("has a directory's name and another file type");
      return { kind, permissions };
    case "character-device":
    case "block-device":
      throw new EntryError("is a device, and zip archives hold no device numbers (use tar)");
    default:
      throw new EntryError(`has the unknown file type 0${type.toString(8)}`);
  }
}

/** Info-ZIP's "ux": version, then size and value of user and group. */
const UNIX_OWNERS = 0x7875;
/** Info-ZIP's "Ux", in local headers only: user and group of 16 bits. */
const UNIX_OWNERS_16 = 0x7855;
/** Info-ZIP's "UX": access and modification time; in local headers, user and group of 16 bits. */
const UNIX_TIMES_AND_OWNERS_16 = 0x5855;
/** PKWARE's for Unix, which has the layout of "UX" in both headers: APPNOTE 4.5.7. */
const PKWARE_UNIX = 0x000d;
/** Both, the one that unzip prefers first. */
const TIMES_AND_OWNERS_16 = [UNIX_TIMES_AND_OWNERS_16, PKWARE_UNIX];

export interface Owners {
  readonly uid: number;
  readonly gid: number;
}

/**
 * User and group from the extra fields of Info-ZIP, or else of PKWARE; root where there are none. Of
 * several fields with an id the last counts, so that the local file header takes precedence over
 * the central directory, as in unzip and libarchive.
 * @param fields extra fields of the central directory, then of the local file header
 * @throws EntryError when they don't fit 32 bits.
 */
export function ownersOf(fields: readonly ExtraField[]): Owners {
  const owners = fields.findLast(({ id, data }) => id === UNIX_OWNERS && data[0] === 1)?.data;
  if (owners !== undefined) {
    const uidEnd = 2 + (owners[1] ?? 0);
    const gidEnd = uidEnd + 1 + (owners[uidEnd] ?? 0);
    if (gidEnd > owners.length) throw new EntryError("has a damaged extra field for its owner");
    return {
      uid: idOf(owners.subarray(2, uidEnd)),
      gid: idOf(owners.subarray(uidEnd + 1, gidEnd)),
    };
  }
  const old =
    lastOf(fields, UNIX_OWNERS_16, 4) ??
    TIMES_AND_OWNERS_16.map((id) => lastOf(fields, id, 12)?.subarray(8)).find(Boolean);
  if (old === undefined) return { uid: 0, gid: 0 };
  return { uid: old.readUInt16LE(0), gid: old.readUInt16LE(2) };
}

/** The last field that is long enough: in the central directory it may have less. */
function lastOf(fields: readonly ExtraField[], id: number, length: number): Buffer | undefined {
  return fields.findLast((field) => field.id === id && field.data.length >= length)?.data;
}

/** A little-endian number of as many bytes as there are. */
function idOf(bytes: Uint8Array): number {
  const id = bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);
  if (id > 0xffffffff) throw new EntryError("has an owner that does not fit 32 bits");
  return id;
}

/** PKWARE's for NTFS: 4 bytes, then tags; tag 1 is three times in 100 ns since 1601. */
const NTFS_TIMES = 0x000a;
const NTFS_TIMES_TAG = 1;
/** 1970 in units of 100 ns since 1601. */
const NTFS_EPOCH = 116_444_736_000_000_000n;
/** Info-ZIP's extended timestamp: flags, then those of the seconds since 1970 that the flags name. */
const EXTENDED_TIMES = 0x5455;
const HAS_MTIME = 1 << 0;
const SECOND_NS = 1_000_000_000n;

/**
 * Modification time in nanoseconds since 1970: the most exact that there is. Times of MS-DOS have
 * no zone and are taken as UTC, so that an image does not depend on where it is built. Of several
 * fields with an id the last counts, see {@link ownersOf}.
 * @param fields extra fields of the central directory, then of the local file header
 */
export function mtimeOf(entry: Entry, fields: readonly ExtraField[]): bigint {
  // Programs write zeros where they know no time.
  const ntfs = fields.findLast(({ id, data }) => id === NTFS_TIMES && ntfsTime(data) !== 0n);
  if (ntfs !== undefined) return (ntfsTime(ntfs.data) - NTFS_EPOCH) * 100n;
  const dosSeconds = dosTime(entry);
  const extended = fields.findLast(
    ({ id, data }) => id === EXTENDED_TIMES && data.length >= 5 && (data[0]! & HAS_MTIME) !== 0,
  )?.data;
  if (extended !== undefined) return unixTime(extended.readInt32LE(1), dosSeconds);
  for (const wanted of TIMES_AND_OWNERS_16) {
    const old = lastOf(fields, wanted, 8);
    if (old !== undefined) return unixTime(old.readInt32LE(4), dosSeconds);
  }
  return BigInt(dosSeconds) * SECOND_NS;
}

/** The modification time in a field for NTFS, whichever of its tags has it; 0 where none has. */
function ntfsTime(field: Buffer): bigint {
  for (let at = 4; at + 4 <= field.length; at += 4 + field.readUInt16LE(at + 2)) {
    if (field.readUInt16LE(at) === NTFS_TIMES_TAG && at + 12 <= field.length) {
      return field.readBigUInt64LE(at + 4);
    }
  }
  return 0n;
}

/** Seconds since 1970 of 32 bits, which are signed; past 2038 the other time tells, as for unzip. */
function unixTime(seconds: number, dosSeconds: number): bigint {
  const wrapped = seconds < 0 && dosSeconds >= 2 ** 31;
  return BigInt(wrapped ? seconds + 2 ** 32 : seconds) * SECOND_NS;
}

/** Modification date and time of MS-DOS, APPNOTE 4.4.6, in seconds since 1970. */
function dosTime({ lastModFileDate: date, lastModFileTime: time }: Entry): number {
  const day = Date.UTC(1980 + (date >>> 9), ((date >>> 5) & 0xf) - 1, date & 0x1f);
  return day / 1000 + (time >>> 11) * 3600 + ((time >>> 5) & 0x3f) * 60 + (time & 0x1f) * 2;
}
