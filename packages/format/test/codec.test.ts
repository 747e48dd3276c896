// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import {
  codecOf,
  type Field,
  fieldSize,
  INODE,
  inodeCodec,
  packDevice,
  RECORDS,
  type RecordSchema,
  superblockCodec,
  xattrEntryCodec,
} from "../src/index.js";

type Value = number | bigint | Uint8Array;

const LIMITS: Record<"u16" | "u32" | "u64" | "i64", readonly [Value, Value]> = {
  u16: [0, 0xffff],
  u32: [0, 0xffffffff],
  u64: [0n, (1n << 64n) - 1n],
  i64: [-(1n << 63n), (1n << 63n) - 1n],
};

/** A value in which every byte differs from the others of the record. */
function distinct(field: Field, seed: number): Value {
  const size = fieldSize(field);
  const bytes = Uint8Array.from({ length: size }, (_, i) => (seed * 31 + i * 7 + 1) & 0x7f);
  const view = new DataView(bytes.buffer);
  switch (field.type.kind) {
    case "u16":
      return view.getUint16(0, true);
    case "u32":
      return view.getUint32(0, true);
    case "u64":
      return view.getBigUint64(0, true);
    case "i64":
      return view.getBigInt64(0, true);
    case "bytes":
      return bytes;
  }
}

function zeroOf(field: Field): Value {
  switch (field.type.kind) {
    case "u16":
    case "u32":
      return 0;
    case "u64":
    case "i64":
      return 0n;
    case "bytes":
      return new Uint8Array(field.type.length);
  }
}

/** A record with every field 0 but the given one. */
function recordWith(schema: RecordSchema, name: string, value: unknown): Record<string, Value> {
  const fields = schema.fields.map((field) => [field.name, zeroOf(field)] as const);
  return { ...Object.fromEntries(fields), [name]: value as Value };
}

describe.each(RECORDS.map((schema) => [schema.name, schema] as const))(
  "the %s codec",
  (_, schema) => {
    const codec = codecOf(schema);
    const encode = (values: Record<string, Value>, view: DataView, at: number) =>
      codec.encode(view, at, values as Parameters<typeof codec.encode>[2]);

    it("writes and reads every field", () => {
      const values = Object.fromEntries(
        schema.fields.map((field, index) => [field.name, distinct(field, index)] as const),
      );
      const view = new DataView(new ArrayBuffer(schema.size + 24));
      encode(values, view, 8);
      expect(codec.decode(view, 8)).toEqual(values);
      const bytes = new Uint8Array(view.buffer);
      expect(bytes.subarray(0, 8).every((byte) => byte === 0)).toBe(true);
      expect(bytes.subarray(8 + schema.size).every((byte) => byte === 0)).toBe(true);
    });

    it.each(schema.fields.map((field) => [field.name, field] as const))(
      "has %s at its offset, and touches nothing else",
      (name, field) => {
        const view = new DataView(new ArrayBuffer(schema.size));
        const value = distinct(field, 3);
        encode(recordWith(schema, name, value), view, 0);
        const bytes = new Uint8Array(view.buffer);
        const expected = new Uint8Array(schema.size);
        if (value instanceof Uint8Array) {
          expected.set(value, field.offset);
        } else {
          let rest = BigInt(value);
          for (let i = 0; i < fieldSize(field); i++, rest >>= 8n) {
            expected[field.offset + i] = Number(rest & 0xffn);
          }
        }
        expect(Buffer.from(bytes).equals(expected)).toBe(true);
      },
    );

    it.each(schema.fields.map((field) => [field.name, field] as const))(
      "holds the extremes of %s and refuses what is past them",
      (name, field) => {
        const view = new DataView(new ArrayBuffer(schema.size));
        const roundTrip = (value: Value) => {
          encode(recordWith(schema, name, value), view, 0);
          return (codec.decode(view, 0) as Record<string, Value>)[name];
        };
        const refuse = (value: unknown) =>
          expect(() => encode(recordWith(schema, name, value), view, 0)).toThrow(RangeError);
        if (field.type.kind === "bytes") {
          const { length } = field.type;
          expect(roundTrip(new Uint8Array(length).fill(0xff))).toEqual(
            new Uint8Array(length).fill(0xff),
          );
          refuse(new Uint8Array(length - 1));
          refuse(new Uint8Array(length + 1));
          refuse("x".repeat(length));
          return;
        }
        const [least, most] = LIMITS[field.type.kind];
        for (const value of [least, most]) expect(roundTrip(value)).toBe(value);
        if (typeof least === "bigint" && typeof most === "bigint") {
          refuse(least - 1n);
          refuse(most + 1n);
          refuse(2 ** 53);
          expect(roundTrip(12345)).toBe(12345n);
          expect(roundTrip(2 ** 53 - 1)).toBe(9007199254740991n);
        } else {
          refuse(-1);
          refuse((most as number) + 1);
          refuse(1n);
        }
        for (const value of [1.5, Number.NaN, Number.POSITIVE_INFINITY, undefined, "1"])
          refuse(value);
      },
    );

    it("refuses a view that the record does not fit", () => {
      const values = recordWith(schema, "", 0);
      delete values[""];
      const last = schema.fields.at(-1)!;
      const short = new DataView(new ArrayBuffer(last.offset + fieldSize(last) - 1));
      expect(() => encode(values, short, 0)).toThrow(RangeError);
      expect(() => codec.decode(short, 0)).toThrow(RangeError);
    });

    it("has fields that lie in the record and do not overlap", () => {
      let end = 0;
      for (const field of schema.fields) {
        expect(field.offset).toBeGreaterThanOrEqual(end);
        end = field.offset + fieldSize(field);
      }
      expect(end).toBeLessThanOrEqual(schema.size);
      expect(new Set(schema.fields.map((field) => field.name)).size).toBe(schema.fields.length);
    });
  },
);

