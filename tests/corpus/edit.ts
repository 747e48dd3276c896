// SPDX-License-Identifier: MIT
/** Changes to images in terms of the schema's records and fields. */
import {
  type ByteString,
  bytesOf,
  type Codec,
  dataDigest,
  FLAG,
  fieldSize,
  ImageReader,
  INODE,
  type Inode,
  inodeCodec,
  MemoryBytes,
  metadataCrc,
  printable,
  type RecordSchema,
  SUPERBLOCK,
  superblockCodec,
  superblockCrc,
  XATTR_ENTRY,
  XATTR_ROW,
  XATTR_SET,
  XATTR_SET_ALIGN,
  xattrEntryCodec,
  xattrRowCodec,
  xattrSetCodec,
} from "@daxfs/format";
import type { BaseName } from "./bases.js";

type FieldName<S extends RecordSchema> = S["fields"][number]["name"];
export type SuperblockField = FieldName<typeof SUPERBLOCK>;
export type InodeField = FieldName<typeof INODE> | "link_ino";
export type Value = number | bigint | Uint8Array;

/** Bytes to write, with a human-readable description. */
export interface Edit {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** A run of bytes to put into an image. */
export interface Patch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

function fieldOf(schema: RecordSchema, name: string) {
  const field = schema.fields.find((candidate) => candidate.name === name);
  if (field === undefined) throw new Error(`${schema.name} has no field ${name}`);
  return field;
}

function shown(value: Value): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  return `0x${value.toString(16)}`;
}

/** Encodes one field with the codec of its record. */
export function encodeField<S extends RecordSchema>(
  codec: Codec<S>,
  name: string,
  value: Value,
): { offset: number; bytes: Uint8Array } {
  const field = fieldOf(codec.schema, name);
  const record = new DataView(new ArrayBuffer(codec.size));
  const values = { ...codec.decode(record, 0), [name]: value };
  codec.encode(record, 0, values as Parameters<Codec<S>["encode"]>[2]);
  return {
    offset: field.offset,
    bytes: new Uint8Array(record.buffer, field.offset, fieldSize(field)),
  };
}

/** A base image. Its methods make edits by path. */
export class Base {
  readonly reader: ImageReader;
  private readonly inodes = new Map<ByteString, Inode>();

  constructor(
    readonly name: BaseName,
    readonly bytes: Uint8Array,
  ) {
    this.reader = new ImageReader(new MemoryBytes(bytes));
    for (const { path, inode } of this.reader.walk()) this.inodes.set(path, inode);
  }

  get superblock() {
    return this.reader.superblock;
  }

  /** @throws when the base has no such path */
  inode(path: ByteString): Inode {
    const inode = this.inodes.get(path);
    if (inode === undefined) throw new Error(`${this.name} has no ${printable(path)}`);
    return inode;
  }

  ino(path: ByteString): number {
    return this.inode(path).ino;
  }

  /** Sets a field of the superblock. */
  setSuper(field: SuperblockField, value: Value): Edit {
    return { ...encodeField(superblockCodec, field, value), text: `${field} = ${shown(value)}` };
  }

  /** Sets a field of the inode of a path. */
  set(path: ByteString, field: InodeField, value: number | bigint): Edit {
    const { ino } = this.inode(path);
    const column = field === "link_ino" ? "first_child" : field;
    const { offset, bytes } = encodeField(inodeCodec, column, value);
    const start = Number(this.superblock.inode_offset) + (ino - 1) * INODE.size;
    const text = `inode ${ino} ${printable(path)}: ${field} = ${shown(value)}`;
    return { offset: start + offset, bytes, text };
  }

  /** Overwrites the bytes of a name from the first one on, and keeps the length in the inode. */
  setName(path: ByteString, name: ByteString): Edit {
    return this.write(this.nameOffset(path), name, `name of ${printable(path)}`);
  }

  /** Offset of the name of a path in the image. */
  nameOffset(path: ByteString): number {
    return Number(this.superblock.strtab_offset) + this.inode(path).name_offset;
  }

  /** Offset of the content or target of a path. */
  dataOffset(path: ByteString): number {
    return Number(this.inode(path).data_offset);
  }

