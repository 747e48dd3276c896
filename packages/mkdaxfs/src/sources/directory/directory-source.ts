// SPDX-License-Identifier: MIT
import { type BigIntStats, readSync, statSync } from "node:fs";
import { byteStringOfText } from "@daxfs/format";
import { BuildError, described, isSystemError } from "../../errors.js";
import { withFile } from "../../host/file.js";
import { fsPath, type HostPath, joined, shown } from "../../host/path.js";
import { readXattrs } from "../../host/xattrs.js";
import { type Content, HoledFile, WholeFile } from "../../model/content.js";
import { joinPath } from "../../model/entry-path.js";
import {
  DeviceInode,
  DirectoryInode,
  type Inode,
  RegularInode,
  SpecialInode,
  SymlinkInode,
} from "../../model/inode.js";
import { kindOf, permissionsOf } from "../../model/inode-kind.js";
import type { InodeEntry, Source, SourceEntry } from "../../model/source.js";
import type { DirectoryContext } from "../context.js";
import { LinkedFiles } from "./linked-files.js";
import {
  FILES_AT_ONCE,
  type FileIdentity,
  hostPath,
  type Listing,
  listTask,
  lstatOf,
  type PendingDirectory,
  readNames,
  refuse,
} from "./listing.js";

/** Directories that one task gets, if it has the time for them. */
const DIRECTORIES_AT_ONCE = 32;

/** A directory of this machine. The directories below it are listed by all threads, in any order. */
export class DirectorySource implements Source {
  readonly description: string;
  readonly isLayer = false;
  private readonly root: HostPath;
  private readonly pending: PendingDirectory[] = [{ path: "", names: undefined }];
  private readonly linked = new LinkedFiles();
  private listed = 0;

  /** @param path the directory, or a symlink to it */
  constructor(
    path: string,
    private readonly context: DirectoryContext,
  ) {
    this.root = byteStringOfText(path);
    this.description = shown(this.root);
  }

  close(): void {}

  async *entries(): AsyncGenerator<readonly SourceEntry[]> {
    const { pool, wanted, xattrs, outputDirectory, report } = this.context;
    const forbidden = outputDirectory === undefined ? undefined : identityOf(outputDirectory);
    yield [this.rootEntry(forbidden)];
    const listings = pool.runGrowing({
      task: listTask,
      next: () => {
        const directories = this.nextDirectories();
        if (directories.length === 0) return undefined;
        return { root: this.root, directories, descend: wanted === undefined, xattrs, forbidden };
      },
    });
    for await (const listing of listings) {
      const entries = this.entriesOf(listing);
      this.listed += entries.length;
      report({ stage: "read", done: this.listed, total: undefined });
      yield entries;
    }
  }

  private rootEntry(forbidden: FileIdentity | undefined): InodeEntry {
    const stats = this.statRoot();
    refuse(forbidden, this.root, stats);
    const inode = new DirectoryInode({
      permissions: permissionsOf(Number(stats.mode)),
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      mtimeNs: stats.mtimeNs,
    });
    // The dot has them read of a directory that is given as a symlink.
    const xattrs = this.context.xattrs ? readXattrs([joined(this.root, ".")]) : [];
    for (const [, ofRoot] of xattrs) inode.xattrs = ofRoot;
    return { kind: "inode", directory: "", name: "", inode };
  }

  /** The directories to list next; fewer where few wait, so that no thread goes without. */
  private nextDirectories(): readonly PendingDirectory[] {
    const next: PendingDirectory[] = [];
    let known = 0;
    const count = Math.min(DIRECTORIES_AT_ONCE, Math.ceil(this.pending.length / 4));
    while (next.length < count && known < FILES_AT_ONCE) {
      const directory = this.selected(this.pending.pop()!);
      next.push(directory);
      known += directory.names?.length ?? 0;
    }
    return next;
  }

  /** A directory with the names that may be wanted in it. */
  private selected(directory: PendingDirectory): PendingDirectory {
    const { wanted } = this.context;
    const { path, names } = directory;
    if (wanted === undefined || names !== undefined) return directory;
    const all = readNames(hostPath(this.root, path));
    return { path, names: all.filter((name) => wanted(joinPath(path, name))) };
  }

