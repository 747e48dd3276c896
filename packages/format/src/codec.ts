// SPDX-License-Identifier: MIT
import type { Field, RecordSchema } from "./schema.js";

type DecodedValue<F extends Field> = F["type"]["kind"] extends "u16" | "u32"
  ? number
  : F["type"]["kind"] extends "u64" | "i64"
    ? bigint
    : Uint8Array;

type EncodableValue<F extends Field> = F["type"]["kind"] extends "u64" | "i64"
  ? bigint | number
  : DecodedValue<F>;

/** What {@link Codec.decode} returns for a record: 64-bit fields as bigint, none lost to doubles. */
export type Decoded<S extends RecordSchema> = {
  [F in S["fields"][number] as F["name"]]: DecodedValue<F>;
};

/** What {@link Codec.encode} takes: a number will do for a 64-bit field when it is safe. */
export type Encodable<S extends RecordSchema> = {
  readonly [F in S["fields"][number] as F["name"]]: EncodableValue<F>;
};

/** Encoder and decoder of one record of the schema. */
export interface Codec<S extends RecordSchema> {
  readonly schema: S;
  /** Bytes of the record. */
  readonly size: number;
  /**
   * Writes every field at `offset` of `view`; reserved bytes are left as they are.
   * @throws RangeError when a value does not fit its field or the view.
   */
  encode(view: DataView, offset: number, values: Encodable<S>): void;
  /**
   * Reads every field from `offset` of `view`. Byte fields are copies.
   * @throws RangeError when the record does not fit the view.
   */
  decode(view: DataView, offset: number): Decoded<S>;
}

type Value = number | bigint | Uint8Array;
type Write = (view: DataView, position: number, value: Value, field: Field) => void;
type Read = (view: DataView, position: number) => Value;

function doesNotFit(field: Field, value: Value): RangeError {
  return new RangeError(`${field.name}: ${String(value)} does not fit in ${field.type.kind}`);
}

function unsigned(bits: 16 | 32): Write {
  const limit = 2 ** bits;
  return (view, position, value, field) => {
    if (typeof value !== "number" || !(value >= 0 && value < limit) || !Number.isInteger(value)) {
      throw doesNotFit(field, value);
    }
    if (bits === 16) view.setUint16(position, value, true);
    else view.setUint32(position, value, true);
  };
}

const U64_LIMIT = 1n << 64n;
const I64_LIMIT = 1n << 63n;

const writeU64: Write = (view, position, value, field) => {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || value < 0) throw doesNotFit(field, value);
    view.setUint32(position, value % 0x1_0000_0000, true);
    view.setUint32(position + 4, Math.floor(value / 0x1_0000_0000), true);
    return;
  }
  if (typeof value !== "bigint" || value < 0n || value >= U64_LIMIT) throw doesNotFit(field, value);
  view.setBigUint64(position, value, true);
};

const writeI64: Write = (view, position, value, field) => {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw doesNotFit(field, value);
    view.setBigInt64(position, BigInt(value), true);
    return;
  }
  if (typeof value !== "bigint" || value < -I64_LIMIT || value >= I64_LIMIT) {
    throw doesNotFit(field, value);
  }
  view.setBigInt64(position, value, true);
};

const writeBytes: Write = (view, position, value, field) => {
  const length = field.type.kind === "bytes" ? field.type.length : 0;
  if (!(value instanceof Uint8Array) || value.length !== length) {
    throw new RangeError(`${field.name}: expected ${length} bytes`);
  }
  new Uint8Array(view.buffer, view.byteOffset + position, length).set(value);
};

function writer(field: Field): Write {
  switch (field.type.kind) {
    case "u16":
      return unsigned(16);
    case "u32":
      return unsigned(32);
    case "u64":
      return writeU64;
    case "i64":
      return writeI64;
    case "bytes":
      return writeBytes;
  }
}

function reader(field: Field): Read {
  const type = field.type;
  switch (type.kind) {
    case "u16":
      return (view, position) => view.getUint16(position, true);
    case "u32":
      return (view, position) => view.getUint32(position, true);
    case "u64":
      return (view, position) => view.getBigUint64(position, true);
    case "i64":
      return (view, position) => view.getBigInt64(position, true);
    case "bytes":
      return (view, position) => {
        if (position + type.length > view.byteLength)
          throw new RangeError("record outside the view");
        return new Uint8Array(view.buffer, view.byteOffset + position, type.length).slice();
      };
  }
}

/** Makes the codec of a record from its schema. */
export function codecOf<const S extends RecordSchema>(schema: S): Codec<S> {
  const columns = schema.fields.map((field) => ({
    field,
    name: field.name,
    offset: field.offset,
    write: writer(field),
    read: reader(field),
  }));
  return {
    schema,
    size: schema.size,
    encode(view, offset, values) {
      const row = values as Readonly<Record<string, Value>>;
      for (const column of columns) {
        column.write(view, offset + column.offset, row[column.name]!, column.field);
      }
    },
    decode(view, offset) {
      const row: Record<string, Value> = {};
      for (const column of columns) row[column.name] = column.read(view, offset + column.offset);
      return row as Decoded<S>;
    },
  };
}

/** Bytes that a field takes. */
export function fieldSize(field: Field): number {
  switch (field.type.kind) {
    case "u16":
      return 2;
    case "u32":
      return 4;
    case "u64":
    case "i64":
      return 8;
    case "bytes":
      return field.type.length;
  }
}
