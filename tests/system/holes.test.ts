// SPDX-License-Identifier: MIT
// Holes: known ones cost nothing, and the image is the same as without them.
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ImageReader } from "@daxfs/format";
import { beforeAll, describe, expect, it } from "vitest";
import { bash, build, COMMAND, mkdaxfs, sha256 } from "./support/builder.js";
import { makeSparseFile } from "./support/trees.js";
import { usedBytes, workspace } from "./support/workspace.js";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
// On a disk: tmpfs says of what was never written that it is a hole, others may not.
const disk = workspace(tmpdir());

/** Far less than reading takes, on a machine that has other things to do. */
const SECONDS = 20;

describe("100 GiB of holes", () => {
  const TEXT = "in the middle";
  const AT = 50_000_000_000;
  let tree = "";
  beforeAll(() => {
    tree = disk.directory("huge");
    makeSparseFile(join(tree, "file"), 100 * GIB, { [AT]: TEXT });
  });

  /** Builds an image in little time, and reads back what is in it. */
  async function buildsFast(source: string, ...options: string[]): Promise<void> {
    const image = disk.path("huge.daxfs");
    const start = performance.now();
    const args = [source, "-o", image, ...options];
    const { status, stderr } = await mkdaxfs(args, { timeout: SECONDS * 1000 });
    expect({ status, stderr }).toMatchObject({ status: 0 });
    console.info(`${options.join(" ")}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
    expect(statSync(image).size).toBeGreaterThan(100 * GIB);
    expect(usedBytes(image)).toBeLessThan(MIB);
    const reader = ImageReader.open(image);
    const inode = reader.resolve("/file")!;
    expect(inode.size).toBe(BigInt(100 * GIB));
    expect(Buffer.from(reader.read(inode, AT - 1, 15)).toString()).toBe(`\0${TEXT}\0`);
    reader.close();
  }

  it("in a directory are not read", () => buildsFast(tree));
  it("in a directory are not read for a digest", () => buildsFast(tree, "--digest"));
  it("of files with the same content are not read to find that out", async () => {
    const two = disk.directory("two");
    for (const name of ["file", "same"]) {
      makeSparseFile(join(two, name), 100 * GIB, { [AT]: TEXT });
    }
    await buildsFast(two);
  });
  it("that are room on the disk which was never written are not read", async () => {
    // What of a file is allocated, its blocks don't tell.
    const allocated = disk.directory("allocated");
    makeSparseFile(join(allocated, "file"), 100 * GIB, { [AT]: TEXT });
    await bash('fallocate -o 60G -l 2G "$1"', join(allocated, "file"));
    await buildsFast(allocated);
  });

  it.each([
    ["gnu", "cat"],
    ["posix", "cat"],
    ["gnu", "gzip"],
    ["posix", "zstd"],
  ])("in a tar archive of format %s are not read (%s)", async (format, filter) => {
    const archive = disk.path(`huge-${format}.tar.${filter}`);
    await bash('tar -C "$1" --format="$3" -cS file | "$4" >"$2"', tree, archive, format, filter);
    await buildsFast(archive, "--digest");
  });
});

describe("an image", () => {
  it("is the same whether holes are known or not", async () => {
    const sparse = disk.directory("sparse");
    const files: Record<string, [number, Record<number, Uint8Array>]> = {
      "nothing but a hole": [200 * MIB + 1, {}],
      "ends with a hole": [100 * MIB + 4097, { 0: Buffer.alloc(70_000, 1) }],
      "ends with a byte": [100 * MIB + 4097, { [100 * MIB + 4096]: Buffer.from("x") }],
      "data across pieces": [90 * MIB, { [8 * MIB - 5]: Buffer.from("0123456789") }],
      "the same": [90 * MIB, { [8 * MIB - 5]: Buffer.from("0123456789") }],
      "other data": [90 * MIB, { [8 * MIB - 5]: Buffer.from("0123456780") }],
      "much of it": [
        70 * MIB,
        Object.fromEntries(
          Array.from({ length: 300 }, (_, i) => [i * 217_001, Buffer.alloc(9000, i)]),
        ),
      ],
      small: [3 * MIB, { 1: Buffer.from("y") }],
    };
    for (const [name, [size, data]] of Object.entries(files)) {
      makeSparseFile(join(sparse, name), size, data);
    }
    const dense = disk.path("dense");
    await bash('cp -a --sparse=never "$1" "$2"', sparse, dense);
    expect(usedBytes(join(sparse, "small"))).toBeLessThan(MIB);
    expect(usedBytes(join(dense, "small"))).toBeGreaterThanOrEqual(3 * MIB);
    const tar = disk.path("sparse.tar");
    await bash('tar -C "$1" --format=posix --sort=name -cSf "$2" .', sparse, tar);
    const nothing = disk.directory("no programs");

    const options = ["--digest", "--mtime", "@0"];
    const sums = new Map<string, string>();
    const sumOf = async (how: string, source: string, ...further: string[]) => {
      const image = disk.path(`${how}.daxfs`);
      // Its check compares the digest with the bytes.
      await build(source, image, [...options, ...further]);
      sums.set(how, await sha256(image));
    };
    await sumOf("dense", dense);
    await sumOf("sparse", sparse);
    await sumOf("archive", tar);
    await sumOf("one thread", sparse, "--jobs=1");
    const without = disk.path("without.daxfs");
    await build(sparse, without, options, { env: { PATH: nothing } });
    sums.set("no program that knows", await sha256(without));
    const piped = disk.path("piped.daxfs");
    const script = '"$1" "$2" "$3" --digest --mtime @0 -q -o - >"$4"';
    await bash(script, process.execPath, COMMAND, sparse, piped);
    sums.set("piped", await sha256(piped));
    expect(new Set(sums.values()).size, JSON.stringify([...sums], undefined, 1)).toBe(1);
    // 9000 bytes of each 217,001 and little else.
    expect(usedBytes(disk.path("sparse.daxfs"))).toBeLessThan(8 * MIB);
  });

  it("that is longer than its content needs is hashed without reading that", async () => {
    const tree = disk.directory("little");
    mkdirSync(join(tree, "directory"));
    const image = disk.path("long.daxfs");
    const args = [tree, "-o", image, "--digest", "--size=100G"];
    const { status, stderr } = await mkdaxfs(args, { timeout: SECONDS * 1000 });
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const check = await mkdaxfs(["check", image], { timeout: SECONDS * 1000 });
    expect(check).toMatchObject({ status: 0, stdout: `${image}: sound\n` });
    // A byte in what was a hole is noticed all the same.
    const file = openSync(image, "r+");
    writeSync(file, "x", 60 * 1024 * MIB);
    closeSync(file);
    const damaged = await mkdaxfs(["check", image], { timeout: SECONDS * 1000 });
    expect(damaged.status).toBe(1);
    expect(damaged.stdout).toContain("data_digest");
    const short = disk.path("short.daxfs");
    await build(tree, short, ["--digest", "--size=64M"]);
    expect(readFileSync(short).length).toBe(64 * MIB);
  });
});
