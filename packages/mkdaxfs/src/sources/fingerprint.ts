// SPDX-License-Identifier: MIT
import { readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { withFile } from "../host-file.js";
import type { HostPath } from "../host-path.js";

/** Bytes at the start of a content that its fingerprint covers. */
const FINGERPRINT_SIZE = 4096;

const page = Buffer.allocUnsafeSlow(FINGERPRINT_SIZE);

/**
 * The fingerprint of a file's content, from CRC-32 of its first page.
 * @throws BuildError naming the file.
 */
export function fingerprintOf(path: HostPath): number {
  const got = withFile(path, (descriptor) => readSync(descriptor, page, 0, FINGERPRINT_SIZE, 0));
  return crc32(page.subarray(0, got)) >>> 2;
}
