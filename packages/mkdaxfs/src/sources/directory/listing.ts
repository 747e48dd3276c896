// SPDX-License-Identifier: MIT
/** What there is to know of the files in directories, but for their contents; on any thread. */
import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from "node:fs";
import type { ByteString, Xattr } from "@daxfs/format";
import { BuildError, described, describing, isSystemError } from "../../errors.js";
import { fsPath, type HostPath, joined, shown } from "../../host/path.js";
import { readXattrs } from "../../host/xattrs.js";
import type { Task } from "../../jobs/task.js";
import { joinPath } from "../../model/entry-path.js";
import type { Device } from "../../model/inode.js";
import { kindOf } from "../../model/inode-kind.js";
import type { InodeNumber } from "./linked-files.js";

/**
 * Files that one task looks at: some milliseconds, so that no thread waits long for the last one and
 * a signal is heard.
 */
export const FILES_AT_ONCE = 256;

/** A directory that waits to be listed. */
export interface PendingDirectory {
  /** Its path from the tree's root; "" for the root itself. */
  readonly path: ByteString;
  /** Names in it that are to be looked at; undefined for all that are there. */
  readonly names: readonly ByteString[] | undefined;
}

/** What tells a file from all others of this machine. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** Directories to list, as far as one task goes. */
export interface ListRequest {
  readonly root: HostPath;
  readonly directories: readonly PendingDirectory[];
  /** Whether to go on with the directories that are found. */
  readonly descend: boolean;
  /** Whether to read extended attributes. */
  readonly xattrs: boolean;
  /** A directory that may not be among the files. */
  readonly forbidden: FileIdentity | undefined;
}

/** Files as columns, which pass between threads at little cost. */
export interface Listing {
  /** Paths of the directories that were listed, a directory before those in it. */
  readonly directories: ByteString[];
  /** Per directory: where its files end in the columns. */
  readonly ends: number[];
  /** Directories that are left to list, and parts of large ones. */
  readonly left: PendingDirectory[];
  readonly names: ByteString[];
  /** File type and permissions, as st_mode. */
  readonly modes: number[];
  readonly uids: number[];
  readonly gids: number[];
  /** Nanoseconds since 1970. */
  readonly mtimes: bigint[];
  /** Bytes of regular files, 0 for all else. */
  readonly sizes: number[];
  /** Regular files that are worth a look for holes, by index. */
  readonly holed: Set<number>;
  /** Device number of the filesystem that each file is on. */
  readonly devs: number[];
  readonly inos: InodeNumber[];
  /** Files other than directories that have several names by their link count, by index. */
  readonly linked: Set<number>;
  /** Targets of symlinks, by index. */
  readonly targets: Map<number, ByteString>;
  /** Device numbers, by index. */
  readonly devices: Map<number, Device>;
  /** Extended attributes of the files that have any, by index. */
  readonly xattrs: Map<number, Xattr[]>;
}

/**
 * Lists directories. The calls are synchronous, which are several times as fast as promises.
 * @throws BuildError naming the file or directory that can't be read.
 */
export function listDirectories(request: ListRequest): Listing {
  const columns: Columns = {
    ...{ directories: [], ends: [] },
    ...{ names: [], modes: [], uids: [], gids: [], mtimes: [], sizes: [] },
    ...{
      holed: new Set(),
      devs: [],
      inos: [],
      linked: new Set(),
      targets: new Map(),
      devices: new Map(),
    },
  };
  const paths: HostPath[] = [];
  const pending = [...request.directories];
  const found: PendingDirectory[] = request.descend ? pending : [];
  while (paths.length < FILES_AT_ONCE) {
    const directory = pending.pop();
    if (directory === undefined) break;
    const path = hostPath(request.root, directory.path);
    const names = directory.names ?? readNames(path);
    const room = FILES_AT_ONCE - paths.length;
    for (let start = room; start < names.length; start += FILES_AT_ONCE) {
      found.push({ path: directory.path, names: names.slice(start, start + FILES_AT_ONCE) });
    }
    for (const name of names.length > room ? names.slice(0, room) : names) {
      const child = joined(path, name);
      const stats = lstatOf(child);
      if (stats.isDirectory()) {
        refuse(request.forbidden, child, stats);
        found.push({ path: joinPath(directory.path, name), names: undefined });
      }
      addFile(columns, name, child, stats);
      paths.push(child);
    }
    columns.directories.push(directory.path);
    columns.ends.push(paths.length);
  }
  const left = request.descend ? pending : [...pending, ...found];
  return { ...columns, left, xattrs: new Map(request.xattrs ? readXattrs(paths) : []) };
}

