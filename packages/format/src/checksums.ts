// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { ImageBytes } from "./bytes.js";
import type { Superblock } from "./records.js";
import { DIGEST_CHUNK_SIZE, FLAG, INODE, SUPERBLOCK } from "./schema.js";

const SUPER_CRC = SUPERBLOCK.fields.find((field) => field.name === "super_crc32")!.offset;

/** CRC-32 of a superblock's 4096 bytes, its own field taken as 0. */
export function superblockCrc(block: Uint8Array): number {
  const copy = Uint8Array.from(block);
  copy.fill(0, SUPER_CRC, SUPER_CRC + 4);
  return crc32(copy);
}

const STEP = 1024 * 1024;

function crcOfRange(bytes: ImageBytes, offset: number, length: number, crc: number): number {
  let value = crc;
  for (let done = 0; done < length; done += STEP) {
    value = crc32(bytes.read(offset + done, Math.min(STEP, length - done)), value);
  }
  return value;
}

/** CRC-32 over inode table, string table and xattr area of an image. */
export function metadataCrc(bytes: ImageBytes, superblock: Superblock): number {
  let crc = crcOfRange(
    bytes,
    Number(superblock.inode_offset),
    superblock.inode_count * INODE.size,
    0,
  );
  crc = crcOfRange(bytes, Number(superblock.strtab_offset), Number(superblock.strtab_size), crc);
  if (superblock.flags & FLAG.XATTRS) {
    crc = crcOfRange(bytes, Number(superblock.xattr_offset), Number(superblock.xattr_size), crc);
  }
  return crc;
}

/** SHA-256 of each chunk that covers the data area, and how they become one digest. */
export function digestOfChunks(chunks: Iterable<Uint8Array>): Uint8Array {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest();
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

/** The digest of an image's data area; reads all of it but chunks that are known to be zeros. */
export function dataDigest(bytes: ImageBytes, superblock: Superblock): Uint8Array {
  const chunks: Uint8Array[] = [];
  const end = Number(superblock.total_size);
  let ofZeros: Uint8Array | undefined;
  for (let at = Number(superblock.data_offset); at < end; at += DIGEST_CHUNK_SIZE) {
    const size = Math.min(DIGEST_CHUNK_SIZE, end - at);
    if (size === DIGEST_CHUNK_SIZE && bytes.isHole?.(at, size)) {
      ofZeros ??= sha256(new Uint8Array(size));
      chunks.push(ofZeros);
    } else {
      chunks.push(sha256(bytes.read(at, size)));
    }
  }
  return digestOfChunks(chunks);
}
