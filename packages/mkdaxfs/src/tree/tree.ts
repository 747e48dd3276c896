// SPDX-License-Identifier: MIT
import { type ByteString, NAME_MAX, printable, SYMLINK_MAX } from "@daxfs/format";
import { BuildError } from "../errors.js";
import { joinPath } from "../model/entry-path.js";
import { DirectoryInode, type Inode } from "../model/inode.js";
import type { InodeEntry, LinkEntry } from "../model/source.js";

/** Symlinks that are followed to find a directory, as many as Linux follows. */
const SYMLINKS_MAX = 40;
/** Directories that are made for paths without entries; two bytes of a path ask for one. */
const MADE_MAX = 1_000_000;

/** A directory on the way from the root, or one that is not there yet. */
export interface Step {
  readonly name: ByteString;
  readonly inode: Inode | undefined;
}

/** A symlink to a directory that a directory has taken the place of. */
export interface ReplacedLink {
  readonly path: ByteString;
  readonly target: ByteString;
}

/**
 * The merged tree of all sources, in memory, its contents still where the sources have them. What
 * is added later replaces what was there; a directory over a directory takes over its children.
 */
export class Tree {
  private rootInode: DirectoryInode | undefined;
  /** Which source is being merged: an inode remembers the last that gave it a name. */
  private layer = 0;
  // Entries come a directory at a time, so the last one found is nearly always the next one asked.
  private lastPath: ByteString = "";
  private lastDirectory: DirectoryInode | undefined;
  /** Directories that were made because they were missing. */
  private made = 0;
  /** Of the source that is being merged. */
  private replaced: ReplacedLink[] = [];

  /** The root; an empty one where no source had anything. */
  get root(): DirectoryInode {
    this.rootInode ??= this.newRoot(0n);
    return this.rootInode;
  }

  /** Whether nothing has been added yet. */
  get isEmpty(): boolean {
    return this.rootInode === undefined;
  }

  /** Symlinks to directories that directories of the source have taken the place of. */
  get replacedLinks(): readonly ReplacedLink[] {
    return this.replaced;
  }

  /** What is added from here on belongs to the next source. */
  beginSource(): void {
    this.layer++;
    this.replaced = [];
  }

  /**
   * Puts an inode in its place.
   * @throws BuildError when it can't be there.
   */
  addInode({ directory, name, inode }: InodeEntry): void {
    checkName(directory, name);
    if (inode.kind === "symlink" && inode.target.length > SYMLINK_MAX) {
      throw new BuildError(
        `/${printable(joinPath(directory, name))}: its target has ` +
          `${inode.target.length} bytes, an image holds 1 to ${SYMLINK_MAX}`,
      );
    }
    if (name === "") {
      this.replaceRoot(inode);
      return;
    }
    const parent = this.directoryAt(directory, inode.mtimeNs);
    const existing = parent.children.get(name);
    if (inode.kind === "directory" && existing?.kind === "directory") {
      takeOver(existing, inode);
      existing.layer = this.layer;
      return;
    }
    if (inode.kind === "directory" && existing?.kind === "symlink") {
      const path = joinPath(directory, name);
      const leadsToDirectory = this.findDirectory(path) !== undefined;
      if (leadsToDirectory) this.replaced.push({ path, target: existing.target });
    }
    this.put(parent, name, inode, existing);
  }

  /**
   * Gives a further name to the file that has another one now.
   * @param otherwise the file to take where that name is not there
   * @throws BuildError when there is no such file, or it is a directory.
   */
  addLink(entry: LinkEntry, otherwise?: Inode): void {
    checkName(entry.directory, entry.name);
    const shown = `/${printable(joinPath(entry.directory, entry.name))}`;
    if (entry.name === "") throw new BuildError("/: the root can't be a hard link");
    const inode = this.find(entry.target) ?? otherwise;
    if (inode === undefined) {
      throw new BuildError(
        `${shown} is a hard link to /${printable(entry.target)}, which is not there before it ` +
          "(the archive is incomplete)",
      );
    }
    if (inode.kind === "directory") {
      throw new BuildError(`${shown} is a hard link to a directory, /${printable(entry.target)}`);
    }
    const parent = this.directoryAt(entry.directory, entry.mtimeNs);
    const existing = parent.children.get(entry.name);
    if (existing !== inode) this.put(parent, entry.name, inode, existing);
  }

  /** What a path leads to; symlinks are followed but for the last part. */
  find(path: ByteString): Inode | undefined {
    const slash = path.lastIndexOf("/");
    const name = path.slice(slash + 1);
    if (name === "") return this.root;
    const parent = this.walk(slash < 0 ? "" : path.slice(0, slash)).at(-1)?.inode;
    return parent?.kind === "directory" ? parent.children.get(name) : undefined;
  }