  /** Overwrites bytes anywhere. */
  write(offset: number, bytes: ByteString, what: string): Edit {
    return { offset, bytes: bytesOf(bytes), text: `${what}: '${printable(bytes)}' at ${offset}` };
  }

  /** Index of the xattr row of a path. */
  xattrRow(path: ByteString): number {
    const identity = this.reader.identity(this.inode(path));
    for (let row = 0; row < this.superblock.xattr_rows; row++) {
      if (this.reader.xattrRow(row).ino === identity) return row;
    }
    throw new Error(`${printable(path)} has no xattrs in ${this.name}`);
  }

  /** Sets a field of the xattr row of a path. */
  setRow(path: ByteString, field: FieldName<typeof XATTR_ROW>, value: number): Edit {
    const row = this.xattrRow(path);
    const { offset, bytes } = encodeField(xattrRowCodec, field, value);
    const start = Number(this.superblock.xattr_offset) + row * XATTR_ROW.size;
    const text = `xattr row ${row} (${printable(path)}): ${field} = ${shown(value)}`;
    return { offset: start + offset, bytes, text };
  }

  /** Offset of the xattr set of a path. */
  setOffset(path: ByteString): number {
    const { set } = this.reader.xattrRow(this.xattrRow(path));
    return Number(this.superblock.xattr_offset) + set * XATTR_SET_ALIGN;
  }

  /** Sets the number of entries of the xattr set of a path. */
  setCount(path: ByteString, value: number): Edit {
    const { offset, bytes } = encodeField(xattrSetCodec, "count", value);
    const text = `xattr set of ${printable(path)}: count = ${shown(value)}`;
    return { offset: this.setOffset(path) + offset, bytes, text };
  }

  /** Offset of the entry header of the `index`-th xattr of a path. */
  entryOffset(path: ByteString, index: number): number {
    let at = this.setOffset(path) + XATTR_SET.size;
    for (const xattr of this.reader
      .xattrs(this.reader.identity(this.inode(path)))
      .slice(0, index)) {
      at = Math.ceil((at + XATTR_ENTRY.size + xattr.name.length + xattr.value.length) / 4) * 4;
    }
    return at;
  }

  /** Sets a field of the header of the `index`-th xattr of a path. */
  setEntry(
    path: ByteString,
    index: number,
    field: FieldName<typeof XATTR_ENTRY>,
    value: number,
  ): Edit {
    const { offset, bytes } = encodeField(xattrEntryCodec, field, value);
    const text = `xattr ${index} of ${printable(path)}: ${field} = ${shown(value)}`;
    return { offset: this.entryOffset(path, index) + offset, bytes, text };
  }
}

/** Which checksums of an image are recomputed after an edit. */
export type Resum = "all" | "superblock" | "none";

/** Writes patches into an image. */
export function applyPatches(bytes: Uint8Array, patches: readonly Patch[]): void {
  for (const patch of patches) {
    if (patch.offset < 0 || patch.offset + patch.bytes.length > bytes.length) {
      throw new RangeError(`a patch at ${patch.offset} is outside the image`);
    }
    bytes.set(patch.bytes, patch.offset);
  }
}

/** The patches that correct the checksums of an edited image, as far as its superblock allows. */
export function sumPatches(image: Uint8Array, resum: Resum): Patch[] {
  if (resum === "none") return [];
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const superblock = superblockCodec.decode(view, 0);
  const patches: Patch[] = [];
  const fix = (field: SuperblockField, value: Value) => {
    const patch = encodeField(superblockCodec, field, value);
    applyPatches(image, [patch]);
    patches.push({ offset: patch.offset, bytes: patch.bytes });
  };
  const bytes = new MemoryBytes(image);
  const attempt = (make: () => void) => {
    try {
      make();
    } catch (error) {
      // An area outside the image has no checksum.
      if (!(error instanceof RangeError)) throw error;
    }
  };
  if (resum === "all" && superblock.flags & FLAG.DIGEST) {
    attempt(() => fix("data_digest", dataDigest(bytes, superblock)));
  }
  if (!(superblock.flags & FLAG.CHECKSUMS)) return patches;
  if (resum === "all") attempt(() => fix("metadata_crc32", metadataCrc(bytes, superblock)));
  fix("super_crc32", superblockCrc(image.subarray(0, SUPERBLOCK.size)));
  return patches;
}
