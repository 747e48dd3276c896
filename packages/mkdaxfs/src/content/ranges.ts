// SPDX-License-Identifier: MIT
import type { HostPath } from "../host/path.js";
import { contentPath } from "../model/content.js";
import type { DataRuns } from "../model/data-runs.js";
import type { FileWithContent } from "../model/inode.js";

/** Ranges of files to read, as columns, which pass between threads at little cost. */
export interface RangeList {
  readonly paths: HostPath[];
  /** Where each begins in its file. */
  readonly starts: Float64Array;
  /** Bytes of each. */
  readonly sizes: Float64Array;
  /** 1 where a range ends where its file should end. */
  readonly ends: Uint8Array;
  /** The data runs of the ranges that have known holes, by index. */
  readonly data: Map<number, DataRuns>;
}

/** Makes room for `count` ranges. */
export function emptyList(count: number): RangeList {
  return {
    paths: new Array<HostPath>(count).fill(""),
    starts: new Float64Array(count),
    sizes: new Float64Array(count),
    ends: new Uint8Array(count),
    data: new Map(),
  };
}

/** Sets a range of a list to `size` bytes at `from` of the content of a regular file. */
export function setRange(
  list: RangeList,
  index: number,
  file: FileWithContent,
  from: number,
  size: number,
): void {
  const { content } = file;
  list.paths[index] = contentPath(content);
  list.starts[index] = content.offset + from;
  list.sizes[index] = size;
  list.ends[index] = content.whole && from + size === file.size ? 1 : 0;
}

/** The whole contents, holes and all, of the files from index `start` to before `end`. */
export function wholeContents(
  files: readonly FileWithContent[],
  start: number,
  end: number,
): RangeList {
  const list = emptyList(end - start);
  for (let i = start; i < end; i++) setRange(list, i - start, files[i]!, 0, files[i]!.size);
  return list;
}
