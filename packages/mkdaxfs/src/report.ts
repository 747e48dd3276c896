// SPDX-License-Identifier: MIT
import { FILE_TYPE } from "@daxfs/format";
import type { BuildReport } from "./options.js";
import type { InodeTable } from "./plan/plan.js";
import type { FileInode } from "./sources/source.js";
import type { Tree } from "./tree/tree.js";

/** Regular files with content, each once. */
export function contentFiles(tree: Tree): FileInode[] {
  const files: FileInode[] = [];
  const linked = new Set<FileInode>();
  const pending = [tree.root];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const inode of directory.children.values()) {
      if (inode.body instanceof Map) pending.push(inode);
      if (inode.type !== FILE_TYPE.REGULAR || inode.size === 0) continue;
      if (inode.links > 1) {
        if (linked.has(inode)) continue;
        linked.add(inode);
      }
      files.push(inode);
    }
  }
  return files;
}

/** What the names of an image are. */
export function countTypes({
  inodes,
  firstChildren,
}: InodeTable): Pick<BuildReport, "types" | "hardLinks"> {
  const types = { regular: 0, directory: 0, symlink: 0, device: 0, fifo: 0, socket: 0 };
  let hardLinks = 0;
  for (const [index, inode] of inodes.entries()) {
    types[nameOfType(inode.type)]++;
    if (inode.type !== FILE_TYPE.DIRECTORY && firstChildren[index] !== 0) hardLinks++;
  }
  return { types, hardLinks };
}

function nameOfType(type: number): keyof BuildReport["types"] {
  switch (type) {
    case FILE_TYPE.DIRECTORY:
      return "directory";
    case FILE_TYPE.SYMLINK:
      return "symlink";
    case FILE_TYPE.CHARACTER_DEVICE:
    case FILE_TYPE.BLOCK_DEVICE:
      return "device";
    case FILE_TYPE.FIFO:
      return "fifo";
    case FILE_TYPE.SOCKET:
      return "socket";
    default:
      return "regular";
  }
}
