// SPDX-License-Identifier: MIT

import type { WorkerPool } from "../jobs/pool.js";
import type { FileWithContent } from "../model/inode.js";
import type { Progress } from "../options.js";
import { batchesByCost } from "./batches.js";
import { chunkCount, chunksOf } from "./chunks.js";
import { FINGERPRINT_SIZE } from "./fingerprint.js";
import { fingerprintTask, hashTask } from "./hash.js";
import { wholeContents } from "./ranges.js";

/** Which files have the content of another: file -> the one that stands for all of its content. */
export type Duplicates = ReadonlyMap<FileWithContent, FileWithContent>;

const HASH_SIZE = 32;

/**
 * Finds regular files of equal content. Of those that share their size the first pages are
 * compared by a checksum, and of those that share this as well all bytes by SHA-256, in chunks.
 * @param files regular files that are not empty, each once
 * @throws BuildError when one can't be read.
 */
export async function findDuplicates(
  files: readonly FileWithContent[],
  pool: WorkerPool,
  report: (progress: Progress) => void,
): Promise<Duplicates> {
  const sameSize = notAlone(
    files,
    Float64Array.from(files, ({ size }) => size),
  );
  const samePrint = notAlone(sameSize, await fingerprintsOf(sameSize, pool));
  const hashes = await hashesOf(samePrint, pool, report);
  const holders = new Map<string, FileWithContent>();
  const duplicates = new Map<FileWithContent, FileWithContent>();
  let chunk = 0;
  for (const file of samePrint) {
    const start = chunk * HASH_SIZE;
    chunk += chunkCount(file);
    const hash = hashes.toString("latin1", start, chunk * HASH_SIZE);
    // With the size, for a file that has shrunk since it was listed: that shows when it is copied.
    const content = `${file.size}:${hash}`;
    const holder = holders.get(content);
    if (holder === undefined) holders.set(content, file);
    else duplicates.set(file, holder);
  }
  return duplicates;
}

/** The files that share their key with another. */
function notAlone(
  files: readonly FileWithContent[],
  keys: Float64Array | Uint32Array,
): readonly FileWithContent[] {
  // A sorted column takes a tenth of the memory of a map that counts.
  const sorted = keys.slice().sort();
  const repeated = new Set<number>();
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i] === sorted[i - 1]) repeated.add(sorted[i]!);
  }
  return files.filter((_, index) => repeated.has(keys[index]!));
}

/** SHA-256 of each chunk of each content. */
async function hashesOf(
  files: readonly FileWithContent[],
  pool: WorkerPool,
  report: (progress: Progress) => void,
): Promise<Buffer> {
  const chunks = chunksOf(files);
  const starts = batchesByCost(chunks.length, (index) => chunks.bytesRead(index));
  let done = 0;
  const hashes = await pool.runShared({
    task: hashTask,
    count: starts.length - 1,
    inputOf: (batch) => chunks.list(starts[batch]!, starts[batch + 1]!),
    finished: (batch) => {
      done += starts[batch + 1]! - starts[batch]!;
      report({ stage: "hash", done, total: chunks.length });
    },
  });
  return Buffer.concat(hashes);
}

/**
 * A checksum of size and first page of each content. Those that share it by chance are hashed in
 * vain, no more.
 */
async function fingerprintsOf(
  files: readonly FileWithContent[],
  pool: WorkerPool,
): Promise<Uint32Array> {
  const starts = batchesByCost(files.length, (index) =>
    Math.min(files[index]!.size, FINGERPRINT_SIZE),
  );
  const batches = await pool.runShared({
    task: fingerprintTask,
    count: starts.length - 1,
    inputOf: (batch) => wholeContents(files, starts[batch]!, starts[batch + 1]!),
  });
  const fingerprints = new Uint32Array(files.length);
  for (const [batch, ofBatch] of batches.entries()) fingerprints.set(ofBatch, starts[batch]);
  for (let i = 0; i < fingerprints.length; i++)
    fingerprints[i]! ^= Math.imul(files[i]!.size, 0x9e3779b1);
  return fingerprints;
}
