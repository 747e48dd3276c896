// SPDX-License-Identifier: MIT
/**
 * The daxfs image format, version 1 with extensions, described once. The codecs, the C header
 * `kernel/daxfs_format.h` and the reference page `docs/format.md` are all made from this file;
 * change the format here and run the generator.
 */

/** Integers are little-endian. `bytes` is an opaque run of `length` bytes. */
export type FieldType =
  | { readonly kind: "u16" | "u32" | "u64" | "i64" }
  | { readonly kind: "bytes"; readonly length: number };

export interface Field {
  readonly name: string;
  /** Bytes from the start of the record. */
  readonly offset: number;
  readonly type: FieldType;
  readonly meaning: string;
  /** Absent for a field of the published version 1. */
  readonly extension?: true;
}

export interface RecordSchema {
  readonly name: string;
  readonly title: string;
  /** Bytes. Those that no field covers are reserved and zero. */
  readonly size: number;
  readonly fields: readonly Field[];
}

const u16 = { kind: "u16" } as const;
const u32 = { kind: "u32" } as const;
const u64 = { kind: "u64" } as const;
const i64 = { kind: "i64" } as const;
const bytes = <N extends number>(length: N) => ({ kind: "bytes", length }) as const;

/** "daxd" read as bytes of a big-endian word; at offset 0 of every image. */
export const MAGIC = 0x64646178;
export const VERSION = 1;
/** Unit of alignment of contents and of the image's length, in bytes. */
export const BLOCK_SIZE = 4096;
/** Alignment of large files in images made for huge mappings, in bytes. */
export const HUGE_SIZE = 2_097_152;
export const ROOT_INODE = 1;
/** Longest name in bytes, as NAME_MAX of Linux. */
export const NAME_MAX = 255;
/** Longest symlink target in bytes, without its NUL: PATH_MAX of Linux less one. */
export const SYMLINK_MAX = 4095;
/** Longest xattr name in bytes, as XATTR_NAME_MAX of Linux. */
export const XATTR_NAME_MAX = 255;
/** Longest xattr value in bytes, as XATTR_SIZE_MAX of Linux. */
export const XATTR_VALUE_MAX = 65536;
/** Bytes that the names of a file's attributes take with their NULs, as XATTR_LIST_MAX of Linux. */
export const XATTR_LIST_MAX = 65536;
/** Attributes that a file can have: a name takes two bytes of the list at least. */
export const XATTR_COUNT_MAX = XATTR_LIST_MAX / 2;
/** Bytes of the data area that one digest covers. */
export const DIGEST_CHUNK_SIZE = 2 * 1024 * 1024;
/** Alignment of the xattr area and of each set in it, in bytes. */
export const XATTR_SET_ALIGN = 8;
/** Largest device major and minor numbers that Linux has. */
export const DEVICE_MAJOR_MAX = 0xfff;
export const DEVICE_MINOR_MAX = 0xfffff;

export interface FeatureBit {
  readonly name: string;
  readonly bit: number;
  /**
   * Whether the kernel module makes use of the bit. It lists such a feature in
   * /sys/fs/daxfs/features if the bit is compatible. The set of incompatible bits that the module
   * accepts is written by hand in kernel/.
   */
  readonly module: boolean;
  readonly meaning: string;
}

/** All feature bits. `FLAG`, the C header, the module's list and the reference follow from it. */
export const FEATURES = [
  { name: "MTIME", bit: 0, module: true, meaning: "`mtime_ns` of every inode is valid" },
  {
    name: "SORTED",
    bit: 1,
    module: true,
    meaning:
      "the children of each directory have consecutive inode numbers, in ascending byte order of " +
      "their names, and a directory's size is 64 × their number: a lookup is a binary search, a " +
      "seek in readdir is arithmetic",
  },
  {
    name: "LINKS",
    bit: 2,
    module: true,
    meaning:
      "`link_ino` is valid: 0, or the inode number of the first name of the same file, which is " +
      "the identity that a reader shows for all of them",
  },
  { name: "XATTRS", bit: 3, module: true, meaning: "the xattr area is present" },
  {
    name: "CHECKSUMS",
    bit: 4,
    module: true,
    meaning:
      "the two crc fields are valid: CRC-32 of IEEE 802.3, the `crc32` of zlib, the kernel's " +
      "`crc32_le` with ~0 in and out",
  },
  {
    name: "DIGEST",
    bit: 5,
    module: false,
    meaning: "`data_digest` is valid; written on request, since hashing costs as much as building",
  },
] as const satisfies readonly FeatureBit[];

