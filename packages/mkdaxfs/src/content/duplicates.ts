// SPDX-License-Identifier: MIT
import type { WorkerPool } from "../jobs/pool.js";
import type { Progress } from "../progress.js";
import { FINGERPRINT_SIZE, NO_FINGERPRINT } from "../sources/fingerprint.js";
import type { FileInode } from "../sources/source.js";
import { fingerprintContents, hashContents } from "./hash.js";
import { partsByCost, wholeContents } from "./list.js";

/** Which files have the content of another: file -> the one that stands for all of its content. */
export type Duplicates = ReadonlyMap<FileInode, FileInode>;

const HASH_SIZE = 32;

/**
 * Finds regular files of equal content. Of those that share their size the first pages are
 * compared by a checksum, and of those that share this as well all bytes by SHA-256.
 * @param files regular files that are not empty, each once
 * @throws BuildError when one can't be read.
 */
export async function findDuplicates(
  files: readonly FileInode[],
  pool: WorkerPool,
  report: (progress: Progress) => void,
): Promise<Duplicates> {
  const sameSize = notAlone(files, ({ size }) => size);
  await takeFingerprints(
    sameSize.filter(({ fingerprint }) => fingerprint === NO_FINGERPRINT),
    pool,
  );
  // Files that share this key by chance are hashed in vain, no more.
  const samePrint = notAlone(
    sameSize,
    ({ size, fingerprint }) => (Math.imul(size, 0x9e3779b1) ^ fingerprint) >>> 0,
  );
  const wholes = partsOf(samePrint, ({ size }) => size);
  let done = 0;
  const hashes = Buffer.concat(
    await pool.runShared({
      ...wholes,
      task: "hash",
      here: (part) => hashContents(wholes.inputOf(part)),
      finished: (part) => {
        done += wholes.lengthOf(part);
        report({ stage: "hash", done, total: samePrint.length });
      },
    }),
  );
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

async function takeFingerprints(files: readonly FileInode[], pool: WorkerPool): Promise<void> {
  const starts = partsOf(files, ({ size }) => Math.min(size, FINGERPRINT_SIZE));
  const parts = await pool.runShared({
    ...starts,
    task: "fingerprint",
    here: (part) => fingerprintContents(starts.inputOf(part)),
  });
  let index = 0;
  for (const part of parts) {
    for (const fingerprint of part) files[index++]!.fingerprint = fingerprint;
  }
}

/** Cuts files into parts for several threads, by what reading each of them costs. */
function partsOf(files: readonly FileInode[], costOf: (file: FileInode) => number) {
  const starts = partsByCost(files.length, (index) => costOf(files[index]!));
  return {
    count: starts.length - 1,
    inputOf: (part: number) => wholeContents(files, starts[part]!, starts[part + 1]!),
    lengthOf: (part: number) => starts[part + 1]! - starts[part]!,
  };
}
