// SPDX-License-Identifier: MIT
import type { WorkerPool } from "../jobs/pool.js";
import type { Progress } from "../progress.js";
import type { FileInode } from "../sources/source.js";
import { hashContents } from "./hash.js";
import { partsByCost, wholeContents } from "./list.js";

/** Which files have the content of another: file -> the one that stands for all of its content. */
export type Duplicates = ReadonlyMap<FileInode, FileInode>;

const HASH_SIZE = 32;

/**
 * Finds regular files of equal content: those that share size and fingerprint are told apart by
 * SHA-256.
 * @param files regular files that are not empty, each once
 * @throws BuildError when one can't be read.
 */
export async function findDuplicates(
  files: readonly FileInode[],
  pool: WorkerPool,
  report: (progress: Progress) => void,
): Promise<Duplicates> {
  // Files that share this key by chance are hashed in vain, no more.
  const key = (file: FileInode) => (Math.imul(file.size, 0x9e3779b1) ^ file.fingerprint) >>> 0;
  const samePrint = notAlone(files, key);
  if (samePrint.length === 0) return new Map();

  const hashes = await contentHashes(samePrint, pool, report);
  const holders = new Map<string, FileInode>();
  const duplicates = new Map<FileInode, FileInode>();
  for (const [index, file] of samePrint.entries()) {
    const hash = hashes.toString("latin1", index * HASH_SIZE, (index + 1) * HASH_SIZE);
    // With the size, for a file that has shrunk since it was listed: that shows when it is copied.
    const content = `${file.size}:${hash}`;
    const holder = holders.get(content);
    if (holder === undefined) holders.set(content, file);
    else duplicates.set(file, holder);
  }
  return duplicates;
}

/** The files that share their key, a safe integer, with another. */
function notAlone(files: readonly FileInode[], keyOf: (file: FileInode) => number): FileInode[] {
  // A sorted column takes a tenth of the memory of a map that counts.
  const sorted = Float64Array.from(files, (file) => keyOf(file)).sort();
  const repeated = new Set<number>();
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i] === sorted[i - 1]) repeated.add(sorted[i]!);
  }
  return files.filter((file) => repeated.has(keyOf(file)));
}

async function contentHashes(
  files: readonly FileInode[],
  pool: WorkerPool,
  report: (progress: Progress) => void,
): Promise<Buffer> {
  const starts = partsByCost(files.length, (index) => files[index]!.size);
  const contents = (part: number) => wholeContents(files, starts[part]!, starts[part + 1]!);
  let done = 0;
  const hashes = await pool.runShared({
    task: "hash",
    count: starts.length - 1,
    inputOf: contents,
    here: (part) => hashContents(contents(part)),
    finished: (part) => {
      done += starts[part + 1]! - starts[part]!;
      report({ stage: "hash", done, total: files.length });
    },
  });
  return Buffer.concat(hashes);
}
