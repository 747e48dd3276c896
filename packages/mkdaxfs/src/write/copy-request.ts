// SPDX-License-Identifier: MIT
import { closeSync, openSync } from "node:fs";
import type { RangeList } from "../content/ranges.js";
import { described } from "../errors.js";
import { fsPath, type HostPath, shown } from "../host/path.js";
import type { Task } from "../jobs/task.js";
import { FileSink, streamChunks } from "./copy.js";

/** Chunks of contents to copy into an image. */
export interface CopyRequest {
  readonly chunks: RangeList;
  /** Where in the image each chunk goes, ascending, block-aligned. */
  readonly offsets: Float64Array;
  /** The file that is being made. */
  readonly image: HostPath;
  /** What it is called in messages. */
  readonly output: HostPath;
}

/**
 * Copies contents into an image.
 * @returns CRC-32 of each chunk
 * @throws BuildError when one can't be read or has another size by now, or can't be written.
 */
export function copyChunks({ chunks, offsets, image, output }: CopyRequest): Uint32Array {
  // A descriptor of this thread's own: that of another would mean something else once it is closed.
  const descriptor = opened(image, output);
  try {
    return streamChunks(chunks, offsets, new FileSink(descriptor, output));
  } finally {
    closeSync(descriptor);
  }
}

function opened(image: HostPath, output: HostPath): number {
  try {
    return openSync(fsPath(image), "r+");
  } catch (error) {
    throw described(() => `cannot write ${shown(output)}`, error);
  }
}

/** `copyChunks` on any thread. */
export const copyTask: Task<CopyRequest, Uint32Array> = { name: "copy", run: copyChunks };
