// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { PathSet } from "../../src/tree/path-set.js";

describe("a set of paths", () => {
  it("covers its paths and what lies below them", () => {
    const set = new PathSet();
    expect(set.covers("")).toBe(false);
    expect(set.covers("a")).toBe(false);
    set.add("a/b");
    set.add("c");
    for (const path of ["a/b", "a/b/c", "c", "c/d/e"]) expect(set.covers(path), path).toBe(true);
    for (const path of ["", "a", "a/bb", "a/c/b", "b", "cc", "b/c"]) {
      expect(set.covers(path), path).toBe(false);
    }
  });

  it("covers everything with the root", () => {
    const set = new PathSet();
    set.add("");
    for (const path of ["", "a", "a/b"]) expect(set.covers(path), path).toBe(true);
  });

  it("takes paths of many parts", () => {
    const set = new PathSet();
    const path = Array(30_000).fill("d").join("/");
    set.add(path);
    expect(set.covers(`${path}/x`)).toBe(true);
    expect(set.covers(path.slice(2))).toBe(false);
  });

  it("has a limit for the parts of all paths, which ask for a hundred times their length", () => {
    const set = new PathSet();
    const below = Array(32_000).fill("d").join("/");
    expect(() => {
      for (let i = 0; i < 40; i++) set.add(`${i}/${below}`);
    }).toThrow("whiteouts name more than 1000000 directories (the archive is broken)");
  });
});
