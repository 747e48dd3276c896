// SPDX-License-Identifier: MIT
import type { HostPath } from "../host/path.js";
import { bytesIn, type DataRuns, runsWithin } from "../model/data-runs.js";
import { type Content, contentPath, type FileInode } from "../model/source.js";

/** Stretches of files to read, as columns, which pass between threads at little cost. */
export interface ContentList {
  readonly paths: HostPath[];
  /** Where each begins in its file. */
  readonly starts: Float64Array;
  /** Bytes of each. */
  readonly sizes: Float64Array;
  /** 1 where a stretch ends where its file should end. */
  readonly ends: Uint8Array;
  /** The data runs of the stretches that have known holes, by index. */
  readonly data: Map<number, DataRuns>;
}

/** Makes room for `count` stretches. */
function emptyList(count: number): ContentList {
  return {
    paths: new Array<HostPath>(count).fill(""),
    starts: new Float64Array(count),
    sizes: new Float64Array(count),
    ends: new Uint8Array(count),
    data: new Map(),
  };
}

function setStretch(
  list: ContentList,
  index: number,
  file: FileInode,
  from: number,
  size: number,
): void {
  const content = file.body as Content;
  list.paths[index] = contentPath(content);
  list.starts[index] = content.offset + from;
  list.sizes[index] = size;
  list.ends[index] = content.whole && from + size === file.size ? 1 : 0;
}

/** The whole contents, holes and all, of the files from index `start` to before `end`. */
export function wholeContents(
  files: readonly FileInode[],
  start: number,
  end: number,
): ContentList {
  const list = emptyList(end - start);
  for (let i = start; i < end; i++) setStretch(list, i - start, files[i]!, 0, files[i]!.size);
  return list;
}

/** Stretches of contents, of which lists are made a part at a time. */
export class Stretches {
  private readonly files: FileInode[] = [];
  /** Bytes of the content that lie before each stretch. */
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
  add(file: FileInode, from: number, size: number): void {
    this.from[this.files.length] = from;
    this.sizes[this.files.length] = size;
    this.files.push(file);
  }

  /** Bytes that have to be read of a stretch: those of its known holes don't count. */
  bytesRead(index: number): number {
    const { data } = this.files[index]!.body as Content;
    const size = this.sizes[index]!;
    if (data === undefined) return size;
    return bytesIn(runsWithin(data, this.from[index]!, this.from[index]! + size));
  }

  /** The stretches from index `start` to before `end`. */
  list(start: number, end: number): ContentList {
    const list = emptyList(end - start);
    for (let i = start; i < end; i++) {
      const file = this.files[i]!;
      const from = this.from[i]!;
      setStretch(list, i - start, file, from, this.sizes[i]!);
      const { data } = file.body as Content;
      if (data !== undefined)
        list.data.set(i - start, runsWithin(data, from, from + this.sizes[i]!));
    }
    return list;
  }
}

/** A large content is read in pieces of this size, by more than one thread. */
export const PIECE_SIZE = 8 * 1024 * 1024;

/** How many pieces a content has. */
export function piecesIn(file: FileInode): number {
  return Math.ceil(file.size / PIECE_SIZE);
}

/** Contents in pieces, one after the other. */
export function stretchesOf(files: readonly FileInode[]): Stretches {
  const stretches = new Stretches(files.reduce((count, file) => count + piecesIn(file), 0));
  for (const file of files) {
    for (let from = 0; from < file.size; from += PIECE_SIZE) {
      stretches.add(file, from, Math.min(PIECE_SIZE, file.size - from));
    }
  }
  return stretches;
}

/** What opening, reading and closing one file costs, in bytes that are copied in the same time. */
const COST_OF_FILE = 32 * 1024;

/** Cost of a part that is worth a task of its own: some milliseconds. */
const COST_OF_PART = 4 * 1024 * 1024;

/**
 * Cuts a list into parts of about the same cost.
 * @param sizeOf bytes that are read of each of the `count` stretches
 * @returns where each part begins, and where the last ends
 */
export function partsByCost(count: number, sizeOf: (index: number) => number): number[] {
  const starts = [0];
  let cost = 0;
  for (let index = 0; index < count; index++) {
    cost += sizeOf(index) + COST_OF_FILE;
    if (cost < COST_OF_PART) continue;
    starts.push(index + 1);
    cost = 0;
  }
  if (starts.at(-1) !== count) starts.push(count);
  return starts;
}