/** Bits that have no feature yet, but a purpose. */
export const PLANNED_FEATURES: readonly Pick<FeatureBit, "bit" | "meaning">[] = [
  { bit: 16, meaning: "kept free for packed small files" },
];

export type FeatureName = (typeof FEATURES)[number]["name"];

/** The value in `flags` of each feature of `features`. */
function flagsOf<Name extends string>(
  features: readonly { readonly name: Name; readonly bit: number }[],
): Readonly<Record<Name, number>> {
  const flags: Partial<Record<Name, number>> = {};
  for (const { name, bit } of features) flags[name] = 2 ** bit;
  return flags as Record<Name, number>;
}

/** The values of `FEATURES`, which `flags` combines. */
export const FLAG: Readonly<Record<FeatureName, number>> = flagsOf(FEATURES);

/** Bits that a reader which does not know them ignores. */
export const COMPATIBLE_MASK = 0x0000ffff;
/** Bits that a reader which does not know them refuses; version 1 has none yet. */
export const INCOMPATIBLE_MASK = 0xffff0000;
export const KNOWN_FLAGS = Object.values(FLAG).reduce((mask, flag) => mask | flag, 0);

export const SUPERBLOCK = {
  name: "superblock",
  title: "Superblock",
  size: 4096,
  fields: [
    { name: "magic", offset: 0, type: u32, meaning: "0x64646178" },
    { name: "version", offset: 4, type: u32, meaning: "1" },
    { name: "flags", offset: 8, type: u32, meaning: "feature bits" },
    { name: "block_size", offset: 12, type: u32, meaning: "4096" },
    {
      name: "total_size",
      offset: 16,
      type: u64,
      meaning: "length of the image in bytes, a multiple of 4096",
    },
    { name: "inode_offset", offset: 24, type: u64, meaning: "start of the inode table" },
    {
      name: "inode_count",
      offset: 32,
      type: u32,
      meaning: "entries of the inode table, at least 1",
    },
    { name: "root_inode", offset: 36, type: u32, meaning: "number of the root directory: 1" },
    { name: "strtab_offset", offset: 40, type: u64, meaning: "start of the string table" },
    { name: "strtab_size", offset: 48, type: u64, meaning: "bytes of the string table" },
    { name: "data_offset", offset: 56, type: u64, meaning: "start of the data area, 4096-aligned" },
    {
      name: "uuid",
      offset: 64,
      type: bytes(16),
      meaning: "derived from the content, so equal inputs give equal images",
      extension: true,
    },
    {
      name: "label",
      offset: 80,
      type: bytes(32),
      meaning: "UTF-8, NUL-padded",
      extension: true,
    },
    {
      name: "build_time_ns",
      offset: 112,
      type: i64,
      meaning: "0, or SOURCE_DATE_EPOCH in nanoseconds",
      extension: true,
    },
    {
      name: "xattr_offset",
      offset: 120,
      type: u64,
      meaning: "start of the xattr area, 8-aligned",
      extension: true,
    },
    {
      name: "xattr_size",
      offset: 128,
      type: u64,
      meaning: "bytes of the xattr area",
      extension: true,
    },
    {
      name: "xattr_rows",
      offset: 136,
      type: u32,
      meaning: "rows of the xattr index",
      extension: true,
    },
    {
      name: "data_align_log2",
      offset: 140,
      type: u32,
      meaning: "alignment that the region should have for the largest mappings: 12 or 21",
      extension: true,
    },
    {
      name: "metadata_crc32",
      offset: 144,
      type: u32,
      meaning:
        "over the bytes of inode table, string table and xattr area, one after the other, without " +
        "what lies between them",
      extension: true,
    },
    {
      name: "super_crc32",
      offset: 148,
      type: u32,
      meaning: "over the 4096 bytes of the superblock with this field taken as 0",
      extension: true,
    },
    {
      name: "data_digest",
      offset: 152,
      type: bytes(32),
      meaning:
        "SHA-256 of the SHA-256 digests, in order, of each 2 MiB chunk of the data area (the last " +
        "may be shorter), so that several cores can compute it",
      extension: true,
    },
  ],
} as const satisfies RecordSchema;

