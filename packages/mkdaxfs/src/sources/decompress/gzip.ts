// SPDX-License-Identifier: MIT
import { createGunzip } from "node:zlib";
import { cutShort, damaged } from "./damage.js";
import { ChunkQueue, decodeMember, ZLIB_OPTIONS } from "./zlib-member.js";

/**
 * Unpacks gzip data: RFC 1952, any number of members. Zeros may follow, as padding of a tape or a
 * disk; anything else is an error, as it is for gzip(1).
 * @throws BuildError
 */
export async function* gunzip(
  stream: AsyncIterable<Uint8Array>,
  what: string,
): AsyncGenerator<Uint8Array> {
  const input = new ChunkQueue(stream);
  try {
    // It goes on to further members by itself, and ends early when a zero follows one.
    yield* decodeMember(createGunzip(ZLIB_OPTIONS), input);
    for (let rest = await input.next(); rest !== undefined; rest = await input.next()) {
      if (rest.some((byte) => byte !== 0)) {
        throw damaged(what, "gzip", "something else follows it");
      }
    }
  } catch (error) {
    throw described(error, what);
  } finally {
    await input.close();
  }
}

function described(error: unknown, what: string): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  if (error.code === "Z_BUF_ERROR") return cutShort(what, "gzip");
  return String(error.code).startsWith("Z_") ? damaged(what, "gzip", error.message) : error;
}
