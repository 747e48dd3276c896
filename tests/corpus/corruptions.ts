// SPDX-License-Identifier: MIT
/**
 * The corruptions of the corpus, by hand: what is changed in which base image, what the checker
 * has to say about it, and what the kernel module has to do with it.
 */
import type { ByteString, RuleId } from "@daxfs/format";
import type { BaseName } from "./bases.js";
import type { Base, Edit, Resum } from "./edit.js";
import { LATIN1_NAME } from "./trees.js";

/** What a walk of a mounted tree does with a file. */
export type Operation = "stat" | "list" | "read" | "readlink" | "listxattr" | "getxattr";

/** An operation that has to fail in the kernel. */
export interface KernelError {
  readonly path: ByteString;
  readonly operation: Operation;
  readonly errno: "EUCLEAN" | "ENOENT";
}

/** What the kernel module does at mount and afterwards. */
export type KernelOutcome =
  | { readonly mount: "refused"; readonly errno: "EINVAL"; readonly field: string }
  | {
      readonly mount: "mounts";
      /**
       * Each of these fails; what lies below a path that is named here may fail too, and all else
       * may not.
       */
      readonly errors: readonly KernelError[];
    };

/** A valid image with a change that makes it invalid. */
export interface Corruption {
  readonly name: string;
  readonly base: BaseName;
  readonly edits: (base: Base) => readonly Edit[];
  /** Bytes that are left of the image; all by default. */
  readonly length?: (base: Base) => number;
  /** Sums that are made to fit, so that the field itself is what a reader trips over. */
  readonly resum: Resum;
  /** A finding that the checker has, among others that may follow from it. */
  readonly rule: RuleId;
  /** Path whose inode the finding names, or the number; null for the image as a whole. */
  readonly inode: ByteString | number | null;
  readonly field: string;
  /** Rule that a walk with ImageReader fails on, where that is another. */
  readonly readerRule?: RuleId;
  readonly kernel: KernelOutcome;
}

type Options = Partial<Pick<Corruption, "resum" | "length" | "readerRule">>;

const U32_MAX = 0xffffffff;
const U64_LIMIT = 1n << 64n;
const S64_MAX = (1n << 63n) - 1n;

function refusedBy(field: string): KernelOutcome {
  return { mount: "refused", errno: "EINVAL", field };
}

/** It mounts, and the given "OPERATION PATH" fail with EUCLEAN. */
function mounts(...failures: string[]): KernelOutcome {
  const errors = failures.map((failure): KernelError => {
    const space = failure.indexOf(" ");
    const operation = failure.slice(0, space) as Operation;
    return { path: failure.slice(space + 1), operation, errno: "EUCLEAN" };
  });
  return { mount: "mounts", errors };
}

function missing(path: ByteString): KernelOutcome {
  return { mount: "mounts", errors: [{ path, operation: "stat", errno: "ENOENT" }] };
}

/** A superblock that the kernel refuses for the same field that the checker names. */
function superblock(
  base: BaseName,
  name: string,
  rule: RuleId,
  field: string,
  edits: Corruption["edits"],
  options: Options & { readonly kernelField?: string } = {},
): Corruption {
  const { kernelField, ...rest } = options;
  const kernel = refusedBy(kernelField ?? field);
  return { name, base, edits, resum: "all", rule, inode: null, field, kernel, ...rest };
}

/** A corruption that the finding places at an inode. */
function inode(
  base: BaseName,
  name: string,
  at: ByteString | number | null,
  rule: RuleId,
  field: string,
  edits: Corruption["edits"],
  kernel: KernelOutcome,
  options: Options = {},
): Corruption {
  return { name, base, edits, resum: "all", rule, inode: at, field, kernel, ...options };
}

