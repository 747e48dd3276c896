// SPDX-License-Identifier: MIT
import { type BigIntStats, lstatSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { setImmediate as eventTurn } from "node:timers/promises";
import { type ByteString, byteStringOfText, FILE_TYPE } from "@daxfs/format";
import { BuildError, described, describing, isSystemError } from "../errors.js";
import { fsPath, type HostPath, joined, shown } from "../host-path.js";
import type { Offer } from "../jobs/pool.js";
import type { SourceContext } from "./context.js";
import { joinPath } from "./entry-path.js";
import { FINGERPRINT, type Inspection, NOTHING, SHOULD_BE_EMPTY } from "./inspect.js";
import {
  type Device,
  type FileEntry,
  FileInode,
  type Source,
  type SourceEntry,
  WholeFile,
} from "./source.js";

/** Entries that one task inspects. */
const BATCH_SIZE = 512;
/** Batches that may wait for their inspection while the listing goes on. */
const BATCHES_AHEAD = 6;

interface Batch {
  readonly entries: FileEntry[];
  readonly inspection: Offer<"inspect">;
  /** Set when the inspection is done, by either thread. */
  found?: Inspection;
}

/**
 * A directory of this machine. The walk uses synchronous calls, which are several times as fast as
 * promises; meanwhile a worker reads attributes and the starts of contents.
 */
export class DirectorySource implements Source {
  readonly description: string;
  readonly isLayer = false;
  private readonly root: HostPath;
  /** Files with several names, by device and inode number. */
  private readonly linked = new Map<string, FileInode>();
  /** Sizes of the files so far: of those that share theirs the fingerprint will be wanted. */
  private readonly sizes = new Set<number>();
  private listed = 0;

  /** @param path the directory, or a symlink to it */
  constructor(
    path: string,
    private readonly context: SourceContext,
  ) {
    this.root = byteStringOfText(path);
    this.description = shown(this.root);
  }

  close(): void {}

  async *entries(): AsyncGenerator<readonly SourceEntry[]> {
    const ahead: Batch[] = [];
    for (const batch of this.batches()) {
      ahead.push(batch);
      if (ahead.length >= BATCHES_AHEAD) yield* this.progress(ahead);
    }
    while (ahead.length > 0) yield* this.progress(ahead);
  }

  /** Sees to the first batch that waits, and passes on those that are done. */
  private async *progress(ahead: Batch[]): AsyncGenerator<readonly SourceEntry[]> {
    await eventTurn();
    this.context.signal.throwIfAborted();
    const first = ahead[0]!;
    // While the worker is at the first, this thread takes the last off its hands.
    if (first.found === undefined && !helpWithLast(ahead)) {
      first.found = await first.inspection.output;
    }
    for (let batch = ahead[0]; batch?.found !== undefined; batch = ahead[0]) {
      ahead.shift();
      yield this.completed(batch.entries, batch.found);
    }
  }

  /** Puts what was learned of files into their entries. */
  private completed(entries: FileEntry[], found: Inspection): readonly SourceEntry[] {
    for (let i = 0; i < entries.length; i++) entries[i]!.inode.fingerprint = found.fingerprints[i]!;
    for (const [index, xattrs] of found.xattrs) entries[index]!.inode.xattrs = xattrs;
    this.listed += entries.length;
    this.context.report({ stage: "read", done: this.listed, total: undefined });
    return entries;
  }

  private *batches(): Generator<Batch> {
    let entries: FileEntry[] = [];
    let paths: HostPath[] = [];
    const batch = (): Batch => {
      const contents = Uint8Array.from(entries, ({ inode }) => this.look(inode));
      const offered: Batch = {
        entries,
        inspection: this.context.pool.offer("inspect", {
          paths,
          contents,
          xattrs: this.context.xattrs,
        }),
      };
      offered.inspection.output.then(
        (found) => {
          offered.found = found;
        },
        () => {
          // Whoever waits for it hears of it.
        },
      );
      return offered;
    };
    for (const [path, entry] of this.walk()) {
      paths.push(path);
      entries.push(entry);
      if (entries.length < BATCH_SIZE) continue;
      yield batch();
      entries = [];
      paths = [];
    }
    yield batch();
  }

  /** What to look at in a file beside its attributes. */
  private look({ type, size }: FileInode): number {
    if (type !== FILE_TYPE.REGULAR) return NOTHING;
    if (size === 0) return SHOULD_BE_EMPTY;
    if (this.sizes.has(size)) return FINGERPRINT;
    this.sizes.add(size);
    return NOTHING;
  }

  private *walk(): Generator<[HostPath, FileEntry]> {
    const pending: ByteString[] = [];
    const { outputDirectory, wanted } = this.context;
    const output = outputDirectory === undefined ? undefined : lstatOf(outputDirectory);
    const refuseOutput = (path: HostPath, stats: BigIntStats) => {
      // By number, not by path: a bind mount has another path.
      if (stats.ino !== output?.ino || stats.dev !== output.dev) return;
      const inside = shown(path);
      throw new BuildError(`the output lies inside the source, in ${inside} (put it elsewhere)`);
    };
    const rootStats = this.statRoot();
    refuseOutput(this.root, rootStats);
    // The dot has xattrs read of a directory that is given as a symlink.
    const root = inodeOf(this.root, ".", rootStats);
    yield [joined(this.root, "."), { kind: "file", directory: "", name: "", inode: root }];
    pending.push("");
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      const path = directory === "" ? this.root : joined(this.root, directory);
      const names = describing(
        () => `cannot read directory ${shown(path)}`,
        () => readdirSync(fsPath(path), "latin1"),
      );
      for (const name of names) {
        if (wanted !== undefined && !wanted(joinPath(directory, name))) continue;
        const child = joined(path, name);
        const stats = lstatOf(child);
        if (wanted !== undefined && !wanted(joinPath(directory, name), stats.isDirectory())) {
          continue;
        }
        const inode = this.inode(path, name, stats);
        yield [child, { kind: "file", directory, name, inode }];
        if (inode.type === FILE_TYPE.DIRECTORY) {
          refuseOutput(child, stats);
          pending.push(joinPath(directory, name));
        }
      }
    }
  }

  private inode(directory: HostPath, name: ByteString, stats: BigIntStats): FileInode {
    if (stats.nlink === 1n || stats.isDirectory()) return inodeOf(directory, name, stats);
    const key = `${stats.dev}:${stats.ino}`;
    let inode = this.linked.get(key);
    if (inode === undefined) {
      inode = inodeOf(directory, name, stats);
      this.linked.set(key, inode);
    }
    return inode;
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

/** Inspects the last batch that the worker has not begun; tells whether there was one. */
function helpWithLast(ahead: readonly Batch[]): boolean {
  for (let i = ahead.length - 1; i >= 0; i--) {
    const batch = ahead[i]!;
    const found = batch.found === undefined ? batch.inspection.takeBack() : undefined;
    if (found === undefined) continue;
    batch.found = found;
    return true;
  }
  return false;
}

function lstatOf(path: HostPath): BigIntStats {
  try {
    return lstatSync(fsPath(path), { bigint: true });
  } catch (error) {
    if (isSystemError(error) && error.code === "ENOENT") {
      throw new BuildError(`${shown(path)} went away while the tree was read (build again)`);
    }
    throw described(() => `cannot read ${shown(path)}`, error);
  }
}

function inodeOf(directory: HostPath, name: ByteString, stats: BigIntStats): FileInode {
  const mode = Number(stats.mode);
  const size = (mode & FILE_TYPE.MASK) === FILE_TYPE.REGULAR ? Number(stats.size) : 0;
  const body = bodyOf(mode, size, directory, name, stats);
  return new FileInode(mode, Number(stats.uid), Number(stats.gid), stats.mtimeNs, size, body);
}

function bodyOf(
  mode: number,
  size: number,
  directory: HostPath,
  name: ByteString,
  stats: BigIntStats,
): FileInode["body"] {
  switch (mode & FILE_TYPE.MASK) {
    case FILE_TYPE.DIRECTORY:
      return new Map();
    case FILE_TYPE.REGULAR:
      return size === 0 ? null : new WholeFile(directory, name);
    case FILE_TYPE.SYMLINK:
      return targetOf(joined(directory, name));
    case FILE_TYPE.CHARACTER_DEVICE:
    case FILE_TYPE.BLOCK_DEVICE:
      return deviceOf(stats.rdev);
    default:
      return null;
  }
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
