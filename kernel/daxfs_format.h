/* SPDX-License-Identifier: ((GPL-2.0-only WITH Linux-syscall-note) OR MIT) */
/*
 * The daxfs image format. Generated from packages/format/src/schema.ts: do not
 * edit, change the schema and run "npm run generate". docs/format.md has the
 * whole text. All integers are little-endian.
 */
#ifndef _DAXFS_FORMAT_H
#define _DAXFS_FORMAT_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#else
#include <assert.h>
#include <stddef.h>
#endif

#define DAXFS_SUPERBLOCK_SIZE          4096
#define DAXFS_MAGIC                    0x64646178
#define DAXFS_VERSION                  1
#define DAXFS_BLOCK_SIZE               4096
#define DAXFS_BLOCK_SHIFT              12
#define DAXFS_HUGE_SIZE                0x00200000
#define DAXFS_ROOT_INODE               1
#define DAXFS_NAME_MAX                 255
#define DAXFS_SYMLINK_MAX              4095
#define DAXFS_XATTR_NAME_MAX           255
#define DAXFS_XATTR_VALUE_MAX          65536
#define DAXFS_XATTR_COUNT_MAX          32768
#define DAXFS_XATTR_SET_ALIGN          8
#define DAXFS_DIGEST_PIECE_SIZE        0x00200000
#define DAXFS_DEVICE_MAJOR_MAX         0x00000fff
#define DAXFS_DEVICE_MINOR_MAX         0x000fffff

/* Feature bits in flags of the superblock */
#define DAXFS_FLAG_MTIME               0x00000001
#define DAXFS_FLAG_SORTED              0x00000002
#define DAXFS_FLAG_LINKS               0x00000004
#define DAXFS_FLAG_XATTRS              0x00000008
#define DAXFS_FLAG_CHECKSUMS           0x00000010
#define DAXFS_FLAG_DIGEST              0x00000020
#define DAXFS_COMPATIBLE_MASK          0x0000ffff
#define DAXFS_INCOMPATIBLE_MASK        0xffff0000

/* Names of the compatible features that the module uses, for an array of strings */
#define DAXFS_MODULE_FEATURES \
	{ "mtime", "sorted", "links", "xattrs", "checksums" }

/* Superblock; bytes 184 to 4096 are reserved, zero */
struct daxfs_superblock {
	/* 0x64646178 */
	__le32 magic;
	/* 1 */
	__le32 version;
	/* feature bits */
	__le32 flags;
	/* 4096 */
	__le32 block_size;
	/* length of the image in bytes, a multiple of 4096 */
	__le64 total_size;
	/* offset of the inode table */
	__le64 inode_offset;
	/* number of entries in the inode table, at least 1 */
	__le32 inode_count;
	/* inode number of the root directory: 1 */
	__le32 root_inode;
	/* offset of the string table */
	__le64 strtab_offset;
	/* size of the string table in bytes */
	__le64 strtab_size;
	/* offset of the data area, 4096-aligned */
	__le64 data_offset;
	/*
	 * derived from the content, so that equal inputs give equal images
	 * (extension)
	 */
	__u8 uuid[16];
	/* UTF-8, NUL-padded (extension) */
	__u8 label[32];
	/* build time: 0, or SOURCE_DATE_EPOCH in nanoseconds (extension) */
	__le64 build_time_ns;
	/* offset of the xattr area, 8-aligned (extension) */
	__le64 xattr_offset;
	/* size of the xattr area in bytes (extension) */
	__le64 xattr_size;
	/* number of rows in the xattr index (extension) */
	__le32 xattr_rows;
	/*
	 * log2 of the alignment that the memory region should have for the
	 * largest mappings: 12 or 21 (extension)
	 */
	__le32 data_align_log2;
	/*
	 * CRC-32 of the inode table, the string table and the xattr area,
	 * concatenated without the gaps between them (extension)
	 */
	__le32 metadata_crc32;
	/*
	 * CRC-32 of the 4096 bytes of the superblock, with this field set to 0
	 * (extension)
	 */
	__le32 super_crc32;
	/*
	 * SHA-256 of the concatenated SHA-256 digests of the 2 MiB chunks of
	 * the data area (the last may be shorter), so that several cores can
	 * compute it (extension)
	 */
	__u8 data_digest[32];
};

