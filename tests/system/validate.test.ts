// SPDX-License-Identifier: MIT
// What checking a whole image takes of memory and time, with kernel/image_validate*.c in user space:
// a fixed amount of memory, whatever the image says of itself, and no time that grows faster than it.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { XATTR_COUNT_MAX, XATTR_SET_ALIGN, XATTR_VALUE_MAX } from "@daxfs/format";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FlatImage, placesOfSets, writeFlatImage, writeHollowImage } from "../corpus/flat.js";
import { buildImageWalk } from "../image/programs.js";

const KIB = 1024;
const MIB = 1024 * KIB;
/** The bitmap, and with what belongs to it; docs/kernel.md says so. */
const LARGEST = 256 * KIB;
const MOST = 272 * KIB;
/** Of the xattr area, that the bitmap is for at a time. */
const WINDOW = LARGEST * 8 * XATTR_SET_ALIGN;
/** With the sanitizers; each takes about a second, and with a loop in a loop minutes. */
const TIMEOUT = 60_000;

let directory: string;
let image: string;
let program: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "daxfs-validate-"));
  image = join(directory, "image");
  program = await buildImageWalk(directory);
}, 60_000);
afterAll(() => rm(directory, { recursive: true, force: true }));

/** The verdict on the image. Throws where it took more memory than it may. */
async function validate(): Promise<string> {
  const { stdout } = await execa(program, ["--allocations", image], { timeout: TIMEOUT });
  const [verdict, allocated] = stdout.split("\n");
  const [, largest, most] = /^allocated\t(\d+)\t(\d+)$/.exec(allocated ?? "") ?? [];
  expect(Number(largest)).toBeGreaterThan(0);
  expect(Number(largest)).toBeLessThanOrEqual(LARGEST);
  expect(Number(most)).toBeLessThanOrEqual(MOST);
  return verdict ?? "";
}

/** Sets with one value each, of the largest size; together they fill some windows. */
const LARGE_SETS = Array.from({ length: Math.ceil((2.5 * WINDOW) / XATTR_VALUE_MAX) }, () => [
  { name: "user.x", valueSize: XATTR_VALUE_MAX },
]);
/** Every set has two rows, and the first rows have the last sets. */
const LARGE: FlatImage = {
  files: 2 * LARGE_SETS.length,
  sorted: true,
  sets: LARGE_SETS,
  rows: Array.from({ length: 2 * LARGE_SETS.length }, (_, row) => ({
    set: (2 * LARGE_SETS.length - 1 - row) % LARGE_SETS.length,
  })),
};

describe("the memory of a check", { timeout: 2 * TIMEOUT }, () => {
  it("does not depend on the size of the xattr area", async () => {
    await writeHollowImage(image, 1, 256 * MIB);
    expect(await validate()).toBe("valid");
  });

  it("does not depend on the number of inodes", async () => {
    await writeHollowImage(image, 4 * MIB, 0);
    expect(await validate()).toBe("broken\tino\t2\t0");
  });

  it("is enough for many inodes", async () => {
    await writeFlatImage(image, { files: 100_000, sorted: true });
    expect(await validate()).toBe("valid");
  });

  it("is enough for many sets", async () => {
    await writeFlatImage(image, LARGE);
    expect(await validate()).toBe("valid");
  });
});

describe("a check of many sets", { timeout: 2 * TIMEOUT }, () => {
  const places = placesOfSets(LARGE);
  const straddling = places.findIndex((place) => place > WINDOW) - 1;
  const inner = [
    { where: "the first window", set: 3, from: places[3]! + 64 },
    { where: "the last window", set: LARGE_SETS.length - 2, from: places.at(-2)! - 64 },
    {
      where: "the window behind that of the set around it",
      set: straddling,
      from: places[straddling + 1]! - 64,
    },
    { where: "the first place of a window", set: straddling, from: WINDOW },
  ];

  it.each(inner)("finds one inside another, in $where", async ({ set, from }) => {
    expect(from).toBeGreaterThan(places[set]!);
    expect(from).toBeLessThan(places[set + 1]!);
    // The value around it is zeros, so that this is a set without attributes.
    const rows = [...LARGE.rows!];
    rows[7] = { place: from };
    await writeFlatImage(image, { ...LARGE, rows });
    expect(await validate()).toBe(`broken\tset\t${2 + 7}\t${from / XATTR_SET_ALIGN}`);
  });

  it("finds a broken one in the last window, and names the first inode that has it", async () => {
    const sets = [...LARGE_SETS];
    sets[sets.length - 1] = ["user.b", "user.a"].map((name) => ({ name, valueSize: 0 }));
    await writeFlatImage(image, { ...LARGE, sets });
    expect(await validate()).toBe("broken\tname\t2\t6");
  });

  it("goes once through one that all inodes have", async () => {
    const set = Array.from({ length: XATTR_COUNT_MAX }, (_, i) => ({
      name: `user.${String(i).padStart(5, "0")}`,
      valueSize: 0,
    }));
    const files = 100_000;
    await writeFlatImage(image, {
      files,
      sorted: true,
      sets: [set],
      rows: Array.from({ length: files }, () => ({ set: 0 })),
    });
    expect(await validate()).toBe("valid");
  });
});

describe("a check of many inodes", { timeout: 2 * TIMEOUT }, () => {
  it.each([2, 3, 1024, 1025, 1026, 2048, 2049, 4999, 5000, 5001])(
    "finds the only one that no directory lists: %i",
    async (unlisted) => {
      await writeFlatImage(image, { files: 5000, sorted: false, unlisted });
      expect(await validate()).toBe(`broken\tparent_ino\t${unlisted}\t0`);
    },
  );

  it("finds it among 300,000", async () => {
    const unlisted = 200_001;
    await writeFlatImage(image, { files: 300_000, sorted: false, unlisted });
    expect(await validate()).toBe(`broken\tparent_ino\t${unlisted}\t0`);
  });
});
