// SPDX-License-Identifier: MIT
import { promises } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { type ByteString, byteStringOf } from "@daxfs/format";
import { BuildError, described } from "../../errors.js";
import { isLeased, notRegular, OPEN_FLAGS } from "../../host/file.js";
import { fsPath, type HostPath, shown } from "../../host/path.js";
import { type InputLimits, RATIO_FREE } from "../context.js";

export type Compression = "gzip" | "zstd" | "xz" | "bzip2" | "none";

/** Bytes that {@link detectCompression} needs, where there are that many. */
export const MAGIC_SIZE = 10;

const MAGICS: readonly (readonly [magic: ByteString, kind: Compression])[] = [
  ["\x1f\x8b\x08", "gzip"],
  ["\x28\xb5\x2f\xfd", "zstd"],
  ["\xfd7zXZ\0", "xz"],
];

/** Tells how a stream is compressed by its first bytes. */
export function detectCompression(firstBytes: Uint8Array): Compression {
  const text = byteStringOf(firstBytes.subarray(0, MAGIC_SIZE));
  const known = MAGICS.find(([magic]) => text.startsWith(magic));
  if (known !== undefined) return known[1];
  // A frame of zstd that holds no data may come first.
  if (/^[P-_]$/.test(text.slice(0, 1)) && text.slice(1, 4) === "\x2a\x4d\x18") return "zstd";
  // Behind the level, the start of the first block, or the end of a stream without any.
  const next = /^BZh[1-9]/.test(text) ? text.slice(4) : "";
  return next === "1AY&SY" || next === "\x17\x72\x45\x38\x50\x90" ? "bzip2" : "none";
}

/**
 * Decompresses a stream of any number of members or frames; "none" passes it through. Zeros behind
 * them are padding.
 * @param what the stream, for messages
 * @param warn gets a line about anything else behind them, which is left out
 * @throws BuildError for a stream that is damaged, cut short, or passes the ratio limit; and what
 *   the stream itself throws.
 */
export async function* decompress(
  stream: AsyncIterable<Uint8Array>,
  kind: Compression,
  what: string,
  limits: InputLimits,
  warn: (text: string) => void = () => {},
): AsyncGenerator<Uint8Array> {
  if (kind === "none") {
    yield* stream;
    return;
  }
  let consumed = 0;
  let produced = 0;
  async function* counted() {
    for await (const chunk of stream) {
      consumed += chunk.length;
      yield chunk;
    }
  }
  for await (const chunk of await decoder(kind, counted(), what, warn)) {
    produced += chunk.length;
    if (produced > RATIO_FREE && produced > consumed * limits.maxRatio) {
      throw new BuildError(
        `${what}: unpacks to more than ${limits.maxRatio} times its length (raise --max-ratio if ` +
          "it is to be trusted)",
      );
    }
    yield chunk;
  }
}

/** Loads a decoder when it is needed: some are large. */
async function decoder(
  kind: Exclude<Compression, "none">,
  stream: AsyncIterable<Uint8Array>,
  what: string,
  warn: (text: string) => void,
): Promise<AsyncIterable<Uint8Array>> {
  switch (kind) {
    case "gzip":
      return (await import("./gzip.js")).gunzip(stream, what, warn);
    case "zstd":
      return (await import("./zstd.js")).unzstd(stream, what, warn);
    case "xz":
      return (await import("./xz.js")).unxz(stream, what, warn);
    case "bzip2":
      return (await import("./bzip2.js")).bunzip2(stream, what, warn);
  }
}

/**
 * Looks at the start of a stream without losing it.
 * @param count bytes that are wanted
 * @returns that many bytes, fewer where the stream has no more, and the whole stream again, which
 *   must then be read or closed
 */
export async function withFirstBytes(
  stream: AsyncIterable<Uint8Array>,
  count: number,
): Promise<{ readonly first: Uint8Array; readonly stream: AsyncGenerator<Uint8Array> }> {
  const iterator = stream[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  for (let size = 0; size < count; ) {
    const next = await iterator.next();
    if (next.done) break;
    chunks.push(next.value);
    size += next.value.length;
  }
  async function* again() {
    try {
      yield* chunks;
      chunks.length = 0;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { first: Buffer.concat(chunks).subarray(0, count), stream: again() };
}

/** Bytes that are read of a file at a time. */
const CHUNK_SIZE = 512 * 1024;

/**
 * A range of a file as a stream. A chunk stays as it is once it was given, and the next is read
 * meanwhile.
 * @param offset bytes from the start of the file
 * @param size bytes
 * @throws BuildError when the file can't be read or ends early.
 */
export async function* fileStream(
  path: HostPath,
  offset: number,
  size: number,
): AsyncGenerator<Uint8Array> {
  const failure = (error: unknown) => described(() => `cannot read ${shown(path)}`, error);
  const file = await openFile(path).catch((error) => {
    throw failure(error);
  });
  const end = offset + size;
  const chunkAt = (position: number) => {
    const chunk = readChunk(file, position, Math.min(CHUNK_SIZE, end - position));
    // Whoever waits for it hears of it.
    chunk.catch(() => {});
    return chunk;
  };
  try {
    let next = chunkAt(offset);
    for (let position = offset; position < end; ) {
      const chunk = await next;
      if (chunk.length === 0) {
        throw new BuildError(`${shown(path)} became shorter while it was read (build again)`);
      }
      position += chunk.length;
      next = chunkAt(position);
      yield chunk;
    }
  } catch (error) {
    throw failure(error);
  } finally {
    await file.close();
  }
}

/** See {@link openForReading}; this one does not block the thread. */
async function openFile(path: HostPath): Promise<FileHandle> {
  const file = await promises.open(fsPath(path), OPEN_FLAGS).catch((error) => {
    if (!isLeased(error)) throw error;
    return promises.open(fsPath(path), "r");
  });
  const stats = await file.stat();
  // Reading a directory is an error with a text of its own.
  if (stats.isFile() || stats.isDirectory()) return file;
  await file.close();
  throw notRegular(path);
}

async function readChunk(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}
