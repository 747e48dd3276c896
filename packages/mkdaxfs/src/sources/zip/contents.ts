// SPDX-License-Identifier: MIT
import { pipeline, Readable } from "node:stream";
import { setImmediate as eventTurn } from "node:timers/promises";
import { crc32, createInflateRaw, inflateRawSync } from "node:zlib";
import { printable } from "@daxfs/format";
import type { Entry } from "yauzl";
import { isSystemError } from "../../errors.js";
import { FileRange } from "../../model/content.js";
import type { SourceContext } from "../context.js";
import { decompress } from "../decompress/decompress.js";
import type { Spool } from "../spool.js";
import { type ArchiveFile, type FileWindow, WINDOW_SIZE } from "./archive-file.js";
import { EntryError } from "./entry-error.js";
import { DEFLATED, HAS_END_MARKER, LZMA, STORED, STREAM_METHODS } from "./headers.js";
import { entryName } from "./names.js";

/** Bytes that are read at once of a large content. */
const CHUNK_SIZE = 512 * 1024;
/** The smallest that zlib takes. */
const ZLIB_CHUNK_MIN = 64;

/**
 * Verifies contents, and unpacks those that are compressed. Small ones, which are nearly all, are
 * unpacked by synchronous calls: a stream for each takes several times as long.
 */
export class ContentReader {
  private spool: Spool | undefined;

  /** @param window for small contents */
  constructor(
    private readonly file: ArchiveFile,
    private readonly window: FileWindow,
    private readonly context: SourceContext,
  ) {}

  /** Whether {@link whole} and {@link place} take an entry. */
  static isSmall(entry: Entry): boolean {
    if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) return false;
    return entry.compressedSize <= WINDOW_SIZE && entry.uncompressedSize <= WINDOW_SIZE;
  }

  /**
   * A small content.
   * @param start where it begins in the archive
   * @returns valid until the next call
   * @throws EntryError when it is not what the entry says.
   */
  whole(entry: Entry, start: number): Uint8Array {
    const stored = this.window.bytes(start, entry.compressedSize);
    if (stored === undefined) throw new EntryError("is outside the archive");
    const content = entry.compressionMethod === DEFLATED ? inflated(entry, stored) : stored;
    check(entry, content.length, crc32(content));
    return content;
  }

  /**
   * Verifies a small content, and unpacks it.
   * @returns undefined where it is empty
   * @throws EntryError
   */
  place(entry: Entry, start: number): FileRange | undefined {
    const bytes = this.whole(entry, start);
    const content = this.range(entry, start);
    if (entry.compressionMethod === DEFLATED && bytes.length > 0) this.openSpool().append(bytes);
    return content;
  }

  /** The same for a content of any size and method. @throws EntryError or BuildError */
  async placeLarge(entry: Entry, start: number): Promise<FileRange | undefined> {
    const content = this.range(entry, start);
    const isStored = entry.compressionMethod === STORED;
    await this.readLarge(entry, start, (chunk) => {
      if (!isStored) this.openSpool().append(chunk);
    });
    return content;
  }

  /** A content of any method that is small when it is unpacked. @throws EntryError or BuildError */
  async wholeLarge(entry: Entry, start: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    await this.readLarge(entry, start, (chunk) => chunks.push(chunk));
    return Buffer.concat(chunks);
  }

  private async readLarge(
    entry: Entry,
    start: number,
    take: (chunk: Uint8Array) => void,
  ): Promise<void> {
    let size = 0;
    let sum = 0;
    for await (const chunk of await this.unpacked(entry, start)) {
      this.context.signal.throwIfAborted();
      if (chunk.length === 0) continue;
      if (chunk.length > entry.uncompressedSize - size) throw tooLong(entry);
      sum = crc32(chunk, sum);
      size += chunk.length;
      take(chunk);
    }
    check(entry, size, sum);
  }

  private async unpacked(entry: Entry, start: number): Promise<AsyncIterable<Uint8Array>> {
    const stored = this.chunks(start, entry.compressedSize);
    const method = entry.compressionMethod;
    if (method === STORED) return stored;
    if (method === DEFLATED) return inflatedChunks(entry, stored);
    const what = `${this.file.description}: entry '${printable(entryName(entry))}'`;
    if (method === LZMA) {
      // Loaded when there is one: few archives have any.
      const { unlzma } = await import("../decompress/lzma.js");
      const hasEndMarker = (entry.generalPurposeBitFlag & HAS_END_MARKER) !== 0;
      return unlzma(stored, { size: entry.uncompressedSize, hasEndMarker }, what);
    }
    const { limits, warn } = this.context;
    return decompress(stored, STREAM_METHODS.get(method)!, what, limits, warn);
  }

  /** Lets others read what was placed. @throws BuildError */
  flush(): void {
    this.spool?.flush();
  }

  /** Where a content will lie: in the archive, or behind what has been unpacked so far. */
  private range(entry: Entry, start: number): FileRange | undefined {
    if (entry.uncompressedSize === 0) return undefined;
    if (entry.compressionMethod === STORED) {
      return new FileRange(this.file.directory, this.file.name, start);
    }
    const spool = this.openSpool();
    return new FileRange(spool.directory, spool.name, spool.size);
  }

  private openSpool(): Spool {
    this.spool ??= this.context.newSpool();
    return this.spool;
  }

  private async *chunks(start: number, size: number): AsyncGenerator<Uint8Array> {
    for (let done = 0; done < size; ) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_SIZE, size - done));
      this.file.read(chunk, start + done);
      done += chunk.length;
      yield chunk;
      await eventTurn();
    }
  }
}

