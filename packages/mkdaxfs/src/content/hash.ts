// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { readSync } from "node:fs";
import { FileSequence, readBuffer } from "../host-file.js";
import { fingerprintOf } from "./fingerprint.js";
import type { ContentList } from "./list.js";

const BUFFER_SIZE = 512 * 1024;

/**
 * SHA-256 of each content, 32 bytes a piece.
 * @throws BuildError
 */
export function hashContents(contents: ContentList): Uint8Array {
  const hashes = new Uint8Array(contents.paths.length * 32);
  const buffer = readBuffer(BUFFER_SIZE);
  readEach(contents, (descriptor, index) => {
    const hash = createHash("sha256");
    const size = contents.sizes[index]!;
    const start = contents.starts[index]!;
    for (let done = 0; done < size; ) {
      const wanted = Math.min(BUFFER_SIZE, size - done);
      const got = readSync(descriptor, buffer, 0, wanted, start + done);
      // A file that has shrunk is reported when it is copied.
      if (got === 0) break;
      hash.update(buffer.subarray(0, got));
      done += got;
    }
    hashes.set(hash.digest(), index * 32);
  });
  return hashes;
}

/**
 * The fingerprint of each content.
 * @throws BuildError
 */
export function fingerprintContents(contents: ContentList): Uint32Array {
  const fingerprints = new Uint32Array(contents.paths.length);
  readEach(contents, (descriptor, index) => {
    const start = contents.starts[index]!;
    fingerprints[index] = fingerprintOf(descriptor, start, contents.sizes[index]!);
  });
  return fingerprints;
}

function readEach({ paths }: ContentList, read: (descriptor: number, index: number) => void): void {
  const files = new FileSequence();
  try {
    for (const [index, path] of paths.entries()) {
      files.with(path, (descriptor) => read(descriptor, index));
    }
  } finally {
    files.close();
  }
}
