// SPDX-License-Identifier: MIT
import {
  BLOCK_SIZE,
  DEVICE_MAJOR_MAX,
  DEVICE_MINOR_MAX,
  HUGE_SIZE,
  INODE,
  NAME_MAX,
  SYMLINK_MAX,
  XATTR_VALUE_MAX,
} from "@daxfs/format";
import { describe, expect, it } from "vitest";
import type { Duplicates } from "../../src/content/duplicates.js";
import { BuildError } from "../../src/errors.js";
import type { DeviceInode } from "../../src/model/inode.js";
import type { InodeEntry } from "../../src/model/source.js";
import type { Plan } from "../../src/plan/plan.js";
import type { Tree } from "../../src/tree/tree.js";
import {
  DENSE,
  device,
  directory,
  file,
  inodeAt,
  link,
  numbersOf,
  planOf,
  Random,
  sizeOf,
  special,
  symlink,
  treeOf,
  withContent,
} from "../support/support.js";

/** A tree with all that has to do with numbers: types, links, bytes, nesting. */
function entries(): InodeEntry[] {
  const linked = file("a", 5000);
  const linkedSymlink = symlink("b/link", "../a");
  return [
    directory("b"),
    linked,
    file("\xff", 1),
    file("\x80", 2),
    file("z", 3),
    file("Z", 4),
    directory("b/empty"),
    directory("b/sub"),
    link("b/sub/0", linked),
    link("b/again", linked),
    linkedSymlink,
    link("link", linkedSymlink),
    symlink("other", "elsewhere"),
    device("null", "character-device", 1, 3),
    special("fifo", "fifo"),
    special("socket", "socket"),
    file("large", HUGE_SIZE + 1),
    file("nothing", 0),
  ];
}

/** The columns of a plan at a path. */
function at(plan: Plan, path: string) {
  const number = numbersOf(plan).get(path);
  if (number === undefined) throw new Error(`no ${path} in the plan`);
  const { table } = plan;
  const index = number - 1;
  return {
    number,
    parent: table.parents[index]!,
    child: table.firstChildren[index]!,
    next: table.nextSiblings[index]!,
    links: table.links[index]!,
    size: table.sizes[index]!,
    offset: table.dataOffsets[index]!,
  };
}

