// SPDX-License-Identifier: MIT
import { BLOCK_SIZE } from "@daxfs/format";

const ZERO_BLOCK = new Uint8Array(BLOCK_SIZE);

/** Whether the block of `bytes` that begins at `start` is zeros; the last may be shorter. */
export function isZeroBlock(bytes: Uint8Array, start: number): boolean {
  // Nearly all blocks differ in the first byte or two, without a call.
  if (bytes[start] !== 0 || (bytes[start + 1] ?? 0) !== 0) return false;
  const end = Math.min(start + BLOCK_SIZE, bytes.length);
  return Buffer.compare(bytes.subarray(start, end), ZERO_BLOCK.subarray(0, end - start)) === 0;
}
