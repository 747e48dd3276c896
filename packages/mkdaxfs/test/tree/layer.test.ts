// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { BuildError } from "../../src/errors.js";
import type { SourceEntry } from "../../src/model/source.js";
import { Layer, type WhiteoutMode } from "../../src/tree/layer.js";
import { Tree } from "../../src/tree/tree.js";
import { directory, file, hardLink, inodeAt, sizeOf, symlink } from "../support/support.js";

const warnings: string[] = [];

/** Merges layers, the lowest first. */
function merged(...layers: readonly (readonly SourceEntry[])[]): Tree {
  const tree = new Tree();
  for (const layer of layers) merge(tree, layer, "apply");
  return tree;
}

function merge(tree: Tree, entries: readonly SourceEntry[], mode: WhiteoutMode) {
  const layer = new Layer(tree, mode, (text) => warnings.push(text));
  for (const entry of entries) layer.add(entry);
  return layer.finish();
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

const whiteout = (path: string) => file(path.replace(/[^/]*$/, ".wh.$&"), 0);
const opaque = (path: string) => file(`${path}/.wh..wh..opq`, 0);

const lower = () => [
  directory("d", { mode: 0o700, mtimeNs: 1n }),
  file("d/1", 1),
  file("d/2", 2),
  directory("d/e"),
  file("d/e/3", 3),
  file("f", 4),
];

describe("a whiteout", () => {
  it("removes a file, or a directory and all below", () => {
    expect(paths(merged(lower(), [whiteout("f"), whiteout("d/e")]))).toEqual([
      "d",
      "d/1=1",
      "d/2=2",
    ]);
    expect(paths(merged(lower(), [whiteout("d")]))).toEqual(["f=4"]);
  });

  it("leaves alone what its own layer has, whatever the order", () => {
    const own = [file("f", 5), whiteout("f"), whiteout("d"), directory("d"), file("d/9", 9)];
    const expected = ["d", "d/9=9", "f=5"];
    expect(paths(merged(lower(), own))).toEqual(expected);
    expect(paths(merged(lower(), [...own].reverse()))).toEqual(expected);
  });

  it("of a directory that its layer has entries in makes it anew", () => {
    for (const order of [
      [file("d/9", 9, { mtimeNs: 7n }), whiteout("d")],
      [whiteout("d"), file("d/9", 9, { mtimeNs: 7n })],
    ]) {
      const tree = merged(lower(), order);
      expect(paths(tree)).toEqual(["d", "d/9=9", "f=4"]);
      expect(inodeAt(tree, "d")).toMatchObject({ mode: 0o40755, mtimeNs: 7n });
    }
  });

  it("does nothing where there is nothing, in a layer alone too", () => {
    expect(paths(merged([whiteout("gone"), whiteout("no/where"), file("a", 1)]))).toEqual(["a=1"]);
    expect(paths(merged(lower(), [whiteout("gone"), whiteout("f/x"), opaque("no")]))).toEqual(
      paths(merged(lower())),
    );
  });

  it("in the lowest layer leaves alone what its own layer has", () => {
    expect(paths(merged([file("a", 1), whiteout("a")]))).toEqual(["a=1"]);
  });

  it("is one as a hard link, a directory or a symlink too", () => {
    const link = hardLink(".wh.f", "d/1");
    expect(paths(merged(lower(), [link]))).not.toContain("f=4");
    expect(paths(merged(lower(), [directory(".wh.f")]))).not.toContain("f=4");
    expect(paths(merged(lower(), [symlink(".wh.f", "x")]))).not.toContain("f=4");
  });

  it("of one name of a file leaves the others", () => {
    const tree = merged([file("a", 1), hardLink("b", "a")], [whiteout("a")]);
    expect(paths(tree)).toEqual(["b=1"]);
    expect(inodeAt(tree, "b").links).toBe(1);
  });

  it("lets its layer link to what it removes", () => {
    for (const order of [
      [hardLink("g", "f"), whiteout("f")],
      [whiteout("f"), hardLink("g", "f")],
    ]) {
      const tree = merged(lower(), order);
      expect(sizeOf(inodeAt(tree, "g"))).toBe(4);
      expect(inodeAt(tree, "g").links).toBe(1);
      expect(paths(tree)).not.toContain("f=4");
    }
  });

  it("follows symlinks of lower layers to its directory, not those that its layer replaces", () => {
    const base = [...lower(), symlink("l", "d")];
    expect(paths(merged(base, [whiteout("l/1")]))).not.toContain("d/1=1");
    const replaced = merged(base, [directory("l"), whiteout("l/1"), opaque("l"), file("l/5", 5)]);
    expect(paths(replaced)).toContain("d/1=1");
    expect(paths(replaced)).toContain("l/5=5");
  });

  it.each([".wh.", "d/.wh.", ".wh..", ".wh..."])("without a name is refused: %s", (path) => {
    const broken = { ...file("x", 0), directory: path.includes("/") ? "d" : "" };
    const name = path.slice(path.lastIndexOf("/") + 1);
    expect(() => merged([{ ...broken, name }])).toThrow(BuildError);
    expect(() => merged([{ ...broken, name }])).toThrow(`/${path}: a whiteout of no name`);
  });

  it("has nothing inside", () => {
    expect(() => merged([file(".wh.d/f", 1)])).toThrow("/.wh.d/f is inside a whiteout");
  });

  it("is a name like any other where the source is no layer", () => {
    const tree = new Tree();
    merge(tree, lower(), "literal");
    merge(tree, [file(".wh.f", 1), file("x/.wh..wh..opq", 2)], "literal");
    expect(paths(tree)).toEqual(expect.arrayContaining([".wh.f=1", "f=4", "x/.wh..wh..opq=2"]));
  });
});

describe("names that only look like whiteouts", () => {
  it.each(["x.wh.y", ".whatever", ".wh", "d/.whx"])("are kept: %s", (path) => {
    expect(paths(merged([file(path, 1)]))).toContain(`${path}=1`);
  });
});

describe("what AUFS kept for itself", () => {
  it("is left out, and that is said", () => {
    warnings.length = 0;
    const entries = [
      directory(".wh..wh.plnk"),
      file(".wh..wh.plnk/1.2", 1),
      file(".wh..wh.aufs", 0),
    ];
    expect(paths(merged([...entries, file("a", 1)]))).toEqual(["a=1"]);
    expect(warnings).toEqual([
      "left out /.wh..wh.plnk, which AUFS kept for itself",
      "left out /.wh..wh.aufs, which AUFS kept for itself",
    ]);
  });
});

describe("whiteouts with paths of many parts", () => {
  const depth = 60_000;
  const deep = Array(depth).fill("d");
  const entries = Array.from({ length: 40 }, (_, index) =>
    file(`${deep.slice(index).join("/")}/.wh.x`, 0),
  );

  it.each([["apply"], ["overlay"]] as const)(
    "take time that grows with their length: %s",
    (mode) => {
      const tree = new Tree();
      if (mode === "apply") tree.addInode(file("lower", 1));
      const layer = new Layer(tree, mode, () => {});
      for (const entry of entries) layer.add(entry);
      const before = performance.now();
      layer.finish().place((time) => time);
      // It was twenty seconds and thirty.
      expect(performance.now() - before).toBeLessThan(12_000);
    },
  );
});

describe("hard links to what AUFS kept for itself", () => {
  const kept = () => [directory(".wh..wh.plnk"), file(".wh..wh.plnk/1.2", 7)];
  const link = (path: string) => hardLink(path, ".wh..wh.plnk/1.2");
  const lowest = [() => [], () => [file("a", 1)], lower];

  it("are names of the file, in the lowest layer and in others, whatever the order", () => {
    for (const below of lowest) {
      for (const layer of [
        [...kept(), directory("d"), link("a"), link("d/b")],
        [directory("d"), link("a"), link("d/b"), ...kept()],
        [directory("d"), link("a"), ...kept(), link("d/b")],
      ]) {
        const tree = merged(below(), layer);
        expect(sizeOf(inodeAt(tree, "a"))).toBe(7);
        expect(inodeAt(tree, "d/b")).toBe(inodeAt(tree, "a"));
        expect(inodeAt(tree, "a").links).toBe(2);
        expect(paths(tree).filter((path) => path.includes(".wh."))).toEqual([]);
      }
    }
  });

  it("lead to the first name where the file has its content there", () => {
    for (const below of lowest) {
      const tree = merged(below(), [
        file("+first", 7),
        directory(".wh..wh.plnk"),
        hardLink(".wh..wh.plnk/1.2", "+first"),
        link("z"),
      ]);
      expect(inodeAt(tree, "z")).toBe(inodeAt(tree, "+first"));
      expect(inodeAt(tree, "z").links).toBe(2);
    }
  });

  it("are kept for overlayfs too", () => {
    const tree = new Tree();
    merge(tree, [link("a"), ...kept(), file("b", 1)], "overlay").place((mtimeNs) => mtimeNs);
    expect(paths(tree)).toEqual(["a=7", "b=1"]);
  });

  it("don't take a name from a later entry", () => {
    expect(paths(merged([link("a"), file("a", 9), ...kept()]))).toEqual(["a=9"]);
  });

  it("to nothing are refused", () => {
    const message = "/a is a hard link to /.wh..wh.plnk/9.9, which is not there";
    const gone = hardLink("a", ".wh..wh.plnk/9.9");
    expect(() => merged([...kept(), gone])).toThrow(message);
    expect(() => merged(lower(), [...kept(), gone])).toThrow(message);
    const circle = [
      hardLink(".wh..wh.plnk/1", ".wh..wh.plnk/2"),
      hardLink(".wh..wh.plnk/2", ".wh..wh.plnk/1"),
      hardLink("a", ".wh..wh.plnk/1"),
    ];
    expect(() => merged(circle)).toThrow("which is not there");
    expect(() => merged([...kept(), hardLink("a", ".wh..wh.plnk")])).toThrow("to a directory");
  });
});

describe("an opaque marker", () => {
  it("hides what lower layers have in its directory, not what its own has, whatever the order", () => {
    const own = [directory("d", { mode: 0o755 }), file("d/1", 9), opaque("d")];
    for (const order of [own, [...own].reverse()]) {
      const tree = merged(lower(), order);
      expect(paths(tree)).toEqual(["d", "d/1=9", "f=4"]);
      expect(inodeAt(tree, "d").mode).toBe(0o40755);
    }
  });

  it("leaves the directory itself where its layer has no entry for it", () => {
    const tree = merged(lower(), [opaque("d")]);
    expect(paths(tree)).toEqual(["d", "f=4"]);
    expect(inodeAt(tree, "d")).toMatchObject({ mode: 0o40700, mtimeNs: 1n });
  });

  it("in the root hides everything", () => {
    expect(paths(merged(lower(), [file(".wh..wh..opq", 0), file("a", 1)]))).toEqual(["a=1"]);
  });
});

describe("layers over each other", () => {
  it("turn a directory into a file and back", () => {
    const tree = merged(lower(), [file("d", 7)], [directory("d"), file("d/8", 8)]);
    expect(paths(tree)).toEqual(["d", "d/8=8", "f=4"]);
  });

  it("keep the content that a link was bound to", () => {
    const tree = merged([file("a", 1), hardLink("b", "a")], [file("a", 2)], [whiteout("a")]);
    expect(paths(tree)).toEqual(["b=1"]);
  });

  it("may link to a file of a lower one", () => {
    const tree = merged(lower(), [hardLink("g", "d/2")]);
    expect(inodeAt(tree, "g")).toBe(inodeAt(tree, "d/2"));
  });
});

describe("a directory over a symlink to a directory", () => {
  const base = () => [
    directory("usr"),
    directory("usr/bin"),
    file("usr/bin/sh", 1),
    symlink("bin", "usr/bin"),
    symlink("sbin", "/bin"),
    symlink("gone", "nowhere"),
    symlink("sh", "bin/sh"),
  ];
  const warned = (...layers: readonly (readonly SourceEntry[])[]) => {
    warnings.length = 0;
    const tree = merged(base(), ...layers);
    return { found: paths(tree), said: [...warnings] };
  };

  it("takes its place, which is said in one line", () => {
    const { found, said } = warned([directory("bin"), file("bin/tool", 1), directory("sbin")]);
    expect(found).toContain("bin/tool=1");
    expect(found).toContain("usr/bin/sh=1");
    expect(said).toEqual([
      "directories take the place of symlinks to directories: /bin -> usr/bin, /sbin -> /bin " +
        "(to keep a symlink, put the files where it leads)",
    ]);
  });

  it("is said of each source, and of ten at most", () => {
    expect(warned([directory("bin")], [file("x", 1)], [symlink("x", "usr")]).said).toHaveLength(1);
    const many = Array.from({ length: 13 }, (_, index) => `l${index}`);
    const { said } = warned(
      many.map((name) => symlink(name, "usr")),
      many.map((name) => directory(name)),
    );
    expect(said).toEqual([expect.stringMatching(/\/l9 -> usr, 3 more \(to keep/)]);
  });

  it("is not said where nothing is hidden, or it was asked for", () => {
    for (const layer of [
      [directory("gone")],
      [directory("sh")],
      [file("bin", 1)],
      [file("bin/tool", 1)],
      [whiteout("bin"), directory("bin")],
    ]) {
      expect(warned(layer).said).toEqual([]);
    }
  });
});
