// SPDX-License-Identifier: MIT
import { createHash, type Hash, randomBytes } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { described, isSystemError, systemErrorText } from "../../../errors.js";
import { parseDigest } from "../../digest.js";
import { shownText } from "../../json.js";

/** Milliseconds after which what is left of a download is of no use to anybody. */
const LEFTOVER_AGE = 7 * 24 * 60 * 60 * 1000;
const READ_SIZE = 1024 * 1024;

/**
 * Blobs that were fetched, in `$XDG_CACHE_HOME/mkdaxfs/blobs/ALGORITHM/HEX`. It only grows; removing
 * the directory empties it.
 *
 * Any number of builds may share it without locks, since each name is only ever the target of a
 * rename. A file named by its digest is complete. A download goes to a name of its own, with a
 * random part, and becomes the blob by a rename; when two builds fetch the same blob, the later
 * rename replaces a file with an equal one. What a failed download leaves is renamed to
 * HEX.partial, and a build that resumes it renames it to a name of its own first: of two that try,
 * one succeeds, and the other starts from nothing.
 */
export class BlobCache {
  private readonly downloads = new Set<PartialBlob>();

  private constructor(
    private readonly directory: string,
    /** Whether it goes away with this build. */
    private readonly isTemporary: boolean,
  ) {}

  /**
   * Opens the user's cache, or a temporary one where that can't be written to.
   * @param warn says so, in one line
   * @throws BuildError when there is no place at all.
   */
  static open(environment: NodeJS.ProcessEnv, warn: (text: string) => void): BlobCache {
    const { XDG_CACHE_HOME, HOME } = environment;
    // The specification has relative paths ignored.
    const base =
      XDG_CACHE_HOME !== undefined && isAbsolute(XDG_CACHE_HOME)
        ? XDG_CACHE_HOME
        : join(HOME || homedir(), ".cache");
    const directory = join(base, "mkdaxfs/blobs");
    try {
      prepare(directory);
      return new BlobCache(directory, false);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      warn(
        `blobs are not kept: cannot write to ${shownText(directory)}: ${systemErrorText(error)} ` +
          "(set XDG_CACHE_HOME to a directory for them)",
      );
    }
    try {
      const temporary = mkdtempSync(join(environment.TMPDIR || tmpdir(), "mkdaxfs-blobs-"));
      prepare(temporary);
      return new BlobCache(temporary, true);
    } catch (error) {
      throw described(() => "cannot make a directory for blobs", error);
    }
  }

  /**
   * The file of a blob, if it is there and holds what it should. Each build looks at every byte: a
   * disk that was full or lost power may have left anything. A bad one is replaced once the blob
   * has been fetched again; if it were removed, another build's good one might be.
   * @param size bytes that it should have
   * @throws BuildError when it can't be read; the signal's reason
   */
  async find(digest: string, size: number, signal: AbortSignal): Promise<string | undefined> {
    const { algorithm, path } = this.place(digest);
    if (sizeOf(path) !== size) return undefined;
    const hash = createHash(algorithm);
    await hashFile(path, size, hash, signal);
    return `${algorithm}:${hash.digest("hex")}` === digest ? path : undefined;
  }

  /**
   * Begins a download, with what an earlier one has left.
   * @throws BuildError when it can't be written; the signal's reason
   */
  async begin(digest: string, signal: AbortSignal): Promise<PartialBlob> {
    const { algorithm, path } = this.place(digest);
    const own = `${path}.${randomBytes(8).toString("hex")}.tmp`;
    const taken = renamed(`${path}.partial`, own);
    const descriptor = writing(own, () => openSync(own, "a+", 0o600));
    const blob = new PartialBlob(path, own, descriptor, algorithm, () => {
      this.downloads.delete(blob);
    });
    this.downloads.add(blob);
    if (taken) await blob.resume(signal);
    return blob;
  }

  /** Leaves what is being fetched to later builds. */
  close(): void {
    for (const download of this.downloads) download.leave();
    if (this.isTemporary) rmSync(this.directory, { recursive: true, force: true });
  }

  private place(digest: string): { algorithm: string; path: string } {
    const parsed = parseDigest(digest);
    if (parsed === undefined) throw new TypeError(`no digest: ${digest}`);
    const { algorithm, hex } = parsed;
    return { algorithm, path: join(this.directory, algorithm, hex) };
  }
}