function inflated(entry: Entry, stored: Uint8Array): Uint8Array {
  // A byte more than it should have: one that is too long shows, and zlib takes one turn.
  const room = Math.max(ZLIB_CHUNK_MIN, entry.uncompressedSize + 1);
  const options = { chunkSize: room, maxOutputLength: room, info: true } as const;
  try {
    const { buffer, engine } = inflateRawSync(stored, options) as unknown as Inflated;
    checkConsumed(entry, engine.bytesWritten);
    return buffer;
  } catch (error) {
    throw inflateError(entry, error);
  }
}

/** What zlib's functions give with the option `info`, which the types leave out. */
interface Inflated {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

async function* inflatedChunks(
  entry: Entry,
  stored: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const inflate = createInflateRaw({ chunkSize: CHUNK_SIZE });
  // The loop hears of errors, since the pipeline destroys the stream that it reads.
  pipeline(Readable.from(stored, { objectMode: false }), inflate, () => {});
  try {
    for await (const chunk of inflate) yield chunk as Buffer;
  } catch (error) {
    throw inflateError(entry, error);
  }
  checkConsumed(entry, inflate.bytesWritten);
}

function inflateError(entry: Entry, error: unknown): unknown {
  if (!(error instanceof Error && "code" in error)) return error;
  if (error.code === "ERR_BUFFER_TOO_LARGE") return tooLong(entry);
  // zlib's errors have numbers, as those of system calls do.
  if (!isSystemError(error) || !error.code.startsWith("Z_")) return error;
  return new EntryError(`can't be unpacked: ${error.message} (it is damaged)`);
}

function checkConsumed(entry: Entry, consumed: number): void {
  if (consumed === entry.compressedSize) return;
  throw new EntryError(
    `ends after ${consumed} of the ${entry.compressedSize} compressed bytes that it says it has ` +
      "(it is damaged)",
  );
}

function tooLong(entry: Entry): EntryError {
  return new EntryError(
    `unpacks to more than the ${entry.uncompressedSize} bytes that it says it has ` +
      "(it is damaged, or made to do harm)",
  );
}

/** @throws EntryError unless a content has the size and checksum that its entry says. */
function check(entry: Entry, size: number, sum: number): void {
  if (size > entry.uncompressedSize) throw tooLong(entry);
  if (size < entry.uncompressedSize) {
    throw new EntryError(
      `has only ${size} of the ${entry.uncompressedSize} bytes that it says it has (it is damaged)`,
    );
  }
  if (sum !== entry.crc32) throw new EntryError("has the wrong checksum (it is damaged)");
}