describe("numbering", () => {
  const plan = planOf(treeOf(...entries()));

  it("lists children next to each other, in byte order", () => {
    const children = new Map<number, number[]>();
    for (const [index, parent] of plan.table.parents.entries()) {
      if (index > 0) children.set(parent, [...(children.get(parent) ?? []), index]);
    }
    expect(children.size).toBe(3);
    for (const [parent, indices] of children) {
      const first = indices[0]!;
      expect(plan.table.firstChildren[parent - 1]).toBe(first + 1);
      expect(indices).toEqual(indices.map((_, position) => first + position));
      const names = indices.map((index) => Buffer.from(plan.table.names[index]!, "latin1"));
      expect(names).toEqual([...names].sort(Buffer.compare));
      for (const index of indices) {
        const last = index === indices.at(-1);
        expect(plan.table.nextSiblings[index]).toBe(last ? 0 : index + 2);
      }
    }
    const root = children.get(1)!.map((index) => plan.table.names[index]);
    expect(root.slice(0, 3)).toEqual(["Z", "a", "b"]);
    expect(root.slice(-3)).toEqual(["z", "\x80", "\xff"]);
  });

  it("gives the root the number 1, no parent, no sibling and no name", () => {
    expect(at(plan, "")).toMatchObject({ number: 1, parent: 0, next: 0 });
    expect(plan.table.names[0]).toBe("");
  });

  it("gives the first name of a file the lowest number, and the others a link to it", () => {
    const names = ["a", "b/again", "b/sub/0"].map((path) => at(plan, path));
    const numbers = names.map(({ number }) => number);
    expect(names.find(({ child }) => child === 0)?.number).toBe(Math.min(...numbers));
    for (const { number, child } of names) {
      if (number !== Math.min(...numbers)) expect(child).toBe(Math.min(...numbers));
    }
    for (const { offset } of names) expect(offset).toBe(names[0]!.offset);
    const links = [at(plan, "link"), at(plan, "b/link")];
    expect(links.map(({ child }) => child).sort()).toEqual([
      0,
      Math.min(...links.map(({ number }) => number)),
    ]);
  });

  it("counts names of files and subdirectories of directories", () => {
    for (const path of ["a", "b/again", "b/sub/0"]) expect(at(plan, path).links).toBe(3);
    for (const path of ["link", "b/link"]) expect(at(plan, path).links).toBe(2);
    for (const path of ["z", "null", "fifo", "socket", "other"])
      expect(at(plan, path).links).toBe(1);
    expect(at(plan, "").links).toBe(3);
    expect(at(plan, "b").links).toBe(4);
    expect(at(plan, "b/sub").links).toBe(2);
  });

  it("gives every type its size and offset", () => {
    expect(at(plan, "").size).toBe(13 * INODE.size);
    expect(at(plan, "b")).toMatchObject({ size: 4 * INODE.size, offset: 0 });
    expect(at(plan, "b/empty")).toMatchObject({ size: 0, child: 0, offset: 0 });
    expect(at(plan, "a").size).toBe(5000);
    expect(at(plan, "nothing")).toMatchObject({ size: 0, offset: 0 });
    expect(at(plan, "link").size).toBe(4);
    expect(at(plan, "null")).toMatchObject({ size: 0, offset: 2 ** 32 + 3 });
    for (const path of ["fifo", "socket"])
      expect(at(plan, path)).toMatchObject({ size: 0, offset: 0 });
    expect(at(plan, "large").offset % HUGE_SIZE).toBe(0);
    expect(plan.dataAlignLog2).toBe(21);
  });

  it("lays the parts out one after the other", () => {
    expect(plan.strtabOffset).toBe(4096 + plan.table.inodes.length * INODE.size);
    const names = plan.table.names.slice(1);
    expect(plan.strtabSize).toBe(names.reduce((sum, name) => sum + name.length + 1, 0));
    expect(plan.xattrOffset % 8).toBe(0);
    expect(plan.xattrOffset).toBeGreaterThanOrEqual(plan.strtabOffset + plan.strtabSize);
    expect(plan.dataOffset % BLOCK_SIZE).toBe(0);
    expect(plan.dataOffset).toBeGreaterThanOrEqual(plan.xattrOffset + plan.xattrs.size);
    expect(plan.totalSize % BLOCK_SIZE).toBe(0);
  });

  it("does not depend on the order in which entries come", () => {
    const expected = planOf(treeOf(...entries()));
    for (let seed = 0; seed < 20; seed++) {
      const random = new Random(seed);
      const all = entries();
      const isDirectory = ({ inode }: InodeEntry) => inode.kind === "directory";
      // A directory comes before what it holds; else any order will do.
      const tree = treeOf(
        ...all.filter(isDirectory),
        ...random.shuffled(all.filter((e) => !isDirectory(e))),
      );
      expect(comparable(planOf(tree))).toEqual(comparable(expected));
    }
  });
});

/** A plan without the inodes of its tree, which are compared by what they hold. */
function comparable(plan: Plan) {
  const { inodes, ...columns } = plan.table;
  return {
    ...plan,
    table: columns,
    inodes: inodes.map((inode) => ({
      mode: inode.mode,
      mtimeNs: inode.mtimeNs,
      size: sizeOf(inode),
    })),
    extents: plan.extents.inodes.map(({ content, size }) => ({ content, size })),
    offsets: plan.extents.offsets,
  };
}

