// SPDX-License-Identifier: MIT
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { crc32 } from "node:zlib";
import { BLOCK_SIZE, byteStringOfText } from "@daxfs/format";
import { describe, expect, it } from "vitest";
import type { RangeList } from "../../src/content/ranges.js";
import { BuildError } from "../../src/errors.js";
import {
  FileSink,
  type Sink,
  streamChunks,
  WINDOW_BUFFER_SIZE,
  WINDOW_SIZE,
} from "../../src/write/copy.js";
import { crc32WithZeros } from "../../src/write/zero-crc.js";
import { Random, scratchDirectory } from "../support/support.js";

const scratch = scratchDirectory();
const MIB = 1024 * 1024;

interface Chunk {
  readonly path: string;
  readonly start?: number;
  readonly size: number;
  readonly end?: boolean;
  /** Start and end of each run that is not known to be zeros. */
  readonly data?: readonly number[];
}

function listOf(chunks: readonly Chunk[]): RangeList {
  return {
    paths: chunks.map(({ path }) => byteStringOfText(path)),
    starts: Float64Array.from(chunks, ({ start }) => start ?? 0),
    sizes: Float64Array.from(chunks, ({ size }) => size),
    ends: Uint8Array.from(chunks, ({ end }) => (end === false ? 0 : 1)),
    data: new Map(
      chunks.flatMap(({ data }, index) =>
        data === undefined ? [] : [[index, Float64Array.from(data)] as const],
      ),
    ),
  };
}

/** An image in memory; what is lent for windows is dirty, as it is after the first use. */
class MemorySink implements Sink {
  readonly image: Buffer;
  readonly writes: { readonly offset: number; readonly length: number }[] = [];

  constructor(size: number) {
    this.image = Buffer.alloc(size, 0xee);
  }

  buffer(): Uint8Array {
    return new Uint8Array(WINDOW_BUFFER_SIZE).fill(0xff);
  }

  write(bytes: Uint8Array, offset: number): void {
    this.image.set(bytes, offset);
    this.writes.push({ offset, length: bytes.length });
  }
}

const blocks = (size: number) => Math.ceil(size / BLOCK_SIZE) * BLOCK_SIZE;

describe("copying", () => {
  it.each(Array.from({ length: 15 }, (_, seed) => seed))(
    "puts every byte and its padding in place, seed %i",
    (seed) => {
      const random = new Random(seed);
      const edges = [1, 4095, 4096, 4097, WINDOW_SIZE - 1, WINDOW_SIZE, WINDOW_SIZE + 1];
      const chunks: (Chunk & { bytes: Buffer })[] = [];
      for (let index = 0; index < 30; index++) {
        const path = scratch(`copy-${seed}-${index}`);
        const size = random.below(3) === 0 ? edges[random.below(7)]! : 1 + random.below(20_000);
        const start = random.below(4) === 0 ? random.below(5000) : 0;
        const bytes = Buffer.alloc(start + size, random.bytes(997));
        writeFileSync(path, bytes);
        chunks.push({ path, start, size, bytes: bytes.subarray(start) });
      }
      const offsets = new Float64Array(chunks.length);
      let at = BLOCK_SIZE;
      for (const [index, { size }] of chunks.entries()) {
        if (random.below(3) === 0) at += random.below(3) * BLOCK_SIZE;
        offsets[index] = at;
        at += blocks(size);
      }
      const expected = Buffer.alloc(at, 0xee);
      for (const [index, { bytes }] of chunks.entries()) {
        expected.fill(0, offsets[index]!, offsets[index]! + blocks(bytes.length));
        expected.set(bytes, offsets[index]!);
      }

      const sink = new MemorySink(at);
      const sums = streamChunks(listOf(chunks), offsets, sink);
      expect(sink.image.equals(expected)).toBe(true);
      expect([...sums]).toEqual(chunks.map(({ bytes }) => crc32(bytes)));
      let end = 0;
      for (const { offset, length } of sink.writes) {
        expect(offset).toBeGreaterThanOrEqual(end);
        expect(length).toBeLessThanOrEqual(WINDOW_SIZE);
        end = offset + length;
      }
    },
  );

  it("gathers neighbours into one write", () => {
    const path = scratch("neighbours");
    writeFileSync(path, "x");
    const chunks = Array.from({ length: 20 }, () => ({ path, size: 1 }));
    const sink = new MemorySink(20 * BLOCK_SIZE);
    streamChunks(
      listOf(chunks),
      Float64Array.from(chunks, (_, index) => index * BLOCK_SIZE),
      sink,
    );
    expect(sink.writes).toEqual([{ offset: 0, length: 20 * BLOCK_SIZE }]);
  });

  it("takes a chunk of a file whose rest another chunk holds", () => {
    const path = scratch("chunks");
    const bytes = new Random(5).bytes(3 * BLOCK_SIZE);
    writeFileSync(path, bytes);
    const sink = new MemorySink(3 * BLOCK_SIZE);
    const chunks = [
      { path, size: 2 * BLOCK_SIZE, end: false },
      { path, start: 2 * BLOCK_SIZE, size: BLOCK_SIZE },
    ];
    streamChunks(listOf(chunks), Float64Array.of(0, 2 * BLOCK_SIZE), sink);
    expect(sink.image.equals(bytes)).toBe(true);
  });
});

