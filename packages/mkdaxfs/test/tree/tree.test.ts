// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { BuildError } from "../../src/errors.js";
import { Tree } from "../../src/tree/tree.js";
import {
  device,
  directory,
  file,
  hardLink,
  inodeAt,
  link,
  namesIn,
  sizeOf,
  special,
  symlink,
  treeOf,
} from "../support/support.js";

describe("a tree", () => {
  it("keeps what an entry says", () => {
    const xattrs = [{ name: "user.x", value: Uint8Array.of(1) }];
    const tree = treeOf(
      directory("a"),
      file("a/f", 7, { mode: 0o4755, uid: 1, gid: 2, mtimeNs: -5n, xattrs }),
      symlink("a/l", "to"),
      device("a/d", "block-device", 8, 1),
      special("a/p", "fifo"),
    );
    const inode = inodeAt(tree, "a/f");
    expect(inode).toMatchObject({
      mode: 0o104755,
      uid: 1,
      gid: 2,
      mtimeNs: -5n,
      size: 7,
      links: 1,
    });
    expect(inode.xattrs).toBe(xattrs);
    expect(inodeAt(tree, "a/l")).toMatchObject({ kind: "symlink", target: "to" });
    expect(inodeAt(tree, "a/d")).toMatchObject({
      kind: "block-device",
      device: { major: 8, minor: 1 },
    });
    expect(inodeAt(tree, "a/p").kind).toBe("fifo");
    expect(inodeAt(tree, "a").kind).toBe("directory");
  });

  it("counts the names that a file has in it", () => {
    const linked = file("a/f", 7);
    const linkedSymlink = symlink("a/l", "to");
    const tree = treeOf(
      directory("a"),
      directory("b"),
      linked,
      link("b/f", linked),
      file("b/g", 7),
      linkedSymlink,
      link("b/l", linkedSymlink),
      link("c", linkedSymlink),
    );
    expect(inodeAt(tree, "a/f")).toBe(inodeAt(tree, "b/f"));
    expect(inodeAt(tree, "a/f").links).toBe(2);
    expect(inodeAt(tree, "b/g").links).toBe(1);
    expect(inodeAt(tree, "c").links).toBe(3);
  });

  it("finds the directory of an entry wherever it comes", () => {
    const tree = treeOf(
      directory("a"),
      directory("a/b"),
      directory("c"),
      file("a/b/1", 0),
      file("c/1", 0),
      file("1", 0),
      file("a/b/2", 0),
      file("a/2", 0),
    );
    expect([...tree.root.children.keys()]).toEqual(["a", "c", "1"]);
    expect(namesIn(tree, "a")).toEqual(["b", "2"]);
    expect(namesIn(tree, "a/b")).toEqual(["1", "2"]);
  });

  it("makes the directories that are missing, with the time of the entry", () => {
    const tree = new Tree();
    tree.addInode(file("a/b/c", 1, { mtimeNs: 5n, uid: 7, mode: 0o600 }));
    for (const made of [tree.root, inodeAt(tree, "a"), inodeAt(tree, "a/b")]) {
      expect(made).toMatchObject({ mode: 0o40755, uid: 0, gid: 0, mtimeNs: 5n, links: 1 });
    }
    tree.addInode(file("a/d", 1, { mtimeNs: 9n }));
    expect(inodeAt(tree, "a").mtimeNs).toBe(5n);
  });

  it("has an empty root where nothing was added", () => {
    expect(new Tree().root).toMatchObject({ mode: 0o40755, uid: 0, mtimeNs: 0n });
  });

  it("takes the root's attributes from its entry, whenever that comes", () => {
    const tree = treeOf(file("a", 1), directory("", { mode: 0o700, uid: 3, mtimeNs: 8n }));
    expect(tree.root).toMatchObject({ mode: 0o40700, uid: 3, mtimeNs: 8n });
    expect([...tree.root.children.keys()]).toEqual(["a"]);
    expect(() => tree.addInode(file("", 1))).toThrow(/the root must be a directory/);
  });

  it("refuses what lies in a file of the same source", () => {
    const tree = treeOf(file("f", 1));
    expect(() => tree.addInode(file("f/b", 1))).toThrow(BuildError);
    expect(() => tree.addInode(file("f/b", 1))).toThrow(
      "/f is not a directory, and the same source has entries in /f",
    );
    expect(() => tree.addInode(file("f/b/c", 1))).toThrow(
      "/f is not a directory, and the same source has entries in /f/b",
    );
    // It is named where it is, and not as it was reached.
    tree.addInode(symlink("l", "f"));
    expect(() => tree.addInode(file("l/b/c/d", 1))).toThrow(
      "/f is not a directory, and the same source has entries in /l/b/c",
    );
  });

  it("puts a directory in the place of a file of another source, and a file in that of a directory", () => {
    const tree = treeOf(file("f", 1), directory("d"), file("d/1", 1));
    tree.beginSource();
    tree.addInode(file("f/b", 2));
    tree.addInode(file("d", 3));
    expect(sizeOf(inodeAt(tree, "f/b"))).toBe(2);
    expect(sizeOf(inodeAt(tree, "d"))).toBe(3);
  });
});

