// SPDX-License-Identifier: MIT
import { readSync } from "node:fs";
import { crc32 } from "node:zlib";

/** Bytes at the start of a content that its fingerprint covers. */
export const FINGERPRINT_SIZE = 4096;

const page = Buffer.allocUnsafeSlow(FINGERPRINT_SIZE);

/**
 * A checksum of the start of a content, which differs for most contents that do.
 * @param start of the content in the file, and @param size of the content, in bytes
 * @throws the error of read(2)
 */
export function fingerprintOf(descriptor: number, start: number, size: number): number {
  const got = readSync(descriptor, page, 0, Math.min(FINGERPRINT_SIZE, size), start);
  return crc32(page.subarray(0, got));
}
