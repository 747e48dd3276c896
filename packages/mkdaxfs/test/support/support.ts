// SPDX-License-Identifier: MIT
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { BLOCK_SIZE, byteStringOfText, FILE_TYPE, HUGE_SIZE, type Xattr } from "@daxfs/format";
import { afterAll, beforeAll } from "vitest";
import type { Duplicates } from "../../src/content/duplicates.js";
import { entryPath } from "../../src/model/entry-path.js";
import { type Content, type FileEntry, FileInode, type LinkEntry } from "../../src/model/source.js";
import { type Plan, planImage } from "../../src/plan/plan.js";
import { Tree } from "../../src/tree/tree.js";

/** Numbers that look random and are the same on every run: mulberry32. */
export class Random {
  constructor(private state: number) {}

  /** From 0 to below `limit`. */
  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let last = result.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [result[last], result[other]] = [result[other]!, result[last]!];
    }
    return result;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let index = 0; index < length; index++) bytes[index] = this.below(256);
    return bytes;
  }
}

/** A directory of this test file's own, removed at its end. */
export function scratchDirectory(): (name: string) => string {
  let directory = "";
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "mkdaxfs-unit-"));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return (name) => join(directory, name);
}

/** What a test wants an entry to say; the rest is as dull as can be. */
interface Extra {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtimeNs?: bigint;
  readonly xattrs?: readonly Xattr[];
}

/** The inode of an entry, which several names may share. */
export function inodeOf(
  type: number,
  size: number,
  body: FileInode["body"],
  extra: Extra = {},
): FileInode {
  const { mode = 0o644, uid = 0, gid = 0, mtimeNs = 0n, xattrs = [] } = extra;
  const inode = new FileInode(type | mode, uid, gid, mtimeNs, size, body);
  inode.xattrs = xattrs;
  return inode;
}

/** An entry at a path such as `a/b`; "" is the root. Names are bytes, one per character. */
export function entry(path: string, inode: FileInode): FileEntry {
  return { kind: "file", ...entryPath(path), inode };
}

/** A further name of an entry's file, as a directory has it. */
export const link = (path: string, to: FileEntry) => entry(path, to.inode);

/** A further name of a file, as an archive has it. */
export const hardLink = (path: string, target: string, mtimeNs = 0n): LinkEntry => ({
  kind: "link",
  ...entryPath(path),
  target,
  mtimeNs,
});

export const directory = (path: string, extra?: Extra) =>
  entry(path, inodeOf(FILE_TYPE.DIRECTORY, 0, new Map(), extra));

export const symlink = (path: string, target: string, extra?: Extra) =>
  entry(path, inodeOf(FILE_TYPE.SYMLINK, 0, target, extra));

export const device = (path: string, type: number, major: number, minor: number) =>
  entry(path, inodeOf(type, 0, { major, minor }));

export const special = (path: string, type: number) => entry(path, inodeOf(type, 0, null));

/** A regular file. Its content is not there: a plan needs none. */
export const file = (path: string, size: number, extra?: Extra) =>
  entry(path, fileInode(`/nowhere/${path}`, size, extra));

/** The inode of a regular file whose content is a file of this machine. */
export function fileInode(host: string, size = statSync(host).size, extra: Extra = {}): FileInode {
  const content: Content = {
    directory: byteStringOfText(dirname(host)),
    name: byteStringOfText(basename(host)),
    offset: 0,
    whole: true,
    data: undefined,
  };
  return inodeOf(FILE_TYPE.REGULAR, size, size === 0 ? null : content, extra);
}

/** A tree of a root and these entries. */
export function treeOf(...entries: readonly FileEntry[]): Tree {
  const tree = new Tree();
  if (entries[0]?.name !== "") tree.addFile(directory("", { mode: 0o755 }));
  for (const each of entries) tree.addFile(each);
  return tree;
}

/** The inode at a path of a tree. */
export function inodeAt(tree: Tree, path: string): FileInode {
  let inode = tree.root;
  for (const name of path.split("/")) {
    const child = inode.children.get(name);
    if (child === undefined) throw new Error(`no ${path} in the tree`);
    inode = child;
  }
  return inode;
}

export const HUGE = { align: HUGE_SIZE } as const;
export const DENSE = { align: BLOCK_SIZE } as const;
const NO_DUPLICATES: Duplicates = new Map();

export function planOf(
  tree: Tree,
  duplicates: Duplicates = NO_DUPLICATES,
  options: Parameters<typeof planImage>[2] = HUGE,
): Plan {
  return planImage(tree, duplicates, options);
}

/** What a plan says of each path: the number of its inode. */
export function numbersOf({ table }: Plan): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const index of table.inodes.keys()) {
    const names: string[] = [];
    for (let at = index; at > 0; at = table.parents[at]! - 1) names.unshift(table.names[at]!);
    numbers.set(names.join("/"), index + 1);
  }
  return numbers;
}
