// SPDX-License-Identifier: MIT
import { type Corruption, inode, mounts, refusedBy, superblock } from "./corruption.js";
import { U32_MAX, U64_LIMIT } from "./limits.js";

/** Corruptions of the superblock, its reserved bytes, its checksums and the data digest. */
export const SUPERBLOCKS: readonly Corruption[] = [
  superblock("extended", "magic-zero", "superblock.magic", "magic", (b) => [
    b.setSuper("magic", 0),
  ]),
  superblock("version1", "magic-swapped", "superblock.magic", "magic", (b) => [
    b.setSuper("magic", 0x78616464),
  ]),
  superblock("extended", "version-2", "superblock.version", "version", (b) => [
    b.setSuper("version", 2),
  ]),
  superblock("version1", "version-0", "superblock.version", "version", (b) => [
    b.setSuper("version", 0),
  ]),
  superblock("extended", "incompatible-bit-16", "superblock.features", "flags", (b) => [
    b.setSuper("flags", b.superblock.flags | 0x10000),
  ]),
  superblock("version1", "incompatible-bit-31", "superblock.features", "flags", (b) => [
    b.setSuper("flags", 0x80000000),
  ]),
  superblock("extended", "block-size-512", "superblock.block-size", "block_size", (b) => [
    b.setSuper("block_size", 512),
  ]),
  superblock("version1", "block-size-0", "superblock.block-size", "block_size", (b) => [
    b.setSuper("block_size", 0),
  ]),

  superblock(
    "extended",
    "total-size-one-block-more",
    "superblock.total-size",
    "total_size",
    (b) => [b.setSuper("total_size", b.superblock.total_size + 4096n)],
  ),
  superblock("extended", "total-size-0", "superblock.total-size", "total_size", (b) => [
    b.setSuper("total_size", 0),
  ]),
  superblock("extended", "total-size-unaligned", "superblock.total-size", "total_size", (b) => [
    b.setSuper("total_size", b.superblock.total_size - 1n),
  ]),
  superblock("version1", "total-size-near-2-64", "superblock.total-size", "total_size", (b) => [
    b.setSuper("total_size", U64_LIMIT - 4096n),
  ]),
  superblock("version1", "total-size-negative", "superblock.total-size", "total_size", (b) => [
    b.setSuper("total_size", 1n << 63n),
  ]),
  superblock(
    "extended",
    "region-one-block-short",
    "superblock.total-size",
    "total_size",
    () => [],
    {
      length: (b) => b.bytes.length - 4096,
    },
  ),
  superblock("version1", "region-one-block-long", "superblock.total-size", "total_size", () => [], {
    length: () => 4096,
  }),
  superblock("extended", "region-half", "superblock.total-size", "total_size", () => [], {
    length: (b) => Math.floor(b.bytes.length / 8192) * 4096,
  }),

  superblock("extended", "inode-offset-0", "superblock.inode-table", "inode_offset", (b) => [
    b.setSuper("inode_offset", 0),
  ]),
  superblock("extended", "inode-offset-at-end", "superblock.inode-table", "inode_offset", (b) => [
    b.setSuper("inode_offset", b.superblock.total_size),
  ]),
  superblock("version1", "inode-offset-wraps", "superblock.inode-table", "inode_offset", (b) => [
    // The end, offset + size, is 2^64 and wraps to 0.
    b.setSuper("inode_offset", U64_LIMIT - BigInt(b.superblock.inode_count) * 64n),
  ]),
  superblock("version1", "inode-offset-negative", "superblock.inode-table", "inode_offset", (b) => [
    b.setSuper("inode_offset", U64_LIMIT - 4096n),
  ]),
  superblock("extended", "inode-count-0", "superblock.inode-count", "inode_count", (b) => [
    b.setSuper("inode_count", 0),
  ]),
  superblock("extended", "inode-count-max", "superblock.inode-table", "inode_offset", (b) => [
    b.setSuper("inode_count", U32_MAX),
  ]),
  superblock("version1", "inode-count-max-v1", "superblock.inode-table", "inode_offset", (b) => [
    b.setSuper("inode_count", U32_MAX),
  ]),
  superblock(
    "version1",
    "inode-count-wraps-32-bits",
    "superblock.inode-table",
    "inode_offset",
    (b) => [
      // The size, 64 × the count, wraps to 64 in 32 bits.
      b.setSuper("inode_count", 0x04000001),
    ],
  ),
  superblock("extended", "inode-count-one-more", "superblock.overlap", "strtab_offset", (b) => [
    b.setSuper("inode_count", b.superblock.inode_count + 1),
  ]),

  superblock("extended", "root-0", "superblock.root", "root_inode", (b) => [
    b.setSuper("root_inode", 0),
  ]),
  superblock("version1", "root-beyond-table", "superblock.root", "root_inode", (b) => [
    b.setSuper("root_inode", b.superblock.inode_count + 1),
  ]),
  superblock("extended", "root-max", "superblock.root", "root_inode", (b) => [
    b.setSuper("root_inode", U32_MAX),
  ]),
  inode(
    "version1",
    "root-is-a-file",
    "/",
    "superblock.root",
    "mode",
    (b) => [b.set("/", "mode", 0o100755), b.set("/", "size", 0)],
    refusedBy("mode"),
  ),
  inode(
    "extended",
    "root-is-another-directory",
    "/pair",
    "inode.name-range",
    "name_len",
    (b) => [b.setSuper("root_inode", b.ino("/pair"))],
    refusedBy("name_len"),
  ),

  superblock("extended", "strtab-offset-max", "superblock.string-table", "strtab_offset", (b) => [
    b.setSuper("strtab_offset", U64_LIMIT - 1n),
  ]),
  superblock("version1", "strtab-size-2-63", "superblock.string-table", "strtab_offset", (b) => [
    b.setSuper("strtab_size", 1n << 63n),
  ]),
  superblock("version1", "strtab-wraps", "superblock.string-table", "strtab_offset", (b) => [
    b.setSuper("strtab_size", U64_LIMIT - b.superblock.strtab_offset + 1n),
  ]),
  superblock(
    "extended",
    "strtab-in-superblock",
    "superblock.string-table",
    "strtab_offset",
    (b) => [b.setSuper("strtab_offset", 0)],
  ),

  superblock("extended", "data-offset-beyond-end", "superblock.data-area", "data_offset", (b) => [
    b.setSuper("data_offset", b.superblock.total_size + 4096n),
  ]),
  superblock("version1", "data-offset-unaligned", "superblock.data-area", "data_offset", (b) => [
    b.setSuper("data_offset", b.superblock.data_offset + 1n),
  ]),
  superblock("extended", "data-offset-0", "superblock.data-area", "data_offset", (b) => [
    b.setSuper("data_offset", 0),
  ]),
  superblock("version1", "data-offset-negative", "superblock.data-area", "data_offset", (b) => [
    b.setSuper("data_offset", U64_LIMIT - 4096n),
  ]),

  superblock("extended", "xattr-offset-wraps", "superblock.xattr-area", "xattr_offset", (b) => [
    b.setSuper("xattr_offset", U64_LIMIT - 8n),
  ]),
  superblock("extended", "xattr-offset-unaligned", "superblock.xattr-area", "xattr_offset", (b) => [
    b.setSuper("xattr_offset", b.superblock.xattr_offset + 4n),
  ]),
  superblock("extended", "xattr-size-max", "superblock.xattr-area", "xattr_offset", (b) => [
    b.setSuper("xattr_size", U64_LIMIT - 1n),
  ]),
  superblock("extended", "xattr-rows-max", "superblock.xattr-area", "xattr_rows", (b) => [
    b.setSuper("xattr_rows", U32_MAX),
  ]),
  superblock("extended", "xattr-size-0", "superblock.xattr-area", "xattr_rows", (b) => [
    b.setSuper("xattr_size", 0),
  ]),

  superblock("extended", "xattrs-over-inodes", "superblock.overlap", "xattr_offset", (b) => [
    b.setSuper("xattr_offset", b.superblock.inode_offset),
  ]),
  superblock("version1", "strings-over-inodes", "superblock.overlap", "strtab_offset", (b) => [
    b.setSuper("strtab_offset", b.superblock.inode_offset),
  ]),
  superblock("extended", "data-over-metadata", "superblock.overlap", "data_offset", (b) => [
    b.setSuper("data_offset", 4096),
  ]),

  inode(
    "extended",
    "alignment-64",
    null,
    "superblock.alignment",
    "data_align_log2",
    (b) => [b.setSuper("data_align_log2", 64)],
    mounts(),
  ),
  inode(
    "extended",
    "label-not-utf8",
    null,
    "superblock.label",
    "label",
    (b) => [b.setSuper("label", Uint8Array.from([0xff, 0xfe, ...new Uint8Array(30)]))],
    mounts(),
  ),
  inode(
    "version1",
    "label-goes-on-behind-nul",
    null,
    "superblock.label",
    "label",
    (b) => [b.setSuper("label", Uint8Array.from([0x61, 0, 0x62, ...new Uint8Array(29)]))],
    mounts(),
  ),
  inode(
    "extended",
    "reserved-byte-last",
    null,
    "superblock.reserved",
    "reserved",
    (b) => [b.write(4095, "\x01", "last reserved byte")],
    mounts(),
  ),
  inode(
    "version1",
    "reserved-byte-first",
    null,
    "superblock.reserved",
    "reserved",
    (b) => [b.write(184, "\x80", "first reserved byte")],
    mounts(),
  ),
  superblock(
    "extended",
    "super-crc-wrong",
    "superblock.crc",
    "super_crc32",
    (b) => [b.setSuper("super_crc32", (b.superblock.super_crc32 ^ 1) >>> 0)],
    { resum: "none" },
  ),
  superblock(
    "extended",
    "superblock-changed-behind-crc",
    "superblock.crc",
    "super_crc32",
    (b) => [b.setSuper("build_time_ns", 1)],
    { resum: "none" },
  ),
  superblock(
    "extended",
    "reserved-changed-behind-crc",
    "superblock.crc",
    "super_crc32",
    (b) => [b.write(4000, "x", "reserved byte")],
    { resum: "none" },
  ),
  inode(
    "extended",
    "metadata-crc-wrong",
    null,
    "metadata.crc",
    "metadata_crc32",
    (b) => [b.setSuper("metadata_crc32", (b.superblock.metadata_crc32 ^ 0x80000000) >>> 0)],
    mounts(),
    { resum: "superblock" },
  ),
  inode(
    "extended",
    "inode-changed-behind-crc",
    null,
    "metadata.crc",
    "metadata_crc32",
    (b) => [b.set("/files/c-4096", "uid", 12345)],
    mounts(),
    { resum: "none" },
  ),
  inode(
    "extended",
    "data-changed-behind-digest",
    null,
    "data.digest",
    "data_digest",
    (b) => [b.write(b.dataOffset("/files/c-4096"), "X", "content")],
    mounts(),
    { resum: "none" },
  ),
];