  /** The entries of a listing; the directories that it has left wait for theirs. */
  private entriesOf(listing: Listing): InodeEntry[] {
    const { wanted } = this.context;
    const entries: InodeEntry[] = [];
    let index = 0;
    for (const [position, directory] of listing.directories.entries()) {
      const path = hostPath(this.root, directory);
      for (const end = listing.ends[position]!; index < end; index++) {
        const name = listing.names[index]!;
        if (wanted !== undefined) {
          const isDirectory = kindOf(listing.modes[index]!) === "directory";
          if (!wanted(joinPath(directory, name), isDirectory)) continue;
        }
        entries.push({ kind: "inode", directory, name, inode: this.inode(listing, index, path) });
      }
    }
    for (const left of listing.left) {
      if (wanted === undefined || wanted(left.path, true)) this.pending.push(left);
    }
    return entries;
  }

  private inode(listing: Listing, index: number, directory: HostPath): Inode {
    const make = () => inodeOf(listing, index, directory);
    if (kindOf(listing.modes[index]!) === "directory") return make();
    const found = {
      dev: listing.devs[index]!,
      ino: listing.inos[index]!,
      linked: listing.linked.has(index),
    };
    return this.linked.fileOf(found, make, (file) => isSame(file, listing, index));
  }

  private statRoot(): BigIntStats {
    let stats: BigIntStats;
    try {
      stats = statSync(fsPath(this.root), { bigint: true });
    } catch (error) {
      if (isSystemError(error) && error.code === "ENOENT") {
        throw new BuildError(`${this.description}: no such directory (give one that exists)`);
      }
      throw described(() => `cannot read ${this.description}`, error);
    }
    if (!stats.isDirectory()) {
      throw new BuildError(`${this.description}: not a directory`);
    }
    return stats;
  }
}

/** Without what else the system says of a file, which does not pass between threads. */
function identityOf(path: HostPath): FileIdentity {
  const { dev, ino } = lstatOf(path);
  return { dev, ino };
}

/** Whether all that a listing says of a name, but for its attributes, fits a file. */
function isSame(file: Inode, listing: Listing, index: number): boolean {
  return (
    file.mode === listing.modes[index] &&
    file.uid === listing.uids[index] &&
    file.gid === listing.gids[index] &&
    file.mtimeNs === listing.mtimes[index] &&
    (file.kind !== "file" || file.size === listing.sizes[index]) &&
    (file.kind !== "symlink" || file.target === listing.targets.get(index))
  );
}

/** @param directory of the file, one string for all files in it */
function inodeOf(listing: Listing, index: number, directory: HostPath): Inode {
  const mode = listing.modes[index]!;
  const attributes = {
    permissions: permissionsOf(mode),
    uid: listing.uids[index]!,
    gid: listing.gids[index]!,
    mtimeNs: listing.mtimes[index]!,
    xattrs: listing.xattrs.get(index),
  };
  const kind = kindOf(mode);
  switch (kind) {
    case "directory":
      return new DirectoryInode(attributes);
    case "file":
      return new RegularInode(
        attributes,
        listing.sizes[index]!,
        contentOf(listing, index, directory),
      );
    case "symlink":
      return new SymlinkInode(attributes, listing.targets.get(index)!);
    case "character-device":
    case "block-device":
      return new DeviceInode(kind, attributes, listing.devices.get(index)!);
    case "fifo":
    case "socket":
      return new SpecialInode(kind, attributes);
    default: {
      const path = shown(joined(directory, listing.names[index]!));
      throw new BuildError(`${path} has the unknown mode 0${mode.toString(8)} (leave it out)`);
    }
  }
}

/** @returns undefined where the file is empty */
function contentOf(listing: Listing, index: number, directory: HostPath): Content | undefined {
  const name = listing.names[index]!;
  if (listing.holed.has(index)) return new HoledFile(directory, name);
  if (listing.sizes[index] !== 0) return new WholeFile(directory, name);
  refuseContent(joined(directory, name));
  return undefined;
}

/** Files of /proc and the like have content and say that they are empty. */
function refuseContent(path: HostPath): void {
  let got: number;
  try {
    got = withFile(path, (descriptor) => readSync(descriptor, new Uint8Array(1), 0, 1, 0));
  } catch {
    // There is nothing to read in an empty file, so whether it may be read is of no account.
    return;
  }
  if (got === 0) return;
  throw new BuildError(
    `${shown(path)} has content and says that it has none (leave out what the kernel makes up, ` +
      "such as /proc and /sys)",
  );
}