/** `listDirectories` on any thread. */
export const listTask: Task<ListRequest, Listing> = { name: "list", run: listDirectories };

/** Where a directory of the tree lies on this machine. */
export function hostPath(root: HostPath, directory: ByteString): HostPath {
  return directory === "" ? root : joined(root, directory);
}

/** The names in a directory. @throws BuildError */
export function readNames(directory: HostPath): ByteString[] {
  return describing(
    () => `cannot read directory ${shown(directory)}`,
    () => readdirSync(fsPath(directory), "latin1"),
  );
}

/** @throws BuildError for the directory that the image is to be written to */
export function refuse(
  forbidden: FileIdentity | undefined,
  directory: HostPath,
  { dev, ino }: FileIdentity,
): void {
  // By number, not by path: a bind mount has another path.
  if (ino !== forbidden?.ino || dev !== forbidden.dev) return;
  throw new BuildError(
    `the output is inside the source, in ${shown(directory)} (put it elsewhere)`,
  );
}

/** @throws BuildError */
export function lstatOf(path: HostPath): BigIntStats {
  try {
    return lstatSync(fsPath(path), { bigint: true });
  } catch (error) {
    if (isSystemError(error) && error.code === "ENOENT") {
      throw new BuildError(`${shown(path)} went away while the tree was read (build again)`);
    }
    throw described(() => `cannot read ${shown(path)}`, error);
  }
}

type Columns = Omit<Listing, "left" | "xattrs">;

function addFile(columns: Columns, name: ByteString, path: HostPath, stats: BigIntStats): void {
  const mode = Number(stats.mode);
  const kind = kindOf(mode);
  const index = columns.names.push(name) - 1;
  columns.modes.push(mode);
  columns.uids.push(Number(stats.uid));
  columns.gids.push(Number(stats.gid));
  columns.mtimes.push(stats.mtimeNs);
  columns.devs.push(Number(stats.dev));
  columns.inos.push(exact(stats.ino));
  columns.sizes.push(kind === "file" ? Number(stats.size) : 0);
  if (kind === "file" && mayHaveHoles(stats)) columns.holed.add(index);
  if (stats.nlink !== 1n && kind !== "directory") {
    columns.linked.add(index);
  }
  if (kind === "symlink") {
    columns.targets.set(index, targetOf(path));
  } else if (kind === "character-device" || kind === "block-device") {
    columns.devices.set(index, deviceOf(stats.rdev));
  }
}

function exact(ino: bigint): InodeNumber {
  return ino <= Number.MAX_SAFE_INTEGER ? Number(ino) : ino;
}

/** Bytes that a file lacks on disk when it is worth a look for holes. */
const LACKING_MIN = 1024 * 1024;
/** Size of a file that is worth a look anyway: room on disk that was never written reads as zeros. */
const LARGE = 64 * 1024 * 1024;

/**
 * Whether a file is worth a look for holes. Its blocks don't say that there are any: a filesystem may
 * compress, or not have counted yet.
 */
function mayHaveHoles({ size, blocks }: BigIntStats): boolean {
  return size >= LARGE || size - blocks * 512n >= LACKING_MIN;
}

function targetOf(path: HostPath): ByteString {
  return describing(
    () => `cannot read symlink ${shown(path)}`,
    () => readlinkSync(fsPath(path), "latin1"),
  );
}

/** Splits st_rdev the way makedev(3) of Linux puts it together. */
function deviceOf(rdev: bigint): Device {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  };
}
