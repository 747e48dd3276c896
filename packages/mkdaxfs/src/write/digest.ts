// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { DIGEST_CHUNK_SIZE } from "@daxfs/format";
import { described } from "../errors.js";
import { readBuffer } from "../host/file.js";
import { fsPath, type HostPath, shown } from "../host/path.js";
import type { Task } from "../jobs/task.js";

/** Consecutive 2 MiB chunks of an image's data area to hash. */
export interface DigestRequest {
  readonly image: HostPath;
  /** First byte of the first chunk. */
  readonly start: number;
  /** Byte behind the last. */
  readonly end: number;
  /** 1 for each chunk that is known to be zeros. */
  readonly zeros: Uint8Array;
}

/** SHA-256 of a whole chunk of zeros. */
let zeroDigest: Buffer | undefined;

/** SHA-256 of zeros. @param size bytes, at most those of a chunk */
export function digestOfZeros(size: number): Uint8Array {
  if (size !== DIGEST_CHUNK_SIZE) return sha256(new Uint8Array(size));
  zeroDigest ??= sha256(new Uint8Array(size));
  return zeroDigest;
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/**
 * SHA-256 of each chunk of 2 MiB, 32 bytes each. Chunks that are known to be zeros are not read.
 * @throws BuildError when the image can't be read.
 */
export function digestChunks(request: DigestRequest): Uint8Array {
  const count = Math.ceil((request.end - request.start) / DIGEST_CHUNK_SIZE);
  const digests = new Uint8Array(count * 32);
  const buffer = readBuffer(DIGEST_CHUNK_SIZE);
  try {
    const descriptor = openSync(fsPath(request.image), "r");
    try {
      for (let index = 0; index < count; index++) {
        const start = request.start + index * DIGEST_CHUNK_SIZE;
        const size = Math.min(DIGEST_CHUNK_SIZE, request.end - start);
        if (request.zeros[index] === 1) {
          digests.set(digestOfZeros(size), index * 32);
          continue;
        }
        for (let done = 0; done < size; ) {
          const got = readSync(descriptor, buffer, done, size - done, start + done);
          if (got === 0) throw new Error(`${shown(request.image)} is shorter than it was made`);
          done += got;
        }
        digests.set(sha256(buffer.subarray(0, size)), index * 32);
      }
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw described(() => `cannot read ${shown(request.image)}`, error);
  }
  return digests;
}

/** `digestChunks` on any thread. */
export const digestTask: Task<DigestRequest, Uint8Array> = { name: "digest", run: digestChunks };