describe("symlink targets", () => {
  it("are stored once, each with a NUL, at the start of the data", () => {
    const plan = planOf(
      treeOf(symlink("a", "same"), symlink("b", "other"), symlink("c", "same"), file("d", 1)),
    );
    expect(plan.targets).toEqual(["same", "other"]);
    expect(at(plan, "a").offset).toBe(plan.dataOffset);
    expect(at(plan, "b").offset).toBe(plan.dataOffset + 5);
    expect(at(plan, "c").offset).toBe(plan.dataOffset);
    expect(at(plan, "d").offset).toBe(plan.dataOffset + BLOCK_SIZE);
  });

  it("take no block when there are none", () => {
    const plan = planOf(treeOf(file("d", 1)));
    expect(at(plan, "d").offset).toBe(plan.dataOffset);
    expect(plan.totalSize).toBe(plan.dataOffset + BLOCK_SIZE);
  });
});

describe("equal contents", () => {
  const names = ["a", "m/b", "m/c", "z"];
  const tree = () =>
    treeOf(
      directory("m"),
      file("0", 9000),
      ...names.map((name) => file(name, 9000)),
      file("large", HUGE_SIZE),
      file("large2", HUGE_SIZE),
    );

  const contentAt = (of: Tree, path: string) => withContent(inodeAt(of, path));

  function duplicatesOf(of: Tree, holder: string, others: readonly string[]): Duplicates {
    return new Map(others.map((name) => [contentAt(of, name), contentAt(of, holder)]));
  }

  it.each(names)("are stored once, %s being found first", (holder) => {
    const first = tree();
    const reference = planOf(first, duplicatesOf(first, "a", ["m/b", "m/c", "z"]));
    const second = tree();
    const others = names.filter((name) => name !== holder);
    const plan = planOf(second, duplicatesOf(second, holder, others));
    const offsets = names.map((name) => at(plan, name).offset);
    expect(new Set(offsets).size).toBe(1);
    expect(at(plan, "0").offset).not.toBe(offsets[0]);
    expect(plan.extents.inodes).toHaveLength(4);
    expect(comparable(plan)).toEqual(comparable(reference));
  });

  it("of large files share a place too", () => {
    const of = tree();
    const plan = planOf(of, duplicatesOf(of, "large2", ["large"]));
    expect(at(plan, "large").offset).toBe(at(plan, "large2").offset);
    expect(at(plan, "large").offset % HUGE_SIZE).toBe(0);
  });
});

describe("alignment", () => {
  it("is 4096 when there is nothing to align, or when that is asked for", () => {
    expect(planOf(treeOf(file("a", HUGE_SIZE - 1))).dataAlignLog2).toBe(12);
    const tree = treeOf(file("a", 1), file("b", HUGE_SIZE));
    expect(planOf(tree).dataAlignLog2).toBe(21);
    const dense = planOf(tree, new Map(), DENSE);
    expect(dense.dataAlignLog2).toBe(12);
    expect(dense.totalSize).toBe(dense.dataOffset + HUGE_SIZE + BLOCK_SIZE);
  });

  it("keeps extents in ascending order", () => {
    const random = new Random(3);
    const files = Array.from({ length: 200 }, (_, index) =>
      file(`f${index}`, 1 + random.below(index % 10 === 0 ? 2 * HUGE_SIZE : 100_000)),
    );
    const offsets = [...planOf(treeOf(...files)).extents.offsets];
    expect(offsets).toHaveLength(200);
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
  });
});

describe("xattrs", () => {
  const xattrs = [{ name: "user.x", value: Uint8Array.of(0, 1) }];

  it("of a linked file are given once, by its first name", () => {
    const linked = file("d/a", 1, { xattrs });
    const plan = planOf(
      treeOf(directory("d"), linked, link("b", linked), file("c", 1, { xattrs })),
    );
    expect(plan.xattrs.rows.map(({ ino }) => ino)).toEqual([
      at(plan, "b").number,
      at(plan, "c").number,
    ]);
    expect(plan.xattrs.sets).toHaveLength(1);
  });

  it("of the root are kept", () => {
    const plan = planOf(treeOf(directory("", { xattrs })));
    expect(plan.xattrs.rows.map(({ ino }) => ino)).toEqual([1]);
  });
});

const MAX_NS = (1n << 63n) - 1n;

