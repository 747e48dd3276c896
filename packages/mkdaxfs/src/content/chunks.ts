// SPDX-License-Identifier: MIT
import { bytesIn, runsWithin } from "../model/data-runs.js";
import type { FileWithContent } from "../model/inode.js";
import { emptyList, type RangeList, setRange } from "./ranges.js";

/** A large content is read in chunks of this size, by more than one thread. */
export const CHUNK_SIZE = 8 * 1024 * 1024;

/** Chunks of contents. Lists of them are made a batch at a time. */
export class Chunks {
  private readonly files: FileWithContent[] = [];
  /** Bytes of the content that lie before each chunk. */
  private readonly from: Float64Array;
  readonly sizes: Float64Array;

  /** @param count how many there will be */
  constructor(count: number) {
    this.from = new Float64Array(count);
    this.sizes = new Float64Array(count);
  }

  /** How many there are so far. */
  get length(): number {
    return this.files.length;
  }

  /** Adds `size` bytes at `from` of the content of a regular file. */
  add(file: FileWithContent, from: number, size: number): void {
    this.from[this.files.length] = from;
    this.sizes[this.files.length] = size;
    this.files.push(file);
  }

  /** Bytes that have to be read of a chunk: those of its known holes don't count. */
  bytesRead(index: number): number {
    const { data } = this.files[index]!.content;
    const size = this.sizes[index]!;
    if (data === undefined) return size;
    return bytesIn(runsWithin(data, this.from[index]!, this.from[index]! + size));
  }

  /** The chunks from index `start` to before `end`. */
  list(start: number, end: number): RangeList {
    const list = emptyList(end - start);
    for (let i = start; i < end; i++) {
      const file = this.files[i]!;
      const from = this.from[i]!;
      setRange(list, i - start, file, from, this.sizes[i]!);
      const { data } = file.content;
      if (data !== undefined)
        list.data.set(i - start, runsWithin(data, from, from + this.sizes[i]!));
    }
    return list;
  }
}

/** How many chunks a content has. */
export function chunkCount(file: FileWithContent): number {
  return Math.ceil(file.size / CHUNK_SIZE);
}

/** The chunks of contents, one after the other. */
export function chunksOf(files: readonly FileWithContent[]): Chunks {
  const chunks = new Chunks(files.reduce((count, file) => count + chunkCount(file), 0));
  for (const file of files) {
    for (let from = 0; from < file.size; from += CHUNK_SIZE) {
      chunks.add(file, from, Math.min(CHUNK_SIZE, file.size - from));
    }
  }
  return chunks;
}