/** A blob that is being fetched. */
export class PartialBlob {
  private hash: Hash;
  private length = 0;
  private resumed = false;

  constructor(
    private readonly path: string,
    private readonly own: string,
    private descriptor: number,
    private readonly algorithm: string,
    private readonly ended: () => void,
  ) {
    this.hash = createHash(algorithm);
  }

  /** Bytes so far. */
  get size(): number {
    return this.length;
  }

  /** Whether a part of it is from another build, and so nobody's fault here. */
  get isResumed(): boolean {
    return this.resumed;
  }

  /** Takes in what the file has already. @throws the signal's reason */
  async resume(signal: AbortSignal): Promise<void> {
    const { size } = statSync(this.own);
    await hashFile(this.own, size, this.hash, signal);
    this.length = size;
    this.resumed = size > 0;
  }

  /** @throws BuildError when there is no room. */
  append(bytes: Uint8Array): void {
    writing(this.own, () => {
      let done = 0;
      while (done < bytes.length) done += writeSync(this.descriptor, bytes, done);
    });
    this.hash.update(bytes);
    this.length += bytes.length;
  }

  /** Starts from nothing. */
  restart(): void {
    writing(this.own, () => ftruncateSync(this.descriptor));
    this.hash = createHash(this.algorithm);
    this.length = 0;
    this.resumed = false;
  }

  /** The digest of what is there. */
  digest(): string {
    return `${this.algorithm}:${this.hash.copy().digest("hex")}`;
  }

  /** Makes it the blob. @returns the blob's path */
  complete(): string {
    this.end();
    writing(this.path, () => renameSync(this.own, this.path));
    return this.path;
  }

  /** Leaves it to whoever wants to resume it. */
  leave(): void {
    if (this.descriptor < 0) return;
    const isEmpty = fstatSync(this.descriptor).size === 0;
    this.end();
    if (!isEmpty) renamed(this.own, `${this.path}.partial`);
    else rmSync(this.own, { force: true });
  }

  private end(): void {
    closeSync(this.descriptor);
    this.descriptor = -1;
    this.ended();
  }
}

/** Makes the directories, sees whether they can be written to, and removes what is left in them. */
function prepare(directory: string): void {
  for (const algorithm of ["sha256", "sha512"]) {
    const own = join(directory, algorithm);
    makeDirectories(own);
    const probe = join(own, `${randomBytes(8).toString("hex")}.tmp`);
    closeSync(openSync(probe, "wx", 0o600));
    rmSync(probe);
    const oldest = Date.now() - LEFTOVER_AGE;
    for (const name of readdirSync(own)) {
      if (!/\.(tmp|partial)$/.test(name)) continue;
      const path = join(own, name);
      const mtimeMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? oldest;
      if (mtimeMs < oldest) rmSync(path, { force: true });
    }
  }
}

/** Puts bytes of a file into a hash, while other things go on. */
async function hashFile(
  path: string,
  size: number,
  hash: Hash,
  signal: AbortSignal,
): Promise<void> {
  if (size === 0) return;
  const options = { start: 0, end: size - 1, highWaterMark: READ_SIZE, signal };
  try {
    for await (const part of createReadStream(path, options)) hash.update(part as Buffer);
  } catch (error) {
    signal.throwIfAborted();
    throw described(() => `cannot read ${shownText(path)}`, error);
  }
}

/** Renames a file, if it is there still. */
function renamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (isSystemError(error) && error.code === "ENOENT") return false;
    throw described(() => `cannot write ${shownText(to)}`, error);
  }
}

function writing<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw described(() => `cannot write ${shownText(path)}`, error);
  }
}

/**
 * Makes a directory and those above it. The recursive mkdir of Node 20 never returns where one that
 * is there takes none, such as /proc.
 */
function makeDirectories(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(path);
  if (parent !== path) makeDirectories(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another build may have been faster.
    if (!isSystemError(error) || error.code !== "EEXIST") throw error;
  }
}

/** Bytes of a file, undefined where it is not there or can't be read. */
function sizeOf(path: string): number | undefined {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).size;
  } catch {
    return undefined;
  }
}