describe("a repeated entry", () => {
  it("takes the place of the first", () => {
    const first = file("f", 1);
    const other = file("l", 2);
    const tree = treeOf(first, link("second", first), other);
    tree.addInode(file("f", 3));
    tree.addInode(symlink("l", "to"));
    expect(sizeOf(inodeAt(tree, "f"))).toBe(3);
    expect(inodeAt(tree, "second")).toBe(first.inode);
    expect(first.inode.links).toBe(1);
    expect(other.inode.links).toBe(0);
  });

  it("of a directory keeps what is in it", () => {
    const xattrs = [{ name: "user.x", value: Uint8Array.of(1) }];
    const tree = treeOf(directory("d", { mode: 0o755, xattrs }), file("d/f", 1));
    tree.addInode(directory("d", { mode: 0o700, uid: 1, gid: 2, mtimeNs: 3n }));
    expect(inodeAt(tree, "d")).toMatchObject({ mode: 0o40700, uid: 1, gid: 2, mtimeNs: 3n });
    expect(inodeAt(tree, "d").xattrs).toEqual([]);
    expect(sizeOf(inodeAt(tree, "d/f"))).toBe(1);
    expect(inodeAt(tree, "d").links).toBe(1);
  });

  it("of another type takes all below it away, and the names of links with it", () => {
    const linked = file("d/e/f", 1);
    const tree = treeOf(directory("d"), directory("d/e"), linked, link("g", linked));
    tree.addInode(symlink("d", "elsewhere"));
    expect(linked.inode.links).toBe(1);
    expect(inodeAt(tree, "d")).toMatchObject({ target: "elsewhere" });
  });
});

describe("a hard link", () => {
  it("binds to what its target is at that moment", () => {
    const tree = treeOf(file("a", 1));
    tree.addLink(hardLink("b", "a"));
    tree.addInode(file("a", 2));
    tree.addLink(hardLink("c", "a"));
    expect(sizeOf(inodeAt(tree, "b"))).toBe(1);
    expect(inodeAt(tree, "b").links).toBe(1);
    expect(inodeAt(tree, "c")).toBe(inodeAt(tree, "a"));
    expect(inodeAt(tree, "c").links).toBe(2);
  });

  it("to a symlink is a name of the symlink, and parents of its target are followed", () => {
    const tree = treeOf(directory("d"), symlink("d/l", "gone"), symlink("to-d", "d"));
    tree.addLink(hardLink("x", "to-d/l"));
    expect(inodeAt(tree, "x")).toBe(inodeAt(tree, "d/l"));
    expect(inodeAt(tree, "x").links).toBe(2);
  });

  it("to itself changes nothing, and over another name replaces that", () => {
    const tree = treeOf(file("a", 1), file("b", 2));
    tree.addLink(hardLink("a", "a"));
    expect(inodeAt(tree, "a").links).toBe(1);
    const replaced = inodeAt(tree, "b");
    tree.addLink(hardLink("b", "a"));
    expect(inodeAt(tree, "b")).toBe(inodeAt(tree, "a"));
    expect(replaced.links).toBe(0);
  });

  it("is refused where its target is missing, a directory, or the root", () => {
    const tree = treeOf(directory("d"));
    expect(() => tree.addLink(hardLink("a", "gone"))).toThrow(
      "/a is a hard link to /gone, which is not there before it (the archive is incomplete)",
    );
    expect(() => tree.addLink(hardLink("a", "d"))).toThrow(/hard link to a directory, \/d/);
    expect(() => tree.addLink(hardLink("a", ""))).toThrow(/hard link to a directory/);
    expect(() => tree.addLink(hardLink("", "d"))).toThrow(/the root can't be a hard link/);
  });
});

describe("a symlink on the way", () => {
  it.each([
    ["relative", "b"],
    ["absolute", "/a/b"],
    ["with dots", ".././a/./b"],
    ["past the root", "../../../../a/b"],
    ["through another", "../second"],
  ])("leads inside the tree: %s", (_, target) => {
    const tree = treeOf(
      directory("a"),
      directory("a/b"),
      symlink("a/l", target),
      symlink("second", "/a/b"),
    );
    tree.addInode(file("a/l/f", 1));
    expect(sizeOf(inodeAt(tree, "a/b/f"))).toBe(1);
    expect(inodeAt(tree, "a/l")).toMatchObject({ target });
  });

  it("to nothing has what it leads to made", () => {
    const tree = treeOf(symlink("l", "/x/gone/../y"));
    tree.addInode(file("l/f", 1));
    expect(sizeOf(inodeAt(tree, "x/y/f"))).toBe(1);
    expect(namesIn(tree, "x")).toEqual(["y"]);
  });

  it("in a circle is refused", () => {
    const tree = treeOf(symlink("a", "b"), symlink("b", "a"));
    expect(() => tree.addInode(file("a/f", 1))).toThrow(/\/a leads through too many symlinks/);
  });

  it("with a target that no system takes is refused before it is followed", () => {
    const tree = treeOf(symlink("l", "t".repeat(4095)));
    expect(() => tree.addInode(symlink("m", "/x".repeat(1_000_000)))).toThrow(
      "/m: its target has 2000000 bytes, an image holds 1 to 4095",
    );
  });

  it("is forgotten when it is replaced", () => {
    const tree = treeOf(directory("d"), symlink("l", "d"), file("l/1", 1));
    tree.addInode(directory("l"));
    tree.addInode(file("l/2", 1));
    expect(namesIn(tree, "d")).toEqual(["1"]);
    expect(namesIn(tree, "l")).toEqual(["2"]);
  });
});
