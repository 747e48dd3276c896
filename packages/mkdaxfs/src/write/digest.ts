// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { DIGEST_PIECE_SIZE } from "@daxfs/format";
import { described } from "../errors.js";
import { readBuffer } from "../host-file.js";
import { fsPath, type HostPath, shown } from "../host-path.js";

/** A run of pieces of an image's data area to hash. */
export interface DigestOrder {
  readonly image: HostPath;
  /** First byte of the first piece. */
  readonly start: number;
  /** Byte behind the last. */
  readonly end: number;
}

/**
 * SHA-256 of each piece of 2 MiB, 32 bytes a piece.
 * @throws BuildError when the image can't be read.
 */
export function digestPieces(order: DigestOrder): Uint8Array {
  const count = Math.ceil((order.end - order.start) / DIGEST_PIECE_SIZE);
  const digests = new Uint8Array(count * 32);
  const buffer = readBuffer(DIGEST_PIECE_SIZE);
  try {
    const descriptor = openSync(fsPath(order.image), "r");
    try {
      for (let index = 0; index < count; index++) {
        const start = order.start + index * DIGEST_PIECE_SIZE;
        const size = Math.min(DIGEST_PIECE_SIZE, order.end - start);
        for (let done = 0; done < size; ) {
          const got = readSync(descriptor, buffer, done, size - done, start + done);
          if (got === 0) throw new Error(`${shown(order.image)} is shorter than it was made`);
          done += got;
        }
        const digest = createHash("sha256").update(buffer.subarray(0, size)).digest();
        digests.set(digest, index * 32);
      }
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw described(() => `cannot read ${shown(order.image)}`, error);
  }
  return digests;
}
