// SPDX-License-Identifier: MIT
/** Headers that are refused because an archive would show one tree to some programs and another to us. */
import { type ByteString, printable } from "@daxfs/format";
import type { EntryKind, LongNames } from "./entry.js";
import type { Extended } from "./extended.js";
import { TarError } from "./header.js";
import type { PaxRecord } from "./pax.js";

/** Why headers are refused that some programs take and others pass over. */
export const DISAGREEMENT =
  "and programs disagree about what counts (make the archive with GNU tar or bsdtar)";

/** Keywords that say which entry there is, and so make sense for one entry only. */
const OF_ONE_ENTRY = /^(?:path|linkpath|size|SCHILY\.realsize|GNU\.sparse\..*)$/s;

/**
 * Looks for such keywords in a header for all entries that follow: GNU tar takes them there, libarchive
 * and Go pass over all of the header.
 * @throws TarError
 */
export function checkGlobals(records: readonly PaxRecord[]): void {
  const wrong = records.find(([keyword]) => OF_ONE_ENTRY.test(keyword));
  if (wrong === undefined) return;
  throw new TarError(`has ${printable(wrong[0])} in a global PAX header, ${DISAGREEMENT}`);
}

/**
 * Compares the names of an entry in GNU tar's extra headers with those in PAX: in GNU tar PAX counts,
 * in Go the other, in libarchive and Python the order decides.
 * @throws TarError
 */
export function checkNames(gnu: LongNames, pax: Extended): void {
  checkSame("name", gnu.path, pax.sparsePath ?? pax.path);
  checkSame("link target", gnu.linkPath, pax.linkPath);
}

function checkSame(what: string, gnu: ByteString | undefined, pax: ByteString | undefined): void {
  if (gnu === undefined || pax === undefined || gnu === pax) return;
  throw new TarError(`has one ${what} in a header of GNU tar and another in PAX, ${DISAGREEMENT}`);
}

/**
 * Looks whether a PAX header gives a size to an entry without content. libarchive then takes what
 * follows for content, and GNU tar for the next entry; a size in the entry's own header means nothing
 * to either.
 * @param type of the entry's own header
 * @throws TarError
 */
export function checkPaxSize(size: number, type: string, kind: EntryKind): void {
  const mayHaveContent =
    kind === "file" || kind === "link" || (kind === "directory" && type !== "5");
  if (size === 0 || mayHaveContent) return;
  throw new TarError(`has the size ${size} in its PAX header and no content, ${DISAGREEMENT}`);
}
