// SPDX-License-Identifier: MIT
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/**
 * A run of bytes as a string with one character, U+0000 to U+00FF, per byte ("latin1"). Names and
 * symlink targets are bytes in no particular encoding; in this shape they compare with `<` in byte
 * order, serve as keys, and take a byte each in memory.
 */
export type ByteString = string;

/** The bytes of a byte string. */
export function bytesOf(text: ByteString): Uint8Array {
  return Buffer.from(text, "latin1");
}

/** The byte string of bytes. */
export function byteStringOf(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** The byte string of ordinary text, which becomes UTF-8. */
export function byteStringOfText(text: string): ByteString {
  return Buffer.from(text, "utf8").toString("latin1");
}

/**
 * A byte string for people: UTF-8 where it is that, and what is not printable, or not UTF-8, as
 * \xNN.
 */
export function printable(text: ByteString): string {
  let decoded: string;
  try {
    decoded = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytesOf(text));
  } catch {
    return text.replace(/[^\x20-\x7e]|\\/g, hexEscape);
  }
  return decoded.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\\]/gu, hexEscape);
}

function hexEscape(character: string): string {
  const code = character.codePointAt(0)!;
  if (character === "\\") return "\\\\";
  if (code > 0xff) return `\\u{${code.toString(16)}}`;
  return `\\x${code.toString(16).padStart(2, "0")}`;
}

/** Random access to the bytes of an image. */
export interface ImageBytes {
  /** How many there are. */
  readonly size: number;
  /**
   * `length` bytes from `offset`. The result may share memory with a cache: use it before the next
   * call, or copy it.
   * @throws RangeError when the range is not inside the image.
   */
  read(offset: number, length: number): Uint8Array;
  /** Whether a range is known to be zeros; where there is no such function, nothing is known. */
  readonly isHole?: ((offset: number, length: number) => boolean) | undefined;
  close(): void;
}

function checkRange(size: number, offset: number, length: number): void {
  if (!(offset >= 0 && length >= 0 && offset <= size && length <= size - offset)) {
    throw new RangeError(`bytes ${offset} + ${length} are outside the image of ${size} bytes`);
  }
}

/** An image that is in memory already. */
export class MemoryBytes implements ImageBytes {
  readonly size: number;

  constructor(private readonly bytes: Uint8Array) {
    this.size = bytes.length;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this.size, offset, length);
    return this.bytes.subarray(offset, offset + length);
  }

  close(): void {}
}

const CHUNK = 64 * 1024;
const CHUNKS_KEPT = 64;

/** An image in a file, of which at most 4 MiB are in memory at a time. */
export class FileBytes implements ImageBytes {
  readonly size: number;
  private readonly descriptor: number;
  private readonly chunks = new Map<number, Uint8Array>();

  /** @throws the error of open(2) or fstat(2). */
  constructor(
    path: string | Buffer,
    readonly isHole?: ImageBytes["isHole"],
  ) {
    this.descriptor = openSync(path, "r");
    try {
      this.size = fstatSync(this.descriptor).size;
    } catch (error) {
      closeSync(this.descriptor);
      throw error;
    }
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this.size, offset, length);
    const start = Math.floor(offset / CHUNK);
    if (length <= CHUNK && offset + length <= (start + 1) * CHUNK) {
      const chunk = this.chunk(start);
      return chunk.subarray(offset - start * CHUNK, offset - start * CHUNK + length);
    }
    return this.readThrough(offset, length);
  }

  close(): void {
    closeSync(this.descriptor);
  }

  private chunk(index: number): Uint8Array {
    const cached = this.chunks.get(index);
    if (cached !== undefined) return cached;
    const offset = index * CHUNK;
    const chunk = this.readThrough(offset, Math.min(CHUNK, this.size - offset));
    if (this.chunks.size >= CHUNKS_KEPT) {
      const oldest = this.chunks.keys().next();
      if (!oldest.done) this.chunks.delete(oldest.value);
    }
    this.chunks.set(index, chunk);
    return chunk;
  }

  private readThrough(offset: number, length: number): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(length);
    let done = 0;
    while (done < length) {
      const got = readSync(this.descriptor, bytes, done, length - done, offset + done);
      if (got === 0) throw new RangeError(`the image ended at byte ${offset + done}`);
      done += got;
    }
    return bytes;
  }
}
