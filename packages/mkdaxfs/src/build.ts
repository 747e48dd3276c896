// SPDX-License-Identifier: MIT
import { closeSync, openSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { isatty } from "node:tty";
import {
  type BLOCK_SIZE,
  byteStringOf,
  byteStringOfText,
  FILE_TYPE,
  HUGE_SIZE,
} from "@daxfs/format";
import { findDuplicates } from "./content/duplicates.js";
import { BuildError, described, isSystemError } from "./errors.js";
import { WorkerPool } from "./jobs/pool.js";
import { planImage } from "./plan/plan.js";
import { DirectorySource } from "./sources/directory.js";
import type { FileInode } from "./sources/source.js";
import { Tree } from "./tree/tree.js";
import { type WriteOptions, writeImageFile } from "./write/image-file.js";
import { writeImageStream } from "./write/image-stream.js";

export interface BuildOptions {
  /** Directory whose tree becomes the image. */
  readonly source: string;
  /** File for the image; "-" for standard output. */
  readonly output: string;
  /** At most 32 bytes of UTF-8; "" by default. */
  readonly label?: string;
  /** Nanoseconds since 1970 for the superblock; 0 by default. */
  readonly buildTimeNs?: bigint;
  /** Whether to write a SHA-256 digest of the data area; false by default. */
  readonly digest?: boolean;
  /** Alignment of files of 2 MiB and more; 2 MiB by default, for huge mappings. */
  readonly align?: typeof BLOCK_SIZE | typeof HUGE_SIZE;
}

/** What was built. Sizes in bytes. */
export interface BuildReport {
  /** Names in the image, the root included. */
  readonly inodes: number;
  /** Length of the image. */
  readonly totalSize: number;
  /** Contents of all regular files, each file once. */
  readonly contentSize: number;
  /** Contents that are stored, each once. */
  readonly storedSize: number;
  readonly uuid: string;
  /** Attributes left out by rule: name -> number of files. */
  readonly omittedXattrs: ReadonlyMap<string, number>;
}

const LABEL_MAX = 32;

/**
 * Builds an image from a directory.
 * @throws BuildError with one line for the user; then there is no new output, and what was there
 *   before is untouched.
 */
export async function buildImage(options: BuildOptions): Promise<BuildReport> {
  const label = options.label ?? "";
  if (Buffer.byteLength(label) > LABEL_MAX || label.includes("\0")) {
    throw new BuildError(`the label '${label}' has more than ${LABEL_MAX} bytes (shorten it)`);
  }
  const write: WriteOptions = {
    identity: { label, buildTimeNs: options.buildTimeNs ?? 0n },
    digest: options.digest ?? false,
  };
  const target = openTarget(options);
  const pool = new WorkerPool();
  try {
    const source = new DirectorySource(
      options.source,
      pool,
      target.kind === "file" ? target.directory : undefined,
    );
    const tree = new Tree();
    for await (const entries of source.entries()) for (const entry of entries) tree.add(entry);
    const files = contentFiles(tree);
    const duplicates = await findDuplicates(files, pool);
    const plan = planImage(tree, duplicates, { align: options.align ?? HUGE_SIZE });
    const uuid =
      target.kind === "file"
        ? await writeImageFile(plan, target.directory, target.name, pool, write)
        : await writeImageStream(plan, target.descriptor, target.shown, write);
    return {
      inodes: plan.table.inodes.length,
      totalSize: plan.totalSize,
      contentSize: files.reduce((sum, file) => sum + file.size, 0),
      storedSize: plan.extents.inodes.reduce((sum, inode) => sum + inode.size, 0),
      uuid: uuidText(uuid),
      omittedXattrs: source.omittedXattrs,
    };
  } finally {
    await pool.close();
    if (target.kind === "stream" && target.descriptor !== 1) closeSync(target.descriptor);
  }
}

/** Regular files with content, each once. */
function contentFiles(tree: Tree): FileInode[] {
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

function uuidText(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

type Target =
  | { readonly kind: "file"; readonly directory: string; readonly name: string }
  | { readonly kind: "stream"; readonly descriptor: number; readonly shown: string };

/**
 * Finds out what the output is. A regular file, or none yet, is written aside and renamed; anything
 * else, such as a pipe or a block device, takes the bytes as they come.
 */
function openTarget({ output }: BuildOptions): Target {
  if (output === "-") {
    if (isatty(1)) {
      throw new BuildError("standard output is a terminal (redirect it, or give -o FILE)");
    }
    return { kind: "stream", descriptor: 1, shown: "standard output" };
  }
  const existing = statIfThere(output);
  if (existing?.isDirectory()) throw new BuildError(`${output}: is a directory (name a file)`);
  if (existing !== undefined && !existing.isFile()) {
    try {
      return { kind: "stream", descriptor: openSync(output, "w"), shown: output };
    } catch (error) {
      throw described(() => `cannot write ${output}`, error);
    }
  }
  // A symlink to an image stays one: what it leads to is replaced, or made.
  const path = existing === undefined ? throughSymlinks(output) : realpathSync(output);
  const directory = directoryOf(path, output);
  return { kind: "file", directory, name: byteStringOfText(basename(path)) };
}

/** Follows symlinks to a file that is not there. */
function throughSymlinks(output: string): string {
  let path = output;
  // As many as the kernel follows.
  for (let links = 0; links < 40; links++) {
    let target: string;
    try {
      target = readlinkSync(path);
    } catch {
      return path;
    }
    path = resolve(dirname(path), target);
  }
  return path;
}

function directoryOf(path: string, output: string): string {
  if (basename(path) === "") throw new BuildError(`'${output}' names no file`);
  try {
    return byteStringOf(realpathSync(dirname(path), "buffer"));
  } catch (error) {
    throw described(() => `cannot write ${output}`, error);
  }
}

function statIfThere(path: string | Buffer) {
  try {
    return statSync(path, { bigint: true });
  } catch (error) {
    if (isSystemError(error) && (error.code === "ENOENT" || error.code === "ENOTDIR")) {
      return undefined;
    }
    throw described(() => `cannot look at ${path.toString()}`, error);
  }
}
