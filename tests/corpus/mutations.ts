// SPDX-License-Identifier: MIT
/** Random changes of valid images, reproducible from a seed. */
import {
  FLAG,
  fieldSize,
  ImageReader,
  INODE,
  MemoryBytes,
  type RecordSchema,
  SUPERBLOCK,
  superblockCodec,
  XATTR_ENTRY,
  XATTR_ROW,
} from "@daxfs/format";
import { applyPatches, encodeField, type Patch, sumPatches } from "./edit.js";

/** A generator of random numbers below a bound: mulberry32. */
export function randomNumbers(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * bound);
  };
}

type Random = (bound: number) => number;

/** Numbers on which arithmetic may overflow. They are truncated to the size of the field. */
const EDGES = [
  0n,
  1n,
  2n,
  63n,
  64n,
  255n,
  256n,
  4095n,
  4096n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 4096n,
  (1n << 64n) - 1n,
];

/** Makes the mutations of one base image. */
export class Mutator {
  private readonly reader: ImageReader;
  private readonly sets: readonly number[];

  constructor(
    private readonly base: Uint8Array,
    private readonly random: Random,
  ) {
    this.reader = new ImageReader(new MemoryBytes(base));
    const sets = new Set<number>();
    for (let row = 0; row < this.reader.superblock.xattr_rows; row++) {
      const start = Number(this.reader.superblock.xattr_offset);
      sets.add(start + this.reader.xattrRow(row).set * 8);
    }
    this.sets = [...sets];
  }

  /** One to three changes. In three of four cases the checksums are correct. */
  next(): Patch[] {
    const patches: Patch[] = [];
    for (let left = 1 + this.random(3); left > 0; left--) patches.push(this.change());
    const image = Uint8Array.from(this.base);
    applyPatches(image, patches);
    return this.random(4) === 0 ? patches : [...patches, ...sumPatches(image, "all")];
  }

  private change(): Patch {
    const { superblock } = this.reader;
    switch (this.random(this.reader.has(FLAG.XATTRS) ? 10 : 7)) {
      case 0:
        return this.field(SUPERBLOCK, 0);
      case 1:
      case 2:
      case 3:
      case 4: {
        const index = this.random(superblock.inode_count);
        return this.field(INODE, Number(superblock.inode_offset) + index * INODE.size);
      }
      case 5: {
        const start = Number(superblock.strtab_offset);
        return this.byte(start + this.random(Number(superblock.strtab_size)));
      }
      case 6:
        return this.byte(this.random(Number(superblock.data_offset) + 8192));
      case 7: {
        const index = this.random(superblock.xattr_rows);
        return this.field(XATTR_ROW, Number(superblock.xattr_offset) + index * XATTR_ROW.size);
      }
      case 8:
        // The header of the first entry follows the count of the set.
        return this.field(XATTR_ENTRY, this.sets[this.random(this.sets.length)]! + 4);
      default: {
        const start = Number(superblock.xattr_offset);
        return this.byte(start + this.random(Number(superblock.xattr_size)));
      }
    }
  }

  private byte(offset: number): Patch {
    const interesting = [0, 0xff, 0x2f, 0x2e, (this.base[offset]! + 1) & 0xff, this.random(256)];
    const value = interesting[this.random(interesting.length)]!;
    return { offset: Math.min(offset, this.base.length - 1), bytes: Uint8Array.of(value) };
  }

  /** Sets a field of the record at `start` to an edge, a near value or an inode number. */
  private field(schema: RecordSchema, start: number): Patch {
    const field = schema.fields[this.random(schema.fields.length)]!;
    const size = fieldSize(field);
    const offset = start + field.offset;
    if (field.type.kind === "bytes") return this.byte(offset + this.random(size));
    const old = this.base.subarray(offset, offset + size);
    let value = old.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    switch (this.random(4)) {
      case 0:
        value = EDGES[this.random(EDGES.length)]!;
        break;
      case 1:
        value += [1n, -1n, 8n, 64n, 4096n, -4096n][this.random(6)]!;
        break;
      case 2:
        value = BigInt(this.random(this.reader.superblock.inode_count + 2));
        break;
      default:
        value ^= 1n << BigInt(this.random(size * 8));
    }
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i++) bytes[i] = Number((value >> BigInt(8 * i)) & 0xffn);
    return { offset, bytes };
  }
}

/** Encodes a mutation as a record for image_walk. */
export function encodeMutation(patches: readonly Patch[]): Uint8Array {
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const parts: Uint8Array[] = [number(patches.length)];
  for (const { offset, bytes } of patches) {
    parts.push(number(offset), number(bytes.length), bytes);
  }
  return Buffer.concat(parts);
}

/** The image without its digest, which costs time and does not matter for a walk of metadata. */
export function withoutDigest(image: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(image);
  const { superblock } = new ImageReader(new MemoryBytes(copy));
  const edits = [
    encodeField(superblockCodec, "flags", superblock.flags & ~FLAG.DIGEST),
    encodeField(superblockCodec, "data_digest", new Uint8Array(32)),
  ];
  applyPatches(copy, edits);
  sumPatches(copy, "all");
  return copy;
}
