// SPDX-License-Identifier: MIT
import { DIGEST_CHUNK_SIZE } from "@daxfs/format";
import type { Plan } from "../plan/plan.js";

/**
 * Which chunks of 2 MiB of an image's data area are known to be zeros: they lie in holes of contents
 * or in padding.
 * @returns 1 for each that is, in order
 */
export function zeroChunks(plan: Plan): Uint8Array {
  const { dataOffset, totalSize, extents } = plan;
  const zeros = new Uint8Array(Math.ceil((totalSize - dataOffset) / DIGEST_CHUNK_SIZE)).fill(1);
  const markData = (start: number, end: number) => {
    const first = Math.floor((start - dataOffset) / DIGEST_CHUNK_SIZE);
    const last = Math.ceil((end - dataOffset) / DIGEST_CHUNK_SIZE);
    zeros.fill(0, first, last);
  };
  // Targets of symlinks lie in front of the contents.
  const targets = plan.targets.reduce((sum, target) => sum + target.length + 1, 0);
  markData(dataOffset, dataOffset + targets);
  for (const [index, inode] of extents.inodes.entries()) {
    const offset = extents.offsets[index]!;
    const { data } = inode.content;
    if (data === undefined) {
      markData(offset, offset + inode.size);
      continue;
    }
    for (let i = 0; i < data.length; i += 2) markData(offset + data[i]!, offset + data[i + 1]!);
  }
  return zeros;
}
