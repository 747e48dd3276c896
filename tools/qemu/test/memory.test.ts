// SPDX-License-Identifier: MIT
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { layOutMemory, placeImages } from "../src/index.js";
import { temporaryDirectory } from "./support.js";

const MIB = 1024 * 1024;
let directory: string;

beforeAll(async () => {
  directory = await temporaryDirectory();
});

/** An image that takes no space on the disk. */
async function sparse(name: string, size: number): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, "");
  await truncate(path, size);
  return path;
}

describe("placeImages", () => {
  it("puts images one after the other, each on a 2 MiB boundary", async () => {
    const path = await sparse("small", 3 * MIB + 1);
    const placed = await placeImages([{ path }, { path }]);
    expect(placed.map(({ physicalAddress }) => physicalAddress)).toEqual([0x40000000, 0x40400000]);
    expect(placed[0]).toMatchObject({
      size: 3 * MIB + 1,
      reserved: { start: 0x40000000, size: 4 * MIB },
    });
  });

  it("goes around given addresses and keeps the order", async () => {
    const path = await sparse("small", 3 * MIB);
    const placed = await placeImages([{ path }, { path, physicalAddress: 0x40201000 }]);
    expect(placed.map(({ physicalAddress }) => physicalAddress)).toEqual([0x40600000, 0x40201000]);
    expect(placed[1]?.reserved).toEqual({ start: 0x40200000, size: 4 * MIB });
  });

  it("takes 2 GiB of images and no more", async () => {
    const path = await sparse("half", 1024 * MIB);
    expect(await placeImages([{ path }, { path }])).toHaveLength(2);
    const more = { path: await sparse("more", 1) };
    await expect(placeImages([{ path }, { path }, more])).rejects.toThrow(
      /more at 0xc0000000\.\.0xc0000001 is outside/,
    );
  });

  it("takes an image that QEMU can load", async () => {
    const fits = await sparse("fits", 2048 * MIB - 4096);
    expect(await placeImages([{ path: fits }])).toHaveLength(1);
    const tooLarge = await sparse("too-large", 2048 * MIB - 4095);
    await expect(placeImages([{ path: tooLarge }])).rejects.toThrow(/images of up to 2147479552/);
  });

  it("refuses overlaps, odd addresses, the kernel's memory and empty files", async () => {
    const path = await sparse("small", 4096);
    const at = (physicalAddress: number) => ({ path, physicalAddress });
    await expect(placeImages([at(0x40000000), at(0x40001000)])).rejects.toThrow(/overlaps/);
    await expect(placeImages([at(0x40000200)])).rejects.toThrow(/not a multiple of 4096/);
    await expect(placeImages([at(0x1000000)])).rejects.toThrow(/outside/);
    await expect(placeImages([at(0xc0000000)])).rejects.toThrow(/outside/);
    await expect(placeImages([{ path: await sparse("empty", 0) }])).rejects.toThrow(/empty/);
  });
});

describe("layOutMemory", () => {
  it("leaves room for the initramfs above the images", async () => {
    const placed = await placeImages([{ path: await sparse("one", MIB) }]);
    expect(layOutMemory(placed, 1024, 10 * MIB).totalMib).toBe(1024 + 2 + 26);
  });

  it("needs no more than the system's memory without images", () => {
    expect(layOutMemory([], 512, 10 * MIB).totalMib).toBe(512);
  });

  it("refuses what the machine can't have", () => {
    expect(() => layOutMemory([], 4096, MIB)).toThrow(/limit is 3584/);
    expect(() => layOutMemory([], 512, 300 * MIB)).toThrow(/don't fit/);
  });
});
