// SPDX-License-Identifier: MIT
import { once } from "node:events";
import type { Transform, TransformOptions } from "node:stream";
import type { ZlibOptions } from "node:zlib";

/** With node:zlib's default of 16 KiB, unpacking takes twice the time. */
export const ZLIB_OPTIONS: ZlibOptions & TransformOptions = {
  chunkSize: 256 * 1024,
  highWaterMark: 1024 * 1024,
};

/** A decoder of node:zlib. */
export interface ZlibDecoder extends Transform {
  /** Bytes that it consumed. */
  readonly bytesWritten: number;
}

/** What a decoder is fed with. */
interface Chunks {
  next(): Promise<Uint8Array | undefined>;
  /** Takes back what the decoder did not consume. */
  putBack?(chunk: Uint8Array): void;
}

/**
 * Runs a decoder of node:zlib until it ends, be it before the input does: node:zlib's own streams
 * drop what follows then. What the decoder did not consume is put back.
 * @throws what the decoder or the input throws
 */
export async function* decodeMember(
  decoder: ZlibDecoder,
  input: Chunks,
): AsyncGenerator<Uint8Array> {
  const feeding = feed(decoder, input);
  // It is awaited once the output has ended.
  feeding.catch(() => {});
  try {
    for await (const chunk of decoder) yield chunk as Uint8Array;
    await feeding;
  } finally {
    decoder.destroy();
  }
}

async function feed(decoder: ZlibDecoder, input: Chunks): Promise<void> {
  const ended = once(decoder, "end");
  // Whoever reads the output hears of errors.
  ended.catch(() => {});
  try {
    for (;;) {
      const chunk = await input.next();
      if (chunk === undefined) {
        decoder.end();
        return;
      }
      const before = decoder.bytesWritten;
      const consumed = new Promise<void>((resolve, reject) => {
        decoder.write(chunk, (error) => (error ? reject(error) : resolve()));
      });
      consumed.catch(() => {});
      await Promise.race([consumed, ended]);
      const used = decoder.bytesWritten - before;
      if (used < chunk.length) {
        input.putBack?.(chunk.subarray(used));
        return;
      }
    }
  } catch (error) {
    decoder.destroy(error as Error);
    throw error;
  }
}
