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
      "their names; the size of a directory is 64 × the number of children. Lookup is then a " +
      "binary search, and a seek in readdir is arithmetic",
  },
  {
    name: "LINKS",
    bit: 2,
    module: true,
    meaning:
      "`link_ino` is valid: 0, or the inode number of the first name of the same file, which " +
      "readers use for all names of the file",
  },
  { name: "XATTRS", bit: 3, module: true, meaning: "the xattr area is present" },
  {
    name: "CHECKSUMS",
    bit: 4,
    module: true,
    meaning:
      "`metadata_crc32` and `super_crc32` are valid: CRC-32 of IEEE 802.3, as `crc32` of zlib and " +
      "`crc32_le` of Linux with ~0 as initial value and final XOR",
  },
  {
    name: "DIGEST",
    bit: 5,
    module: false,
    meaning: "`data_digest` is valid; optional, because hashing takes as long as building",
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
    { name: "inode_offset", offset: 24, type: u64, meaning: "offset of the inode table" },
    {
      name: "inode_count",
      offset: 32,
      type: u32,
      meaning: "number of entries in the inode table, at least 1",
    },
    { name: "root_inode", offset: 36, type: u32, meaning: "inode number of the root directory: 1" },
    { name: "strtab_offset", offset: 40, type: u64, meaning: "offset of the string table" },
    { name: "strtab_size", offset: 48, type: u64, meaning: "size of the string table in bytes" },
    {
      name: "data_offset",
      offset: 56,
      type: u64,
      meaning: "offset of the data area, 4096-aligned",
    },
    {
      name: "uuid",
      offset: 64,
      type: bytes(16),
      meaning: "derived from the content, so that equal inputs give equal images",
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
      meaning: "build time: 0, or SOURCE_DATE_EPOCH in nanoseconds",
      extension: true,
    },
    {
      name: "xattr_offset",
      offset: 120,
      type: u64,
      meaning: "offset of the xattr area, 8-aligned",
      extension: true,
    },
    {
      name: "xattr_size",
      offset: 128,
      type: u64,
      meaning: "size of the xattr area in bytes",
      extension: true,
    },
    {
      name: "xattr_rows",
      offset: 136,
      type: u32,
      meaning: "number of rows in the xattr index",
      extension: true,
    },
    {
      name: "data_align_log2",
      offset: 140,
      type: u32,
      meaning:
        "log2 of the alignment that the memory region should have for the largest mappings: 12 or 21",
      extension: true,
    },
    {
      name: "metadata_crc32",
      offset: 144,
      type: u32,
      meaning:
        "CRC-32 of the inode table, the string table and the xattr area, concatenated without the " +
        "gaps between them",
      extension: true,
    },
    {
      name: "super_crc32",
      offset: 148,
      type: u32,
      meaning: "CRC-32 of the 4096 bytes of the superblock, with this field set to 0",
      extension: true,
    },
    {
      name: "data_digest",
      offset: 152,
      type: bytes(32),
      meaning:
        "SHA-256 of the concatenated SHA-256 digests of the 2 MiB chunks of the data area (the last " +
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
    { name: "ino", offset: 0, type: u32, meaning: "inode number: index in the table + 1" },
    { name: "mode", offset: 4, type: u32, meaning: "file type and permission bits, as in st_mode" },
    { name: "uid", offset: 8, type: u32, meaning: "owner" },
    { name: "gid", offset: 12, type: u32, meaning: "group" },
    {
      name: "size",
      offset: 16,
      type: u64,
      meaning:
        "regular file: size in bytes; directory: 64 × number of children; symlink: length of the " +
        "target; others: 0",
    },
    {
      name: "data_offset",
      offset: 24,
      type: u64,
      meaning:
        "regular file: offset of the content, 4096-aligned, or 0 if empty; symlink: offset of the " +
        "target, which is followed by one NUL; device: major << 32 | minor; others: 0",
    },
    {
      name: "name_offset",
      offset: 32,
      type: u32,
      meaning: "offset of the name in the string table",
    },
    {
      name: "name_len",
      offset: 36,
      type: u32,
      meaning: "length of the name without its NUL, 1 to 255; root: 0",
    },
    {
      name: "parent_ino",
      offset: 40,
      type: u32,
      meaning: "inode number of the parent directory; root: 0",
    },
    {
      name: "nlink",
      offset: 44,
      type: u32,
      meaning:
        "directory: 2 + number of subdirectories; others: number of names of the file in the image",
    },
    {
      name: "first_child",
      offset: 48,
      type: u32,
      meaning:
        "directory: inode number of the first child, 0 if empty; others: `link_ino` (extension): 0 " +
        "for a file with one name and for the first name of a hard-linked file, else the inode " +
        "number of the first name",
    },
    {
      name: "next_sibling",
      offset: 52,
      type: u32,
      meaning: "inode number of the next entry of the same directory, 0 at the end",
    },
    {
      name: "mtime_ns",
      offset: 56,
      type: i64,
      meaning: "modification time in nanoseconds since 1970; may be negative",
      extension: true,
    },
  ],
} as const satisfies RecordSchema;

export const XATTR_ROW = {
  name: "xattr_row",
  title: "Xattr index row",
  size: 8,
  fields: [
    {
      name: "ino",
      offset: 0,
      type: u32,
      meaning: "inode number; rows are in ascending order",
      extension: true,
    },
    {
      name: "set",
      offset: 4,
      type: u32,
      meaning: "offset of the inode's xattr set from `xattr_offset`, in units of 8 bytes",
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
        "number of entries that follow, at most 32768; each is padded to 4 bytes, the set to 8",
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
      meaning: "length of the name that follows this header, 1 to 255",
      extension: true,
    },
    { name: "reserved", offset: 2, type: u16, meaning: "0", extension: true },
    {
      name: "value_len",
      offset: 4,
      type: u32,
      meaning: "length of the value that follows the name, at most 65536",
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
