// SPDX-License-Identifier: MIT
import { closeSync, openSync } from "node:fs";
import type { ContentList } from "../content/list.js";
import { described } from "../errors.js";
import { fsPath, type HostPath, shown } from "../host/path.js";
import type { Task } from "../jobs/task.js";
import { FileSink, streamPieces } from "./copy.js";

/** Contents to copy into an image. */
export interface CopyRequest {
  readonly pieces: ContentList;
  /** Where in the image each piece goes, ascending, block-aligned. */
  readonly offsets: Float64Array;
  /** The file that is being made. */
  readonly image: HostPath;
  /** What it is called in messages. */
  readonly output: HostPath;
}

/**
 * Copies contents into an image.
 * @returns CRC-32 of each piece
 * @throws BuildError when one can't be read or has another size by now, or can't be written.
 */
export function copyPieces({ pieces, offsets, image, output }: CopyRequest): Uint32Array {
  // A descriptor of this thread's own: that of another would mean something else once it is closed.
  const descriptor = opened(image, output);
  try {
    return streamPieces(pieces, offsets, new FileSink(descriptor, output));
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

/** `copyPieces` on any thread. */
export const copyTask: Task<CopyRequest, Uint32Array> = { name: "copy", run: copyPieces };
