// SPDX-License-Identifier: MIT
import * as zlib from "node:zlib";
import { ChunkQueue } from "./chunk-queue.js";
import { cutShort, damaged, windowTooLarge } from "./damage.js";
import { MemberChunks } from "./member-end.js";
import { decodeMembers, type MemberFormat } from "./members.js";
import { decodeMember, ZLIB_OPTIONS, type ZlibDecoder } from "./zlib-member.js";
import { walkZstdFrame } from "./zstd-end.js";
import { FRAME_MAGICS } from "./zstd-magics.js";
import type { ZstdFrames } from "./zstd-wasm.js";

const FORMAT: MemberFormat = { kind: "zstd", magics: FRAME_MAGICS };

/** In Node from 22.15 on. */
const { createZstdDecompress } = zlib as {
  createZstdDecompress?: (options: zlib.ZlibOptions) => ZlibDecoder;
};

/**
 * Unpacks Zstandard data: RFC 8878, any number of frames, skippable ones too, windows of up to
 * 128 MiB as `zstd --long` makes them.
 * @param what the data, for messages
 * @param warn gets a line about what follows the data and is none
 * @throws BuildError
 */
export async function* unzstd(
  stream: AsyncIterable<Uint8Array>,
  what: string,
  warn: (text: string) => void,
): AsyncGenerator<Uint8Array> {
  const input = new ChunkQueue(stream);
  let frames: ZstdFrames | undefined;
  let isFirst = true;
  async function* decode(): AsyncGenerator<Uint8Array> {
    if (isFirst && createZstdDecompress !== undefined) {
      isFirst = false;
      // It would go on with what follows, be it a frame or not, where a chunk ends with the frame.
      const frame = new MemberChunks(input, walkZstdFrame());
      yield* decodeMember(createZstdDecompress(ZLIB_OPTIONS), frame);
      return;
    }
    // Node's decoder ends with its frame. A stream of one is what is usual; of many, of which each
    // may be tiny, the other decoder makes less to-do.
    frames ??= await (await import("./zstd-wasm.js")).openFrames(what);
    yield* frames.decode(input);
  }
  try {
    yield* decodeMembers(input, FORMAT, decode, what, warn);
  } catch (error) {
    throw described(error, what);
  } finally {
    frames?.close();
  }
}

function described(error: unknown, what: string): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  const code = String(error.code);
  if (code === "Z_BUF_ERROR") return cutShort(what, "zstd");
  if (code === "ZSTD_error_frameParameter_windowTooLarge") return windowTooLarge(what);
  return code.startsWith("ZSTD_") ? damaged(what, "zstd", error.message) : error;
}
