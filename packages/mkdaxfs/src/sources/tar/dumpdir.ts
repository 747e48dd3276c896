// SPDX-License-Identifier: MIT
import type { ByteString } from "@daxfs/format";

// Format: GNU tar's manual, "Dumpdir".

/**
 * Whether a dumpdir, the list of names that an incremental archive of GNU tar has for a directory,
 * builds on an earlier archive: names files that are not in this one, or were renamed.
 * @param list names, each behind a letter that says what became of it and before a NUL
 */
export function isIncrement(list: ByteString): boolean {
  return /(?:^|\0)[NRTX]/.test(list);
}
