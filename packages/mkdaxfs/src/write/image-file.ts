// SPDX-License-Identifier: MIT
import { randomBytes } from "node:crypto";
import { closeSync, ftruncateSync, openSync, renameSync, unlinkSync } from "node:fs";
import { DIGEST_PIECE_SIZE, digestOfPieces } from "@daxfs/format";
import { described } from "../errors.js";
import { fsPath, type HostPath, joined, shown } from "../host-path.js";
import type { WorkerPool } from "../jobs/pool.js";
import type { Plan } from "../plan/plan.js";
import { FileSink, streamPieces } from "./copy.js";
import {
  contentUuid,
  encodeMetadata,
  encodeSuperblock,
  encodeTargets,
  type Identity,
} from "./metadata.js";
import { partOf, piecesOf } from "./pieces.js";
import { DrainingSink, RingDrain, windowRing } from "./window-ring.js";

export interface WriteOptions {
  readonly identity: Identity;
  /** Whether to write `data_digest`. */
  readonly digest: boolean;
}

/** Pieces that one task hashes. */
const DIGEST_PIECES = 16;

/** Runs an action when the process is told to end, and ends it then; undone by the result. */
function onTermination(action: () => void): () => void {
  const signals = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
  const handlers = Object.entries(signals).map(([signal, number]) => {
    const handler = () => {
      action();
      process.exit(128 + number);
    };
    process.once(signal, handler);
    return [signal, handler] as const;
  });
  return () => {
    for (const [signal, handler] of handlers) process.removeListener(signal, handler);
  };
}

/**
 * Writes an image to a file, which appears under its name only when it is complete; until then,
 * and when something fails, there is what was there before.
 * @param directory where the file goes, and @param name what it is called there
 * @returns the image's UUID
 * @throws BuildError
 */
export async function writeImageFile(
  plan: Plan,
  directory: HostPath,
  name: HostPath,
  pool: WorkerPool,
  options: WriteOptions,
): Promise<Uint8Array> {
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
  const undo = onTermination(remove);
  try {
    let uuid: Uint8Array;
    const descriptor = writing(() => openSync(fsPath(partial), "wx"));
    try {
      writing(() => ftruncateSync(descriptor, plan.totalSize));
      uuid = await fill(plan, descriptor, partial, output, pool, options);
    } finally {
      closeSync(descriptor);
    }
    writing(() => renameSync(fsPath(partial), fsPath(output)));
    return uuid;
  } catch (error) {
    remove();
    throw error;
  } finally {
    undo();
  }
}

async function fill(
  plan: Plan,
  descriptor: number,
  partial: HostPath,
  output: HostPath,
  pool: WorkerPool,
  { identity, digest }: WriteOptions,
): Promise<Uint8Array> {
  const sink = new FileSink(descriptor, output);
  const pieces = piecesOf(plan);
  const ring = windowRing();
  const drain = new RingDrain(ring, sink);
  const own = new DrainingSink(sink, drain);
  const parts = await pool.runShared(
    "copy",
    pieces.parts.length - 1,
    (part) => ({ ...partOf(pieces, part), ring }),
    (order) => streamPieces(order.pieces, order.offsets, own),
    () => drain.waitAndDrain(),
  );
  while (drain.drain());
  const sums = new Uint32Array(pieces.offsets.length);
  for (const [part, ofPart] of parts.entries()) sums.set(ofPart, pieces.parts[part]!);

  const metadata = encodeMetadata(plan, (bytes, offset) => sink.write(bytes, offset));
  const targets = encodeTargets(plan);
  sink.write(targets, plan.dataOffset);
  const uuid = contentUuid(metadata, targets, sums, identity);
  const dataDigest = digest ? await digestOf(plan, partial, pool) : undefined;
  sink.write(encodeSuperblock(plan, metadata, uuid, identity, dataDigest), 0);
  return uuid;
}

async function digestOf(plan: Plan, image: HostPath, pool: WorkerPool): Promise<Uint8Array> {
  const step = DIGEST_PIECES * DIGEST_PIECE_SIZE;
  const count = Math.ceil((plan.totalSize - plan.dataOffset) / step);
  const parts = await pool.runShared("digest", count, (part) => {
    const start = plan.dataOffset + part * step;
    return { image, start, end: Math.min(start + step, plan.totalSize) };
  });
  return digestOfPieces(parts);
}
