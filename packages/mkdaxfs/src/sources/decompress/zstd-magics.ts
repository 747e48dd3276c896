// SPDX-License-Identifier: MIT
import type { ByteString } from "@daxfs/format";

/** Bytes of each of the magics. */
export const FRAME_MAGIC_SIZE = 4;

/** What frames begin with; there are sixteen kinds of skippable ones. */
export const FRAME_MAGICS: readonly ByteString[] = [
  "\x28\xb5\x2f\xfd",
  ...Array.from({ length: 16 }, (_, index) => `${String.fromCharCode(0x50 + index)}\x2a\x4d\x18`),
];
