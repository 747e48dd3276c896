// SPDX-License-Identifier: MIT
// Damaged and hostile zip archives: each is refused with one line, or read as what it says it is.
import { appendFileSync, truncateSync, writeFileSync } from "node:fs";
import { deflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { Random, scratchDirectory } from "../../support/support.js";
import {
  bash,
  extra,
  fields,
  needs,
  readZip,
  refusal,
  type ZipEnd,
  type ZipEntry,
  zipOf,
} from "../../support/zip.js";

const scratch = scratchDirectory();
const MIB = 2 ** 20;

function fileOf(bytes: Buffer): string {
  const path = scratch("archive.zip");
  writeFileSync(path, bytes);
  return path;
}

const archive = (entries: readonly ZipEntry[], end?: ZipEnd) => fileOf(zipOf(entries, end));
const refusalOf = (entry: Partial<ZipEntry>) => refusal(archive([{ name: "x", ...entry }]));

/** More than fits the window for small contents, and does not compress well. */
const LARGE = new Random(1).bytes(MIB);

/** Contents small and large, stored and deflated: each takes another way. */
const CONTENTS = [
  { content: "content ".repeat(100), method: 0 },
  { content: "content ".repeat(100), method: 8 },
  { content: LARGE, method: 0 },
  { content: LARGE, method: 8 },
] as const;

describe("contents", () => {
  it("of all kinds come back", async () => {
    const entries = CONTENTS.map((kind, index) => ({ name: `${index}`, ...kind }));
    const found = await readZip(archive([...entries, { name: "empty", content: "", method: 8 }]));
    for (const { name, content } of entries) {
      expect(found.get(name)?.content?.equals(Buffer.from(content))).toBe(true);
    }
    expect(found.get("empty")?.inode).toMatchObject({ size: 0, content: undefined });
  });

  it.each(CONTENTS)("with the wrong checksum are refused (%#)", async (kind) => {
    expect(await refusalOf({ ...kind, crc: 1 })).toContain("'x' has the wrong checksum");
  });

  it("of no bytes have a checksum too", async () => {
    for (const method of [0, 8]) {
      expect(await refusalOf({ content: "", method, crc: 1 })).toContain("the wrong checksum");
    }
  });

  it.each(CONTENTS.filter(({ method }) => method === 8))(
    "that unpack to more or less than they say are refused (%#)",
    async ({ content, method }) => {
      const size = content.length;
      for (const less of [1, size / 2, size]) {
        const said = await refusalOf({ content, method, size: size - less });
        expect(said).toContain(`'x' unpacks to more than the ${size - less} bytes`);
      }
      for (const more of [1, size]) {
        const said = await refusalOf({ content, method, size: size + more });
        expect(said).toContain(`'x' has only ${size} of the ${size + more} bytes`);
      }
    },
  );

  it.each(CONTENTS.filter(({ method }) => method === 8))(
    "whose compressed bytes are too few, too many or none at all are refused (%#)",
    async ({ content, method }) => {
      const stored = deflateRawSync(content);
      const short = stored.subarray(0, stored.length - 1);
      expect(await refusalOf({ content, method, stored: short })).toContain("can't be unpacked");
      const long = Buffer.concat([stored, Buffer.from("y")]);
      expect(await refusalOf({ content, method, stored: long })).toContain(
        `'x' ends after ${stored.length} of the ${stored.length + 1} compressed bytes`,
      );
      const none = Buffer.alloc(0);
      expect(await refusalOf({ content, method, stored: none })).toContain("can't be unpacked");
      const noise = new Random(2).bytes(stored.length);
      expect(await refusalOf({ content, method, stored: noise })).toContain("can't be unpacked");
    },
  );

  it("that are stored have one size", async () => {
    const said = await refusalOf({ content: "content", size: 8 });
    expect(said).toContain("'x' is stored as it is, yet its sizes are 7 and 8 bytes");
  });

  it("that would lie behind the contents are refused", async () => {
    for (const method of [0, 8]) {
      const sizes = { method, compressedSize: 100, size: 100 };
      expect(await refusalOf(sizes)).toContain("'x' has more bytes than there are");
    }
  });
});

describe("local headers", () => {
  it.each([
    [{ name: "y" }, "another name"],
    [{ name: "xx" }, "another name"],
    [{ name: "" }, "another name"],
    [{ method: 8 }, "another method"],
    [{ flags: 1 }, "another encryption"],
    [{ crc: 5 }, "another checksum"],
    [{ compressedSize: 5 }, "another compressed size"],
    [{ size: 5 }, "another size"],
    [{ signature: 0x04034b51 }, "is not where the central directory says"],
    [
      { extra: fields([2, 0x5455], [2, 10], [4, 0]) },
      "has damaged extra fields in its local file header",
    ],
  ])("that differ are refused: %j", async (local, reason) => {
    expect(await refusalOf({ content: "content", local })).toContain(reason);
  });

  it("leave sizes and checksum to the descriptor behind the content", async () => {
    const local = { crc: 0, size: 0, compressedSize: 0 };
    const entry = { name: "x", content: "content", flags: 8, trailer: Buffer.alloc(16), local };
    const found = await readZip(archive([entry, { name: "y" }]));
    expect(found.get("x")?.content?.toString()).toBe("content");
  });

  it.each([1, 29, 30, 1000, 0xfffffffe])(
    "are looked for inside the archive: at %i",
    async (offset) => {
      const path = archive([
        { name: "x", content: "content" },
        { name: "y", offset },
      ]);
      expect(await refusal(path)).toContain("entry 'y'");
    },
  );

  it("with padding instead of extra fields are fine", async () => {
    const local = { extra: Buffer.alloc(3) };
    expect((await readZip(archive([{ name: "x", local }]))).size).toBe(1);
  });
});

describe("what can't be unpacked is named", () => {
  it.each([
    [1, "shrink"],
    [6, "implode"],
    [9, "deflate64"],
    [98, "PPMd"],
    [1234, "unknown"],
  ])("method %i", async (method, name) => {
    expect(await refusalOf({ method })).toContain(
      `entry 'x' is compressed with method ${method}, ${name}`,
    );
  });

  it.each([
    { flags: 1 },
    { flags: 1, method: 99 },
    // PKWARE's strong encryption.
    { flags: 0x41 },
    { flags: 0x40 },
    { flags: 0x41, method: 8 },
  ])("encryption: %j", async (entry) => {
    expect(await refusalOf(entry)).toBe(
      "test.zip: entry 'x' is encrypted (make the archive without a password)",
    );
  });

  it("as real programs make it", async (context) => {
    needs(context, "zip");
    const locked = scratch("locked.zip");
    bash('cd "$(dirname "$1")"; echo x >secret; zip -q -P word "$1" secret', locked);
    expect(await refusal(locked)).toContain("entry 'secret' is encrypted");
  });
});

describe("the archive's directory", () => {
  const two = [
    { name: "x", content: "first" },
    { name: "y", content: "second" },
  ];

  it("has as many entries as it says", async () => {
    for (const zip64 of [false, true]) {
      for (const count of [0, 1]) {
        expect(await refusal(archive(two, { count, zip64 }))).toContain(
          `does not end after the ${count} entries that it says it has`,
        );
      }
      expect(await refusal(archive(two, { count: 3, zip64 }))).toContain("not a sound zip archive");
    }
    const most = { count: Number.MAX_SAFE_INTEGER, zip64: true };
    expect(await refusal(archive(two, most))).toContain("not a sound zip archive");
  });

  it("is where the end says", async () => {
    const bytes = zipOf(two);
    for (const directoryOffset of [0, 1, bytes.length - 22, bytes.length, 0xfffffffe]) {
      for (const zip64 of [false, true]) {
        const path = archive(two, { directoryOffset, zip64 });
        expect(await refusal(path)).toContain("not a sound zip archive");
      }
    }
    const far = { directoryOffset: 2 ** 63, zip64: true };
    expect(await refusal(archive(two, far))).toContain("not a sound zip archive");
  });

  it("has extra fields that fit", async () => {
    const said = await refusalOf({ extra: fields([2, 0x5455], [2, 10], [4, 0]) });
    expect(said).toMatch(/^test\.zip: entry 'x' is damaged: extra field length/);
  });

  it("lies in one file", async () => {
    const message =
      "test.zip: not a sound zip archive: it is one of several volumes (a multi-disk archive) " +
      "(join them with zip -s 0 ARCHIVE.zip --out WHOLE.zip)";
    expect(await refusal(archive(two, { disk: 1 }))).toBe(message);
    const bytes = zipOf(two);
    for (const [at, value] of [
      // The disk on which the directory begins, and the entries on this one.
      [bytes.length - 16, 1],
      [bytes.length - 14, 1],
    ] as const) {
      const changed = Buffer.from(bytes);
      changed.writeUInt16LE(value, at);
      expect(await refusal(fileOf(changed))).toBe(message);
    }
    const zip64 = zipOf(two, { zip64: true });
    for (const [behind, value] of [
      [22 + 4, 2],
      [22 + 16, 1],
      [22 + 20 + 40, 1],
      [22 + 20 + 36, 1],
      [22 + 20 + 32, 1],
    ] as const) {
      const changed = Buffer.from(zip64);
      changed.writeUInt32LE(value, zip64.length - behind);
      expect(await refusal(fileOf(changed)), `${behind}`).toBe(message);
    }
    const first = Buffer.concat([Buffer.from("PK\x07\x08"), bytes.subarray(0, 60)]);
    expect(await refusal(fileOf(first))).toContain("it is the first of several volumes (join them");
  });

  it("can be nowhere in what is no zip archive", async () => {
    for (const bytes of ["", "P", "x".repeat(21), "x".repeat(22), "x".repeat(300_000)]) {
      expect(await refusal(fileOf(Buffer.from(bytes)))).toContain(
        "it has no end of central directory record",
      );
    }
    expect(await refusal(scratch("is not there"))).toContain("cannot read test.zip: no such file");
    expect(await refusal("/dev/null")).toContain("is not a regular file");
    expect(await refusal("/")).toContain("is not a regular file");
  });

  it("is followed by a comment that may hold anything but an end record", async () => {
    for (const comment of ["", "a comment", "PK\x01\x02PK\x03\x04", "\0".repeat(65_535)]) {
      const path = archive(two, { comment: Buffer.from(comment, "latin1") });
      expect([...(await readZip(path)).keys()]).toEqual(["x", "y"]);
    }
    // Other programs would find this one first.
    const other = zipOf([{ name: "other" }]);
    expect(await refusal(archive(two, { comment: other.subarray(-22) }))).toContain("sound");
    const shorter = Buffer.concat([other.subarray(-22), Buffer.from("text")]);
    expect(await refusal(archive(two, { comment: shorter }))).toContain(
      "comment contains another one",
    );
    const longer = Buffer.concat([other.subarray(-22, -2), fields([2, 50])]);
    expect(await refusal(archive(two, { comment: longer }))).toContain("its comment was cut short");
  });

  it("may be followed by zeros, and by anything else with a warning", async () => {
    const bytes = zipOf(two, { comment: Buffer.from("comment") });
    const padded = Buffer.concat([bytes, Buffer.alloc(10_239)]);
    const warnings: string[] = [];
    expect((await readZip(fileOf(padded), { warnings })).size).toBe(2);
    expect(warnings).toEqual([]);
    for (const [behind, count] of [
      ["\n", 10_240],
      ["x".repeat(100_000), 110_239],
    ] as const) {
      const rubbish = Buffer.concat([padded, Buffer.from(behind)]);
      const lines: string[] = [];
      const found = await readZip(fileOf(rubbish), { warnings: lines });
      expect([...found.keys()]).toEqual(["x", "y"]);
      expect(lines).toEqual([`test.zip: what follows the archive, ${count} bytes, was left out`]);
    }
  });

  it("never says more than one word of what is wrong", async () => {
    const bytes = zipOf(two);
    for (let at = bytes.length - 120; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0xff;
      const message = await readZip(fileOf(changed)).then(
        () => "",
        (error: Error) => error.message,
      );
      expect(message).not.toMatch(/Error:/);
    }
  });
});

describe("zip64", () => {
  const ALL_ONES = 0xffffffff;

  it("has numbers of 64 bits in fields, in the order of those that are needed", async () => {
    const content = Buffer.from("content of a file");
    const size = BigInt(content.length);
    const sizes = extra(1, fields([8, size], [8, size]));
    const entry = {
      name: "x",
      content,
      size: ALL_ONES,
      compressedSize: ALL_ONES,
      extra: sizes,
      local: { extra: sizes },
    };
    const second = { ...entry, name: "y", offset: ALL_ONES };
    const offset = 30 + 1 + sizes.length + content.length;
    const withOffset = extra(1, fields([8, size], [8, size], [8, offset]));
    const path = archive([entry, { ...second, extra: withOffset }], { zip64: true });
    const found = await readZip(path);
    for (const name of ["x", "y"]) expect(found.get(name)?.content?.equals(content)).toBe(true);
  });

  it.each([
    [{ size: ALL_ONES }, fields([4, 0]), "does not include uncompressed size"],
    [{ compressedSize: ALL_ONES }, fields(), "does not include compressed size"],
    [{ offset: ALL_ONES }, fields([7, 0]), "does not include relative header offset"],
  ])("refuses fields without the number: %j", async (entry, field, reason) => {
    expect(await refusalOf({ ...entry, extra: extra(1, field) })).toContain(reason);
  });

  it("refuses numbers past every file", async () => {
    for (const number of [2n ** 63n, 2n ** 64n - 1n, 2n ** 53n, 2n ** 32n]) {
      const size = { extra: extra(1, fields([8, number], [8, number])), size: ALL_ONES };
      const huge = { ...size, compressedSize: ALL_ONES };
      expect(await refusalOf(huge)).toContain("has more bytes than there are");
      expect(await refusalOf({ ...huge, method: 8 })).toContain("has more bytes than there are");
      const offset = { offset: ALL_ONES, extra: extra(1, fields([8, number])) };
      expect(await refusalOf(offset)).toContain("is outside the archive");
    }
  });

  it("takes what lies past 4 GiB", async () => {
    const base = 5 * 1024 * MIB;
    const path = fileOf(Buffer.alloc(0));
    truncateSync(path, base);
    const offset = extra(1, fields([8, base]));
    const far = { name: "x", content: "far", offset: ALL_ONES, extra: offset };
    appendFileSync(path, zipOf([far], { base, zip64: true }));
    const found = await readZip(path);
    expect(found.get("x")?.content?.toString()).toBe("far");
    expect(found.get("x")?.inode).toMatchObject({ content: { offset: base + 31 } });
  });
});