describe("known holes", () => {
  it("are not read, and count as zeros in checksums", () => {
    const size = 40 * BLOCK_SIZE + 17;
    const data = [0, BLOCK_SIZE, 3 * BLOCK_SIZE, 5 * BLOCK_SIZE, 40 * BLOCK_SIZE, size];
    const bytes = new Random(9).bytes(size);
    const expected = Buffer.alloc(blocks(size));
    for (let i = 0; i < data.length; i += 2) {
      bytes.copy(expected, data[i]!, data[i]!, data[i + 1]!);
    }
    const path = scratch("known");
    // What lies in the holes would show if it were read.
    writeFileSync(path, bytes);
    for (const chunks of [
      [{ path, size, data }],
      [{ path, size: 40 * BLOCK_SIZE, end: false, data: data.slice(0, 4) }],
      [{ path, size, data: [] }],
    ]) {
      const whole = Buffer.alloc(blocks(size));
      const holes = chunks[0]!.data;
      expected.copy(whole, 0, 0, holes.at(-1) ?? 0);
      const sink = new MemorySink(whole.length);
      sink.image.fill(0);
      const sums = streamChunks(listOf(chunks), Float64Array.of(0), sink);
      expect(sink.image.equals(whole)).toBe(true);
      expect([...sums]).toEqual([crc32(whole.subarray(0, chunks[0]!.size))]);
      const written = sink.writes.reduce((sum, { length }) => sum + length, 0);
      expect(written).toBe(
        chunks[0]!.data.length === 0 ? 0 : holes.length === 4 ? 3 * BLOCK_SIZE : 4 * BLOCK_SIZE,
      );
    }
  });

  it("at the end of a file don't hide that it grew or shrank", () => {
    for (const [name, length] of [
      ["longer", MIB + 1],
      ["shorter", MIB - 1],
      ["empty", 0],
    ] as const) {
      const path = scratch(name);
      writeFileSync(path, "");
      truncateSync(path, length);
      for (const data of [[], [0, BLOCK_SIZE]]) {
        const copy = () =>
          streamChunks(
            listOf([{ path, size: MIB, data }]),
            Float64Array.of(0),
            new MemorySink(MIB),
          );
        expect(copy, `${name} ${data}`).toThrow(`${path} changed while it was read`);
      }
    }
  });

  it("have the CRC-32 of zeros", () => {
    const random = new Random(4);
    for (const count of [0, 1, 2, 3, 255, 4096, 65_537, MIB, 3 * MIB + 5]) {
      const front = random.bytes(random.below(50));
      const crc = front.length === 0 ? 0 : crc32(front);
      const whole = Buffer.concat([front, Buffer.alloc(count)]);
      expect(crc32WithZeros(crc, count)).toBe(whole.length === 0 ? 0 : crc32(whole));
    }
    // 8 MiB, twice and a million times as much, by what they are made of.
    const eight = crc32WithZeros(0x12345678, 8 * MIB);
    expect(crc32WithZeros(eight, 8 * MIB)).toBe(crc32WithZeros(0x12345678, 16 * MIB));
    const far = crc32WithZeros(0x12345678, 2 ** 43 - 1);
    expect(crc32WithZeros(far, 2 ** 43 + 1)).toBe(crc32WithZeros(0x12345678, 2 ** 44));
  });
});