static_assert(offsetof(struct daxfs_superblock, magic) == 0,
	      "struct daxfs_superblock: offset of magic");
static_assert(offsetof(struct daxfs_superblock, version) == 4,
	      "struct daxfs_superblock: offset of version");
static_assert(offsetof(struct daxfs_superblock, flags) == 8,
	      "struct daxfs_superblock: offset of flags");
static_assert(offsetof(struct daxfs_superblock, block_size) == 12,
	      "struct daxfs_superblock: offset of block_size");
static_assert(offsetof(struct daxfs_superblock, total_size) == 16,
	      "struct daxfs_superblock: offset of total_size");
static_assert(offsetof(struct daxfs_superblock, inode_offset) == 24,
	      "struct daxfs_superblock: offset of inode_offset");
static_assert(offsetof(struct daxfs_superblock, inode_count) == 32,
	      "struct daxfs_superblock: offset of inode_count");
static_assert(offsetof(struct daxfs_superblock, root_inode) == 36,
	      "struct daxfs_superblock: offset of root_inode");
static_assert(offsetof(struct daxfs_superblock, strtab_offset) == 40,
	      "struct daxfs_superblock: offset of strtab_offset");
static_assert(offsetof(struct daxfs_superblock, strtab_size) == 48,
	      "struct daxfs_superblock: offset of strtab_size");
static_assert(offsetof(struct daxfs_superblock, data_offset) == 56,
	      "struct daxfs_superblock: offset of data_offset");
static_assert(offsetof(struct daxfs_superblock, uuid) == 64,
	      "struct daxfs_superblock: offset of uuid");
static_assert(offsetof(struct daxfs_superblock, label) == 80,
	      "struct daxfs_superblock: offset of label");
static_assert(offsetof(struct daxfs_superblock, build_time_ns) == 112,
	      "struct daxfs_superblock: offset of build_time_ns");
static_assert(offsetof(struct daxfs_superblock, xattr_offset) == 120,
	      "struct daxfs_superblock: offset of xattr_offset");
static_assert(offsetof(struct daxfs_superblock, xattr_size) == 128,
	      "struct daxfs_superblock: offset of xattr_size");
static_assert(offsetof(struct daxfs_superblock, xattr_rows) == 136,
	      "struct daxfs_superblock: offset of xattr_rows");
static_assert(offsetof(struct daxfs_superblock, data_align_log2) == 140,
	      "struct daxfs_superblock: offset of data_align_log2");
static_assert(offsetof(struct daxfs_superblock, metadata_crc32) == 144,
	      "struct daxfs_superblock: offset of metadata_crc32");
static_assert(offsetof(struct daxfs_superblock, super_crc32) == 148,
	      "struct daxfs_superblock: offset of super_crc32");
static_assert(offsetof(struct daxfs_superblock, data_digest) == 152,
	      "struct daxfs_superblock: offset of data_digest");
static_assert(sizeof(struct daxfs_superblock) == 184, "struct daxfs_superblock: size");

/* Inode */
struct daxfs_inode {
	/* inode number: index in the table + 1 */
	__le32 ino;
	/* file type and permission bits, as in st_mode */
	__le32 mode;
	/* owner */
	__le32 uid;
	/* group */
	__le32 gid;
	/*
	 * regular file: size in bytes; directory: 64 x number of children;
	 * symlink: length of the target; others: 0
	 */
	__le64 size;
	/*
	 * regular file: offset of the content, 4096-aligned, or 0 if empty;
	 * symlink: offset of the target, which is followed by one NUL; device:
	 * major << 32 | minor; others: 0
	 */
	__le64 data_offset;
	/* offset of the name in the string table */
	__le32 name_offset;
	/* length of the name without its NUL, 1 to 255; root: 0 */
	__le32 name_len;
	/* inode number of the parent directory; root: 0 */
	__le32 parent_ino;
	/*
	 * directory: 2 + number of subdirectories; others: number of names of
	 * the file in the image
	 */
	__le32 nlink;
	/*
	 * directory: inode number of the first child, 0 if empty; others:
	 * link_ino (extension): 0 for a file with one name and for the first
	 * name of a hard-linked file, else the inode number of the first name
	 */
	__le32 first_child;
	/* inode number of the next entry of the same directory, 0 at the end */
	__le32 next_sibling;
	/*
	 * modification time in nanoseconds since 1970; may be negative
	 * (extension)
	 */
	__le64 mtime_ns;
};