export const INODE = {
  name: "inode",
  title: "Inode",
  size: 64,
  fields: [
    { name: "ino", offset: 0, type: u32, meaning: "its number: index in the table + 1" },
    { name: "mode", offset: 4, type: u32, meaning: "file type and permission bits, as st_mode" },
    { name: "uid", offset: 8, type: u32, meaning: "owner" },
    { name: "gid", offset: 12, type: u32, meaning: "group" },
    {
      name: "size",
      offset: 16,
      type: u64,
      meaning:
        "regular file: bytes; directory: 64 × number of children; symlink: length of the target; " +
        "others: 0",
    },
    {
      name: "data_offset",
      offset: 24,
      type: u64,
      meaning:
        "regular file: its content, 4096-aligned, 0 where empty; symlink: the target, followed by " +
        "one NUL; device: major << 32 | minor; others: 0",
    },
    { name: "name_offset", offset: 32, type: u32, meaning: "of the name, in the string table" },
    {
      name: "name_len",
      offset: 36,
      type: u32,
      meaning: "bytes of the name without its NUL, 1 to 255; root 0",
    },
    { name: "parent_ino", offset: 40, type: u32, meaning: "the directory that holds it; root 0" },
    {
      name: "nlink",
      offset: 44,
      type: u32,
      meaning: "directory: 2 + number of subdirectories; others: names of the file in the image",
    },
    {
      name: "first_child",
      offset: 48,
      type: u32,
      meaning:
        "directory: its first child, 0 if empty; others: `link_ino` (extension), 0 for a file with " +
        "one name and for the first name of a linked file, else the first name's number",
    },
    {
      name: "next_sibling",
      offset: 52,
      type: u32,
      meaning: "next entry of the same directory, 0 at the end",
    },
    {
      name: "mtime_ns",
      offset: 56,
      type: i64,
      meaning: "nanoseconds since 1970, negative allowed",
      extension: true,
    },
  ],
} as const satisfies RecordSchema;

export const XATTR_ROW = {
  name: "xattr_row",
  title: "Xattr index row",
  size: 8,
  fields: [
    { name: "ino", offset: 0, type: u32, meaning: "inode number; ascending", extension: true },
    {
      name: "set",
      offset: 4,
      type: u32,
      meaning: "offset of the inode's set from `xattr_offset`, in units of 8 bytes",
      extension: true,
    },
  ],
} as const satisfies RecordSchema;

export const XATTR_SET = {
  name: "xattr_set",
  title: "Xattr set header",
  size: 4,
  fields: [
    {
      name: "count",
      offset: 0,
      type: u32,
      meaning:
        "entries that follow, each padded to 4 bytes, at most 32768; the whole set is padded to 8",
      extension: true,
    },
  ],
} as const satisfies RecordSchema;

export const XATTR_ENTRY = {
  name: "xattr_entry",
  title: "Xattr entry header",
  size: 8,
  fields: [
    {
      name: "name_len",
      offset: 0,
      type: u16,
      meaning: "bytes of the name that follows this header, 1 to 255",
      extension: true,
    },
    { name: "reserved", offset: 2, type: u16, meaning: "0", extension: true },
    {
      name: "value_len",
      offset: 4,
      type: u32,
      meaning: "bytes of the value that follows the name, at most 65536",
      extension: true,
    },
  ],
} as const satisfies RecordSchema;

export const RECORDS: readonly RecordSchema[] = [
  SUPERBLOCK,
  INODE,
  XATTR_ROW,
  XATTR_SET,
  XATTR_ENTRY,
];

/** File types in `mode`, as S_IFMT and its values of Linux. */
export const FILE_TYPE = {
  MASK: 0o170000,
  SOCKET: 0o140000,
  SYMLINK: 0o120000,
  REGULAR: 0o100000,
  BLOCK_DEVICE: 0o060000,
  DIRECTORY: 0o040000,
  CHARACTER_DEVICE: 0o020000,
  FIFO: 0o010000,
} as const;

/** Whether the file type bits of `mode` are one of the seven that an image can hold. */
export function isKnownFileType(mode: number): boolean {
  switch (mode & FILE_TYPE.MASK) {
    case FILE_TYPE.SOCKET:
    case FILE_TYPE.SYMLINK:
    case FILE_TYPE.REGULAR:
    case FILE_TYPE.BLOCK_DEVICE:
    case FILE_TYPE.DIRECTORY:
    case FILE_TYPE.CHARACTER_DEVICE:
    case FILE_TYPE.FIFO:
      return true;
    default:
      return false;
  }
}

/** Packs a device number the way an inode's `data_offset` holds it: major << 32 | minor. */
export function packDevice(major: number, minor: number): number {
  return major * 0x1_0000_0000 + minor;
}
