// SPDX-License-Identifier: MIT

import { randomBytes } from "node:crypto";
import {
  closeSync,
  fchmodSync,
  ftruncateSync,
  openSync,
  renameSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { DIGEST_CHUNK_SIZE, digestOfChunks } from "@daxfs/format";
import { described } from "../errors.js";
import { fsPath, type HostPath, joined, shown } from "../host/path.js";
import type { WorkerPool } from "../jobs/pool.js";
import type { Progress } from "../options.js";
import type { Plan } from "../plan/plan.js";
import { FileSink, streamChunks } from "./copy.js";
import { copyTask } from "./copy-request.js";
import { digestTask } from "./digest.js";
import {
  contentUuid,
  encodeMetadata,
  encodeSuperblock,
  encodeTargets,
  type Identity,
  type Metadata,
} from "./metadata.js";
import { batchOf, bytesOfBatch, placedChunks } from "./placed-chunks.js";
import { zeroChunks } from "./zero-chunks.js";

export interface WriteOptions {
  readonly identity: Identity;
  /** Whether to write `data_digest`. */
  readonly digest: boolean;
  readonly report: (progress: Progress) => void;
}

/** What is known of an image once it is written. */
export interface WrittenImage {
  readonly uuid: Uint8Array;
  /** Field `data_digest`, if it was to be written. */
  readonly digest: Uint8Array | undefined;
}

/** Chunks of the digest that one task hashes. */
const DIGEST_CHUNKS = 16;

/**
 * Writes an image to a file, which appears under its name only when it is complete; until then,
 * and when something fails, there is what was there before.
 * @param directory where the file goes, and @param name what it is called there
 * @throws BuildError, or the reason of the pool's signal
 */
export async function writeImageFile(
  plan: Plan,
  directory: HostPath,
  name: HostPath,
  pool: WorkerPool,
  options: WriteOptions,
): Promise<WrittenImage> {
  const output = joined(directory, name);
  const suffix = `.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
  const partial = joined(directory, `.${name.slice(0, 254 - suffix.length)}${suffix}`);
  const writing = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw described(() => `cannot write ${shown(output)}`, error);
    }
  };
  const remove = () => {
    try {
      unlinkSync(fsPath(partial));
    } catch {
      // It was never made.
    }
  };
  try {
    let written: WrittenImage;
    const descriptor = writing(() => openSync(fsPath(partial), "wx"));
    try {
      writing(() => ftruncateSync(descriptor, plan.totalSize));
      written = await fill(plan, descriptor, partial, output, pool, options);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    writing(() => {
      // Who may read the image that this one replaces may read this one, and nobody else.
      const replaced = statSync(fsPath(output), { throwIfNoEntry: false });
      if (replaced !== undefined) fchmodSync(descriptor, replaced.mode & 0o777);
      // Some filesystems report a full disk only here.
      closeSync(descriptor);
      renameSync(fsPath(partial), fsPath(output));
    });
    return written;
  } catch (error) {
    remove();
    throw error;
  }
}

async function fill(
  plan: Plan,
  descriptor: number,
  partial: HostPath,
  output: HostPath,
  pool: WorkerPool,
  { identity, digest, report }: WriteOptions,
): Promise<WrittenImage> {
  const sink = new FileSink(descriptor, output);
  const placed = placedChunks(plan);
  const targets = encodeTargets(plan);
  let metadata = undefined as Metadata | undefined;
  let copied = 0;
  const batches = await pool.runShared({
    task: copyTask,
    count: placed.batches.length - 1,
    inputOf: (batch) => ({ ...batchOf(placed, batch), image: partial, output }),
    first: () => {
      metadata = encodeMetadata(plan, (bytes, offset) => sink.write(bytes, offset));
      sink.write(targets, plan.dataOffset);
    },
    here: (batch) => {
      const { chunks, offsets } = batchOf(placed, batch);
      return streamChunks(chunks, offsets, sink);
    },
    finished: (batch) => {
      copied += bytesOfBatch(placed, batch);
      report({ stage: "copy", done: copied, total: placed.bytes });
    },
  });
  const sums = new Uint32Array(placed.offsets.length);
  for (const [batch, ofBatch] of batches.entries()) sums.set(ofBatch, placed.batches[batch]!);

  const uuid = identity.uuid ?? contentUuid(metadata!, targets, sums, identity);
  const dataDigest = digest ? await digestOf(plan, partial, pool) : undefined;
  sink.write(encodeSuperblock(plan, metadata!, uuid, identity, dataDigest), 0);
  return { uuid, digest: dataDigest };
}

async function digestOf(plan: Plan, image: HostPath, pool: WorkerPool): Promise<Uint8Array> {
  const step = DIGEST_CHUNKS * DIGEST_CHUNK_SIZE;
  const zeros = zeroChunks(plan);
  const requestOf = (batch: number) => {
    const start = plan.dataOffset + batch * step;
    const first = batch * DIGEST_CHUNKS;
    const end = Math.min(start + step, plan.totalSize);
    return { image, start, end, zeros: zeros.slice(first, first + DIGEST_CHUNKS) };
  };
  const digests = await pool.runShared({
    task: digestTask,
    count: Math.ceil((plan.totalSize - plan.dataOffset) / step),
    inputOf: requestOf,
  });
  return digestOfChunks(digests);
}