describe("a file that changed after it was looked at", () => {
  /** Copies a file of `size` bytes that something has happened to since. */
  function copyAfter(name: string, size: number, change: (path: string) => void): unknown {
    const path = scratch(name);
    writeFileSync(path, Buffer.alloc(size, 1));
    change(path);
    try {
      streamChunks(listOf([{ path, size }]), Float64Array.of(0), new MemorySink(blocks(size)));
    } catch (error) {
      return error;
    }
    return undefined;
  }

  it.each([1, 4095, 4096, WINDOW_SIZE - 1, WINDOW_SIZE, WINDOW_SIZE + 1, 3 * WINDOW_SIZE])(
    "is refused by name, %i bytes",
    (size) => {
      const changes: [string, (path: string) => void][] = [
        ["grown", (path) => appendFileSync(path, "x")],
        ["grown-much", (path) => appendFileSync(path, Buffer.alloc(2 * MIB))],
        ["shrunk", (path) => truncateSync(path, size - 1)],
        ["emptied", (path) => truncateSync(path, 0)],
      ];
      for (const [how, change] of changes) {
        const name = `${how}-${size}`;
        const error = copyAfter(name, size, change);
        expect(error).toBeInstanceOf(BuildError);
        expect((error as Error).message).toContain(scratch(name));
        expect((error as Error).message).toContain(`${size} bytes`);
        expect((error as Error).message).not.toContain("\n");
      }
      expect(copyAfter(`same-${size}`, size, () => {})).toBeUndefined();
    },
  );

  it("is refused by name when it is gone", () => {
    const list = listOf([{ path: scratch("never was"), size: 1 }]);
    const copy = () => streamChunks(list, Float64Array.of(0), new MemorySink(BLOCK_SIZE));
    expect(copy).toThrow(BuildError);
    expect(copy).toThrow(scratch("never was"));
  });
});

describe("the sink for files", () => {
  /** Writes bytes at an offset of a sparse file, and reads back what it holds. */
  function written(name: string, size: number, bytes: Uint8Array, offset: number) {
    const path = scratch(name);
    const descriptor = openSync(path, "w");
    ftruncateSync(descriptor, size);
    new FileSink(descriptor, path).write(bytes, offset);
    closeSync(descriptor);
    return { content: readFileSync(path), used: statSync(path).blocks * 512 };
  }

  it("leaves zero blocks as holes, wherever they are", () => {
    const random = new Random(2);
    for (let round = 0; round < 20; round++) {
      const count = 2 + random.below(30);
      const bytes = Buffer.alloc(count * BLOCK_SIZE);
      let data = 0;
      for (let block = 0; block < count; block++) {
        if (random.below(2) === 0) continue;
        // One byte is enough to make a block of data, be it the last.
        bytes[block * BLOCK_SIZE + [0, 1, 2, 4095][random.below(4)]!] = 1;
        data++;
      }
      const { content, used } = written(`holes-${round}`, bytes.length, bytes, 0);
      expect(content.equals(bytes)).toBe(true);
      expect(used).toBe(data * BLOCK_SIZE);
    }
  });

  it("writes what is no whole block", () => {
    for (const length of [1, 2, 4095, 4097, BLOCK_SIZE + 1]) {
      const bytes = Buffer.alloc(length, 0);
      bytes[length - 1] = 7;
      const { content } = written(`odd-${length}`, 4 * BLOCK_SIZE, bytes, BLOCK_SIZE);
      const expected = Buffer.alloc(4 * BLOCK_SIZE);
      expected.set(bytes, BLOCK_SIZE);
      expect(content.equals(expected)).toBe(true);
    }
  });

  it("names the image when it can't be written", () => {
    const path = scratch("read only");
    writeFileSync(path, "");
    const descriptor = openSync(path, "r");
    const sink = new FileSink(descriptor, byteStringOfText(path));
    expect(() => sink.write(Uint8Array.of(1), 0)).toThrow(BuildError);
    expect(() => sink.write(Uint8Array.of(1), 0)).toThrow(`cannot write ${path}`);
    closeSync(descriptor);
  });
});
