// SPDX-License-Identifier: MIT
import * as zlib from "node:zlib";
import { cutShort, damaged, windowTooLarge } from "./damage.js";
import { ChunkQueue, decodeMember, ZLIB_OPTIONS, type ZlibDecoder } from "./zlib-member.js";

/** In Node from 22.15 on. */
const { createZstdDecompress } = zlib as {
  createZstdDecompress?: (options: zlib.ZlibOptions) => ZlibDecoder;
};

/**
 * Unpacks Zstandard data: RFC 8878, any number of frames, skippable ones too, windows of up to
 * 128 MiB as `zstd --long` makes them.
 * @throws BuildError
 */
export async function* unzstd(
  stream: AsyncIterable<Uint8Array>,
  what: string,
): AsyncGenerator<Uint8Array> {
  const input = new ChunkQueue(stream);
  try {
    if (createZstdDecompress !== undefined) {
      yield* decodeMember(createZstdDecompress(ZLIB_OPTIONS), input);
      // Node's decoder ends with its frame. A stream of one is what is usual; of many, of which each
      // may be tiny, the other decoder makes less to-do.
      const rest = await input.next();
      if (rest === undefined) return;
      input.putBack(rest);
    }
    const { unzstdFrames } = await import("./zstd-wasm.js");
    yield* unzstdFrames(input, what);
  } catch (error) {
    throw described(error, what);
  } finally {
    await input.close();
  }
}

function described(error: unknown, what: string): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  const code = String(error.code);
  if (code === "Z_BUF_ERROR") return cutShort(what, "zstd");
  if (code === "ZSTD_error_frameParameter_windowTooLarge") return windowTooLarge(what);
  return code.startsWith("ZSTD_") ? damaged(what, "zstd", error.message) : error;
}
