// SPDX-License-Identifier: MIT
import type { Xattr } from "@daxfs/format";
import {
  DirectoryInode,
  type Inode,
  type InodeAttributes,
  RegularInode,
  SpecialInode,
  SymlinkInode,
} from "../../src/model/inode.js";

interface Facts {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtimeNs?: bigint;
  readonly xattrs?: readonly Xattr[];
}

function attributesOf({ mode = 0o644, ...facts }: Facts): InodeAttributes {
  return { permissions: mode, uid: 0, gid: 0, mtimeNs: 0n, ...facts };
}

/** An empty regular file. */
export const inode = (facts: Facts = {}) => new RegularInode(attributesOf(facts), 0, undefined);

export const directory = (facts: Facts = {}) => new DirectoryInode(attributesOf(facts));

export const symlink = (facts: Facts = {}) => new SymlinkInode(attributesOf(facts), "to");

export const special = (kind: SpecialInode["kind"], facts: Facts = {}) =>
  new SpecialInode(kind, attributesOf(facts));

/**
 * The root of a tree in which files lie at paths; the same inode at several is a hard link. A path
 * that ends in a slash makes a directory, as do those that others lie in.
 */
export function rootOf(files: readonly (string | readonly [string, Inode])[]): DirectoryInode {
  const root = directory();
  for (const file of files) {
    const path = typeof file === "string" ? file : file[0];
    const names = path.split("/");
    const last = names.pop()!;
    let at = root;
    for (const name of names) {
      let next = at.children.get(name);
      if (next === undefined) {
        next = directory();
        next.links = 1;
        at.children.set(name, next);
      }
      if (next.kind !== "directory") throw new Error(`${name} in ${path} is not a directory`);
      at = next;
    }
    if (last === "") continue;
    const made = typeof file === "string" ? inode() : file[1];
    made.links++;
    at.children.set(last, made);
  }
  return root;
}

/** The paths in a tree, those of directories with a slash at the end. */
export function pathsOf(root: DirectoryInode): string[] {
  const paths: string[] = [];
  const pending: [string, DirectoryInode][] = [["", root]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const [name, child] of next[1].children) {
      const path = `${next[0]}${name}${child.kind === "directory" ? "/" : ""}`;
      paths.push(path);
      if (child.kind === "directory") pending.push([path, child]);
    }
  }
  return paths.sort();
}
