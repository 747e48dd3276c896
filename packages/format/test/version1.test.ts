// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import {
  LATIN1_NAME,
  LONG_TARGET,
  patternBytes,
  version1Tree,
} from "../../../tests/corpus/trees.js";
import {
  buildVersion1Image,
  FIELD_QUIRKS,
  PLAIN,
  type Version1Directory,
  type Version1Node,
  type Version1Options,
} from "../../../tests/corpus/version1.js";
import { checkImage, FILE_TYPE, ImageReader, MemoryBytes } from "../src/index.js";

const variants: [string, Version1Options][] = [
  ["plain", PLAIN],
  ["with all quirks", FIELD_QUIRKS],
  ["with the inode table further back", { ...FIELD_QUIRKS, inodeOffset: 8192 + 4 }],
  ["sorted but with 4096-byte directories", { ...PLAIN, directorySize: 4096 }],
];

const TYPES = {
  regular: FILE_TYPE.REGULAR,
  directory: FILE_TYPE.DIRECTORY,
  symlink: FILE_TYPE.SYMLINK,
  character: FILE_TYPE.CHARACTER_DEVICE,
  block: FILE_TYPE.BLOCK_DEVICE,
  fifo: FILE_TYPE.FIFO,
  socket: FILE_TYPE.SOCKET,
} as const;

function flatten(root: Version1Directory): Map<string, Version1Node> {
  const files = new Map<string, Version1Node>([["/", root]]);
  const add = (base: string, directory: Version1Directory) => {
    for (const { name, node } of directory.children) {
      const path = `${base}/${Buffer.from(name).toString("latin1")}`;
      files.set(path, node);
      if (node.type === "directory") add(path, node);
    }
  };
  add("", root);
  return files;
}

describe.each(variants)("an image of version 1, %s", (_, options) => {
  const image = buildVersion1Image(version1Tree(), options);
  const reader = new ImageReader(new MemoryBytes(image));
  const expected = flatten(version1Tree());

  it("has no finding", () => {
    expect([...checkImage(new MemoryBytes(image))]).toEqual([]);
  });

  it("has every file with its type, owner and contents", () => {
    const seen = new Set<string>();
    for (const { path, inode, identity } of reader.walk()) {
      const node = expected.get(path);
      if (node === undefined) throw new Error(`${path} is not in the tree`);
      seen.add(path);
      expect(identity).toBe(inode.ino);
      expect(inode.mode).toBe(TYPES[node.type] | node.permissions);
      expect([inode.uid, inode.gid]).toEqual([node.uid ?? 0, node.gid ?? 0]);
      if (node.nlink !== undefined) expect(inode.nlink).toBe(node.nlink);
      if (node.type === "regular") {
        const content = reader.read(inode, 0, node.content.length + 100);
        expect(Buffer.from(content).equals(node.content)).toBe(true);
      }
      if (node.type === "symlink") {
        expect(reader.target(inode)).toBe(Buffer.from(node.target).toString("latin1"));
      }
      if (node.type === "directory") {
        const size = options.directorySize === "children" ? 64 * node.children.length : 4096;
        expect(inode.size).toBe(BigInt(size));
      }
    }
    expect([...seen].sort()).toEqual([...expected.keys()].sort());
  });

  it("finds every name and no other", () => {
    for (const path of expected.keys()) expect(reader.resolve(path)?.ino).toBeGreaterThan(0);
    expect(reader.resolve("/many/entry-60")).toBeUndefined();
    expect(reader.resolve("/zebra/x")).toBeUndefined();
    expect(reader.resolve(`/${LATIN1_NAME}`)?.size).toBe(12n);
    expect(reader.target(reader.resolve("/long-target")!)).toBe(LONG_TARGET);
  });
});

describe("the quirks", () => {
  const reader = new ImageReader(new MemoryBytes(buildVersion1Image(version1Tree(), FIELD_QUIRKS)));
  const at = (path: string) => reader.resolve(path)!;

  it("are in the image", () => {
    expect(reader.superblock.flags).toBe(0);
    expect(reader.superblock.strtab_offset % 2n).toBe(1n);
    expect(at("/nothing").data_offset).toBe(reader.superblock.total_size);
    expect(at("/specials/null").data_offset).toBe(0n);
    expect(at("/symlink").data_offset % 4096n).toBe(0n);
    expect(at("/dangling").data_offset - at("/symlink").data_offset).toBe(4096n);
    expect(at("/same").data_offset).not.toBe(at("/alpha").data_offset);
    expect(at("/zebra").data_offset).toBe(at("/sub/hard").data_offset);
    expect(at("/zebra").nlink).toBe(5);
  });

  it("leave readdir order as given", () => {
    const names = [...reader.children(at("/many"))].map((inode) => reader.name(inode));
    expect(names.slice(0, 3)).toEqual(["entry-00", "entry-07", "entry-14"]);
    expect(names).toHaveLength(60);
    const one = at("/many/entry-07");
    expect(reader.read(one, 0, 10)).toEqual(Uint8Array.from(patternBytes("entry-07", 1)));
  });
});
