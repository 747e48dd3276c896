// SPDX-License-Identifier: MIT

const NOTHING = new Uint8Array(0);

/** Gives a stream's chunks one by one, and takes back what was not used. */
export class ChunkQueue {
  private readonly iterator: AsyncIterator<Uint8Array>;
  private back: Uint8Array = NOTHING;

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.iterator = stream[Symbol.asyncIterator]();
  }

  /** The next chunk, never empty; undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    const { back } = this;
    if (back.length > 0) {
      this.back = NOTHING;
      return back;
    }
    for (;;) {
      const next = await this.iterator.next();
      if (next.done) return undefined;
      if (next.value.length > 0) return next.value;
    }
  }

  /** Puts a chunk back, to be the next. */
  putBack(chunk: Uint8Array): void {
    this.back = chunk;
  }

  /**
   * Looks at the next chunk without taking it.
   * @param count bytes that it is to have at least; it has fewer only at the end of the stream
   */
  async peek(count: number): Promise<Uint8Array> {
    let bytes = (await this.next()) ?? NOTHING;
    while (bytes.length < count) {
      const more = await this.next();
      if (more === undefined) break;
      bytes = Buffer.concat([bytes, more]);
    }
    this.putBack(bytes);
    return bytes;
  }

  /** Takes bytes that a peek has shown. */
  skip(count: number): void {
    this.back = this.back.subarray(count);
  }

  /** Takes zeros, as many as follow. */
  async skipZeros(): Promise<void> {
    for (let bytes = await this.peek(1); bytes.length > 0; bytes = await this.peek(1)) {
      const zeros = bytes.findIndex((byte) => byte !== 0);
      this.skip(zeros < 0 ? bytes.length : zeros);
      if (zeros >= 0) return;
    }
  }

  async close(): Promise<void> {
    await this.iterator.return?.();
  }
}
