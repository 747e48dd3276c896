// SPDX-License-Identifier: MIT
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { scratchDirectory } from "../../support/support.js";
import {
  archive,
  base256,
  contentText,
  type HeaderFields,
  header,
  member,
  padded,
  pax,
  readBoth,
  refusal,
  run,
} from "../../support/tar.js";

const scratch = scratchDirectory();

/** Makes a file of `size` bytes with a few bytes here and there. */
function sparseFile(name: string, size: number, offsets: readonly number[]): void {
  const descriptor = openSync(scratch(name), "w");
  ftruncateSync(descriptor, size);
  for (const offset of offsets) writeSync(descriptor, `at ${offset}`, offset);
  closeSync(descriptor);
}

const MIB = 1024 * 1024;
const FILES = ["all-hole", "begins-with-hole", "ends-with-hole", "many", "dense-end", "small-hole"];

describe("a sparse file", () => {
  beforeAll(() => {
    sparseFile("all-hole", 3 * MIB + 5, []);
    sparseFile("begins-with-hole", 2 * MIB, [2 * MIB - 10]);
    sparseFile("ends-with-hole", 2 * MIB + 100, [0]);
    // More stretches than a header, and one block behind it, hold.
    sparseFile(
      "many",
      40 * MIB,
      Array.from({ length: 60 }, (_, i) => i * 512 * 1024),
    );
    sparseFile("dense-end", MIB, [4096, MIB - 3]);
    sparseFile("small-hole", 20_000, [2000, 16_000]);
  });

  it.each([
    [["tar", "--format=gnu"]],
    [["tar", "--format=oldgnu"]],
    [["tar", "--format=posix", "--sparse-version=0.0"]],
    [["tar", "--format=posix", "--sparse-version=0.1"]],
    [["tar", "--format=posix", "--sparse-version=1.0"]],
    [["bsdtar", "--format=pax", "--read-sparse"]],
  ])("has its content again from %j", async (command) => {
    const bytes = run([...command, "-C", scratch("."), "-Scf", "-", ...FILES]);
    expect(bytes.length).toBeLessThan(4 * MIB);
    const { seen, spooled } = await readBoth(bytes);
    expect(seen.map(({ path }) => path)).toEqual(FILES);
    for (const [index, name] of FILES.entries()) {
      const content = readFileSync(scratch(name));
      expect(seen[index]).toMatchObject({ type: "regular", size: content.length });
      expect(seen[index]!.body, name).toBe(contentText(content));
    }
    expect(spooled).toBeGreaterThan(0);
  });

  it.each([
    ["gnu", []],
    ["posix", ["--sparse-version=0.0"]],
    ["posix", ["--sparse-version=1.0"]],
  ] as const)("may have more than 8 GiB in the format %s %j", async (format, options) => {
    sparseFile("huge", 9 * 1024 * MIB, [9 * 1024 * MIB - 20]);
    const bytes = run([
      "tar",
      `--format=${format}`,
      ...options,
      "-C",
      scratch("."),
      "-Scf",
      "-",
      "huge",
    ]);
    const { seen } = await readBoth(bytes);
    expect(seen).toMatchObject([{ path: "huge", size: 9 * 1024 * MIB, body: "long" }]);
  });
});

/** A member in old GNU tar's format. */
function gnuSparse(
  pairs: readonly (readonly [offset: number | Buffer, length: number | Buffer])[],
  realSize: number,
  content: string,
  raw: HeaderFields["raw"] = {},
): Buffer {
  const number = (value: number | Buffer) =>
    typeof value === "number" ? `${value.toString(8).padStart(11, "0")}\0` : value;
  const fields: Record<number, string | Buffer> = { 483: number(realSize) };
  for (const [index, [offset, length]] of pairs.slice(0, 4).entries()) {
    fields[386 + index * 24] = number(offset);
    fields[398 + index * 24] = number(length);
  }
  return member({ type: "S", magic: "gnu", raw: { ...fields, ...raw } }, content);
}

/** A member in PAX's version 1.0, its map as it stands. */
function textSparse(map: string, content: string, realSize = 10): Buffer {
  const extended = pax([
    ["GNU.sparse.major", "1"],
    ["GNU.sparse.minor", "0"],
    ["GNU.sparse.name", "real-name"],
    ["GNU.sparse.realsize", String(realSize)],
  ]);
  const stored = Buffer.concat([padded(map), Buffer.from(content)]);
  return Buffer.concat([extended, member({ name: "GNUSparseFile.0/stand-in" }, stored)]);
}

