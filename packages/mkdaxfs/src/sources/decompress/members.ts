// SPDX-License-Identifier: MIT
import { type ByteString, byteStringOf } from "@daxfs/format";
import type { ChunkQueue } from "./chunk-queue.js";
import { cutShort, damaged } from "./damage.js";

/** A compression whose data are any number of members, one behind the other. */
export interface MemberFormat {
  /** For messages. */
  readonly kind: string;
  /** What a member begins with; all have the same length. */
  readonly magics: readonly ByteString[];
}

/**
 * Unpacks all members of a stream. Zeros between and behind them are padding, as on tapes and disks.
 * Other bytes behind a member are left out with a warning, as gzip(1) and bzip2(1) do it.
 * @param decode unpacks at least one member, and leaves what follows in the queue
 * @param what the stream, for messages
 * @throws BuildError for a stream that ends within the start of a member
 */
export async function* decodeMembers(
  input: ChunkQueue,
  format: MemberFormat,
  decode: () => AsyncIterable<Uint8Array>,
  what: string,
  warn: (text: string) => void,
): AsyncGenerator<Uint8Array> {
  try {
    if (!(await beginsMember(input, format, what))) {
      throw damaged(what, format.kind, "its start is not there");
    }
    do yield* decode();
    while (await hasMember(input, format, what, warn));
  } finally {
    await input.close();
  }
}

/** Whether another member follows. If not, the stream has been read to its end, since digests cover it. */
async function hasMember(
  input: ChunkQueue,
  format: MemberFormat,
  what: string,
  warn: (text: string) => void,
): Promise<boolean> {
  await input.skipZeros();
  if ((await input.peek(1)).length === 0) return false;
  if (await beginsMember(input, format, what)) return true;
  let size = 0;
  for (let rest = await input.next(); rest !== undefined; rest = await input.next()) {
    size += rest.length;
  }
  warn(trailingBytes(what, format.kind, size));
  return false;
}

/** @throws BuildError if the stream ends within the magic bytes */
async function beginsMember(
  input: ChunkQueue,
  { kind, magics }: MemberFormat,
  what: string,
): Promise<boolean> {
  const length = magics[0]?.length ?? 0;
  const start = byteStringOf((await input.peek(length)).subarray(0, length));
  if (magics.includes(start)) return true;
  if (magics.some((magic) => magic.startsWith(start))) throw cutShort(what, kind);
  return false;
}

/** The warning for bytes behind compressed data. */
export function trailingBytes(what: string, kind: string, size: number): string {
  const bytes = size === 1 ? "1 byte" : `${size} bytes`;
  return `${what}: left out ${bytes} behind the end of its ${kind} data`;
}
