// SPDX-License-Identifier: MIT
import type { ChunkQueue } from "./chunk-queue.js";

/** What a walk yields to be given the next byte. */
export const BYTE = -1;

/**
 * Goes through the parts of one member by their lengths. It yields a number of bytes to pass over, at
 * least 1, or BYTE, and returns at the end of the member.
 */
export type Walk<T> = Generator<number, T, number>;

/**
 * Finds where a member ends, by the lengths in it. It judges nothing else: what can't be right
 * has no end, and the decoder says what is wrong.
 */
export class MemberEnd {
  /** Bytes to pass over, or where it is negative, one byte to look at. */
  private wanted = 0;
  private started = false;
  private ended = false;

  constructor(private readonly walk: Walk<void>) {}

  /** @returns how many of the bytes belong to the stream: all, unless it ends among them */
  find(bytes: Uint8Array): number {
    let at = 0;
    if (!this.started) this.step();
    this.started = true;
    while (!this.ended && at < bytes.length) {
      if (this.wanted < 0) {
        this.step(bytes[at++]);
        continue;
      }
      const passed = Math.min(this.wanted, bytes.length - at);
      at += passed;
      this.wanted -= passed;
      if (this.wanted === 0) this.step();
    }
    return at;
  }

  /** Whether the end was among the bytes so far. */
  get isPast(): boolean {
    return this.ended;
  }

  private step(byte = 0): void {
    const next = this.walk.next(byte);
    if (next.done) this.ended = true;
    else this.wanted = next.value;
  }
}

/** The chunks of a queue up to the end of a member; what follows stays in the queue. */
export class MemberChunks {
  private readonly end: MemberEnd;

  constructor(
    private readonly queue: ChunkQueue,
    walk: Walk<void>,
  ) {
    this.end = new MemberEnd(walk);
  }

  /** The next chunk; undefined at the end of the member, or of all. */
  async next(): Promise<Uint8Array | undefined> {
    if (this.end.isPast) return undefined;
    const chunk = await this.queue.next();
    if (chunk === undefined) return undefined;
    const length = this.end.find(chunk);
    if (length < chunk.length) this.queue.putBack(chunk.subarray(length));
    return chunk.subarray(0, length);
  }
}
