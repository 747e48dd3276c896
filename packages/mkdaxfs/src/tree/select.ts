// SPDX-License-Identifier: MIT
import type { ByteString } from "@daxfs/format";
import type { Children, DirectoryInode, Inode } from "../model/inode.js";
import type { BuildOptions } from "../options.js";
import { globText } from "./glob.js";
import { type Matched, PathGlob } from "./path-glob.js";

/** Decides by path what gets into the image. */
export interface Selector {
  /**
   * Whether anything at or below a path can get in.
   * @param path from the image's root, without a leading slash; "" for the root
   * @param isDirectory undefined where that is not known
   */
  wanted(path: ByteString, isDirectory?: boolean): boolean;
  /** Takes out of a tree what does not get in. */
  prune(root: DirectoryInode): void;
}

/**
 * A file gets in when an include glob matches it or a directory that it lies in, or there are none,
 * and no exclude glob matches it or a directory that it lies in. So do the directories that what
 * gets in lies in, and the root. The globs are those of {@link PathGlob}; names that are not UTF-8
 * are one character per byte to them.
 * @returns undefined where everything gets in
 * @throws BuildError when a glob can't be read.
 */
export function selector({
  include = [],
  exclude = [],
}: Pick<BuildOptions, "include" | "exclude">): Selector | undefined {
  if (include.length === 0 && exclude.length === 0) return undefined;
  return new GlobSelector(
    include.map((pattern) => new PathGlob(pattern)),
    exclude.map((pattern) => new PathGlob(pattern)),
  );
}

/** A directory that gets in, or of which something below may. */
interface Level {
  /** What its path has used up of each include glob; undefined where all below it is included. */
  readonly include: readonly Matched[] | undefined;
  /** The same of each exclude glob. */
  readonly exclude: readonly Matched[];
}

/** A directory on the way through a tree. */
interface Visit {
  readonly name: ByteString;
  readonly children: Children;
  readonly left: Iterator<[ByteString, Inode]>;
  readonly level: Level;
  /** Whether it gets in, by itself or for what has been found in it. */
  kept: boolean;
}

class GlobSelector implements Selector {
  private readonly root: Level;
  // Sources ask a directory at a time.
  private lastPath: ByteString = "";
  private lastLevel: Level | undefined;

  constructor(
    private readonly include: readonly PathGlob[],
    private readonly exclude: readonly PathGlob[],
  ) {
    this.root = {
      include: include.length === 0 ? undefined : include.map((glob) => glob.start),
      exclude: exclude.map((glob) => glob.start),
    };
    this.lastLevel = this.root;
  }

  wanted(path: ByteString, isDirectory?: boolean): boolean {
    if (path === "") return true;
    const slash = path.lastIndexOf("/");
    const level = this.levelOf(slash < 0 ? "" : path.slice(0, slash));
    if (level === undefined) return false;
    const name = globText(path.slice(slash + 1));
    if (anyMatches(this.exclude, level.exclude, name, isDirectory === true)) return false;
    if (level.include === undefined) return true;
    if (anyMatches(this.include, level.include, name, isDirectory !== false)) return true;
    return isDirectory !== false && this.below(level, name) !== undefined;
  }

  prune(root: DirectoryInode): void {
    const visits: Visit[] = [visit("", root, this.root)];
    for (let current = visits.at(-1); current !== undefined; current = visits.at(-1)) {
      const next = current.left.next();
      if (next.done) {
        visits.pop();
        const above = visits.at(-1);
        if (current.kept && above !== undefined) above.kept = true;
        else if (!current.kept) above?.children.delete(current.name);
        continue;
      }
      const [name, inode] = next.value;
      const verdict = this.verdict(current.level, globText(name), inode.kind === "directory");
      if (verdict === true) {
        current.kept = true;
      } else if (verdict !== false && inode.kind === "directory") {
        visits.push(visit(name, inode, verdict));
      } else {
        current.children.delete(name);
        unlinkAll(inode);
      }
    }
  }

  /** Whether all of a file gets in; its level when it is a directory and hangs on what is in it. */
  private verdict(level: Level, name: string, isDirectory: boolean): boolean | Level {
    if (anyMatches(this.exclude, level.exclude, name, isDirectory)) return false;
    if (!isDirectory) {
      return level.include === undefined || anyMatches(this.include, level.include, name, false);
    }
    const inner = this.below(level, name);
    if (inner === undefined) return false;
    return isSettled(inner) || inner;
  }

  /** The level of a directory that is not excluded; undefined when nothing at or below it gets in. */
  private below(level: Level, name: string): Level | undefined {
    const exclude = this.exclude.map((glob, index) => glob.below(level.exclude[index]!, name));
    if (level.include === undefined || anyMatches(this.include, level.include, name, true)) {
      return { include: undefined, exclude };
    }
    const { include: above } = level;
    const include = this.include.map((glob, index) => glob.below(above[index]!, name));
    return include.some((matched) => matched.length > 0) ? { include, exclude } : undefined;
  }

  private levelOf(directory: ByteString): Level | undefined {
    if (directory === this.lastPath) return this.lastLevel;
    let level: Level | undefined = this.root;
    for (const part of directory === "" ? [] : directory.split("/")) {
      const name = globText(part);
      if (anyMatches(this.exclude, level.exclude, name, true)) level = undefined;
      else level = this.below(level, name);
      if (level === undefined) break;
    }
    this.lastPath = directory;
    this.lastLevel = level;
    return level;
  }
}

function visit(name: ByteString, { children }: DirectoryInode, level: Level): Visit {
  const kept = level.include === undefined;
  return { name, children, left: children.entries(), level, kept };
}

/** Whether all that is below gets in. */
function isSettled({ include, exclude }: Level): boolean {
  return include === undefined && exclude.every((matched) => matched.length === 0);
}

function anyMatches(
  globs: readonly PathGlob[],
  matched: readonly Matched[],
  name: string,
  isDirectory: boolean,
): boolean {
  for (let index = 0; index < globs.length; index++) {
    if (globs[index]!.matches(matched[index]!, name, isDirectory)) return true;
  }
  return false;
}

/** Takes one name each from a file and all that lies below it. */
function unlinkAll(inode: Inode): void {
  const pending: Inode[] = [inode];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    next.links--;
    if (next.kind !== "directory") continue;
    for (const child of next.children.values()) pending.push(child);
  }
}