const SUPERBLOCKS: readonly Corruption[] = [
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
    // Offset and size together are 2^64, which is 0.
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
      // Times 64 it is 64 in 32 bits.
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

/** Fields that lookup and readdir need: what they break is the directory of the entry. */
const ENTRIES: readonly Corruption[] = [
  inode(
    "extended",
    "ino-0",
    "/pair/one",
    "inode.ino",
    "ino",
    (b) => [b.set("/pair/one", "ino", 0)],
    mounts("list /pair"),
  ),
  inode(
    "version1",
    "ino-one-more",
    "/one",
    "inode.ino",
    "ino",
    (b) => [b.set("/one", "ino", b.ino("/one") + 1)],
    mounts("list /"),
  ),
  inode(
    "extended",
    "ino-in-large-directory",
    "/many/entry-100",
    "inode.ino",
    "ino",
    (b) => [b.set("/many/entry-100", "ino", U32_MAX)],
    mounts("list /many"),
  ),
  inode(
    "extended",
    "mode-0",
    "/pair/one",
    "inode.file-type",
    "mode",
    (b) => [b.set("/pair/one", "mode", 0)],
    mounts("list /pair"),
  ),
  inode(
    "extended",
    "mode-type-15",
    "/pair/one",
    "inode.file-type",
    "mode",
    (b) => [b.set("/pair/one", "mode", 0o170644)],
    mounts("list /pair"),
  ),
  inode(
    "extended",
    "mode-bit-16",
    "/pair/one",
    "inode.file-type",
    "mode",
    (b) => [b.set("/pair/one", "mode", 0o300644)],
    mounts("list /pair"),
  ),
  inode(
    "version1",
    "mode-max",
    "/sub/hard",
    "inode.file-type",
    "mode",
    (b) => [b.set("/sub/hard", "mode", U32_MAX)],
    mounts("list /sub"),
  ),

  inode(
    "extended",
    "name-len-0",
    "/pair/one",
    "inode.name-range",
    "name_len",
    (b) => [b.set("/pair/one", "name_len", 0)],
    mounts("list /pair"),
  ),
  inode(
    "extended",
    "name-len-256",
    "/pair/one",
    "inode.name-range",
    "name_len",
    (b) => [b.set("/pair/one", "name_len", 256)],
    mounts("list /pair"),
  ),
  inode(
    "version1",
    "name-len-max",
    "/sub/hard",
    "inode.name-range",
    "name_len",
    (b) => [b.set("/sub/hard", "name_len", U32_MAX)],
    mounts("list /sub"),
  ),
  inode(
    "extended",
    "name-offset-max",
    "/pair/one",
    "inode.name-range",
    "name_offset",
    (b) => [b.set("/pair/one", "name_offset", U32_MAX)],
    mounts("list /pair"),
  ),
  inode(
    "version1",
    "name-offset-at-end",
    "/sub/hard",
    "inode.name-range",
    "name_offset",
    (b) => [b.set("/sub/hard", "name_offset", Number(b.superblock.strtab_size))],
    mounts("list /sub"),
  ),
  inode(
    "extended",
    "name-one-byte-too-long",
    "/nested/a/b/c/leaf",
    "inode.name-range",
    "name_offset",
    (b) => [b.set("/nested/a/b/c/leaf", "name_offset", Number(b.superblock.strtab_size) - 3)],
    mounts("list /nested/a/b/c"),
  ),
  inode(
    "version1",
    "strtab-too-short",
    "/nothing",
    "inode.name-range",
    "name_offset",
    (b) => [b.setSuper("strtab_size", b.superblock.strtab_size - 2n)],
    mounts("list /"),
  ),
  inode(
    "version1",
    "strtab-empty",
    "/zebra",
    "inode.name-range",
    "name_offset",
    (b) => [b.setSuper("strtab_size", 0)],
    mounts("list /"),
  ),
  inode(
    "extended",
    "root-name-len",
    "/",
    "inode.name-range",
    "name_len",
    (b) => [b.set("/", "name_len", 5)],
    refusedBy("name_len"),
  ),

  inode(
    "extended",
    "name-slash",
    "/pair/one",
    "inode.name-characters",
    "name",
    (b) => [b.setName("/pair/one", "o/e")],
    mounts("list /pair"),
  ),
  inode(
    "version1",
    "name-slash-v1",
    "/sub/hard",
    "inode.name-characters",
    "name",
    (b) => [b.setName("/sub/hard", "/etc")],
    mounts("list /sub"),
  ),
  inode(
    "extended",
    "name-nul",
    "/pair/one",
    "inode.name-characters",
    "name",
    (b) => [b.setName("/pair/one", "o\0e")],
    mounts("list /pair"),
  ),
  inode(
    "version1",
    "name-dot-dot",
    "/sub/hard",
    "inode.name-characters",
    "name",
    (b) => [b.setName("/sub/hard", "..\0"), b.set("/sub/hard", "name_len", 2)],
    mounts("list /sub"),
  ),
  inode(
    "extended",
    "name-dot",
    "/pair/one",
    "inode.name-characters",
    "name",
    (b) => [b.setName("/pair/one", ".\0"), b.set("/pair/one", "name_len", 1)],
    mounts("list /pair"),
  ),
  inode(
    "extended",
    "name-without-nul",
    "/pair/one",
    "inode.name-end",
    "name_len",
    (b) => [b.write(b.nameOffset("/pair/one") + 3, "x", "NUL behind 'one'")],
    mounts(),
  ),
  inode(
    "version1",
    "name-shorter",
    "/sub/hard",
    "inode.name-end",
    "name_len",
    (b) => [b.set("/sub/hard", "name_len", 3)],
    mounts(),
  ),
  inode(
    "extended",
    "strtab-without-last-nul",
    "/nested/a/b/c/leaf",
    "inode.name-end",
    "name_len",
    (b) => [b.setSuper("strtab_size", b.superblock.strtab_size - 1n)],
    mounts(),
  ),

  inode(
    "extended",
    "parent-0",
    "/pair/one",
    "inode.parent-range",
    "parent_ino",
    (b) => [b.set("/pair/one", "parent_ino", 0)],
    mounts("list /pair"),
  ),
  inode(
    "version1",
    "parent-max",
    "/sub/hard",
    "inode.parent-range",
    "parent_ino",
    (b) => [b.set("/sub/hard", "parent_ino", U32_MAX)],
    mounts("list /sub"),
  ),
  inode(
    "extended",
    "root-has-parent",
    "/",
    "inode.parent-range",
    "parent_ino",
    (b) => [b.set("/", "parent_ino", 1)],
    refusedBy("parent_ino"),
  ),
  inode(
    "version1",
    "sibling-beyond-table",
    "/one",
    "inode.sibling-range",
    "next_sibling",
    (b) => [b.set("/one", "next_sibling", b.superblock.inode_count + 1)],
    mounts("list /"),
  ),
  inode(
    "extended",
    "sibling-max",
    "/pair/one",
    "inode.sibling-range",
    "next_sibling",
    (b) => [b.set("/pair/one", "next_sibling", U32_MAX)],
    mounts("list /pair"),
  ),
  inode(
    "extended",
    "root-sibling-max",
    "/",
    "inode.sibling-range",
    "next_sibling",
    (b) => [b.set("/", "next_sibling", U32_MAX)],
    refusedBy("next_sibling"),
  ),
];

/** Fields that only the file itself needs: its siblings are as they were. */
const CONTENTS: readonly Corruption[] = [
  inode(
    "extended",
    "size-2-63",
    "/files/c-4097",
    "inode.size",
    "size",
    (b) => [b.set("/files/c-4097", "size", 1n << 63n)],
    mounts("stat /files/c-4097"),
  ),
  inode(
    "version1",
    "size-minus-1",
    "/alpha",
    "inode.size",
    "size",
    (b) => [b.set("/alpha", "size", U64_LIMIT - 1n)],
    mounts("stat /alpha"),
  ),
  inode(
    "extended",
    "fifo-with-size",
    "/devices/fifo",
    "inode.size",
    "size",
    (b) => [b.set("/devices/fifo", "size", 1)],
    mounts("stat /devices/fifo"),
  ),
  inode(
    "extended",
    "device-with-size",
    "/devices/disk",
    "inode.size",
    "size",
    (b) => [b.set("/devices/disk", "size", 1n << 40n)],
    mounts("stat /devices/disk"),
  ),
  inode(
    "version1",
    "directory-size-negative",
    "/sub/subsub",
    "inode.size",
    "size",
    (b) => [b.set("/sub/subsub", "size", U64_LIMIT - 64n)],
    mounts("stat /sub/subsub"),
  ),

  inode(
    "extended",
    "content-offset-wraps",
    "/files/c-4097",
    "inode.content-range",
    "data_offset",
    (b) => [b.set("/files/c-4097", "data_offset", U64_LIMIT - 4096n)],
    mounts("stat /files/c-4097"),
  ),
  inode(
    "extended",
    "content-at-end",
    "/files/c-4097",
    "inode.content-range",
    "data_offset",
    (b) => [b.set("/files/c-4097", "data_offset", b.superblock.total_size)],
    mounts("stat /files/c-4097"),
  ),
  inode(
    "extended",
    "content-passes-end",
    "/files/c-4097",
    "inode.content-range",
    "data_offset",
    (b) => [b.set("/files/c-4097", "data_offset", b.superblock.total_size - 4096n)],
    mounts("stat /files/c-4097"),
  ),
  inode(
    "version1",
    "content-in-superblock",
    "/alpha",
    "inode.content-range",
    "data_offset",
    (b) => [b.set("/alpha", "data_offset", 0)],
    mounts("stat /alpha"),
  ),
  inode(
    "version1",
    "content-in-inode-table",
    "/alpha",
    "inode.content-range",
    "data_offset",
    (b) => [b.set("/alpha", "data_offset", b.superblock.inode_offset)],
    mounts("stat /alpha"),
  ),
  inode(
    "version1",
    "content-size-huge",
    "/alpha",
    "inode.content-range",
    "data_offset",
    (b) => [b.set("/alpha", "size", S64_MAX)],
    mounts("stat /alpha"),
  ),
  inode(
    "extended",
    "content-size-whole-image",
    "/large",
    "inode.content-range",
    "data_offset",
    (b) => [b.set("/large", "size", b.superblock.total_size)],
    mounts("stat /large"),
  ),
  inode(
    "version1",
    "empty-file-behind-end",
    "/nothing",
    "inode.content-range",
    "data_offset",
    (b) => [b.set("/nothing", "data_offset", b.superblock.total_size + 4096n)],
    mounts("stat /nothing"),
  ),
  inode(
    "extended",
    "empty-file-offset-max",
    "/files/c-0",
    "inode.content-range",
    "data_offset",
    (b) => [b.set("/files/c-0", "data_offset", U64_LIMIT - 1n)],
    mounts("stat /files/c-0"),
  ),
  inode(
    "extended",
    "symlink-offset-max",
    "/symlinks/good",
    "inode.content-range",
    "data_offset",
    (b) => [b.set("/symlinks/good", "data_offset", U64_LIMIT - 1n)],
    mounts("stat /symlinks/good"),
  ),
  inode(
    "version1",
    "symlink-in-superblock",
    "/symlink",
    "inode.content-range",
    "data_offset",
    (b) => [b.set("/symlink", "data_offset", 0)],
    mounts("stat /symlink"),
  ),
  inode(
    "version1",
    "symlink-nul-behind-end",
    "/symlink",
    "inode.content-range",
    "data_offset",
    (b) => [b.set("/symlink", "data_offset", b.superblock.total_size - b.inode("/symlink").size)],
    mounts("stat /symlink"),
  ),
  inode(
    "extended",
    "content-unaligned",
    "/files/c-1",
    "inode.content-alignment",
    "data_offset",
    (b) => [b.set("/files/c-1", "data_offset", b.dataOffset("/files/c-1") + 1)],
    mounts("stat /files/c-1"),
  ),
  inode(
    "version1",
    "content-unaligned-v1",
    "/one",
    "inode.content-alignment",
    "data_offset",
    (b) => [b.set("/one", "data_offset", b.dataOffset("/one") + 512)],
    mounts("stat /one"),
  ),

  inode(
    "extended",
    "symlink-length-0",
    "/symlinks/good",
    "inode.symlink-length",
    "size",
    (b) => [b.set("/symlinks/good", "size", 0)],
    mounts("stat /symlinks/good"),
  ),
  inode(
    "extended",
    "symlink-length-4096",
    "/symlinks/long",
    "inode.symlink-length",
    "size",
    (b) => [b.set("/symlinks/long", "size", 4096)],
    mounts("stat /symlinks/long"),
  ),
  inode(
    "version1",
    "symlink-length-huge",
    "/symlink",
    "inode.symlink-length",
    "size",
    (b) => [b.set("/symlink", "size", S64_MAX)],
    mounts("stat /symlink"),
  ),
  inode(
    "extended",
    "symlink-shorter",
    "/symlinks/good",
    "inode.symlink-end",
    "size",
    (b) => [b.set("/symlinks/good", "size", b.inode("/symlinks/good").size - 1n)],
    mounts("stat /symlinks/good"),
  ),
  inode(
    "version1",
    "symlink-without-nul",
    "/symlink",
    "inode.symlink-end",
    "size",
    (b) => [
      b.write(
        b.dataOffset("/symlink") + Number(b.inode("/symlink").size),
        "x",
        "NUL behind the target",
      ),
    ],
    mounts("stat /symlink"),
  ),
  inode(
    "extended",
    "symlink-nul-inside",
    "/symlinks/good",
    "inode.symlink-end",
    "size",
    (b) => [b.write(b.dataOffset("/symlinks/good") + 2, "\0", "target")],
    mounts("stat /symlinks/good"),
  ),
  inode(
    "extended",
    "symlink-into-file",
    "/symlinks/long",
    "inode.symlink-end",
    "size",
    (b) => [b.set("/symlinks/long", "data_offset", b.dataOffset("/files/c-70000"))],
    mounts("stat /symlinks/long"),
  ),

  inode(
    "extended",
    "device-number-max",
    "/devices/null",
    "inode.device",
    "data_offset",
    (b) => [b.set("/devices/null", "data_offset", U64_LIMIT - 1n)],
    mounts("stat /devices/null"),
  ),
  inode(
    "extended",
    "device-minor-21-bits",
    "/devices/disk",
    "inode.device",
    "data_offset",
    (b) => [b.set("/devices/disk", "data_offset", (1n << 32n) | 0x100000n)],
    mounts("stat /devices/disk"),
  ),
  inode(
    "version1",
    "device-major-13-bits",
    "/specials/null",
    "inode.device",
    "data_offset",
    (b) => [b.set("/specials/null", "data_offset", 0x1000n << 32n)],
    mounts("stat /specials/null"),
  ),

  inode(
    "extended",
    "nlink-0",
    "/files/c-1",
    "inode.nlink",
    "nlink",
    (b) => [b.set("/files/c-1", "nlink", 0)],
    mounts("stat /files/c-1"),
  ),
  inode(
    "version1",
    "root-nlink-0",
    "/",
    "inode.nlink",
    "nlink",
    (b) => [b.set("/", "nlink", 0)],
    refusedBy("nlink"),
  ),
  inode(
    "extended",
    "nlink-7",
    "/files/c-1",
    "inode.nlink-count",
    "nlink",
    (b) => [b.set("/files/c-1", "nlink", 7)],
    mounts(),
  ),
  inode(
    "extended",
    "nlink-of-directory",
    "/nested",
    "inode.nlink-count",
    "nlink",
    (b) => [b.set("/nested", "nlink", U32_MAX)],
    mounts(),
  ),
  inode(
    "extended",
    "tail-not-zero",
    "/files/c-4095",
    "data.tail",
    "data_offset",
    (b) => [b.write(b.dataOffset("/files/c-4095") + 4095, "x", "tail")],
    mounts(),
  ),
  inode(
    "version1",
    "tail-not-zero-v1",
    "/one",
    "data.tail",
    "data_offset",
    (b) => [b.write(b.dataOffset("/one") + 1, "x", "tail")],
    mounts(),
  ),
];

const LINKS: readonly Corruption[] = [
  inode(
    "extended",
    "link-to-itself",
    "/links/second",
    "inode.link",
    "link_ino",
    (b) => [b.set("/links/second", "link_ino", b.ino("/links/second"))],
    mounts("list /links"),
  ),
  inode(
    "extended",
    "link-forward",
    "/links/second",
    "inode.link",
    "link_ino",
    (b) => [b.set("/links/second", "link_ino", b.ino("/links/third"))],
    mounts("list /links"),
  ),
  inode(
    "extended",
    "link-max",
    "/links/first",
    "inode.link",
    "link_ino",
    (b) => [b.set("/links/first", "link_ino", U32_MAX)],
    mounts("list /links"),
  ),
  inode(
    "extended",
    "link-chain",
    "/links/third",
    "inode.link",
    "link_ino",
    (b) => [b.set("/links/third", "link_ino", b.ino("/links/second"))],
    mounts("stat /links/third"),
  ),
  inode(
    "extended",
    "link-to-directory",
    "/links/third",
    "inode.link",
    "link_ino",
    (b) => [b.set("/links/third", "link_ino", b.ino("/links"))],
    mounts("stat /links/third"),
  ),
  inode(
    "extended",
    "link-to-root",
    "/links/symlink-again",
    "inode.link",
    "link_ino",
    (b) => [b.set("/links/symlink-again", "link_ino", 1)],
    mounts("stat /links/symlink-again"),
  ),
  inode(
    "extended",
    "link-other-mode",
    "/links/second",
    "inode.link",
    "mode",
    (b) => [b.set("/links/second", "mode", 0o100600)],
    mounts("stat /links/second"),
  ),
  inode(
    "extended",
    "link-other-type",
    "/links/symlink-again",
    "inode.link",
    "mode",
    (b) => [b.set("/links/symlink-again", "link_ino", b.ino("/links/first"))],
    mounts("stat /links/symlink-again"),
  ),
  inode(
    "extended",
    "link-other-size",
    "/links/third",
    "inode.link",
    "size",
    (b) => [b.set("/links/third", "size", 1)],
    mounts("stat /links/third"),
  ),
  inode(
    "extended",
    "link-other-content",
    "/links/third",
    "inode.link",
    "data_offset",
    (b) => [b.set("/links/third", "data_offset", b.dataOffset("/files/c-70000"))],
    mounts("stat /links/third"),
  ),
  inode(
    "extended",
    "link-other-owner",
    "/links/second",
    "inode.link-attributes",
    "uid",
    (b) => [b.set("/links/second", "uid", 4711)],
    mounts(),
  ),
  inode(
    "extended",
    "link-other-mtime",
    "/links/second",
    "inode.link-attributes",
    "mtime_ns",
    (b) => [b.set("/links/second", "mtime_ns", -1n)],
    mounts(),
  ),
];

const TREES: readonly Corruption[] = [
  inode(
    "version1",
    "sibling-loop-of-1",
    "/many/entry-00",
    "tree.reached",
    "next_sibling",
    (b) => [b.set("/many/entry-00", "next_sibling", b.ino("/many/entry-00"))],
    mounts("list /many"),
    { readerRule: "tree.walk" },
  ),
  inode(
    "version1",
    "sibling-loop-of-2",
    "/many/entry-07",
    "tree.reached",
    "next_sibling",
    (b) => [b.set("/many/entry-07", "next_sibling", b.ino("/many/entry-00"))],
    mounts("list /many"),
    { readerRule: "tree.walk" },
  ),
  inode(
    "version1",
    "sibling-loop-long",
    "/many/entry-53",
    "tree.reached",
    "next_sibling",
    (b) => [b.set("/many/entry-53", "next_sibling", b.ino("/many/entry-00"))],
    mounts("list /many"),
    { readerRule: "tree.walk" },
  ),
  inode(
    "version1",
    "sibling-loop-with-tail",
    "/many/entry-53",
    "tree.reached",
    "next_sibling",
    (b) => [b.set("/many/entry-53", "next_sibling", b.ino("/many/entry-46"))],
    mounts("list /many"),
    { readerRule: "tree.walk" },
  ),
  inode(
    "version1",
    "sibling-loop-in-root",
    "/nothing",
    "tree.reached",
    "next_sibling",
    (b) => [b.set("/nothing", "next_sibling", b.ino("/zebra"))],
    mounts("list /"),
    { readerRule: "tree.walk" },
  ),
  // A sorted directory is not read along its siblings: the module has no loop to run into.
  inode(
    "extended",
    "sibling-loop-sorted",
    "/many/entry-199",
    "tree.reached",
    "next_sibling",
    (b) => [b.set("/many/entry-199", "next_sibling", b.ino("/many/entry-000"))],
    mounts(),
    { readerRule: "tree.walk" },
  ),

  inode(
    "version1",
    "directory-in-its-child",
    "/sub/subsub",
    "tree.reached",
    "first_child",
    (b) => [b.set("/sub/subsub", "first_child", b.ino("/sub"))],
    mounts("list /sub/subsub"),
    { readerRule: "tree.parent" },
  ),
  inode(
    "version1",
    "directory-in-itself",
    "/sub/subsub",
    "tree.reached",
    "first_child",
    (b) => [b.set("/sub/subsub", "first_child", b.ino("/sub/subsub"))],
    mounts("list /sub/subsub"),
    { readerRule: "tree.parent" },
  ),
  inode(
    "version1",
    "root-in-root",
    "/",
    "tree.reached",
    "first_child",
    (b) => [b.set("/", "first_child", 1)],
    mounts("list /"),
    { readerRule: "tree.parent" },
  ),
  inode(
    "version1",
    "directories-in-each-other",
    "/sub",
    "tree.parent",
    "parent_ino",
    (b) => [
      b.set("/sub", "parent_ino", b.ino("/sub/subsub")),
      b.set("/sub/subsub", "first_child", b.ino("/sub")),
    ],
    mounts("list /"),
  ),
  inode(
    "extended",
    "directory-in-its-child-sorted",
    "/nested/a/b/c",
    "tree.reached",
    "first_child",
    (b) => [b.set("/nested/a/b/c", "first_child", b.ino("/nested/a"))],
    mounts("list /nested/a/b/c"),
    { readerRule: "tree.parent" },
  ),
  inode(
    "version1",
    "two-directories-one-list",
    "/empty-dir",
    "tree.reached",
    "first_child",
    (b) => [b.set("/empty-dir", "first_child", b.ino("/many/entry-00"))],
    mounts("list /empty-dir"),
    { readerRule: "tree.parent" },
  ),
  inode(
    "version1",
    "entry-in-no-list",
    "/sub",
    "tree.reached",
    "next_sibling",
    (b) => [b.set("/zebra", "next_sibling", b.ino("/alpha"))],
    mounts(),
  ),
  inode(
    "extended",
    "list-ends-early",
    "/pair/two",
    "tree.reached",
    "next_sibling",
    (b) => [b.set("/pair/one", "next_sibling", 0)],
    mounts(),
  ),
  inode(
    "extended",
    "parent-is-another",
    "/pair/one",
    "tree.parent",
    "parent_ino",
    (b) => [b.set("/pair/one", "parent_ino", b.ino("/nested"))],
    mounts("list /pair"),
  ),
  inode(
    "version1",
    "parent-is-a-file",
    "/sub/hard",
    "tree.parent",
    "parent_ino",
    (b) => [b.set("/sub/hard", "parent_ino", b.ino("/zebra"))],
    mounts("list /sub"),
  ),

  inode(
    "version1",
    "child-beyond-table",
    "/sub",
    "inode.child-range",
    "first_child",
    (b) => [b.set("/sub", "first_child", b.superblock.inode_count + 1)],
    mounts("stat /sub"),
  ),
  inode(
    "extended",
    "child-max",
    "/nested/a",
    "inode.child-range",
    "first_child",
    (b) => [b.set("/nested/a", "first_child", U32_MAX)],
    mounts("stat /nested/a"),
  ),
  inode(
    "extended",
    "inode-count-one-less",
    "/nested/a/b/c",
    "inode.child-range",
    "first_child",
    (b) => [b.setSuper("inode_count", b.superblock.inode_count - 1)],
    mounts("stat /nested/a/b/c"),
  ),
  inode(
    "extended",
    "children-pass-table",
    "/many",
    "tree.directory-size",
    "size",
    (b) => [b.set("/many", "first_child", b.superblock.inode_count - 10)],
    mounts("stat /many"),
    { readerRule: "tree.parent" },
  ),
  inode(
    "extended",
    "children-without-first",
    "/nested/a",
    "tree.directory-size",
    "size",
    (b) => [b.set("/nested/a", "first_child", 0)],
    mounts("stat /nested/a"),
  ),

  inode(
    "version1",
    "duplicate-name-v1",
    "/same",
    "tree.duplicate-name",
    "name",
    (b) => [
      b.set("/same", "name_offset", b.inode("/alpha").name_offset),
      b.set("/same", "name_len", 5),
    ],
    mounts(),
  ),
  inode(
    "extended",
    "duplicate-name",
    "/pair/two",
    "tree.duplicate-name",
    "name",
    (b) => [b.set("/pair/two", "name_offset", b.inode("/pair/one").name_offset)],
    mounts(),
  ),
  // The binary search goes by the order of names, and so misses one.
  inode(
    "extended",
    "names-not-ascending",
    "/pair/two",
    "tree.order",
    "name",
    (b) => [
      b.set("/pair/one", "name_offset", b.inode("/pair/two").name_offset),
      b.set("/pair/two", "name_offset", b.inode("/pair/one").name_offset),
    ],
    missing("/pair/two"),
  ),
  inode(
    "extended",
    "children-not-consecutive",
    "/pair/two",
    "tree.order",
    "next_sibling",
    (b) => [
      b.set("/pair", "first_child", b.ino("/pair/two")),
      b.set("/pair/two", "next_sibling", b.ino("/pair/one")),
      b.set("/pair/one", "next_sibling", 0),
    ],
    mounts("list /pair"),
  ),
  inode(
    "extended",
    "directory-size-one-more",
    "/pair",
    "tree.directory-size",
    "size",
    (b) => [b.set("/pair", "size", 3 * 64)],
    mounts("list /pair"),
  ),
  inode(
    "extended",
    "directory-size-one-less",
    "/pair",
    "tree.directory-size",
    "size",
    (b) => [b.set("/pair", "size", 64)],
    mounts(),
  ),
  inode(
    "extended",
    "directory-size-odd",
    "/pair",
    "tree.directory-size",
    "size",
    (b) => [b.set("/pair", "size", 100)],
    mounts("stat /pair"),
  ),
  inode(
    "extended",
    "directory-size-huge",
    "/pair",
    "tree.directory-size",
    "size",
    (b) => [b.set("/pair", "size", 1n << 38n)],
    mounts("stat /pair"),
  ),
  inode(
    "extended",
    "directory-size-wraps-32-bits",
    "/pair",
    "tree.directory-size",
    "size",
    (b) => [b.set("/pair", "size", (1n << 38n) + 128n)],
    mounts("stat /pair"),
  ),
  inode(
    "extended",
    "root-size-0",
    "/",
    "tree.directory-size",
    "size",
    (b) => [b.set("/", "size", 0)],
    refusedBy("first_child"),
  ),
  inode(
    "extended",
    "root-size-odd",
    "/",
    "tree.directory-size",
    "size",
    (b) => [b.set("/", "size", 65)],
    refusedBy("size"),
  ),
];

const XATTRS: readonly Corruption[] = [
  inode(
    "extended",
    "xattr-rows-swapped",
    "/xattrs/shared-2",
    "xattr.rows",
    "ino",
    (b) => [
      b.setRow("/xattrs/shared-2", "ino", b.ino("/xattrs/trusted")),
      b.setRow("/xattrs/trusted", "ino", b.ino("/xattrs/shared-2")),
    ],
    mounts(),
  ),
  inode(
    "extended",
    "xattr-row-twice",
    "/xattrs/shared-2",
    "xattr.rows",
    "ino",
    (b) => [b.setRow("/xattrs/trusted", "ino", b.ino("/xattrs/shared-2"))],
    mounts(),
  ),
  inode(
    "extended",
    "xattr-row-ino-max",
    U32_MAX,
    "xattr.inode",
    "ino",
    (b) => [b.setRow("/xattrs/trusted", "ino", U32_MAX)],
    mounts(),
  ),
  inode(
    "extended",
    "xattr-row-ino-0",
    0,
    "xattr.inode",
    "ino",
    (b) => [b.setRow("/xattrs/acl", "ino", 0)],
    mounts(),
  ),
  inode(
    "extended",
    "xattr-row-of-further-link",
    "/xattrs/plain-again",
    "xattr.inode",
    "ino",
    (b) => [b.setRow("/xattrs/plain", "ino", b.ino("/xattrs/plain-again"))],
    mounts(),
  ),
  inode(
    "extended",
    "xattr-set-max",
    "/xattrs/trusted",
    "xattr.set",
    "set",
    (b) => [b.setRow("/xattrs/trusted", "set", U32_MAX)],
    mounts("listxattr /xattrs/trusted"),
  ),
  inode(
    "extended",
    "xattr-set-in-index",
    "/xattrs/trusted",
    "xattr.set",
    "set",
    (b) => [b.setRow("/xattrs/trusted", "set", 0)],
    mounts("listxattr /xattrs/trusted"),
  ),
  inode(
    "extended",
    "xattr-set-at-end",
    "/xattrs/trusted",
    "xattr.set",
    "set",
    (b) => [b.setRow("/xattrs/trusted", "set", Number(b.superblock.xattr_size / 8n))],
    mounts("listxattr /xattrs/trusted"),
  ),
  inode(
    "extended",
    "xattr-count-max",
    "/xattrs/trusted",
    "xattr.set",
    "count",
    (b) => [b.setCount("/xattrs/trusted", U32_MAX)],
    mounts("listxattr /xattrs/trusted"),
  ),
  inode(
    "extended",
    "xattr-entry-behind-area",
    "/xattrs/trusted",
    "xattr.set",
    "count",
    (b) => [
      b.setCount("/xattrs/trusted", 2),
      // In itself it is a sound entry: only the area's end says that it is none.
      b.write(
        b.entryOffset("/xattrs/trusted", 1),
        "\x06\0\0\0\x01\0\0\0user.zv",
        "xattr entry across the end of the area",
      ),
    ],
    mounts("listxattr /xattrs/trusted"),
  ),
  inode(
    "extended",
    "xattr-area-too-short",
    "/xattrs/trusted",
    "xattr.set",
    "set",
    (b) => [
      b.setSuper("xattr_size", BigInt(b.setOffset("/xattrs/trusted")) - b.superblock.xattr_offset),
    ],
    mounts("listxattr /xattrs/trusted"),
  ),
  inode(
    "extended",
    "xattr-sets-overlap",
    "/xattrs/shared-1",
    "xattr.overlap",
    "set",
    // The value of the set before it runs into it. (Of a value that the kernel reads as well, such
    // as a capability, it would say EINVAL.)
    (b) => [b.setEntry("/xattrs/plain", 1, "value_len", 16)],
    mounts(),
  ),
  inode(
    "extended",
    "xattr-count-one-too-many",
    "/xattrs/trusted",
    "xattr.set",
    "count",
    (b) => [b.setCount("/xattrs/trusted", 32769)],
    mounts("listxattr /xattrs/trusted"),
  ),
  inode(
    "extended",
    "xattr-set-inside-another",
    "/xattrs/plain",
    "xattr.entry",
    "name_len",
    (b) => {
      const { set } = b.reader.xattrRow(b.xattrRow("/xattrs/plain"));
      return [b.setRow("/xattrs/plain", "set", set + 1)];
    },
    mounts("listxattr /xattrs/plain", "listxattr /xattrs/plain-again"),
  ),
  inode(
    "extended",
    "xattr-name-len-0",
    "/xattrs/trusted",
    "xattr.entry",
    "name_len",
    (b) => [b.setEntry("/xattrs/trusted", 0, "name_len", 0)],
    mounts("listxattr /xattrs/trusted"),
  ),
  inode(
    "extended",
    "xattr-name-len-256",
    "/xattrs/plain",
    "xattr.entry",
    "name_len",
    (b) => [b.setEntry("/xattrs/plain", 1, "name_len", 256)],
    mounts("listxattr /xattrs/plain", "listxattr /xattrs/plain-again"),
  ),
  inode(
    "extended",
    "xattr-name-len-max",
    "/xattrs/trusted",
    "xattr.entry",
    "name_len",
    (b) => [b.setEntry("/xattrs/trusted", 0, "name_len", 0xffff)],
    mounts("listxattr /xattrs/trusted"),
  ),
  inode(
    "extended",
    "xattr-name-past-area",
    "/xattrs/trusted",
    "xattr.entry",
    "name_len",
    (b) => [b.setEntry("/xattrs/trusted", 0, "name_len", 255)],
    mounts("listxattr /xattrs/trusted"),
  ),
  inode(
    "extended",
    "xattr-value-65537",
    "/xattrs/shared-1",
    "xattr.entry",
    "value_len",
    (b) => [b.setEntry("/xattrs/shared-1", 0, "value_len", 65537)],
    mounts("listxattr /xattrs/shared-1", "listxattr /xattrs/shared-2"),
  ),
  inode(
    "extended",
    "xattr-value-max",
    "/xattrs/trusted",
    "xattr.entry",
    "value_len",
    (b) => [b.setEntry("/xattrs/trusted", 0, "value_len", U32_MAX)],
    mounts("listxattr /xattrs/trusted"),
  ),
  inode(
    "extended",
    "xattr-value-past-area",
    "/xattrs/trusted",
    "xattr.entry",
    "value_len",
    (b) => [b.setEntry("/xattrs/trusted", 0, "value_len", 100)],
    mounts("listxattr /xattrs/trusted"),
  ),
  inode(
    "extended",
    "xattr-name-nul",
    "/xattrs/trusted",
    "xattr.entry",
    "name",
    (b) => [b.write(b.entryOffset("/xattrs/trusted", 0) + 8 + 4, "\0", "xattr name")],
    mounts("listxattr /xattrs/trusted"),
  ),
  inode(
    "extended",
    "xattr-names-not-ascending",
    "/xattrs/plain",
    "xattr.order",
    "name",
    (b) => [
      b.write(b.entryOffset("/xattrs/plain", 0) + 8, "user.two", "first xattr name"),
      b.write(b.entryOffset("/xattrs/plain", 1) + 8, "user.one", "second xattr name"),
    ],
    mounts(),
  ),
];

/** Inodes whose number is not what a path gives, for names that bytes above 0x7f spell. */
const NAMES: readonly Corruption[] = [
  inode(
    "version1",
    "latin1-name-slash",
    `/${LATIN1_NAME}`,
    "inode.name-characters",
    "name",
    (b) => [b.setName(`/${LATIN1_NAME}`, "ca/f")],
    mounts("list /"),
  ),
  inode(
    "version1",
    "long-name-nul",
    `/${"n".repeat(255)}`,
    "inode.name-characters",
    "name",
    (b) => [b.setName(`/${"n".repeat(255)}`, `${"n".repeat(254)}\0`)],
    mounts("list /"),
  ),
];

/** All corruptions, each with a name of its own. */
export const CORRUPTIONS: readonly Corruption[] = [
  ...SUPERBLOCKS,
  ...ENTRIES,
  ...CONTENTS,
  ...LINKS,
  ...TREES,
  ...XATTRS,
  ...NAMES,
];
