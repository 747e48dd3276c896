// SPDX-License-Identifier: MIT
import { FILE_TYPE } from "@daxfs/format";
import type { FileInode } from "../model/source.js";
import type { Tree } from "./tree.js";

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
