// SPDX-License-Identifier: MIT
import { closeSync, readSync } from "node:fs";
import { BuildError, described, describing } from "../../errors.js";
import { openForReading } from "../../host-file.js";
import { type HostPath, shown } from "../../host-path.js";

/**
 * Bytes of an uncompressed archive for a parser that takes no promises: it takes what is at hand,
 * and when that is too little and the input has not ended, its caller awaits `more`.
 */
export interface TarInput {
  /** Bytes that were passed over so far. */
  readonly position: number;
  /** Bytes at hand. */
  readonly available: number;
  /** Whether there are none but those at hand. */
  readonly ended: boolean;
  /** The next `length` bytes, or as many as are at hand. Valid until the next peek. */
  peek(length: number): Uint8Array;
  /** Some of the next bytes, at most `most`; none if none are at hand. Valid until the next peek. */
  peekSome(most: number): Uint8Array;
  /** Passes over `length` bytes, or as many as are at hand. Returns how many. */
  skip(length: number): number;
  /** Waits for more bytes, or the end. @throws BuildError */
  more(): Promise<void>;
  close(): Promise<void>;
}

/** Bytes read at once: a header and the start of what follows, often the next header too. */
const WINDOW_SIZE = 16 * 1024;
/** Bytes of a portion where all are to be read. */
const PORTION_SIZE = 256 * 1024;

/** An archive in a file, of which only what is looked at is read. All bytes are at hand. */
export class FileTarInput implements TarInput {
  position = 0;
  readonly ended = true;
  private readonly descriptor: number;
  private buffer = Buffer.allocUnsafeSlow(WINDOW_SIZE);
  /** Position of the buffer's first byte, and how many of its bytes are filled. */
  private start = 0;
  private filled = 0;

  /**
   * @param offset bytes from the start of the file
   * @param size bytes
   * @throws BuildError
   */
  constructor(
    private readonly path: HostPath,
    private readonly offset: number,
    private readonly size: number,
  ) {
    this.descriptor = describing(
      () => `cannot read ${shown(path)}`,
      () => openForReading(path),
    );
  }

  get available(): number {
    return this.size - this.position;
  }

  peek(length: number): Uint8Array {
    const wanted = Math.min(length, this.available);
    let at = this.position - this.start;
    if (at < 0 || at + wanted > this.filled) {
      this.fill(Math.max(wanted, WINDOW_SIZE));
      at = 0;
    }
    return this.buffer.subarray(at, at + wanted);
  }

  peekSome(most: number): Uint8Array {
    return this.peek(Math.min(most, PORTION_SIZE));
  }

  skip(length: number): number {
    const skipped = Math.min(length, this.available);
    this.position += skipped;
    return skipped;
  }

  async more(): Promise<void> {}

  async close(): Promise<void> {
    closeSync(this.descriptor);
  }

  /** Fills the buffer from where the input is. */
  private fill(wanted: number): void {
    const length = Math.min(wanted, this.available);
    if (this.buffer.length < length) this.buffer = Buffer.allocUnsafeSlow(length);
    this.start = this.position;
    this.filled = 0;
    while (this.filled < length) {
      const got = this.read(length - this.filled);
      if (got === 0) {
        throw new BuildError(`${shown(this.path)} became shorter while it was read (build again)`);
      }
      this.filled += got;
    }
  }

  private read(length: number): number {
    const at = this.offset + this.start + this.filled;
    try {
      return readSync(this.descriptor, this.buffer, this.filled, length, at);
    } catch (error) {
      throw described(() => `cannot read ${shown(this.path)}`, error);
    }
  }
}

/** An archive that comes as a stream. */
export class StreamTarInput implements TarInput {
  position = 0;
  available = 0;
  ended = false;
  private readonly iterator: AsyncIterator<Uint8Array>;
  /** What came and was not passed over yet, none empty. */
  private readonly chunks: Uint8Array[] = [];
  /** Bytes of the first chunk that were passed over. */
  private passed = 0;

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.iterator = stream[Symbol.asyncIterator]();
  }

  peek(length: number): Uint8Array {
    const first = this.chunks[0];
    if (first !== undefined && first.length - this.passed >= length) {
      return first.subarray(this.passed, this.passed + length);
    }
    return this.gathered(Math.min(length, this.available));
  }

  peekSome(most: number): Uint8Array {
    const first = this.chunks[0];
    if (first === undefined) return NOTHING;
    return first.subarray(this.passed, Math.min(first.length, this.passed + most));
  }

  skip(length: number): number {
    const skipped = Math.min(length, this.available);
    this.position += skipped;
    this.available -= skipped;
    this.passed += skipped;
    while (this.chunks[0] !== undefined && this.passed >= this.chunks[0].length) {
      this.passed -= this.chunks[0].length;
      this.chunks.shift();
    }
    return skipped;
  }

  async more(): Promise<void> {
    const next = await this.iterator.next();
    if (next.done) {
      this.ended = true;
    } else if (next.value.length > 0) {
      this.chunks.push(next.value);
      this.available += next.value.length;
    }
  }

  async close(): Promise<void> {
    await this.iterator.return?.();
  }

  /** Puts bytes together that lie in several chunks. */
  private gathered(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let filled = 0;
    let from = this.passed;
    for (const chunk of this.chunks) {
      const part = chunk.subarray(from, from + length - filled);
      bytes.set(part, filled);
      filled += part.length;
      if (filled === length) break;
      from = 0;
    }
    return bytes;
  }
}

const NOTHING = new Uint8Array(0);