/** A member in PAX's versions 0.0 and 0.1. */
function recordSparse(records: readonly (readonly [string, string])[], content: string): Buffer {
  return Buffer.concat([
    pax(records.map(([keyword, value]) => [`GNU.sparse.${keyword}`, value] as const)),
    member({}, content),
  ]);
}

describe("a sparse map", () => {
  it.each([
    [
      "in a header",
      gnuSparse(
        [
          [0, 2],
          [4, 2],
          [10, 0],
        ],
        10,
        "abcd",
      ),
      "file",
    ],
    [
      "in a header, base-256",
      gnuSparse(
        [
          [base256(0n, 12), base256(2n, 12)],
          [4, 2],
        ],
        10,
        "abcd",
      ),
      "file",
    ],
    ["in the content", textSparse("2\n0\n2\n4\n2\n", "abcd"), "real-name"],
    [
      "in records",
      recordSparse(
        [
          ["size", "10"],
          ["numblocks", "2"],
          ["offset", "0"],
          ["numbytes", "2"],
          ["offset", "4"],
          ["numbytes", "2"],
        ],
        "abcd",
      ),
      "file",
    ],
    [
      "in one record",
      recordSparse(
        [
          ["size", "10"],
          ["numblocks", "2"],
          ["map", "0,2,4,2"],
        ],
        "abcd",
      ),
      "file",
    ],
  ])("says where the bytes are: %s", async (_, bytes, path) => {
    const { seen } = await readBoth(archive(bytes, member({ name: "next" }, "next")));
    expect(seen).toMatchObject([
      { path, size: 10, body: "ab\0\0cd\0\0\0\0" },
      { path: "next", body: "next" },
    ]);
  });

  it("may be of no stretch at all", async () => {
    for (const bytes of [gnuSparse([], 0, ""), textSparse("0\n", "", 0)]) {
      const { seen } = await readBoth(archive(bytes));
      expect(seen).toMatchObject([{ type: "regular", size: 0 }]);
    }
  });

  it("goes on over blocks", async () => {
    const pairs = Array.from({ length: 300 }, (_, i) => `${i * 3}\n1\n`);
    const { seen } = await readBoth(
      archive(textSparse(`300\n${pairs.join("")}`, "x".repeat(300), 900)),
    );
    expect(seen[0]!.body).toBe(contentText(Buffer.from("x\0\0".repeat(300))));
  });

  const overlap = "file: the stretches of its sparse map overlap or pass its end";
  const textOverlap = overlap.replace("file", "real-name");
  it.each([
    [
      "that overlaps",
      gnuSparse(
        [
          [0, 3],
          [2, 2],
        ],
        10,
        "abcde",
      ),
      overlap,
    ],
    [
      "that goes backwards",
      gnuSparse(
        [
          [6, 2],
          [0, 2],
        ],
        10,
        "abcd",
      ),
      overlap,
    ],
    ["past the end", gnuSparse([[8, 4]], 10, "abcd"), overlap],
    ["far past the end", gnuSparse([[base256(2n ** 52n, 12), 4]], 10, "abcd"), overlap],
    [
      "of more than is stored",
      gnuSparse([[0, 8]], 10, "abcd"),
      "file: its sparse map covers 8 bytes, but 4 are stored",
    ],
    [
      "of less than is stored",
      gnuSparse([[0, 2]], 10, "abcd"),
      "file: its sparse map covers 2 bytes, but 4 are stored",
    ],
    [
      "of a negative offset",
      gnuSparse([[base256(-4n, 12), 4]], 10, "abcd"),
      "file: its sparse map is -4, not 0 to 9007199254740991",
    ],
    [
      "of a negative length",
      gnuSparse([[0, base256(-4n, 12)]], 10, "abcd"),
      "file: its sparse map is -4, not 0 to 9007199254740991",
    ],
    [
      "for a negative size",
      gnuSparse([[0, 4]], 10, "abcd", { 483: base256(-9n, 12) }),
      "file: its real size is -9, not 0 to 9007199254740991",
    ],
    [
      "with letters",
      gnuSparse([[0, 4]], 10, "abcd", { 386: "zz" }),
      "file: its sparse map is not a number",
    ],
    ["in text that overlaps", textSparse("2\n0\n3\n2\n2\n", "abcde"), textOverlap],
    [
      "in text that is not a number",
      textSparse("2\n0\nx\n", "abcd"),
      "real-name: its sparse map is damaged",
    ],
    [
      "in text with a sign",
      textSparse("1\n-1\n4\n", "abcd"),
      "real-name: its sparse map is damaged",
    ],
    [
      "in text with an empty line",
      textSparse("1\n\n4\n", "abcd"),
      "real-name: its sparse map is damaged",
    ],
    [
      "in text with endless digits",
      textSparse(`1${"0".repeat(500)}\n`, "abcd"),
      "real-name: its sparse map is damaged",
    ],
    [
      "in text that promises too much",
      textSparse("999999999\n0\n4\n", "abcd"),
      "real-name: its sparse map has more than 1000000 stretches",
    ],
    [
      "in text that ends early",
      textSparse(`500\n${"1\n".repeat(254)}`, ""),
      "real-name: its sparse map is incomplete",
    ],
    [
      "in records out of turn",
      recordSparse(
        [
          ["size", "10"],
          ["numblocks", "1"],
          ["numbytes", "4"],
        ],
        "abcd",
      ),
      "file: its PAX record GNU.sparse.numbytes has the value '4'",
    ],
    [
      "in records, odd",
      recordSparse(
        [
          ["size", "10"],
          ["numblocks", "1"],
          ["offset", "4"],
        ],
        "abcd",
      ),
      "file: its sparse map is incomplete",
    ],
    [
      "in one record, odd",
      recordSparse(
        [
          ["size", "10"],
          ["map", "0,2,4"],
        ],
        "abcd",
      ),
      "file: its sparse map is incomplete",
    ],
    [
      "in one record, no numbers",
      recordSparse(
        [
          ["size", "10"],
          ["map", "0,2,,4"],
        ],
        "abcd",
      ),
      "file: its PAX record GNU.sparse.map has the value ''",
    ],
    [
      "without a size",
      recordSparse([["map", "0,4"]], "abcd"),
      "file: its sparse map is incomplete",
    ],
    [
      "that is missing",
      recordSparse([["size", "10"]], "abcd"),
      "file: its sparse map is incomplete",
    ],
    [
      "of a version to come",
      recordSparse(
        [
          ["major", "2"],
          ["minor", "0"],
        ],
        "abcd",
      ),
      "file: is sparse in a format of version 2.0, which is not supported",
    ],
  ])("%s is refused", async (_, bytes, message) => {
    expect(await refusal(archive(bytes))).toBe(`a.tar: ${message}`);
  });

  it("may have a million stretches in blocks, and no more", async () => {
    const block = Buffer.alloc(512);
    for (let i = 0; i < 21; i++) block.write("00000000000\x0000000000000\0", i * 24, "latin1");
    block[504] = 1;
    const blocks = Buffer.concat(new Array<Buffer>(48_000).fill(block));
    const first = header({ type: "S", magic: "gnu", raw: { 482: "\x01" } });
    expect(await refusal(Buffer.concat([first, blocks]))).toBe(
      "a.tar: file: its sparse map has more than 1000000 stretches",
    );
  });

  it("of a file that no disk holds is refused with a way out", async () => {
    const huge = gnuSparse([[0, 4]], 0, "abcd", { 483: base256(2n ** 52n, 12) });
    expect(await refusal(archive(huge))).toMatch(
      /^what is unpacked would take more than 70368744177664 bytes \(no image can be that long\)$/,
    );
    expect(await refusal(archive(huge), { limits: { maxSize: 2 ** 40 } })).toBe(
      "a.tar: its files have more than 1099511627776 bytes (raise --max-size if that is right)",
    );
  });

  it("in star's format is refused by name", async () => {
    expect(await refusal(archive(member({ type: "S", name: "of-star" })))).toBe(
      "a.tar: of-star: its type is 'S', which is none of POSIX or GNU tar (make the archive with " +
        "GNU tar or bsdtar)",
    );
  });
});
