// SPDX-License-Identifier: MIT
import { FILE_TYPE } from "@daxfs/format";
import { describe, expect, it } from "vitest";
import { BuildError } from "../src/errors.js";
import { Tree } from "../src/tree/tree.js";
import { device, directory, file, inodeAt, link, special, symlink, treeOf } from "./support.js";

describe("a tree", () => {
  it("keeps what an entry says", () => {
    const xattrs = [{ name: "user.x", value: Uint8Array.of(1) }];
    const tree = treeOf(
      directory("a"),
      file("a/f", 7, { mode: 0o4755, uid: 1, gid: 2, mtimeNs: -5n, xattrs }),
      symlink("a/l", "to"),
      device("a/d", FILE_TYPE.BLOCK_DEVICE, 8, 1),
      special("a/p", FILE_TYPE.FIFO),
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
    expect(inodeAt(tree, "a/l").body).toBe("to");
    expect(inodeAt(tree, "a/d").body).toEqual({ major: 8, minor: 1 });
    expect(inodeAt(tree, "a/p").body).toBeNull();
    expect(inodeAt(tree, "a").type).toBe(FILE_TYPE.DIRECTORY);
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
    expect([...inodeAt(tree, "a").children.keys()]).toEqual(["b", "2"]);
    expect([...inodeAt(tree, "a/b").children.keys()]).toEqual(["1", "2"]);
  });

  it("refuses an entry without its directory, and names that", () => {
    const tree = treeOf(file("f", 1));
    expect(() => tree.add(file("a/b", 1))).toThrow(BuildError);
    expect(() => tree.add(file("a/b", 1))).toThrow("/a is not a directory");
    expect(() => tree.add(file("f/b", 1))).toThrow("/f is not a directory");
  });

  it("refuses to be without a root", () => {
    expect(() => new Tree().root).toThrow(BuildError);
    expect(() => new Tree().add(file("a", 1))).toThrow(BuildError);
  });
});
