// SPDX-License-Identifier: MIT
import { createHash, type Hash } from "node:crypto";
import { readSync } from "node:fs";
import { BLOCK_SIZE } from "@daxfs/format";
import { FileSequence, readBuffer } from "../host/file.js";
import type { Task } from "../jobs/task.js";
import { fingerprintOf } from "./fingerprint.js";
import type { RangeList } from "./ranges.js";
import { isZeroBlock } from "./zero-blocks.js";

const BUFFER_SIZE = 512 * 1024;

/**
 * A SHA-256 hash of each chunk, 32 bytes each, which is the same for contents of equal bytes
 * and equal length and for no others. It covers the blocks that are not all zeros, each run of them
 * with its place, so that it does not matter which holes are known.
 * @throws BuildError
 */
export function hashContents(contents: RangeList): Uint8Array {
  const hashes = new Uint8Array(contents.paths.length * 32);
  const buffer = readBuffer(BUFFER_SIZE);
  readEach(contents, (descriptor, index) => {
    const hash = createHash("sha256");
    const size = contents.sizes[index]!;
    const start = contents.starts[index]!;
    const runs = contents.data.get(index) ?? Float64Array.of(0, size);
    for (let i = 0; i < runs.length; i += 2) {
      for (let at = runs[i]!; at < runs[i + 1]!; ) {
        // Cut at the same places whatever runs are known, since the places go into the hash.
        const cut = (Math.floor(at / BUFFER_SIZE) + 1) * BUFFER_SIZE;
        const wanted = buffer.subarray(0, Math.min(cut, runs[i + 1]!) - at);
        updateWithBlocks(hash, wanted.subarray(0, fill(wanted, descriptor, start + at)), at);
        at = cut;
      }
    }
    hashes.set(hash.digest(), index * 32);
  });
  return hashes;
}

/** Reads as much as there is, up to the length of the buffer. Returns how much that is. */
function fill(buffer: Uint8Array, descriptor: number, position: number): number {
  let filled = 0;
  while (filled < buffer.length) {
    const wanted = buffer.length - filled;
    const got = readSync(descriptor, buffer, filled, wanted, position + filled);
    // A file that has shrunk is reported when it is copied.
    if (got === 0) break;
    filled += got;
  }
  return filled;
}

/** Offset and length of a run of blocks, as they go into the hash. */
const place = new Float64Array(2);
const placeBytes = new Uint8Array(place.buffer);

/** @param offset where in the content the bytes lie, a multiple of the block size */
function updateWithBlocks(hash: Hash, bytes: Uint8Array, offset: number): void {
  for (let start = 0; start < bytes.length; ) {
    if (isZeroBlock(bytes, start)) {
      start += BLOCK_SIZE;
      continue;
    }
    let end = start + BLOCK_SIZE;
    while (end < bytes.length && !isZeroBlock(bytes, end)) end += BLOCK_SIZE;
    const run = bytes.subarray(start, end);
    place[0] = offset + start;
    place[1] = run.length;
    hash.update(placeBytes).update(run);
    start = end;
  }
}

/**
 * The fingerprint of each content.
 * @throws BuildError
 */
export function fingerprintContents(contents: RangeList): Uint32Array {
  const fingerprints = new Uint32Array(contents.paths.length);
  readEach(contents, (descriptor, index) => {
    const start = contents.starts[index]!;
    fingerprints[index] = fingerprintOf(descriptor, start, contents.sizes[index]!);
  });
  return fingerprints;
}

function readEach({ paths }: RangeList, read: (descriptor: number, index: number) => void): void {
  const files = new FileSequence();
  try {
    for (const [index, path] of paths.entries()) {
      files.with(path, (descriptor) => read(descriptor, index));
    }
  } finally {
    files.close();
  }
}

/** `hashContents` on any thread. */
export const hashTask: Task<RangeList, Uint8Array> = { name: "hash", run: hashContents };

/** `fingerprintContents` on any thread. */
export const fingerprintTask: Task<RangeList, Uint32Array> = {
  name: "fingerprint",
  run: fingerprintContents,
};