describe("what an image can't hold", () => {
  const long = "n".repeat(NAME_MAX + 1);
  const deviceOf = (major: number, minor: number, kind: DeviceInode["kind"] = "block-device") =>
    device("d/x", kind, major, minor);
  const attributes = (name: string, size: number) =>
    file("d/x", 0, { xattrs: [{ name, value: new Uint8Array(size) }] });

  it.each<[string, InodeEntry, RegExp]>([
    ["a name of 256 bytes", file(`d/${long}`, 0), new RegExp(`^/d/${long}: .*256 bytes`)],
    ["an empty target", symlink("d/x", ""), /^\/d\/x: .*target has 0 bytes/],
    ["a target of 4096 bytes", symlink("d/x", "t".repeat(4096)), /^\/d\/x: .*4096 bytes/],
    ["a target with a NUL", symlink("d/x", "a\0b"), /^\/d\/x: .*NUL/],
    ["an mtime past 2262", file("d/x", 0, { mtimeNs: MAX_NS + 1n }), /^\/d\/x: .*mtime/],
    ["an mtime before 1677", file("d/x", 0, { mtimeNs: -MAX_NS - 2n }), /^\/d\/x: .*mtime/],
    ["a major of 4096", deviceOf(DEVICE_MAJOR_MAX + 1, 0), /^\/d\/x: .*4096:0/],
    ["a minor of 2^20", deviceOf(0, DEVICE_MINOR_MAX + 1), /^\/d\/x: .*0:1048576/],
    [
      "a character device's minor of 2^20",
      deviceOf(0, DEVICE_MINOR_MAX + 1, "character-device"),
      /^\/d\/x: .*0:1048576/,
    ],
    ["a value of 65537 bytes", attributes("user.x", XATTR_VALUE_MAX + 1), /^\/d\/x: .*user\.x/],
    ["an attribute without a name", attributes("", 1), /^\/d\/x: .*attribute/],
    ["an attribute's name of 256 bytes", attributes("u".repeat(256), 1), /^\/d\/x: .*attribute/],
    ["an attribute's name with a NUL", attributes("user.\0", 1), /^\/d\/x: .*attribute/],
    ["the name .", { ...file("d/x", 0), name: "." }, /^\/d\/\.: /],
    ["the name ..", { ...file("d/x", 0), name: ".." }, /^\/d\/\.\.: /],
    ["a name with a slash", { ...file("d/x", 0), name: "a/b" }, /^\/d\/a\/b: /],
    ["a name with a NUL", { ...file("d/x", 0), name: "a\0b" }, /^\/d\/a\\x00b: /],
    ["a name that is no text", { ...symlink("d/\xff\n", "") }, /^\/d\/\\xff\\x0a: /],
  ])("is refused by its path: %s", (_, refused, message) => {
    // Some are refused by the tree already, before they take room.
    const plan = () => planOf(treeOf(directory("d"), { ...refused }));
    expect(plan).toThrow(BuildError);
    expect(plan).toThrow(message);
    try {
      plan();
    } catch (error) {
      expect((error as Error).message).not.toContain("\n");
    }
  });

  it.each<[string, InodeEntry]>([
    ["a name of 255 bytes", file("n".repeat(NAME_MAX), 0)],
    ["a target of 4095 bytes", symlink("x", "t".repeat(SYMLINK_MAX))],
    ["the last mtime", file("x", 0, { mtimeNs: MAX_NS })],
    ["the first mtime", file("x", 0, { mtimeNs: -MAX_NS - 1n })],
    ["the largest device", device("x", "block-device", DEVICE_MAJOR_MAX, DEVICE_MINOR_MAX)],
    [
      "a value of 65536 bytes",
      file("x", 0, { xattrs: [{ name: "user.x", value: new Uint8Array(XATTR_VALUE_MAX) }] }),
    ],
    ["names that only look special", file("...", 0)],
  ])("ends where it should: %s", (_, allowed) => {
    expect(planOf(treeOf(allowed)).table.inodes).toHaveLength(2);
  });
});
