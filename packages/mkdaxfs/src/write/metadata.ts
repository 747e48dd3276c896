// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import {
  BLOCK_SIZE,
  FLAG,
  INODE,
  inodeCodec,
  MAGIC,
  ROOT_INODE,
  SUPERBLOCK,
  superblockCodec,
  superblockCrc,
  VERSION,
  XATTR_ENTRY,
  XATTR_ROW,
  XATTR_SET,
  XATTR_SET_ALIGN,
  xattrEntryCodec,
  xattrRowCodec,
  xattrSetCodec,
} from "@daxfs/format";
import type { Plan } from "../plan/plan.js";
import { entrySize } from "../plan/xattr-area.js";

/** What the superblock says of the bytes between it and the data area. */
export interface Metadata {
  /** Field `metadata_crc32`. */
  readonly crc: number;
  /** SHA-256 of all of them. */
  readonly digest: Uint8Array;
}

/** Inodes that are encoded at a time. */
const INODES_AT_ONCE = 4 * 1024;

/**
 * Encodes inode table, string table and xattr area of a plan, a range at a time: together they
 * may be large.
 * @param take gets each range and its offset in the image; its memory is used again
 */
export function encodeMetadata(
  plan: Plan,
  take: (bytes: Uint8Array, offset: number) => void,
): Metadata {
  const hash = createHash("sha256");
  let crc = 0;
  const send = (bytes: Uint8Array, offset: number) => {
    // The CRC-32 of Node answers 0 for no bytes, whatever went before.
    if (bytes.length === 0) return;
    crc = crc32(bytes, crc);
    hash.update(bytes);
    take(bytes, offset);
  };
  const buffer = Buffer.alloc(Math.min(INODES_AT_ONCE, plan.table.inodes.length) * INODE.size);
  for (let start = 0; start < plan.table.inodes.length; start += INODES_AT_ONCE) {
    const used = encodeInodes(plan, start, buffer);
    send(buffer.subarray(0, used), SUPERBLOCK.size + start * INODE.size);
  }
  const names = Buffer.alloc(plan.strtabSize);
  for (let index = 1; index < plan.table.names.length; index++) {
    names.write(plan.table.names[index]!, plan.table.nameOffsets[index]!, "latin1");
  }
  send(names, plan.strtabOffset);
  send(encodeXattrs(plan), plan.xattrOffset);
  return { crc, digest: hash.digest() };
}

/** Encodes inodes from an index on, as many as the buffer holds. Returns the bytes used. */
function encodeInodes(plan: Plan, start: number, buffer: Buffer): number {
  const { table } = plan;
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const count = Math.min(buffer.length / INODE.size, table.inodes.length - start);
  for (let i = 0; i < count; i++) {
    const index = start + i;
    const inode = table.inodes[index]!;
    inodeCodec.encode(view, i * INODE.size, {
      ino: index + 1,
      mode: inode.mode,
      uid: inode.uid,
      gid: inode.gid,
      size: table.sizes[index]!,
      data_offset: table.dataOffsets[index]!,
      name_offset: table.nameOffsets[index]!,
      name_len: table.names[index]!.length,
      parent_ino: table.parents[index]!,
      nlink: table.links[index]!,
      first_child: table.firstChildren[index]!,
      next_sibling: table.nextSiblings[index]!,
      mtime_ns: inode.mtimeNs,
    });
  }
  return count * INODE.size;
}

function encodeXattrs(plan: Plan): Buffer {
  const bytes = Buffer.alloc(plan.xattrs.size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const [index, row] of plan.xattrs.rows.entries()) {
    const set = row.set.offset / XATTR_SET_ALIGN;
    xattrRowCodec.encode(view, index * XATTR_ROW.size, { ino: row.ino, set });
  }
  for (const set of plan.xattrs.sets) {
    let at = set.offset;
    xattrSetCodec.encode(view, at, { count: set.xattrs.length });
    at += XATTR_SET.size;
    for (const xattr of set.xattrs) {
      const lengths = { name_len: xattr.name.length, value_len: xattr.value.length };
      xattrEntryCodec.encode(view, at, { ...lengths, reserved: 0 });
      bytes.write(xattr.name, at + XATTR_ENTRY.size, "latin1");
      bytes.set(xattr.value, at + XATTR_ENTRY.size + xattr.name.length);
      at += entrySize(xattr);
    }
  }
  return bytes;
}

/** Symlink targets as they lie at the start of the data area. */
export function encodeTargets(plan: Plan): Buffer {
  return Buffer.from(plan.targets.map((target) => `${target}\0`).join(""), "latin1");
}

/** What a user gives an image besides its tree. */
export interface Identity {
  /** At most 32 bytes of UTF-8. */
  readonly label: string;
  /** Nanoseconds since 1970, or 0. */
  readonly buildTimeNs: bigint;
  /** 16 bytes in place of the UUID that comes from the content. */
  readonly uuid: Uint8Array | undefined;
}

/**
 * A UUID that is the same for equal images and no others: version 8 of RFC 9562, from SHA-256 over
 * metadata, targets, label and the checksums of all contents.
 */
export function contentUuid(
  metadata: Metadata,
  targets: Buffer,
  sums: Uint32Array,
  identity: Identity,
): Uint8Array {
  const hash = createHash("sha256");
  const label = Buffer.from(identity.label, "utf8");
  for (const part of [metadata.digest, targets, label]) {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(part.length));
    hash.update(length).update(part);
  }
  const words = Buffer.alloc(sums.length * 4);
  for (const [index, sum] of sums.entries()) words.writeUInt32LE(sum, index * 4);
  const uuid = Uint8Array.from(hash.update(words).digest().subarray(0, 16));
  uuid[6] = (uuid[6]! & 0x0f) | 0x80;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  return uuid;
}

/**
 * Encodes the superblock, checksum and all.
 * @param digest field `data_digest`, undefined for an image without it
 */
export function encodeSuperblock(
  plan: Plan,
  metadata: Metadata,
  uuid: Uint8Array,
  identity: Identity,
  digest: Uint8Array | undefined,
): Buffer {
  const label = Buffer.alloc(32);
  label.write(identity.label, "utf8");
  const block = Buffer.alloc(SUPERBLOCK.size);
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const features = FLAG.MTIME | FLAG.SORTED | FLAG.LINKS | FLAG.XATTRS | FLAG.CHECKSUMS;
  const fields = {
    magic: MAGIC,
    version: VERSION,
    flags: digest === undefined ? features : features | FLAG.DIGEST,
    block_size: BLOCK_SIZE,
    total_size: plan.totalSize,
    inode_offset: SUPERBLOCK.size,
    inode_count: plan.table.inodes.length,
    root_inode: ROOT_INODE,
    strtab_offset: plan.strtabOffset,
    strtab_size: plan.strtabSize,
    data_offset: plan.dataOffset,
    uuid,
    label,
    build_time_ns: identity.buildTimeNs,
    xattr_offset: plan.xattrOffset,
    xattr_size: plan.xattrs.size,
    xattr_rows: plan.xattrs.rows.length,
    data_align_log2: plan.dataAlignLog2,
    metadata_crc32: metadata.crc,
    super_crc32: 0,
    data_digest: digest ?? new Uint8Array(32),
  };
  superblockCodec.encode(view, 0, fields);
  superblockCodec.encode(view, 0, { ...fields, super_crc32: superblockCrc(block) });
  return block;
}
