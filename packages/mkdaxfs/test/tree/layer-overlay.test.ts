// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import type { SourceEntry } from "../../src/model/source.js";
import { Layer } from "../../src/tree/layer.js";
import { Tree } from "../../src/tree/tree.js";
import { directory, file, inodeAt, sizeOf, symlink } from "../support/support.js";

const whiteout = (path: string) => file(path.replace(/[^/]*$/, ".wh.$&"), 0);
const opaque = (path: string) => file(`${path}/.wh..wh..opq`, 0);

/** Merges a layer whose whiteouts are kept. @param time what the time of a marker becomes */
function overlay(entries: readonly SourceEntry[], time = (mtimeNs: bigint) => mtimeNs): Tree {
  const tree = new Tree();
  const layer = new Layer(tree, "overlay", () => {});
  for (const entry of entries) layer.add(entry);
  layer.finish().place(time);
  return tree;
}

/** All paths of a tree with the sizes of files. */
function paths(tree: Tree): string[] {
  const found: string[] = [];
  const pending: [string, typeof tree.root][] = [["", tree.root]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const [name, inode] of next[1].children) {
      const path = `${next[0]}${name}`;
      if (inode.kind === "directory") pending.push([`${path}/`, inode]);
      found.push(sizeOf(inode) > 0 ? `${path}=${sizeOf(inode)}` : path);
    }
  }
  return found.sort();
}

describe("whiteouts that are kept", () => {
  it("become devices of number 0:0", () => {
    const inode = inodeAt(overlay([directory("d"), whiteout("d/x")]), "d/x");
    expect(inode).toMatchObject({ kind: "character-device", permissions: 0 });
    expect(inode).toMatchObject({ device: { major: 0, minor: 0 } });
    expect(inode.links).toBe(1);
  });

  it("leave what the layer has in their place, and make a directory there opaque", () => {
    const tree = overlay([file("f", 1), whiteout("f"), whiteout("d"), directory("d")]);
    expect(sizeOf(inodeAt(tree, "f"))).toBe(1);
    expect(inodeAt(tree, "d").xattrs).toEqual([
      { name: "trusted.overlay.opaque", value: Buffer.from("y") },
    ]);
  });

  it("make directories opaque, and missing ones as well", () => {
    const tree = overlay([directory("d"), opaque("d"), opaque("e/g"), whiteout("h/i")]);
    expect(inodeAt(tree, "d").xattrs).toHaveLength(1);
    expect(inodeAt(tree, "e/g").xattrs).toHaveLength(1);
    expect(inodeAt(tree, "h").xattrs).toHaveLength(0);
    expect(inodeAt(tree, "h/i").kind).toBe("character-device");
  });

  /** Paths with what marks them: "c" for a whiteout, "o" for an opaque directory. */
  function marks(...entries: readonly SourceEntry[]): string[] {
    const tree = overlay(entries);
    return paths(tree)
      .map((path) => [path, inodeAt(tree, path.replace(/=.*/, ""))] as const)
      .map(([path, { kind, xattrs }]) => {
        const mark = kind === "character-device" ? " c" : "";
        return `${path}${mark}${xattrs.length > 0 ? " o" : ""}`;
      });
  }

  /** The same in the order given, backwards, and with whiteouts in between. */
  function expectMarks(entries: () => readonly SourceEntry[], expected: readonly string[]): void {
    const count = entries().length;
    for (let turn = 0; turn < count; turn++) {
      const turned = [...entries().slice(turn), ...entries().slice(0, turn)];
      expect(marks(...turned)).toEqual(expected);
    }
    expect(marks(...[...entries()].reverse())).toEqual(expected);
  }

  it("are left out below an opaque directory, where overlayfs shows broken entries", () => {
    const entries = () => [
      directory("d"),
      opaque("d"),
      whiteout("d/x"),
      directory("d/e"),
      whiteout("d/e/y"),
      file("d/e/f", 1),
      whiteout("z"),
    ];
    expectMarks(entries, ["d o", "d/e", "d/e/f=1", "z c"]);
    expectMarks(() => [opaque("d"), whiteout("d/x")], ["d o"]);
    expectMarks(() => [opaque("d/e"), whiteout("d/x"), whiteout("d/e/y")], ["d", "d/e o", "d/x c"]);
  });

  it("are left out of the whole layer where its root is opaque", () => {
    const tree = overlay([file(".wh..wh..opq", 0), whiteout("x"), whiteout("d/y"), file("f", 1)]);
    expect(paths(tree)).toEqual(["f=1"]);
    expect(tree.root.xattrs).toHaveLength(1);
  });

  it("make a directory opaque that the layer removes and has, in any order", () => {
    expectMarks(() => [whiteout("d"), file("d/f", 1)], ["d o", "d/f=1"]);
    const entries = () => [whiteout("d"), directory("d"), file("d/e/f", 1), whiteout("d/e/x")];
    expectMarks(entries, ["d o", "d/e", "d/e/f=1"]);
    expectMarks(() => [whiteout("d"), opaque("d"), directory("d")], ["d o"]);
  });

  it("of a directory stand for those below it, which the layer has nothing of", () => {
    expectMarks(() => [whiteout("d"), whiteout("d/x")], ["d c"]);
    expectMarks(() => [whiteout("d/x"), whiteout("d"), whiteout("d/e/y"), opaque("d/e")], ["d c"]);
    expectMarks(() => [whiteout("d"), opaque("d")], ["d c"]);
    expectMarks(
      () => [whiteout("a/d"), whiteout("a/d/x"), whiteout("a/y")],
      ["a", "a/d c", "a/y c"],
    );
    // Names that only begin alike.
    expectMarks(() => [whiteout("d"), whiteout("dd/x")], ["d c", "dd", "dd/x c"]);
  });

  it("find their directories behind symlinks", () => {
    const entries = () => [directory("d"), symlink("l", "d"), opaque("l"), whiteout("l/x")];
    const expected = ["d o", "l"];
    expect(marks(...entries())).toEqual(expected);
    expect(marks(...entries().reverse())).toEqual(expected);
  });

  it("may be there twice", () => {
    expectMarks(
      () => [whiteout("d/x"), whiteout("d/x"), opaque("e"), opaque("e")],
      ["d", "d/x c", "e o"],
    );
  });

  it("get the time that all files get", () => {
    const tree = overlay([whiteout("d/x"), opaque("e")], () => 5n);
    for (const path of ["d", "d/x", "e"]) expect(inodeAt(tree, path).mtimeNs).toBe(5n);
  });
});
