// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import {
  DeviceInode,
  DirectoryInode,
  hasContent,
  type Inode,
  RegularInode,
  SpecialInode,
  SymlinkInode,
} from "../../src/model/inode.js";
import { kindOf, modeOf, permissionsOf } from "../../src/model/inode-kind.js";
import { file, sizeOf } from "../support/support.js";

/** The numbers of inode(7). */
const MODES = [
  ["directory", 0o041755],
  ["file", 0o104644],
  ["symlink", 0o120777],
  ["character-device", 0o020666],
  ["block-device", 0o060660],
  ["fifo", 0o010600],
  ["socket", 0o142700],
] as const;

describe("st_mode", () => {
  it.each(MODES)("tells a %s, and is put together again", (kind, mode) => {
    expect(kindOf(mode)).toBe(kind);
    expect(modeOf(kind, permissionsOf(mode))).toBe(mode);
  });

  it("may have a file type that is none", () => {
    const types = Array.from({ length: 16 }, (_, type) => type << 12);
    expect(types.filter((type) => kindOf(type) !== undefined)).toHaveLength(MODES.length);
    expect(kindOf(0o644)).toBeUndefined();
    expect(kindOf(0o170644)).toBeUndefined();
  });
});

describe("an inode", () => {
  const attributes = { permissions: 0o1644, uid: 1, gid: 2, mtimeNs: -3n };
  const device = { major: 1, minor: 3 };
  const inodes: readonly Inode[] = [
    new DirectoryInode(attributes),
    new RegularInode(attributes, 0, undefined),
    new SymlinkInode(attributes, "to"),
    new DeviceInode("character-device", attributes, device),
    new DeviceInode("block-device", attributes, device),
    new SpecialInode("fifo", attributes),
    new SpecialInode("socket", attributes),
  ];

  it("says what it is, and has the mode of that", () => {
    expect(inodes.map(({ kind }) => kind)).toEqual(MODES.map(([kind]) => kind));
    for (const inode of inodes) {
      expect(inode).toMatchObject({ ...attributes, links: 0, layer: 0, xattrs: [] });
      expect(inode.mode).toBe(modeOf(inode.kind, 0o1644));
    }
  });

  it("shares what is the same for all of its class", () => {
    const [first, second] = [
      new DirectoryInode(attributes),
      new RegularInode(attributes, 0, undefined),
    ];
    expect(first.xattrs).toBe(second.xattrs);
    for (const inode of [first, second]) expect(Object.keys(inode)).not.toContain("kind");
  });

  it("has content only as a regular file that is not empty", () => {
    expect(inodes.filter(hasContent)).toEqual([]);
    const { inode } = file("a", 5);
    expect(hasContent(inode)).toBe(true);
    expect(sizeOf(inode)).toBe(5);
  });
});
