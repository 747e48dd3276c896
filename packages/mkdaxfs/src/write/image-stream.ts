// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import { setImmediate as eventTurn } from "node:timers/promises";
import { DIGEST_CHUNK_SIZE, digestOfChunks } from "@daxfs/format";
import { BuildError, described, isSystemError } from "../errors.js";
import { readBuffer } from "../host/file.js";
import type { Plan } from "../plan/plan.js";
import { type Sink, streamChunks, WINDOW_BUFFER_SIZE } from "./copy.js";
import { digestOfZeros } from "./digest.js";
import type { WriteOptions, WrittenImage } from "./image-file.js";
import { contentUuid, encodeMetadata, encodeSuperblock, encodeTargets } from "./metadata.js";
import { batchOf, bytesOfBatch, type PlacedChunks, placedChunks } from "./placed-chunks.js";

const ZEROS = new Uint8Array(256 * 1024);

/** Fills what lies between writes with zeros, and hands all bytes on in order. */
class Sequence implements Sink {
  private readonly window = readBuffer(WINDOW_BUFFER_SIZE);

  /** @param takeZeros gets the number of zeros between writes */
  constructor(
    private position: number,
    private readonly take: (bytes: Uint8Array) => void,
    private readonly takeZeros: (count: number) => void,
  ) {}

  buffer(): Uint8Array {
    return this.window;
  }

  write(bytes: Uint8Array, offset: number): void {
    this.fillTo(offset);
    this.take(bytes);
    this.position += bytes.length;
  }

  fillTo(offset: number): void {
    if (offset <= this.position) return;
    this.takeZeros(offset - this.position);
    this.position = offset;
  }
}

/** Hands on so many zeros, some at a time. */
function sendZeros(count: number, take: (bytes: Uint8Array) => void): void {
  for (let left = count; left > 0; left -= ZEROS.length) {
    take(ZEROS.subarray(0, Math.min(ZEROS.length, left)));
  }
}

/** Digests of the 2 MiB chunks of the data area, whatever the lengths in which its bytes come. */
class ChunkDigests {
  readonly digests: Uint8Array[] = [];
  private hash = createHash("sha256");
  private filled = 0;

  update(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const length = Math.min(bytes.length - done, DIGEST_CHUNK_SIZE - this.filled);
      this.hash.update(bytes.subarray(done, done + length));
      done += length;
      this.filled += length;
      if (this.filled === DIGEST_CHUNK_SIZE) this.end();
    }
  }

  /** The same as `update` with so many zeros, most of which cost nothing. */
  updateZeros(count: number): void {
    const head = Math.min(count, (DIGEST_CHUNK_SIZE - this.filled) % DIGEST_CHUNK_SIZE);
    sendZeros(head, (zeros) => this.update(zeros));
    let left = count - head;
    for (; left >= DIGEST_CHUNK_SIZE; left -= DIGEST_CHUNK_SIZE) {
      this.digests.push(digestOfZeros(DIGEST_CHUNK_SIZE));
    }
    sendZeros(left, (zeros) => this.update(zeros));
  }

  finish(): Uint8Array {
    if (this.filled > 0) this.end();
    return digestOfChunks(this.digests);
  }

  private end(): void {
    this.digests.push(this.hash.digest());
    this.hash = createHash("sha256");
    this.filled = 0;
  }
}

/**
 * Writes an image to something that takes bytes only in order: a pipe, a terminal line, a device.
 * The superblock comes first and holds checksums of all that follows, so every file is read twice.
 * @param descriptor where the bytes go, and @param name what it is called in messages
 * @param signal gives it up
 * @throws BuildError also when a file changed between the two times.
 */
export async function writeImageStream(
  plan: Plan,
  descriptor: number,
  name: string,
  { identity, digest, report }: WriteOptions,
  signal: AbortSignal,
): Promise<WrittenImage> {
  const placed = placedChunks(plan);
  const turn = async (done: number) => {
    report({ stage: "copy", done, total: 2 * placed.bytes });
    await eventTurn();
    signal.throwIfAborted();
  };
  const metadata = encodeMetadata(plan, () => {});
  const targets = encodeTargets(plan);

  const digests = digest ? new ChunkDigests() : undefined;
  const hashing = new Sequence(
    plan.dataOffset,
    (bytes) => digests?.update(bytes),
    (count) => digests?.updateZeros(count),
  );
  hashing.write(targets, plan.dataOffset);
  const sums = await stream(placed, hashing, turn);
  hashing.fillTo(plan.totalSize);

  const uuid = identity.uuid ?? contentUuid(metadata, targets, sums, identity);
  const dataDigest = digests?.finish();
  const superblock = encodeSuperblock(plan, metadata, uuid, identity, dataDigest);
  const send = (bytes: Uint8Array) => writeAll(descriptor, name, bytes);
  const output = new Sequence(0, send, (count) => sendZeros(count, send));
  output.write(superblock, 0);
  encodeMetadata(plan, (bytes, offset) => output.write(bytes, offset));
  output.write(targets, plan.dataOffset);
  const written = await stream(placed, output, (done) => turn(placed.bytes + done));
  output.fillTo(plan.totalSize);
  const differs = written.findIndex((sum, index) => sum !== sums[index]);
  if (differs >= 0) {
    throw new BuildError(
      `a file changed while it was read, so what went to ${name} is not a valid image ` +
        "(build from a tree at rest, such as a snapshot)",
    );
  }
  return { uuid, digest: dataDigest };
}

/**
 * Sends all contents; zeros too, batch by batch, so that a signal is heard between.
 * @param turn runs after each batch, with the bytes copied so far
 */
async function stream(
  placed: PlacedChunks,
  sink: Sequence,
  turn: (done: number) => Promise<void>,
): Promise<Uint32Array> {
  let done = 0;
  const sums = new Uint32Array(placed.offsets.length);
  for (let batch = 0; batch < placed.batches.length - 1; batch++) {
    const { chunks, offsets } = batchOf(placed, batch);
    sums.set(streamChunks(chunks, offsets, sink), placed.batches[batch]!);
    const last = offsets.length - 1;
    if (last >= 0) sink.fillTo(offsets[last]! + chunks.sizes[last]!);
    done += bytesOfBatch(placed, batch);
    await turn(done);
  }
  return sums;
}

function writeAll(descriptor: number, name: string, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(descriptor, bytes, done, bytes.length - done);
    } catch (error) {
      if (!isSystemError(error) || error.code !== "EAGAIN") {
        throw described(() => `cannot write to ${name}`, error);
      }
      // Another process made the pipe non-blocking: wait for its reader.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
