// SPDX-License-Identifier: MIT
import { ReadableStream } from "node:stream/web";
import { XzReadableStream } from "xz-decompress";
import { BuildError } from "../../errors.js";
import { cutShort, damaged } from "./damage.js";

/** Codes of XZ Embedded's `enum xz_ret`, which is inside. */
const MEMORY_LIMIT = 4;
const UNSUPPORTED = [2, 6];
const FORMAT = 5;
const NO_PROGRESS = 8;

/**
 * Unpacks xz data: the .xz file format 1.2.0 with any number of streams and padding between them,
 * CRC-32 or CRC-64 as check, and LZMA2 alone as filter.
 * @throws BuildError
 */
export async function* unxz(
  stream: AsyncIterable<Uint8Array>,
  what: string,
): AsyncGenerator<Uint8Array> {
  const iterator = stream[Symbol.asyncIterator]();
  let inputError: { readonly error: unknown } | undefined;
  const input = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await iterator.next();
        if (next.done) controller.close();
        else if (next.value.length > 0) controller.enqueue(next.value);
        else await this.pull?.(controller);
      } catch (error) {
        inputError = { error };
        throw error;
      }
    },
  });
  const reader = new XzReadableStream(input).getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      if (next.value.length > 0) yield next.value;
    }
  } catch (error) {
    throw inputError === undefined ? described(error, what) : inputError.error;
  } finally {
    // Another stream can't begin before this one is given up.
    await reader.cancel().catch(() => {});
    await iterator.return?.();
  }
}

function described(error: unknown, what: string): unknown {
  if (!(error instanceof Error)) return error;
  const code = Number(/failed with error code (\d+)$/.exec(error.message)?.[1] ?? Number.NaN);
  if (Number.isNaN(code)) return error;
  if (code === NO_PROGRESS) return cutShort(what, "xz");
  if (code === MEMORY_LIMIT) {
    return new BuildError(
      `${what}: its xz data needs a dictionary of more than 64 MiB (compress it with --lzma2=dict=64MiB)`,
    );
  }
  if (UNSUPPORTED.includes(code)) {
    return new BuildError(
      `${what}: its xz data has a check or a filter of a rare kind (compress it with ` +
        "--check=crc64 --lzma2)",
    );
  }
  const reason = code === FORMAT ? "what follows is no stream" : "it is corrupt";
  return damaged(what, "xz", reason);
}