  /** The directory that a path leads to, all symlinks followed; undefined where there is none. */
  findDirectory(path: ByteString): DirectoryInode | undefined {
    const inode = this.walk(path).at(-1)?.inode;
    return inode?.kind === "directory" ? inode : undefined;
  }

  /** Removes a name and all below it. */
  remove(parent: DirectoryInode, name: ByteString): void {
    const inode = parent.children.get(name);
    if (inode === undefined) return;
    parent.children.delete(name);
    this.release(inode);
  }

  /**
   * The directory that a path leads to, symlinks followed inside the tree; what is missing of it
   * is made.
   * @param mtimeNs for directories that have to be made
   * @throws BuildError when something else is in the way.
   */
  directoryAt(path: ByteString, mtimeNs: bigint): DirectoryInode {
    if (this.lastDirectory !== undefined && this.lastPath === path) return this.lastDirectory;
    this.rootInode ??= this.newRoot(mtimeNs);
    const steps = this.walk(path);
    let directory = this.rootInode;
    let at: ByteString = "";
    for (const { name, inode } of steps.slice(1)) {
      at = joinPath(at, name);
      if (inode?.kind === "directory") {
        directory = inode;
        continue;
      }
      // A file of a lower layer makes room, as it does where each layer is a directory of overlayfs.
      if (inode !== undefined && inode.layer === this.layer) {
        throw new BuildError(
          `/${printable(at)} is not a directory, and the same source has entries in ` +
            `/${printable(path)} (leave one of them out)`,
        );
      }
      if (++this.made > MADE_MAX) {
        throw new BuildError(
          `more than ${MADE_MAX} directories have no entry of their own (the archive is broken)`,
        );
      }
      checkName(path, name);
      const made = newDirectory(mtimeNs);
      this.put(directory, name, made, inode);
      directory = made;
    }
    this.lastPath = path;
    this.lastDirectory = directory;
    return directory;
  }

  /**
   * Follows a path from the root. Where something is missing the rest is taken as it is spelled.
   * @returns the steps from the root on, which is the first
   * @throws BuildError for a loop of symlinks.
   */
  walk(path: ByteString): Step[] {
    const root: Step = { name: "", inode: this.root };
    let steps: Step[] = [root];
    const rest = path.split("/").reverse();
    let symlinks = 0;
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        if (steps.length > 1) steps.pop();
        continue;
      }
      const directory = steps.at(-1)?.inode;
      const inode = directory?.kind === "directory" ? directory.children.get(name) : undefined;
      if (inode?.kind !== "symlink") {
        steps.push({ name, inode });
        continue;
      }
      if (++symlinks > SYMLINKS_MAX) {
        throw new BuildError(`/${printable(path)} leads through too many symlinks, or in a circle`);
      }
      const { target } = inode;
      if (target.startsWith("/")) steps = [root];
      for (const part of target.split("/").reverse()) rest.push(part);
    }
    return steps;
  }

  private newRoot(mtimeNs: bigint): DirectoryInode {
    const root = newDirectory(mtimeNs);
    root.links = 1;
    return root;
  }

  private replaceRoot(inode: Inode): void {
    if (inode.kind !== "directory") throw new BuildError("/: the root must be a directory");
    if (this.rootInode === undefined) {
      inode.links = 1;
      this.rootInode = inode;
    } else {
      takeOver(this.rootInode, inode);
    }
  }

  private put(
    parent: DirectoryInode,
    name: ByteString,
    inode: Inode,
    existing: Inode | undefined,
  ): void {
    inode.links++;
    inode.layer = this.layer;
    parent.children.set(name, inode);
    // Afterwards, so that a file which is put where it is already keeps its name.
    if (existing !== undefined) this.release(existing);
  }

  /** Takes a name away from a file, or from all that a directory holds. */
  private release(inode: Inode): void {
    // What was found before may have led through it.
    this.lastDirectory = undefined;
    const pending: Inode[] = [inode];
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      at.links--;
      if (at.kind !== "directory") continue;
      for (const child of at.children.values()) pending.push(child);
    }
  }
}

/** Longer names are refused before they take room. @throws BuildError */
function checkName(directory: ByteString, name: ByteString): void {
  if (name.length <= NAME_MAX) return;
  throw new BuildError(
    `/${printable(joinPath(directory, name).slice(0, 4096))}: the name has ${name.length} bytes, ` +
      `an image holds at most ${NAME_MAX} (rename it)`,
  );
}

/** A directory that no source has an entry for. */
function newDirectory(mtimeNs: bigint): DirectoryInode {
  return new DirectoryInode({ permissions: 0o755, uid: 0, gid: 0, mtimeNs });
}

/** A directory over a directory: all but the children. */
function takeOver(existing: DirectoryInode, inode: DirectoryInode): void {
  existing.permissions = inode.permissions;
  existing.uid = inode.uid;
  existing.gid = inode.gid;
  existing.mtimeNs = inode.mtimeNs;
  existing.xattrs = inode.xattrs;
}
