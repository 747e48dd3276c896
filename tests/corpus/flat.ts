// SPDX-License-Identifier: MIT
/** Writes large images of one directory with empty files, sound or not, without a builder. */
import { open } from "node:fs/promises";
import {
  BLOCK_SIZE,
  type Codec,
  type Encodable,
  FLAG,
  inodeCodec,
  MAGIC,
  type RecordSchema,
  ROOT_INODE,
  superblockCodec,
  VERSION,
  XATTR_SET_ALIGN,
  xattrEntryCodec,
  xattrRowCodec,
  xattrSetCodec,
} from "@daxfs/format";

const NAME_SIZE = 8;

/** An attribute of a set; its value is zeros. */
export interface FlatXattr {
  readonly name: string;
  readonly valueSize: number;
}

/** The image; inode 1 is the root, inode 2 the first file. */
export interface FlatImage {
  readonly files: number;
  /** Whether it says that its directory is sorted. */
  readonly sorted: boolean;
  /** A file that the directory's list leaves out. */
  readonly unlisted?: number;
  /** Sets of attributes, in the order of the area; one after the other. */
  readonly sets?: readonly (readonly FlatXattr[])[];
  /** The set of each row, by its index or by its place; row i belongs to inode 2 + i. */
  readonly rows?: readonly ({ readonly set: number } | { readonly place: number })[];
}

/** A record as bytes. */
function bytesOf<S extends RecordSchema>(codec: Codec<S>, values: Encodable<S>): Buffer {
  const bytes = Buffer.alloc(codec.size);
  codec.encode(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, values);
  return bytes;
}

/** The parts that images of this file choose; the rest is the same in all. */
interface Parts {
  readonly flags: number;
  readonly inodes: number;
  readonly strtab: { readonly offset: number; readonly size: number };
  readonly xattrs: { readonly offset: number; readonly size: number; readonly rows: number };
  readonly end: number;
}

function encodeSuperblock({ flags, inodes, strtab, xattrs, end }: Parts): Buffer {
  return bytesOf(superblockCodec, {
    magic: MAGIC,
    version: VERSION,
    flags,
    block_size: BLOCK_SIZE,
    total_size: end,
    inode_offset: BLOCK_SIZE,
    inode_count: inodes,
    root_inode: ROOT_INODE,
    strtab_offset: strtab.offset,
    strtab_size: strtab.size,
    data_offset: end,
    uuid: new Uint8Array(16),
    label: new Uint8Array(32),
    build_time_ns: 0,
    xattr_offset: xattrs.offset,
    xattr_size: xattrs.size,
    xattr_rows: xattrs.rows,
    data_align_log2: 0,
    metadata_crc32: 0,
    super_crc32: 0,
    data_digest: new Uint8Array(32),
  });
}

const roundUp = (value: number, unit: number) => Math.ceil(value / unit) * unit;

function encodeSet(set: readonly FlatXattr[]): Buffer {
  const entries = set.map(({ name, valueSize }) =>
    Buffer.concat([
      bytesOf(xattrEntryCodec, { name_len: name.length, reserved: 0, value_len: valueSize }),
      Buffer.from(name),
      Buffer.alloc(roundUp(name.length + valueSize, 4) - name.length),
    ]),
  );
  const bytes = Buffer.concat([bytesOf(xattrSetCodec, { count: set.length }), ...entries]);
  return Buffer.concat([
    bytes,
    Buffer.alloc(roundUp(bytes.length, XATTR_SET_ALIGN) - bytes.length),
  ]);
}

/** Where each set begins in the xattr area, in bytes; behind the last one, where the area ends. */
export function placesOfSets({ sets = [], rows = [] }: FlatImage): number[] {
  const places = [8 * rows.length];
  for (const set of sets) places.push(places.at(-1)! + encodeSet(set).length);
  return places;
}

function encodeXattrs(image: FlatImage): Buffer {
  const places = placesOfSets(image);
  const rows = (image.rows ?? []).map((row, index) =>
    bytesOf(xattrRowCodec, {
      ino: 2 + index,
      set: ("place" in row ? row.place : places[row.set]!) / XATTR_SET_ALIGN,
    }),
  );
  return Buffer.concat([...rows, ...(image.sets ?? []).map(encodeSet)]);
}

function encodeInodes({ files, unlisted }: FlatImage): Buffer {
  const last = files + 1;
  const next = (ino: number) => {
    const following = ino + 1 === unlisted ? ino + 2 : ino + 1;
    return following > last ? 0 : following;
  };
  const common = { uid: 0, gid: 0, data_offset: 0, mtime_ns: 0 };
  const root = bytesOf(inodeCodec, {
    ...common,
    ino: 1,
    mode: 0o40755,
    size: inodeCodec.size * files,
    name_offset: 0,
    name_len: 0,
    parent_ino: 0,
    nlink: 2,
    next_sibling: 0,
    first_child: next(1),
  });
  const inodes = [root];
  for (let ino = 2; ino <= last; ino++) {
    inodes.push(
      bytesOf(inodeCodec, {
        ...common,
        ino,
        mode: 0o100644,
        size: 0,
        name_offset: NAME_SIZE * (ino - 2),
        name_len: NAME_SIZE,
        parent_ino: ROOT_INODE,
        nlink: 1,
        next_sibling: next(ino),
        first_child: 0,
      }),
    );
  }
  return Buffer.concat(inodes);
}

/** Writes an image to a file. */
export async function writeFlatImage(path: string, image: FlatImage): Promise<void> {
  const names = Buffer.from(
    Array.from({ length: image.files }, (_, i) => i.toString(16).padStart(NAME_SIZE, "0")).join(""),
  );
  const inodes = encodeInodes(image);
  const xattrs = encodeXattrs(image);
  const strtabOffset = BLOCK_SIZE + inodes.length;
  const xattrOffset = roundUp(strtabOffset + names.length, XATTR_SET_ALIGN);
  const end = roundUp(xattrOffset + xattrs.length, BLOCK_SIZE);
  const superblock = encodeSuperblock({
    flags: (image.sorted ? FLAG.SORTED : 0) | FLAG.XATTRS,
    inodes: image.files + 1,
    strtab: { offset: strtabOffset, size: names.length },
    xattrs: { offset: xattrOffset, size: xattrs.length, rows: image.rows?.length ?? 0 },
    end,
  });
  const file = await open(path, "w");
  try {
    await file.truncate(end);
    await file.write(superblock, 0, superblock.length, 0);
    await file.write(inodes, 0, inodes.length, BLOCK_SIZE);
    await file.write(names, 0, names.length, strtabOffset);
    await file.write(xattrs, 0, xattrs.length, xattrOffset);
  } finally {
    await file.close();
  }
}

/** Writes a sparse file whose superblock claims a large inode table and xattr area; both are zeros. */
export async function writeHollowImage(
  path: string,
  inodes: number,
  xattrSize: number,
): Promise<void> {
  const xattrOffset = BLOCK_SIZE + inodeCodec.size * inodes;
  const end = roundUp(xattrOffset + xattrSize, BLOCK_SIZE);
  const superblock = encodeSuperblock({
    flags: FLAG.XATTRS,
    inodes,
    strtab: { offset: BLOCK_SIZE, size: 0 },
    xattrs: { offset: xattrOffset, size: xattrSize, rows: 0 },
    end,
  });
  const root = encodeInodes({ files: 0, sorted: false });
  const file = await open(path, "w");
  try {
    await file.truncate(end);
    await file.write(superblock, 0, superblock.length, 0);
    await file.write(root, 0, root.length, BLOCK_SIZE);
  } finally {
    await file.close();
  }
}
