// SPDX-License-Identifier: MIT
import { type Compression, decompress } from "../../src/sources/decompress/decompress.js";
import { Random } from "./support.js";
import { chunked, run } from "./tar.js";

export const KINDS = ["gzip", "zstd", "xz", "bzip2"] as const;
export type Kind = (typeof KINDS)[number];

/** Data that compresses, but not to nothing. */
export function someData(length: number, seed = 1): Buffer {
  const random = new Random(seed);
  const words = Array.from({ length: 200 }, () => random.bytes(1 + random.below(12)));
  const data = Buffer.alloc(length);
  for (let at = 0; at < length; ) at += words[random.below(200)]!.copy(data, at);
  return data;
}

/** Compresses with the program of the format. */
export function packed(kind: Kind, data: Uint8Array, ...options: readonly string[]): Buffer {
  return run([kind, "-c", ...options], data);
}

/** Unpacks all of it. @param chunkSize bytes in which the stream comes */
export async function unpacked(
  kind: Compression,
  bytes: Uint8Array,
  chunkSize = 70_001,
  maxRatio = 100_000,
  warn?: (text: string) => void,
): Promise<Buffer> {
  const limits = { maxSize: undefined, maxRatio };
  const parts: Uint8Array[] = [];
  const stream = chunked(bytes, chunkSize);
  for await (const part of decompress(stream, kind, "a.tar.x", limits, warn)) parts.push(part);
  return Buffer.concat(parts);
}
