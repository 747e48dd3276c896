// SPDX-License-Identifier: MIT
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  byteStringOf,
  byteStringOfText,
  bytesOf,
  FileBytes,
  MemoryBytes,
  printable,
} from "../src/index.js";

describe("byte strings", () => {
  it("hold every byte", () => {
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(byteStringOf(all)).toHaveLength(256);
    expect(Uint8Array.from(bytesOf(byteStringOf(all)))).toEqual(all);
  });

  it("take a part of a larger buffer", () => {
    expect(byteStringOf(Uint8Array.from([1, 0x61, 0x62, 2]).subarray(1, 3))).toBe("ab");
  });

  it("compare in byte order, which UTF-16 does not", () => {
    const low = byteStringOfText("\uffee");
    const high = byteStringOfText("\u{10000}");
    expect(low < high).toBe(true);
    expect(Buffer.compare(bytesOf(low), bytesOf(high))).toBe(-1);
    expect("\uffee" < "\u{10000}").toBe(false);
  });
});

describe("printable", () => {
  it.each([
    ["plain", "plain"],
    [byteStringOfText("ünïcode ✓"), "ünïcode ✓"],
    ["caf\xe9", "caf\\xe9"],
    ["\xff\xfe a", "\\xff\\xfe a"],
    ["a\nb\0c\x7f", "a\\x0ab\\x00c\\x7f"],
    ["back\\slash", "back\\\\slash"],
    [byteStringOfText("right\u202eleft"), "right\\u{202e}left"],
    [byteStringOfText("\ufeffmark"), "\\u{feff}mark"],
    ["\x1b[31mred", "\\x1b[31mred"],
    ["", ""],
  ])("shows %j as %j", (bytes, text) => {
    expect(printable(bytes)).toBe(text);
  });

  it("shows different names differently", () => {
    expect(printable("a\\x0a")).not.toBe(printable("a\n"));
  });
});

describe("random access", () => {
  const content = Buffer.alloc(200_000, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));
  let directory: string;
  let path: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "daxfs-bytes-"));
    path = join(directory, "file");
    writeFileSync(path, content);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const ranges: [number, number][] = [
    [0, 0],
    [0, 1],
    [65_530, 20],
    [0, 200_000],
    [131_072, 65_536],
    [199_999, 1],
    [200_000, 0],
  ];

  it.each(ranges)("gives %i + %i from memory and from a file alike", (offset, length) => {
    const expected = content.subarray(offset, offset + length);
    const file = new FileBytes(path);
    try {
      expect(expected.equals(file.read(offset, length))).toBe(true);
      expect(expected.equals(new MemoryBytes(content).read(offset, length))).toBe(true);
    } finally {
      file.close();
    }
  });

  it.each([
    [200_000, 1],
    [199_999, 2],
    [-1, 1],
    [0, -1],
    [0, 200_001],
    [Number.NaN, 1],
    [2 ** 60, 2 ** 60],
  ])("refuses %d + %d", (offset, length) => {
    const file = new FileBytes(path);
    try {
      expect(() => file.read(offset, length)).toThrow(RangeError);
      expect(() => new MemoryBytes(content).read(offset, length)).toThrow(RangeError);
    } finally {
      file.close();
    }
  });

  it("has nothing to open where there is no file", () => {
    expect(() => new FileBytes(join(directory, "none"))).toThrow(/ENOENT/);
  });
});
