// SPDX-License-Identifier: MIT
// Archives of what no filesystem here could hold: paths past what system calls take, names in mixed
// encodings, and more entries than anyone wants to have on a disk.
import { existsSync } from "node:fs";
import { Readable } from "node:stream";
import { ImageReader } from "@daxfs/format";
import { execa } from "execa";
import { describe, expect, it, type TestContext } from "vitest";
import { tarOfCrowd } from "./support/archives.js";
import { bash, build, COMMAND, ENVIRONMENT, mkdaxfs } from "./support/builder.js";
import { imageTree } from "./support/umoci.js";
import { MEMORY, workspace } from "./support/workspace.js";

const memory = workspace(MEMORY);

describe("paths that no system call takes", () => {
  // 30 names of 200 bytes: 6029 bytes.
  const LONG = Array.from({ length: 30 }, (_, index) => `${index}-`.padEnd(200, "n")).join("/");
  const PYTHON = {
    tar: `
import io, sys, tarfile
with tarfile.open(sys.argv[1], "w", format=getattr(tarfile, sys.argv[2])) as archive:
    info = tarfile.TarInfo(sys.argv[3]); info.size = 7
    archive.addfile(info, io.BytesIO(b"content"))`,
    zip: `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as archive: archive.writestr(sys.argv[3], b"content")`,
  };
  const write = (kind: keyof typeof PYTHON, format: string, path: string) => {
    const archive = memory.path(`long.${kind}`);
    return bash('python3 -c "$1" "$2" "$3" "$4"', PYTHON[kind], archive, format, path).then(
      () => archive,
    );
  };

  it.each([
    ["tar", "PAX_FORMAT"],
    ["tar", "GNU_FORMAT"],
    ["zip", ""],
  ] as const)("are in the image from %s %s", async (kind, format) => {
    const image = memory.path("long.daxfs");
    await build(await write(kind, format, LONG), image);
    const reader = ImageReader.open(image);
    const inode = reader.resolve(`/${LONG}`);
    expect(Buffer.from(reader.read(inode!, 0, 100)).toString()).toBe("content");
    reader.close();
  });

  it.each([
    ["tar", "PAX_FORMAT"],
    ["zip", ""],
  ] as const)("are refused from %s %s where a name is too long", async (kind, format) => {
    const image = memory.path("refused.daxfs");
    const archive = await write(kind, format, `directory/${"n".repeat(256)}`);
    const { status, stderr } = await mkdaxfs([archive, "-o", image]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^[^\n]*\/directory\/n{256}: the name has 256 bytes[^\n]*\n$/);
    expect(existsSync(image)).toBe(false);
  });
});

describe("names in several encodings", () => {
  const NAMES = ["utf-8 \xc3\xa9", "latin-1 \xe9", "shift-jis \x93\xfa\x96\x7b", "nfd e\xcc\x81"];
  /** Parameters: the archive, its format, and a name in each encoding in hexadecimal. */
  const TAR_OF = `
import sys, tarfile
format = getattr(tarfile, sys.argv[2])
with tarfile.open(sys.argv[1], "w", format=format, encoding="utf-8", errors="surrogateescape") as archive:
    for name in sys.argv[3:]:
        archive.addfile(tarfile.TarInfo(bytes.fromhex(name).decode("utf-8", "surrogateescape")))`;
  /** Parameters: the archive, then each host and flags with a name. */
  const ZIP_OF = `
import sys, zipfile
names = {}
zipfile.ZipInfo._encodeFilenameFlags = lambda info: names[info.filename]
with zipfile.ZipFile(sys.argv[1], "w") as archive:
    for index, word in enumerate(sys.argv[2:]):
        info = zipfile.ZipInfo(str(index))
        host, flags, name = word.split(":")
        names[info.filename] = bytes.fromhex(name), int(flags)
        info.create_system = int(host)
        archive.writestr(info, b"")`;
  const hex = (name: string) => Buffer.from(name, "latin1").toString("hex");
  const namesIn = (image: string) => [...imageTree(image).keys()].filter((path) => path !== ".");

  it.each(["GNU_FORMAT", "PAX_FORMAT", "USTAR_FORMAT"])(
    "stay bytes in tar's %s",
    async (format) => {
      const [archive, image] = [memory.path("mixed.tar"), memory.path("mixed.daxfs")];
      const words = NAMES.map(hex);
      await bash('python3 -c "$@"', TAR_OF, archive, format, ...words);
      await build(archive, image);
      expect(namesIn(image)).toEqual([...NAMES].sort());
    },
  );

  it("stay bytes in zip where that says so, else come from code page 437", async () => {
    const [archive, image] = [memory.path("mixed.zip"), memory.path("mixed.daxfs")];
    const unix = NAMES.map((name) => `3:0:${hex(name)}`);
    const marked = `0:2048:${hex("marked \xc3\xa9")}`;
    const dos = `0:0:${hex("dos \x82")}`;
    await bash('python3 -c "$@"', ZIP_OF, archive, ...unix, marked, dos);
    await build(archive, image);
    expect(namesIn(image)).toEqual([...NAMES, "dos \xc3\xa9", "marked \xc3\xa9"].sort());
  });
});

/** Runs a build under time(1). @returns MiB that it took at most, and seconds */
async function measured(chunks: Iterable<Buffer>, image: string, context: TestContext) {
  const time = "/usr/bin/time";
  if (!existsSync(time)) context.skip("needs GNU time (install the package time)");
  const begun = performance.now();
  const words = ["-f", "peak %M", process.execPath, COMMAND, "-", "-q", "-o", image];
  const { stderr } = await execa(time, words, { input: Readable.from(chunks), env: ENVIRONMENT });
  const peak = Number(/peak (\d+)/.exec(stderr)?.[1]) / 1024;
  return { peak, seconds: (performance.now() - begun) / 1000 };
}

describe("many entries", () => {
  it("100,000 in one directory take seconds", async (context) => {
    const image = memory.path("crowd.daxfs");
    const nameOf = (index: number) => `directory/${(index * 7919) % 100_003}-of-the-crowd`;
    const { peak, seconds } = await measured(tarOfCrowd(100_000, nameOf), image, context);
    console.info(`100,000 entries: ${seconds.toFixed(1)} s, ${peak.toFixed(0)} MiB`);
    const reader = ImageReader.open(image);
    expect(reader.superblock.inode_count).toBe(100_002);
    for (let index = 0; index < 100_000; index += 997) {
      expect(reader.resolve(`/${nameOf(index)}`)).toMatchObject({ size: 0n, uid: 1000 });
    }
    reader.close();
    expect(seconds).toBeLessThan(30);
    // It takes about 130, most of it V8's.
    expect(peak).toBeLessThan(200);
  });

  it("a million take no more memory than they need", async (context) => {
    const image = memory.path("million.daxfs");
    const nameOf = (index: number) => `${index % 1000}/${index}`;
    const { peak, seconds } = await measured(tarOfCrowd(1_000_000, nameOf), image, context);
    console.info(`a million entries: ${seconds.toFixed(1)} s, ${peak.toFixed(0)} MiB`);
    const reader = ImageReader.open(image);
    expect(reader.superblock.inode_count).toBe(1_001_001);
    for (let index = 0; index < 1_000_000; index += 9973) {
      expect(reader.resolve(`/${nameOf(index)}`)).toMatchObject({ size: 0n, uid: 1000 });
    }
    reader.close();
    expect(seconds).toBeLessThan(120);
    // It takes about 340: what is known of each file, and its row in the table.
    expect(peak).toBeLessThan(500);
  });
});
