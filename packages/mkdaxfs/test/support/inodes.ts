// SPDX-License-Identifier: MIT
import { FILE_TYPE, type Xattr } from "@daxfs/format";
import { FileInode } from "../../src/model/source.js";

interface Facts {
  readonly type?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtimeNs?: bigint;
  readonly xattrs?: readonly Xattr[];
}

/** A file without content: an empty regular one, or of another type. */
export function inode(facts: Facts = {}): FileInode {
  const { type = FILE_TYPE.REGULAR, mode = 0o644, uid = 0, gid = 0, mtimeNs = 0n } = facts;
  const body = { [FILE_TYPE.DIRECTORY]: new Map(), [FILE_TYPE.SYMLINK]: "to" }[type] ?? null;
  const made = new FileInode(type | mode, uid, gid, mtimeNs, 0, body);
  made.xattrs = facts.xattrs ?? [];
  return made;
}

export const directory = (facts: Facts = {}) => inode({ type: FILE_TYPE.DIRECTORY, ...facts });

/**
 * The root of a tree in which files lie at paths; the same inode at several is a hard link. A path
 * that ends in a slash makes a directory, as do those that others lie in.
 */
export function rootOf(files: readonly (string | readonly [string, FileInode])[]): FileInode {
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
export function pathsOf(root: FileInode): string[] {
  const paths: string[] = [];
  const pending: [string, FileInode][] = [["", root]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const [name, child] of next[1].children) {
      const isDirectory = child.body instanceof Map;
      const path = `${next[0]}${name}${isDirectory ? "/" : ""}`;
      paths.push(path);
      if (isDirectory) pending.push([path, child]);
    }
  }
  return paths.sort();
}
