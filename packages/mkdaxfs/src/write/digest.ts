// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { DIGEST_PIECE_SIZE } from "@daxfs/format";
import { described } from "../errors.js";
import { readBuffer } from "../host/file.js";
import { fsPath, type HostPath, shown } from "../host/path.js";
import type { Task } from "../jobs/task.js";

/** A run of pieces of an image's data area to hash. */
export interface DigestRequest {
  readonly image: HostPath;
  /** First byte of the first piece. */
  readonly start: number;
  /** Byte behind the last. */
  readonly end: number;
  /** 1 for each piece that is known to be zeros. */
  readonly zeros: Uint8Array;
}

/** SHA-256 of a whole piece of zeros. */
let zeroDigest: Buffer | undefined;

/** SHA-256 of zeros. @param size bytes, at most those of a piece */
export function digestOfZeros(size: number): Uint8Array {
  if (size !== DIGEST_PIECE_SIZE) return sha256(new Uint8Array(size));
  zeroDigest ??= sha256(new Uint8Array(size));
  return zeroDigest;
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/**
 * SHA-256 of each piece of 2 MiB, 32 bytes a piece. Those that are known to be zeros are not read.
 * @throws BuildError when the image can't be read.
 */
export function digestPieces(request: DigestRequest): Uint8Array {
  const count = Math.ceil((request.end - request.start) / DIGEST_PIECE_SIZE);
  const digests = new Uint8Array(count * 32);
  const buffer = readBuffer(DIGEST_PIECE_SIZE);
  try {
    const descriptor = openSync(fsPath(request.image), "r");
    try {
      for (let index = 0; index < count; index++) {
        const start = request.start + index * DIGEST_PIECE_SIZE;
        const size = Math.min(DIGEST_PIECE_SIZE, request.end - start);
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

/** `digestPieces` on any thread. */
export const digestTask: Task<DigestRequest, Uint8Array> = { name: "digest", run: digestPieces };
