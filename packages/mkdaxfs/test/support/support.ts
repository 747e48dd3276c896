// SPDX-License-Identifier: MIT
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { BLOCK_SIZE, byteStringOfText, HUGE_SIZE, type Xattr } from "@daxfs/format";
import { afterAll, beforeAll } from "vitest";
import type { Duplicates } from "../../src/content/duplicates.js";
import type { Content } from "../../src/model/content.js";
import { entryPath } from "../../src/model/entry-path.js";
import {
  DeviceInode,
  DirectoryInode,
  type FileWithContent,
  hasContent,
  type Inode,
  type InodeAttributes,
  RegularInode,
  SpecialInode,
  SymlinkInode,
} from "../../src/model/inode.js";
import type { InodeEntry, LinkEntry } from "../../src/model/source.js";
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

/** Attributes as dull as can be, but for what a test wants. */
export function attributesOf({ mode = 0o644, ...extra }: Extra = {}): InodeAttributes {
  return { permissions: mode, uid: 0, gid: 0, mtimeNs: 0n, ...extra };
}

/** An entry at a path such as `a/b`; "" is the root. Names are bytes, one per character. */
export function entry(path: string, inode: Inode): InodeEntry {
  return { kind: "inode", ...entryPath(path), inode };
}

/** A further name of an entry's file, as a directory has it. */
export const link = (path: string, to: InodeEntry) => entry(path, to.inode);

/** A further name of a file, as an archive has it. */
export const hardLink = (path: string, target: string, mtimeNs = 0n): LinkEntry => ({
  kind: "link",
  ...entryPath(path),
  target,
  mtimeNs,
});

export const directory = (path: string, extra?: Extra) =>
  entry(path, new DirectoryInode(attributesOf(extra)));

export const symlink = (path: string, target: string, extra?: Extra) =>
  entry(path, new SymlinkInode(attributesOf(extra), target));

export const device = (path: string, kind: DeviceInode["kind"], major: number, minor: number) =>
  entry(path, new DeviceInode(kind, attributesOf(), { major, minor }));

export const special = (path: string, kind: SpecialInode["kind"]) =>
  entry(path, new SpecialInode(kind, attributesOf()));

/** A regular file. Its content is not there: a plan needs none. */
export const file = (path: string, size: number, extra?: Extra) =>
  entry(path, regularInode(`/nowhere/${path}`, size, extra));

/** The inode of a regular file whose content is a file of this machine. */
export function regularInode(
  host: string,
  size = statSync(host).size,
  extra: Extra = {},
): RegularInode {
  const content: Content = {
    directory: byteStringOfText(dirname(host)),
    name: byteStringOfText(basename(host)),
    offset: 0,
    whole: true,
    data: undefined,
  };
  return new RegularInode(attributesOf(extra), size, size === 0 ? undefined : content);
}

/** The same inode, which must not be empty. */
export function withContent(inode: Inode): FileWithContent {
  if (!hasContent(inode)) throw new Error("an inode without content");
  return inode;
}

/** Bytes of a regular file, 0 for all else. */
export const sizeOf = (inode: Inode) => (inode.kind === "file" ? inode.size : 0);

/** A tree of a root and these entries. */
export function treeOf(...entries: readonly InodeEntry[]): Tree {
  const tree = new Tree();
  if (entries[0]?.name !== "") tree.addInode(directory("", { mode: 0o755 }));
  for (const each of entries) tree.addInode(each);
  return tree;
}

/** The inode at a path of a tree. */
export function inodeAt(tree: Tree, path: string): Inode {
  let inode: Inode = tree.root;
  for (const name of path.split("/")) {
    const child: Inode | undefined =
      inode.kind === "directory" ? inode.children.get(name) : undefined;
    if (child === undefined) throw new Error(`no ${path} in the tree`);
    inode = child;
  }
  return inode;
}

/** Names in the directory at a path of a tree. */
export function namesIn(tree: Tree, path: string): string[] {
  const inode = inodeAt(tree, path);
  if (inode.kind !== "directory") throw new Error(`${path} is not a directory`);
  return [...inode.children.keys()];
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
