// SPDX-License-Identifier: MIT
import { statSync } from "node:fs";
import { byteStringOf, FileBytes } from "@daxfs/format";
import { HoledFile } from "../model/content.js";
import { runsWithin } from "../model/data-runs.js";
import { findHoles } from "./holes.js";

/** What st_blocks counts. */
const BLOCK = 512;

/**
 * Opens an image to be checked. Where its file takes less room than its length, its holes are found, so
 * that the digest of the data does not read them.
 * @throws the error of a system call
 */
export async function openToCheck(image: string, signal: AbortSignal): Promise<FileBytes> {
  const stats = statSync(image);
  if (!stats.isFile() || stats.blocks * BLOCK >= stats.size) return new FileBytes(image);
  const path = byteStringOf(Buffer.from(image));
  const slash = path.lastIndexOf("/");
  const holed = new HoledFile(slash < 0 ? "." : path.slice(0, slash + 1), path.slice(slash + 1));
  await findHoles([{ content: holed, size: stats.size }], signal);
  const { data } = holed;
  if (data === undefined) return new FileBytes(image);
  return new FileBytes(
    image,
    (offset, length) => runsWithin(data, offset, offset + length).length === 0,
  );
}
