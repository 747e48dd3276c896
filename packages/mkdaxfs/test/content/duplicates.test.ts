// SPDX-License-Identifier: MIT
import { rmSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Duplicates, findDuplicates } from "../../src/content/duplicates.js";
import { BuildError } from "../../src/errors.js";
import { WorkerPool } from "../../src/jobs/pool.js";
import type { FileWithContent } from "../../src/model/inode.js";
import { Random, regularInode, scratchDirectory, withContent } from "../support/support.js";

const scratch = scratchDirectory();

/** Without a worker, which is there only once it is bundled. */
const pool = new WorkerPool(1, new AbortController().signal);

/** A file as the scan leaves it. `size` is what it had when it was looked at. */
function fileWith(name: string, bytes: Uint8Array | string, size?: number): FileWithContent {
  const path = scratch(name);
  writeFileSync(path, bytes);
  return withContent(regularInode(path, size));
}

const find = (...files: readonly FileWithContent[]): Promise<Duplicates> =>
  findDuplicates(files, pool, () => {});

describe("the search for equal contents", () => {
  it("finds them, and no others", async () => {
    const random = new Random(1);
    const page = random.bytes(4096);
    const long = (last: number) => Buffer.concat([page, Buffer.alloc(9000, 5), Buffer.of(last)]);
    const files = {
      a: fileWith("a", "same"),
      b: fileWith("b", "diff"),
      c: fileWith("c", "same"),
      d: fileWith("d", "same\0"),
      // As long and with the same first page, but not the same.
      e: fileWith("e", long(1)),
      f: fileWith("f", long(2)),
      g: fileWith("g", long(1)),
      h: fileWith("h", page),
      i: fileWith("i", "same"),
      zeros: fileWith("zeros", Buffer.alloc(4096)),
      moreZeros: fileWith("more zeros", Buffer.alloc(8192)),
    };
    expect(await find(...Object.values(files))).toEqual(
      new Map([
        [files.c, files.a],
        [files.i, files.a],
        [files.g, files.e],
      ]),
    );
  });

  it("finds all of many", async () => {
    const random = new Random(4);
    const contents = Array.from({ length: 20 }, () => random.bytes(100));
    const files = Array.from({ length: 300 }, (_, index) =>
      fileWith(`many-${index}`, contents[index % contents.length]!),
    );
    const duplicates = await find(...random.shuffled(files));
    expect(duplicates.size).toBe(280);
    const holderOf = (index: number) => duplicates.get(files[index]!) ?? files[index]!;
    for (const index of files.keys()) expect(holderOf(index)).toBe(holderOf(index % 20));
  });

  it("finds none where there are none", async () => {
    expect(await find()).toEqual(new Map());
    expect(await find(fileWith("alone", "x"))).toEqual(new Map());
    expect(await find(fileWith("1", "x"), fileWith("2", "xx"))).toEqual(new Map());
  });

  it("names a file that can't be read", async () => {
    const gone = fileWith("gone", "1234");
    rmSync(scratch("gone"));
    const search = find(fileWith("there", "1234"), gone);
    await expect(search).rejects.toThrow(BuildError);
    await expect(search).rejects.toThrow(scratch("gone"));
  });

  // Were they equal, the one that shrank would never be copied, and nobody would see that it did.
  it("never takes files of different sizes for equal, be it that one has shrunk", async () => {
    const a = fileWith("short-a", "0\n");
    const b = fileWith("short-b", "0\n");
    const shrunk = fileWith("shrunk-a", "0\n", 4096);
    const shrunkToo = fileWith("shrunk-b", "0\n", 4096);
    for (const [file, holder] of await find(a, b, shrunk, shrunkToo)) {
      expect(file.size).toBe(holder.size);
    }
  });
});
