// SPDX-License-Identifier: MIT
// Names, modes, owners and times of zip archives made byte by byte.
import { writeFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { byteStringOfText } from "@daxfs/format";
import { describe, expect, it } from "vitest";
import { treeAdjuster } from "../../../src/tree/adjust.js";
import { rootOf } from "../../support/inodes.js";
import { scratchDirectory } from "../../support/support.js";
import {
  extra,
  fields,
  type ReadEntry,
  readZip,
  refusal,
  type ZipEntry,
  zipOf,
} from "../../support/zip.js";

const scratch = scratchDirectory();
const UNIX = 3;
const MS_DOS = 0;
const NTFS = 10;
const DARWIN = 19;
const UTF8 = 0x800;

function archive(...entries: readonly ZipEntry[]): string {
  const path = scratch("archive.zip");
  writeFileSync(path, zipOf(entries));
  return path;
}

/** The only entry of an archive of one. */
async function read(entry: ZipEntry): Promise<ReadEntry & { readonly path: string }> {
  const [[path, found]] = [...(await readZip(archive(entry)))] as [[string, ReadEntry]];
  return { path, ...found };
}

const modeOf = async (entry: ZipEntry) => (await read(entry)).inode.mode;
const mtimeOf = async (entry: Omit<ZipEntry, "name">) =>
  (await read({ name: "x", ...entry })).inode.mtimeNs;
const pathOf = async (entry: ZipEntry) => (await read(entry)).path;

describe("names", () => {
  it.each([
    ["a/b", "a/b"],
    ["./a//b/./c", "a/b/c"],
    ["a/", "a"],
    ["./", ""],
    [".", ""],
    ["..a/b..", "..a/b.."],
    ["new\nline", "new\nline"],
    [".wh.file", ".wh.file"],
  ])("%j is %j", async (name, path) => {
    expect(await pathOf({ name })).toBe(path);
  });

  it.each([
    ["", "has an empty name"],
    ["/", "has an absolute name"],
    ["/etc/passwd", "has an absolute name"],
    ["//a", "has an absolute name"],
    ["..", "has '..' in its name"],
    ["../x", "has '..' in its name"],
    ["a/../../x", "has '..' in its name"],
    ["a/..", "has '..' in its name"],
    ["a\\b", "has a backslash in its name"],
    ["..\\x", "has a backslash in its name"],
    ["\\", "has a backslash in its name"],
    ["a\0b", "has a NUL in its name"],
    ["a\0/../../b", "has a NUL in its name"],
  ])("%j is refused", async (name, reason) => {
    for (const host of [UNIX, MS_DOS])
      expect(await refusal(archive({ name, host }))).toContain(reason);
  });

  it("are told in the refusal, so that they can be mended", async () => {
    const path = archive({ name: "good" }, { name: "bad\nna\\me" });
    expect(await refusal(path)).toMatch(/^test\.zip: entry 'bad\\x0ana\\\\me' has a backslash/);
  });

  it("with a drive are absolute where there are drives", async () => {
    expect(await pathOf({ name: "C:/x" })).toBe("C:/x");
    expect(await refusal(archive({ name: "C:/x", host: NTFS }))).toContain("an absolute name");
    expect(await refusal(archive({ name: "c:x", host: MS_DOS }))).toContain("an absolute name");
  });

  it("are bytes, where they come from Unix or are marked as UTF-8", async () => {
    const name = Buffer.from([0x63, 0xff, 0x82]);
    const bytes = name.toString("latin1");
    expect(await pathOf({ name })).toBe(bytes);
    expect(await pathOf({ name, host: DARWIN })).toBe(bytes);
    expect(await pathOf({ name, host: MS_DOS, flags: UTF8 })).toBe(bytes);
    expect(await pathOf({ name: "日本" })).toBe(byteStringOfText("日本"));
  });

  it("from elsewhere are in code page 437", async () => {
    const name = Buffer.from([0x63, 0x61, 0x66, 0x82, 0xe1, 0xf8, 0x80]);
    for (const host of [MS_DOS, NTFS]) {
      expect(await pathOf({ name, host })).toBe(byteStringOfText("caféß°Ç"));
    }
  });

  it("are those of the unicode-path field where its checksum fits", async () => {
    const name = "caf_";
    const field = (version: number, sum: number, unicode: string | Buffer) =>
      extra(0x7075, fields([1, version], [4, sum]), Buffer.from(unicode));
    const right = field(1, crc32(name), "café");
    expect(await pathOf({ name, extra: right })).toBe(byteStringOfText("café"));
    expect(await pathOf({ name, host: MS_DOS, extra: right })).toBe(byteStringOfText("café"));
    // Behind another field, and no UTF-8.
    const odd = Buffer.concat([extra(0x1234), field(1, crc32(name), Buffer.from([0xe9]))]);
    expect(await pathOf({ name, extra: odd })).toBe("\xe9");
    for (const ignored of [
      field(1, 5, "café"),
      field(2, crc32(name), "café"),
      field(1, crc32(name), ""),
      extra(0x7075, fields([1, 1])),
      extra(0x7075),
    ]) {
      expect(await pathOf({ name, extra: ignored })).toBe(name);
    }
    // It is no way around the rules.
    const traversal = field(1, crc32(name), "../x");
    expect(await refusal(archive({ name, extra: traversal }))).toContain("has '..' in its name");
  });

  it("that differ in bytes are different, however they look", async () => {
    const names = ["caf\u00e9", "cafe\u0301", "CAF\u00c9", "\u212b", "\u00c5"];
    const found = await readZip(archive(...names.map((name) => ({ name, content: name }))));
    expect([...found.keys()]).toEqual(names.map(byteStringOfText));
  });

  it("that come again replace what was there, also when they are spelled otherwise", async () => {
    const found = await readZip(
      archive(
        { name: "a/b", content: "first" },
        { name: "c" },
        { name: "./a//b", content: "last" },
      ),
    );
    expect([...found.keys()]).toEqual(["c", "a/b"]);
    expect(found.get("a/b")?.content?.toString()).toBe("last");
  });

  it("may be as long as they can be", async () => {
    const name = `${"d/".repeat(32_000)}${"n".repeat(255)}`;
    expect(await pathOf({ name })).toBe(name);
  });
});

describe("types and permissions", () => {
  it("are those of Unix where the entry comes from there", async () => {
    for (const host of [UNIX, DARWIN]) {
      for (const mode of [0o100000, 0o100644, 0o106755, 0o101777]) {
        expect(await modeOf({ name: "x", host, mode })).toBe(mode);
      }
      expect(await modeOf({ name: "x/", host, mode: 0o042770 })).toBe(0o042770);
      expect(await modeOf({ name: "x", host, mode: 0o040700 })).toBe(0o040700);
    }
  });

  it("are by name where Unix says none, and by the attributes of MS-DOS elsewhere", async () => {
    expect(await modeOf({ name: "x", mode: 0 })).toBe(0o100644);
    expect(await modeOf({ name: "x/", mode: 0 })).toBe(0o040755);
    expect(await modeOf({ name: "x", mode: 0o600 })).toBe(0o100600);
    // A mode that some programs in the wild put where only Unix has one.
    for (const host of [MS_DOS, NTFS, 42]) {
      expect(await modeOf({ name: "x", host, mode: 0o120777 })).toBe(0o100644);
      expect(await modeOf({ name: "x", host, attributes: 0x21 })).toBe(0o100444);
      expect(await modeOf({ name: "x", host, attributes: 0x10 })).toBe(0o040755);
      expect(await modeOf({ name: "x/", host, attributes: 0 })).toBe(0o040755);
    }
  });

  it("of directories let them be entered, where the mode is that of a file", async () => {
    expect(await modeOf({ name: "x/", mode: 0o100644 })).toBe(0o040755);
    expect(await modeOf({ name: "x/", mode: 0o600 })).toBe(0o040711);
  });

  it("can be those of fifos and sockets", async () => {
    for (const mode of [0o010620, 0o140777]) {
      const { inode } = await read({ name: "x", mode });
      expect(inode).toMatchObject({ mode, kind: mode === 0o140777 ? "socket" : "fifo" });
    }
  });

  it.each([
    [{ name: "null", mode: 0o020666 }, "'null' is a device, and zip archives hold no device"],
    [{ name: "disk", mode: 0o060600 }, "'disk' is a device"],
    [{ name: "x", mode: 0o110644 }, "'x' has the unknown file type 0110000"],
    [{ name: "x", mode: 0o170644 }, "'x' has the unknown file type 0170000"],
    [{ name: "x/", mode: 0o120777, content: "y" }, "'x/' has a directory's name"],
    [{ name: "x/", mode: 0o010644 }, "'x/' has a directory's name"],
    [{ name: "x/", mode: 0o040755, content: "y" }, "'x/' has content, and is not a regular file"],
    [{ name: "x/", mode: 0o100644, content: "y" }, "'x/' has content, and is not a regular file"],
    [{ name: "x", host: MS_DOS, attributes: 0x10, content: "y" }, "'x' has content, and is no"],
    [{ name: "x", mode: 0o010644, content: "y" }, "'x' has content, and is not a regular file"],
  ])("%j is refused", async (entry, reason) => {
    expect(await refusal(archive(entry))).toContain(reason);
  });
});

describe("symlinks", () => {
  const link = (content: string | Buffer, more: Partial<ZipEntry> = {}) =>
    read({ name: "x", mode: 0o120777, content, ...more });

  it("have their targets as content, compressed or not", async () => {
    for (const method of [0, 8]) {
      for (const target of ["a", "../../..//x/", "/absolute", "t".repeat(4095)]) {
        const { inode } = await link(target, { method });
        expect(inode).toMatchObject({ mode: 0o120777, target });
      }
      const { inode } = await link(Buffer.from([0xff, 0x0a]), { method });
      expect(inode).toMatchObject({ kind: "symlink", target: "\xff\n" });
    }
  });

  it("have targets of at most 4095 bytes", async () => {
    for (const method of [0, 8]) {
      const entry = { name: "x", mode: 0o120777, content: "t".repeat(4096), method };
      expect(await refusal(archive(entry))).toContain("its target takes more than 4095 bytes");
    }
    const padded = { method: 8, content: "t", stored: Buffer.alloc(300_000) };
    expect(await refusal(archive({ name: "x", mode: 0o120777, ...padded }))).toContain("4095");
  });

  it("have their checksums verified", async () => {
    const entry = { name: "x", mode: 0o120777, content: "target", crc: 1 };
    expect(await refusal(archive(entry))).toContain("'x' has the wrong checksum");
  });
});

describe("owners", () => {
  const ownersOf = async (entry: Omit<ZipEntry, "name">) => {
    const { inode } = await read({ name: "x", ...entry });
    return [inode.uid, inode.gid];
  };
  const ux = (...parts: readonly Buffer[]) => extra(0x7875, ...parts);
  const four = ux(fields([1, 1], [1, 4], [4, 1000], [1, 4], [4, 4_000_000_000]));

  it("are root without any field", async () => {
    expect(await ownersOf({})).toEqual([0, 0]);
  });

  it("are those of Info-ZIP's fields, in either header", async () => {
    expect(await ownersOf({ extra: four })).toEqual([1000, 4_000_000_000]);
    expect(await ownersOf({ local: { extra: four } })).toEqual([1000, 4_000_000_000]);
    const short = ux(fields([1, 1], [1, 1], [1, 7], [1, 2], [2, 600]));
    expect(await ownersOf({ extra: short })).toEqual([7, 600]);
    // Where they differ unzip and libarchive take that of the local header.
    expect(await ownersOf({ extra: short, local: { extra: four } })).toEqual([1000, 4_000_000_000]);
    expect(await ownersOf({ extra: four, local: { extra: short } })).toEqual([7, 600]);
    expect(await ownersOf({ extra: Buffer.concat([four, short]) })).toEqual([7, 600]);
    const long = ux(fields([1, 1], [1, 8], [8, 0xffffffff], [1, 0]));
    expect(await ownersOf({ extra: long })).toEqual([0xffffffff, 0]);
  });

  it("are those of the old fields, which the local header has alone", async () => {
    const old = extra(0x7855, fields([2, 1234], [2, 65535]));
    expect(await ownersOf({ extra: extra(0x7855), local: { extra: old } })).toEqual([1234, 65535]);
    const older = extra(0x5855, fields([4, 1], [4, 2], [2, 12], [2, 34]));
    const central = extra(0x5855, fields([4, 1], [4, 2]));
    expect(await ownersOf({ extra: central, local: { extra: older } })).toEqual([12, 34]);
    expect(await ownersOf({ extra: central })).toEqual([0, 0]);
    expect(await ownersOf({ local: { extra: Buffer.concat([old, four]) } })).toEqual([
      1000, 4_000_000_000,
    ]);
  });

  it("are those of PKWARE's field, in either header, where Info-ZIP has none", async () => {
    const pk = extra(0x000d, fields([4, 1], [4, 2], [2, 12], [2, 65_535]));
    expect(await ownersOf({ extra: pk })).toEqual([12, 65_535]);
    expect(await ownersOf({ local: { extra: pk } })).toEqual([12, 65_535]);
    // A target or a device number may follow.
    const more = extra(0x000d, fields([4, 1], [4, 2], [2, 12], [2, 34]), Buffer.from("target"));
    expect(await ownersOf({ extra: more })).toEqual([12, 34]);
    const old = extra(0x7855, fields([2, 56], [2, 78]));
    for (const field of [old, extra(0x5855, fields([4, 1], [4, 2], [2, 56], [2, 78]))]) {
      expect(await ownersOf({ extra: pk, local: { extra: field } })).toEqual([56, 78]);
    }
    expect(await ownersOf({ extra: pk, local: { extra: four } })).toEqual([1000, 4_000_000_000]);
    const short = extra(0x000d, fields([4, 1], [4, 2], [2, 12]));
    expect(await ownersOf({ extra: short })).toEqual([0, 0]);
  });

  it("are those of the first field of a known version", async () => {
    const other = ux(fields([1, 2], [1, 1], [1, 7], [1, 1], [1, 7]));
    expect(await ownersOf({ extra: other, local: { extra: four } })).toEqual([1000, 4_000_000_000]);
  });

  it("of an unknown version are left alone", async () => {
    expect(await ownersOf({ extra: ux(fields([1, 2], [1, 1], [1, 7], [1, 1], [1, 7])) })).toEqual([
      0, 0,
    ]);
  });

  it.each([
    [ux(fields([1, 1], [1, 8], [8, 0x100000000], [1, 1], [1, 7])), "does not fit 32 bits"],
    [ux(fields([1, 1], [1, 200], [4, 1], [1, 1], [1, 7])), "a damaged extra field for its owner"],
    [ux(fields([1, 1], [1, 4], [4, 1], [1, 4], [2, 7])), "a damaged extra field for its owner"],
    [ux(fields([1, 1], [1, 4], [4, 1])), "a damaged extra field for its owner"],
    [ux(fields([1, 1])), "a damaged extra field for its owner"],
  ])("are refused where they make no sense (%#)", async (field, reason) => {
    expect(await refusal(archive({ name: "x", extra: field }))).toContain(`'x' has`);
    expect(await refusal(archive({ name: "x", extra: field }))).toContain(reason);
  });
});

describe("times", () => {
  const SECOND = 1_000_000_000n;
  const utc = (text: string) => BigInt(Date.parse(text)) * 1_000_000n;
  const dos = (year: number, month = 1, day = 1) => ((year - 1980) << 9) | (month << 5) | day;
  const ut = (flags: number, ...times: readonly number[]) =>
    extra(0x5455, fields([1, flags], ...times.map((time) => [4, time] as const)));
  const ntfs = (time: bigint) =>
    extra(0x000a, fields([4, 0], [2, 1], [2, 24], [8, time], [8, 1n], [8, 2n]));

  it("of MS-DOS are taken as UTC, wherever that is", async () => {
    const entry = { dosDate: dos(2024, 2, 29), dosTime: (23 << 11) | (59 << 5) | 29 };
    const before = process.env.TZ;
    try {
      for (const zone of ["UTC", "Asia/Tokyo", "America/New_York"]) {
        process.env.TZ = zone;
        expect(await mtimeOf(entry)).toBe(utc("2024-02-29T23:59:58Z"));
      }
    } finally {
      if (before === undefined) delete process.env.TZ;
      else process.env.TZ = before;
    }
    expect(await mtimeOf({ dosDate: dos(2107, 12, 31) })).toBe(utc("2107-12-31T00:00:00Z"));
    // No date at all, as some programs write: the day before the first.
    expect(await mtimeOf({ dosDate: 0 })).toBe(utc("1979-11-30T00:00:00Z"));
  });

  it("of the extended field are signed seconds", async () => {
    expect(await mtimeOf({ extra: ut(3, 1_700_000_000) })).toBe(1_700_000_000n * SECOND);
    expect(await mtimeOf({ extra: ut(1, -1) })).toBe(-SECOND);
    expect(await mtimeOf({ extra: ut(1, -(2 ** 31)) })).toBe(-(2n ** 31n) * SECOND);
    expect(await mtimeOf({ local: { extra: ut(7, 5, 6, 7) } })).toBe(5n * SECOND);
    // Where the headers differ unzip and libarchive take the time of the local one.
    expect(await mtimeOf({ extra: ut(1, 4), local: { extra: ut(7, 5, 6, 7) } })).toBe(5n * SECOND);
    // Unless it has another time only.
    expect(await mtimeOf({ extra: ut(1, 4), local: { extra: ut(2, 5) } })).toBe(4n * SECOND);
  });

  it("of the extended field pass 2038 where the other time does", async () => {
    const seconds = Date.parse("2040-01-01T00:00:00Z") / 1000;
    const extended = ut(1, seconds - 2 ** 32);
    expect(await mtimeOf({ extra: extended, dosDate: dos(2040) })).toBe(BigInt(seconds) * SECOND);
    expect(await mtimeOf({ extra: extended, dosDate: dos(1980) })).toBeLessThan(0n);
  });

  it("of the extended field are left alone where there is none of them", async () => {
    const date = utc("2000-01-01T00:00:00Z");
    for (const field of [ut(2, 77), ut(1), extra(0x5455), extra(0x5455, fields([1, 1], [3, 0]))]) {
      expect(await mtimeOf({ extra: field, dosDate: dos(2000) })).toBe(date);
    }
  });

  it("of the extended field are looked for in both headers", async () => {
    const entry = { extra: ut(2, 77), local: { extra: ut(3, 5, 6) }, dosDate: dos(2000) };
    expect(await mtimeOf(entry)).toBe(5n * SECOND);
  });

  it("of PKWARE's field for Unix are seconds, and come after Info-ZIP's", async () => {
    const pk = (mtime: number) =>
      extra(0x000d, fields([4, 1], [4, mtime], [2, 0], [2, 0]), Buffer.from("more"));
    expect(await mtimeOf({ extra: pk(1_700_000_001) })).toBe(1_700_000_001n * SECOND);
    expect(await mtimeOf({ local: { extra: pk(1_700_000_001) } })).toBe(1_700_000_001n * SECOND);
    expect(await mtimeOf({ extra: pk(-5) })).toBe(-5n * SECOND);
    const late = Date.parse("2040-01-01T00:00:00Z") / 1000;
    expect(await mtimeOf({ extra: pk(late - 2 ** 32), dosDate: dos(2040) })).toBe(
      BigInt(late) * SECOND,
    );
    expect(await mtimeOf({ extra: pk(7), local: { extra: ut(1, 9) } })).toBe(9n * SECOND);
    const old = extra(0x5855, fields([4, 1], [4, 8]));
    expect(await mtimeOf({ extra: pk(7), local: { extra: old } })).toBe(8n * SECOND);
    const short = extra(0x000d, fields([4, 1], [3, 7]));
    expect(await mtimeOf({ extra: short, dosDate: dos(2000) })).toBe(utc("2000-01-01T00:00:00Z"));
  });

  it("of NTFS may stand behind other tags, or in the second field", async () => {
    const time = 116_444_736_000_000_000n + 12_345_678n;
    const tags = extra(
      0x000a,
      fields([4, 0], [2, 9], [2, 3], [3, 0]),
      fields([2, 1], [2, 24], [8, time], [8, 1n], [8, 2n]),
    );
    expect(await mtimeOf({ extra: tags })).toBe(1_234_567_800n);
    const zero = extra(0x000a, fields([4, 0], [2, 1], [2, 24], [8, 0], [8, 0], [8, 0]));
    expect(await mtimeOf({ extra: zero, local: { extra: tags } })).toBe(1_234_567_800n);
    const endless = extra(0x000a, fields([4, 0], [2, 9], [2, 60_000], [2, 1]));
    expect(await mtimeOf({ extra: endless, dosDate: dos(2000) })).toBe(utc("2000-01-01T00:00:00Z"));
  });

  it("of NTFS come first, in units of 100 ns since 1601", async () => {
    const field = ntfs(116_444_736_000_000_000n + 12_345_678_901_234_567n);
    const both = Buffer.concat([ut(1, 5), field]);
    expect(await mtimeOf({ extra: both, dosDate: dos(2000) })).toBe(1_234_567_890_123_456_700n);
    expect(await mtimeOf({ extra: ntfs(1n) })).toBe(-11_644_473_599_999_999_900n);
    // Zero is no time.
    expect(await mtimeOf({ extra: Buffer.concat([ntfs(0n), ut(1, 5)]) })).toBe(5n * SECOND);
    for (const odd of [extra(0x000a), extra(0x000a, fields([4, 0], [2, 2], [2, 24], [8, 99n]))]) {
      expect(await mtimeOf({ extra: Buffer.concat([odd, ut(1, 5)]) })).toBe(5n * SECOND);
    }
  });

  it("of NTFS are taken however far away they are, and become what an image holds", async () => {
    for (const [time, held] of [
      [2n ** 64n - 1n, 2n ** 63n - 1n],
      [2n ** 63n, 2n ** 63n - 1n],
      [1n, -(2n ** 63n)],
    ] as const) {
      const name = "far/away";
      const entries = await readZip(archive({ name, extra: ntfs(time) }));
      const file = entries.get(name)?.inode;
      expect(file?.mtimeNs).toBe((time - 116_444_736_000_000_000n) * 100n);
      const root = rootOf([["away", file!]]);
      expect(treeAdjuster({})(root).clampedTimes).toBe(1);
      expect(file?.mtimeNs).toBe(held);
    }
  });

  it("of Info-ZIP's old field come before those of MS-DOS", async () => {
    const old = extra(0x5855, fields([4, 77], [4, 88]));
    expect(await mtimeOf({ extra: old, dosDate: dos(2000) })).toBe(88n * SECOND);
    expect(await mtimeOf({ extra: Buffer.concat([old, ut(1, 5)]) })).toBe(5n * SECOND);
  });
});
