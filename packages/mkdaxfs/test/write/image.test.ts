// SPDX-License-Identifier: MIT
// What a plan becomes, read back: everything but the scan, the search for duplicates and the file.
import { writeFileSync } from "node:fs";
import { checkImage, describeFinding, HUGE_SIZE, ImageReader, MemoryBytes } from "@daxfs/format";
import { describe, expect, it } from "vitest";
import type { InodeEntry } from "../../src/model/source.js";
import type { Plan } from "../../src/plan/plan.js";
import { streamChunks, WINDOW_BUFFER_SIZE } from "../../src/write/copy.js";
import {
  contentUuid,
  encodeMetadata,
  encodeSuperblock,
  encodeTargets,
  type Identity,
} from "../../src/write/metadata.js";
import { batchOf, placedChunks } from "../../src/write/placed-chunks.js";
import {
  device,
  directory,
  entry,
  link,
  planOf,
  Random,
  regularInode,
  scratchDirectory,
  special,
  symlink,
  treeOf,
} from "../support/support.js";

const scratch = scratchDirectory();
const NOBODY: Identity = { label: "", buildTimeNs: 0n, uuid: undefined };

/** The image of a plan, put together in memory. */
function imageOf(plan: Plan, identity: Identity = NOBODY): { bytes: Buffer; uuid: string } {
  const bytes = Buffer.alloc(plan.totalSize);
  const placed = placedChunks(plan);
  const sums = new Uint32Array(placed.offsets.length);
  const sink = {
    buffer: () => new Uint8Array(WINDOW_BUFFER_SIZE),
    write: (written: Uint8Array, offset: number): void => bytes.set(written, offset),
  };
  for (let batch = 0; batch < placed.batches.length - 1; batch++) {
    const { chunks, offsets } = batchOf(placed, batch);
    sums.set(streamChunks(chunks, offsets, sink), placed.batches[batch]!);
  }
  const metadata = encodeMetadata(plan, sink.write);
  const targets = encodeTargets(plan);
  const uuid = contentUuid(metadata, targets, sums, identity);
  bytes.set(encodeSuperblock(plan, metadata, uuid, identity, undefined), 0);
  bytes.set(targets, plan.dataOffset);
  return { bytes, uuid: Buffer.from(uuid).toString("hex") };
}

function realFile(path: string, bytes: Uint8Array, extra?: Parameters<typeof regularInode>[2]) {
  const host = scratch(Buffer.from(path, "latin1").toString("hex"));
  writeFileSync(host, bytes);
  return entry(path, regularInode(host, bytes.length, extra));
}

const random = new Random(12);
const contents = new Map<string, Buffer>([
  ["small", random.bytes(10)],
  ["d/page", random.bytes(4096)],
  ["d/\xe4", random.bytes(4097)],
  ["d/huge", Buffer.alloc(HUGE_SIZE + 1, random.bytes(1009))],
  ["chunks", Buffer.alloc(9 * 1024 * 1024, random.bytes(1013))],
]);

function entries(): InodeEntry[] {
  const value = Uint8Array.of(0, 1, 0);
  const xattrs = [
    { name: "user.b", value },
    { name: "user.a", value: new Uint8Array(0) },
  ];
  const linked = realFile("small", contents.get("small")!, { xattrs, mtimeNs: -1n });
  return [
    directory("", { mode: 0o1777, mtimeNs: 12_345_678_901n, xattrs }),
    directory("d", { mode: 0o2755 }),
    linked,
    ...[...contents]
      .slice(1)
      .map(([path, bytes]) => realFile(path, bytes, { mode: 0o4755, uid: 4294967294 })),
    link("d/again", linked),
    realFile("empty", new Uint8Array(0), { mode: 0 }),
    symlink("link", "t".repeat(4095)),
    symlink("d/link", "\xff"),
    device("d/disk", "block-device", 4095, 1048575),
    special("fifo", "fifo"),
    special("socket", "socket"),
  ];
}

describe("an image", () => {
  it("passes the checker and holds every content", () => {
    const plan = planOf(treeOf(...entries()));
    const { bytes } = imageOf(plan, { ...NOBODY, label: "größe", buildTimeNs: 5n });
    const image = new MemoryBytes(bytes);
    expect([...checkImage(image)].map(describeFinding)).toEqual([]);
    const reader = new ImageReader(image);
    expect(reader.superblock.build_time_ns).toBe(5n);
    const label = Buffer.from(reader.superblock.label).toString("utf8");
    expect(label.replace(/\0+$/, "")).toBe("größe");
    const at = (path: string) => reader.resolve(path)!;
    for (const [path, expected] of contents) {
      const inode = at(path);
      expect(Buffer.from(reader.read(inode, 0, expected.length + 1)).equals(expected)).toBe(true);
    }
    expect(at("d/huge")).toMatchObject({ mode: 0o104755, uid: 4294967294 });
    expect(Number(at("d/huge").data_offset) % HUGE_SIZE).toBe(0);
    expect(reader.target(at("link"))).toBe("t".repeat(4095));
    expect(reader.target(at("d/link"))).toBe("\xff");
    expect(at("d/disk").data_offset).toBe((4095n << 32n) | 1048575n);
    expect(at("/")).toMatchObject({ mode: 0o41777, mtime_ns: 12_345_678_901n, nlink: 3 });
    expect(at("small").mtime_ns).toBe(-1n);
    expect(reader.identity(at("small"))).toBe(reader.identity(at("d/again")));
    for (const identity of [1, reader.identity(at("small"))]) {
      expect(reader.xattrs(identity).map(({ name, value }) => [name, [...value]])).toEqual([
        ["user.a", []],
        ["user.b", [0, 1, 0]],
      ]);
    }
  });

  it("of nothing passes the checker", () => {
    const { bytes } = imageOf(planOf(treeOf()));
    expect([...checkImage(new MemoryBytes(bytes))].map(describeFinding)).toEqual([]);
  });

  it("has a UUID of version 8 that tells contents and labels apart", () => {
    const uuid = imageOf(planOf(treeOf(...entries()))).uuid;
    expect(uuid).toMatch(/^.{12}8.{3}[89ab].{15}$/);
    expect(imageOf(planOf(treeOf(...entries()))).uuid).toBe(uuid);
    expect(imageOf(planOf(treeOf(...entries())), { ...NOBODY, label: "x" }).uuid).not.toBe(uuid);
    const changed = entries().map((each) => {
      if (each.name !== "page") return each;
      const bytes = Buffer.from(contents.get("d/page")!);
      bytes[4095]! ^= 1;
      return realFile("d/page", bytes, { mode: 0o4755, uid: 4294967294 });
    });
    expect(imageOf(planOf(treeOf(...changed))).uuid).not.toBe(uuid);
  });
});