static_assert(offsetof(struct daxfs_inode, ino) == 0,
	      "struct daxfs_inode: offset of ino");
static_assert(offsetof(struct daxfs_inode, mode) == 4,
	      "struct daxfs_inode: offset of mode");
static_assert(offsetof(struct daxfs_inode, uid) == 8,
	      "struct daxfs_inode: offset of uid");
static_assert(offsetof(struct daxfs_inode, gid) == 12,
	      "struct daxfs_inode: offset of gid");
static_assert(offsetof(struct daxfs_inode, size) == 16,
	      "struct daxfs_inode: offset of size");
static_assert(offsetof(struct daxfs_inode, data_offset) == 24,
	      "struct daxfs_inode: offset of data_offset");
static_assert(offsetof(struct daxfs_inode, name_offset) == 32,
	      "struct daxfs_inode: offset of name_offset");
static_assert(offsetof(struct daxfs_inode, name_len) == 36,
	      "struct daxfs_inode: offset of name_len");
static_assert(offsetof(struct daxfs_inode, parent_ino) == 40,
	      "struct daxfs_inode: offset of parent_ino");
static_assert(offsetof(struct daxfs_inode, nlink) == 44,
	      "struct daxfs_inode: offset of nlink");
static_assert(offsetof(struct daxfs_inode, first_child) == 48,
	      "struct daxfs_inode: offset of first_child");
static_assert(offsetof(struct daxfs_inode, next_sibling) == 52,
	      "struct daxfs_inode: offset of next_sibling");
static_assert(offsetof(struct daxfs_inode, mtime_ns) == 56,
	      "struct daxfs_inode: offset of mtime_ns");
static_assert(sizeof(struct daxfs_inode) == 64, "struct daxfs_inode: size");

/* Xattr index row */
struct daxfs_xattr_row {
	/* inode number; rows are in ascending order (extension) */
	__le32 ino;
	/*
	 * offset of the inode's xattr set from xattr_offset, in units of 8
	 * bytes (extension)
	 */
	__le32 set;
};

static_assert(offsetof(struct daxfs_xattr_row, ino) == 0,
	      "struct daxfs_xattr_row: offset of ino");
static_assert(offsetof(struct daxfs_xattr_row, set) == 4,
	      "struct daxfs_xattr_row: offset of set");
static_assert(sizeof(struct daxfs_xattr_row) == 8, "struct daxfs_xattr_row: size");

/* Xattr set header */
struct daxfs_xattr_set {
	/*
	 * number of entries that follow, at most 32768; each is padded to 4
	 * bytes, the set to 8 (extension)
	 */
	__le32 count;
};

static_assert(offsetof(struct daxfs_xattr_set, count) == 0,
	      "struct daxfs_xattr_set: offset of count");
static_assert(sizeof(struct daxfs_xattr_set) == 4, "struct daxfs_xattr_set: size");

/* Xattr entry header */
struct daxfs_xattr_entry {
	/* length of the name that follows this header, 1 to 255 (extension) */
	__le16 name_len;
	/* 0 (extension) */
	__le16 reserved;
	/* length of the value that follows the name, at most 65536 (extension) */
	__le32 value_len;
};

static_assert(offsetof(struct daxfs_xattr_entry, name_len) == 0,
	      "struct daxfs_xattr_entry: offset of name_len");
static_assert(offsetof(struct daxfs_xattr_entry, reserved) == 2,
	      "struct daxfs_xattr_entry: offset of reserved");
static_assert(offsetof(struct daxfs_xattr_entry, value_len) == 4,
	      "struct daxfs_xattr_entry: offset of value_len");
static_assert(sizeof(struct daxfs_xattr_entry) == 8, "struct daxfs_xattr_entry: size");

#endif /* _DAXFS_FORMAT_H */