// The numbers of the format page once more, so that a slip in the schema is one in two places.
describe("the published offsets", () => {
  const table = (schema: RecordSchema) =>
    schema.fields.map((field) => [field.offset, field.name, field.type.kind]);

  it("of the superblock", () => {
    expect(table(superblockCodec.schema)).toEqual([
      [0, "magic", "u32"],
      [4, "version", "u32"],
      [8, "flags", "u32"],
      [12, "block_size", "u32"],
      [16, "total_size", "u64"],
      [24, "inode_offset", "u64"],
      [32, "inode_count", "u32"],
      [36, "root_inode", "u32"],
      [40, "strtab_offset", "u64"],
      [48, "strtab_size", "u64"],
      [56, "data_offset", "u64"],
      [64, "uuid", "bytes"],
      [80, "label", "bytes"],
      [112, "build_time_ns", "i64"],
      [120, "xattr_offset", "u64"],
      [128, "xattr_size", "u64"],
      [136, "xattr_rows", "u32"],
      [140, "data_align_log2", "u32"],
      [144, "metadata_crc32", "u32"],
      [148, "super_crc32", "u32"],
      [152, "data_digest", "bytes"],
    ]);
    expect(superblockCodec.size).toBe(4096);
  });

  it("of the inode", () => {
    expect(table(INODE)).toEqual([
      [0, "ino", "u32"],
      [4, "mode", "u32"],
      [8, "uid", "u32"],
      [12, "gid", "u32"],
      [16, "size", "u64"],
      [24, "data_offset", "u64"],
      [32, "name_offset", "u32"],
      [36, "name_len", "u32"],
      [40, "parent_ino", "u32"],
      [44, "nlink", "u32"],
      [48, "first_child", "u32"],
      [52, "next_sibling", "u32"],
      [56, "mtime_ns", "i64"],
    ]);
    expect(inodeCodec.size).toBe(64);
  });

  it("of an xattr entry", () => {
    expect(table(xattrEntryCodec.schema)).toEqual([
      [0, "name_len", "u16"],
      [2, "reserved", "u16"],
      [4, "value_len", "u32"],
    ]);
    expect(xattrEntryCodec.size).toBe(8);
  });
});

it("packs device numbers without losing bits", () => {
  expect(packDevice(0xfff, 0xfffff)).toBe(0xfff_000fffff);
  expect(BigInt(packDevice(259, 70000))).toBe((259n << 32n) | 70000n);
});
