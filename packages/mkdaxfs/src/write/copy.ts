// SPDX-License-Identifier: MIT
import { readSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import { BLOCK_SIZE } from "@daxfs/format";
import type { RangeList } from "../content/ranges.js";
import { isZeroBlock } from "../content/zero-blocks.js";
import { BuildError, described } from "../errors.js";
import { FileSequence, readBuffer } from "../host/file.js";
import { type HostPath, shown } from "../host/path.js";
import type { DataRuns } from "../model/data-runs.js";
import { crc32WithZeros } from "./zero-crc.js";

/** Takes the bytes of an image in ascending order of offsets. */
export interface Sink {
  /**
   * Memory for the next bytes: `WINDOW_SIZE` and a block more. What is written next is its start.
   */
  buffer(): Uint8Array;
  /** @throws BuildError when the bytes can't be written. */
  write(bytes: Uint8Array, offset: number): void;
}

/** Contents gather here until there is enough for one write. */
export const WINDOW_SIZE = 512 * 1024;
/** Bytes of memory for a window; the block behind it takes the byte that shows a file that grew. */
export const WINDOW_BUFFER_SIZE = WINDOW_SIZE + BLOCK_SIZE;

/** The windows of all sinks of a thread: a sink has written one before another begins. */
let windowMemory: Uint8Array | undefined;

/** A sink that writes to a file, and leaves zero blocks as holes. */
export class FileSink implements Sink {
  /** @param path what the file is called in messages */
  constructor(
    private readonly descriptor: number,
    private readonly path: HostPath,
  ) {}

  buffer(): Uint8Array {
    windowMemory ??= readBuffer(WINDOW_BUFFER_SIZE);
    return windowMemory;
  }

  write(bytes: Uint8Array, offset: number): void {
    let start = 0;
    while (start < bytes.length) {
      let end = start;
      while (end < bytes.length && !isZeroBlock(bytes, end)) end += BLOCK_SIZE;
      const length = Math.min(end, bytes.length) - start;
      if (length > 0) this.writeAll(bytes, start, length, offset + start);
      start = end;
      while (start < bytes.length && isZeroBlock(bytes, start)) start += BLOCK_SIZE;
    }
  }

  private writeAll(bytes: Uint8Array, start: number, length: number, offset: number): void {
    try {
      for (let done = 0; done < length; ) {
        done += writeSync(this.descriptor, bytes, start + done, length - done, offset + done);
      }
    } catch (error) {
      throw described(() => `cannot write ${shown(this.path)}`, error);
    }
  }
}

/**
 * Sends contents to a sink, each padded with zeros to a whole block. Known holes are not read, and
 * their zeros are not sent.
 * @returns CRC-32 of each chunk
 * @throws BuildError
 */
export function streamChunks(chunks: RangeList, offsets: Float64Array, sink: Sink): Uint32Array {
  const sums = new Uint32Array(chunks.paths.length);
  const window = new Window(sink);
  const files = new FileSequence();
  try {
    for (const [index, path] of chunks.paths.entries()) {
      const size = chunks.sizes[index]!;
      const chunk: Chunk = {
        ...{ path, size, start: chunks.starts[index]!, ends: chunks.ends[index] === 1 },
        runs: chunks.data.get(index),
      };
      sums[index] = files.with(path, (file) => copyChunk(window, file, chunk, offsets[index]!));
    }
  } finally {
    files.close();
  }
  window.flush();
  return sums;
}

/** A range of a file that is copied. */
interface Chunk {
  readonly path: HostPath;
  /** Where it begins in the file. */
  readonly start: number;
  readonly size: number;
  /** Whether the file should end where it ends. */
  readonly ends: boolean;
  /** Where bytes other than zeros may lie in it; undefined for everywhere. */
  readonly runs: DataRuns | undefined;
}

/** Copies one chunk to an offset of the image. Returns its CRC-32. */
function copyChunk(window: Window, descriptor: number, chunk: Chunk, offset: number): number {
  const { size, ends, runs = Float64Array.of(0, size) } = chunk;
  let sum = 0;
  let done = 0;
  for (let i = 0; i < runs.length; i += 2) {
    const from = runs[i]!;
    if (from > done) sum = crc32WithZeros(sum, from - done);
    done = runs[i + 1]!;
    window.moveTo(offset + from);
    sum = copyRun(window, descriptor, chunk, from, done, sum);
    window.pad();
  }
  if (done === size) return sum;
  if (ends) checkEnd(descriptor, chunk);
  return crc32WithZeros(sum, size - done);
}

/**
 * Copies the bytes of a chunk from `from` to before `to`. At the end of a file it reads one byte
 * more than there should be, which shows a file that grew.
 * @param crc CRC-32 of the bytes of the chunk before them
 * @returns that with these
 */
function copyRun(
  window: Window,
  descriptor: number,
  { path, start, size, ends }: Chunk,
  from: number,
  to: number,
  crc: number,
): number {
  let sum = crc;
  for (let done = from; done < to; ) {
    const room = window.room();
    const wanted = Math.min(to - done, room);
    const last = done + wanted === size;
    const probe = last && ends ? 1 : 0;
    const got = window.read(descriptor, wanted + probe, start + done);
    if (got === 0 || got > wanted) throw changed(path, size);
    sum = crc32(window.take(got), sum);
    done += got;
  }
  return sum;
}

const lastBytes = new Uint8Array(2);

/** @throws BuildError unless the file of a chunk that ends with a hole ends there too */
function checkEnd(descriptor: number, { path, start, size }: Chunk): void {
  const got = readSync(descriptor, lastBytes, 0, 2, start + size - 1);
  if (got !== 1) throw changed(path, size);
}

function changed(path: HostPath, size: number): BuildError {
  return new BuildError(
    `${shown(path)} changed while it was read: it no longer has the ${size} bytes it had ` +
      "(build from a tree at rest, such as a snapshot)",
  );
}

/** The range of the image that is being filled. */
class Window {
  private buffer: Uint8Array | undefined;
  private start = 0;
  private used = 0;

  constructor(private readonly sink: Sink) {}

  /** Goes on at an offset; what lies between is left out. */
  moveTo(offset: number): void {
    if (offset === this.start + this.used && this.used < WINDOW_SIZE) return;
    this.flush();
    this.start = offset;
  }

  /** Bytes that can be read at once; makes room when there is none. */
  room(): number {
    if (this.used >= WINDOW_SIZE) this.flush();
    return WINDOW_SIZE - this.used;
  }

  /** Reads into the window without taking the bytes yet. */
  read(descriptor: number, length: number, position: number): number {
    this.buffer ??= this.sink.buffer();
    return readSync(descriptor, this.buffer, this.used, length, position);
  }

  /** Takes bytes that were read. */
  take(length: number): Uint8Array {
    const bytes = this.buffer!.subarray(this.used, this.used + length);
    this.used += length;
    return bytes;
  }

  /** Fills the last block with zeros. */
  pad(): void {
    const end = Math.ceil(this.used / BLOCK_SIZE) * BLOCK_SIZE;
    this.buffer?.fill(0, this.used, end);
    this.used = end;
  }

  flush(): void {
    if (this.buffer !== undefined && this.used > 0) {
      this.sink.write(this.buffer.subarray(0, this.used), this.start);
      this.buffer = undefined;
    }
    this.start += this.used;
    this.used = 0;
  }
}
