// SPDX-License-Identifier: MIT
import { type ByteString, printable } from "@daxfs/format";
import { BuildError } from "../errors.js";
import type { Children, FileInode, SourceEntry } from "../sources/source.js";

/** The merged tree of all sources, in memory, its contents still where the sources have them. */
export class Tree {
  private rootInode: FileInode | undefined;
  // Entries come a directory at a time, so the last one found is nearly always the next one asked.
  private lastPath: ByteString = "";
  private lastChildren: Children | undefined;

  /** @throws BuildError when no source gave a root. */
  get root(): FileInode {
    if (this.rootInode === undefined) throw new BuildError("the source has no root directory");
    return this.rootInode;
  }

  /**
   * Puts an entry in its place.
   * @throws BuildError when its directory has not come before it.
   */
  add(entry: SourceEntry): void {
    entry.inode.links++;
    if (entry.name === "") {
      this.rootInode = entry.inode;
      this.lastChildren = undefined;
    } else {
      this.childrenOf(entry.directory).set(entry.name, entry.inode);
    }
  }

  private childrenOf(path: ByteString): Children {
    if (this.lastChildren !== undefined && this.lastPath === path) return this.lastChildren;
    let inode: FileInode | undefined = this.root;
    for (const name of path.split("/")) {
      if (name === "") continue;
      inode = inode?.body instanceof Map ? inode.body.get(name) : undefined;
    }
    if (!(inode?.body instanceof Map)) {
      throw new BuildError(`/${printable(path)} is not a directory of the tree`);
    }
    this.lastPath = path;
    this.lastChildren = inode.body;
    return inode.body;
  }
}
