// SPDX-License-Identifier: MIT
import { type FileWithContent, hasContent } from "../model/inode.js";
import type { Tree } from "./tree.js";

/** Regular files that are not empty, each once. */
export function contentFiles(tree: Tree): FileWithContent[] {
  const files: FileWithContent[] = [];
  const linked = new Set<FileWithContent>();
  const pending = [tree.root];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const inode of directory.children.values()) {
      if (inode.kind === "directory") pending.push(inode);
      if (!hasContent(inode)) continue;
      if (inode.links > 1) {
        if (linked.has(inode)) continue;
        linked.add(inode);
      }
      files.push(inode);
    }
  }
  return files;
}
