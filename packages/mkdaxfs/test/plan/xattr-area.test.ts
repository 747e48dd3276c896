// SPDX-License-Identifier: MIT
import type { Xattr } from "@daxfs/format";
import { describe, expect, it } from "vitest";
import { entrySize, type XattrArea, XattrAreaBuilder } from "../../src/plan/xattr-area.js";
import { Random } from "../support/support.js";

const xattr = (name: string, ...value: number[]): Xattr => ({
  name,
  value: Uint8Array.from(value),
});

function areaOf(...inodes: readonly [number, readonly Xattr[]][]): XattrArea {
  const builder = new XattrAreaBuilder();
  for (const [ino, xattrs] of inodes) builder.add(ino, xattrs);
  return builder.finish();
}

describe("the xattr area", () => {
  it("shares sets that are equal, in whatever order their names come", () => {
    const set = [
      xattr("user.b", 0, 1),
      xattr("user.a"),
      xattr("trusted.z", 255),
      xattr("user.\xff", 2),
    ];
    const random = new Random(1);
    const area = areaOf([1, set], [4, random.shuffled(set)], [9, random.shuffled(set)]);
    expect(area.sets).toHaveLength(1);
    expect(area.sets[0]!.xattrs.map(({ name }) => name)).toEqual([
      "trusted.z",
      "user.a",
      "user.b",
      "user.\xff",
    ]);
    expect(area.rows.map(({ ino }) => ino)).toEqual([1, 4, 9]);
    for (const { set: of } of area.rows) expect(of).toBe(area.sets[0]);
    expect(areaOf([1, set], [4, set], [9, set])).toEqual(area);
  });

  it.each<[string, Xattr[], Xattr[]]>([
    ["values", [xattr("user.a", 0)], [xattr("user.a", 1)]],
    ["lengths of values", [xattr("user.a", 0)], [xattr("user.a", 0, 0)]],
    ["names", [xattr("user.a", 0)], [xattr("user.b", 0)]],
    ["numbers of names", [xattr("user.a", 0)], [xattr("user.a", 0), xattr("user.b")]],
    [
      "where a value ends",
      [xattr("user.a", 0x0a), xattr("user.b")],
      [xattr("user.a"), xattr("user.b", 0x0a)],
    ],
  ])("keeps sets apart that differ in %s", (_, one, other) => {
    const area = areaOf([1, one], [2, other]);
    expect(area.sets).toHaveLength(2);
    expect(area.rows.map(({ set }) => set.xattrs)).toEqual([one, other]);
  });

  it("gives no row to an inode without attributes", () => {
    expect(areaOf([1, []], [2, []])).toEqual({ rows: [], sets: [], size: 0 });
  });

  it("pads entries to 4 and sets to 8 bytes, behind the rows", () => {
    expect(entrySize(xattr("user.a"))).toBe(8 + 8);
    expect(entrySize(xattr("user.ab", 1))).toBe(8 + 8);
    expect(entrySize(xattr("user.ab", 1, 2))).toBe(8 + 12);
    const area = areaOf(
      [1, [xattr("user.ab", 1)]],
      [2, [xattr("user.ab", 1, 2)]],
      [3, [xattr("user.ab", 1)]],
    );
    // Three rows of 8; a set is 4 bytes of count and its entries: 20, then 24.
    expect(area.sets.map(({ offset }) => offset)).toEqual([24, 48]);
    expect(area.size).toBe(72);
  });

  it("leaves what it is given as it was", () => {
    const set = [xattr("user.b"), xattr("user.a")];
    areaOf([1, set]);
    expect(set.map(({ name }) => name)).toEqual(["user.b", "user.a"]);
  });
});
