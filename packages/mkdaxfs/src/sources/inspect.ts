// SPDX-License-Identifier: MIT

import { readSync } from "node:fs";
import type { Xattr } from "@daxfs/format";
import { BuildError } from "../errors.js";
import { withFile } from "../host-file.js";
import { type HostPath, shown } from "../host-path.js";
import { FINGERPRINT_SIZE, fingerprintOf, NO_FINGERPRINT } from "./fingerprint.js";
import { readXattrs } from "./xattrs.js";

/** Files of this machine of which more is to be learned than lstat(2) tells. */
export interface InspectOrder {
  readonly paths: readonly HostPath[];
  /** Per path: what to look at beside its attributes. */
  readonly contents: Uint8Array;
  /** Whether to read attributes. */
  readonly xattrs: boolean;
}

export const NOTHING = 0;
/** A regular file whose fingerprint is wanted. */
export const FINGERPRINT = 1;
/** A regular file that says it has no content. */
export const SHOULD_BE_EMPTY = 2;

/** What was learned of them. */
export interface Inspection {
  /** A row [index, attributes] for each file that has any. */
  readonly xattrs: [number, Xattr[]][];
  /** Of the contents of which it was wanted, elsewhere `NO_FINGERPRINT`. */
  readonly fingerprints: Int32Array;
}

/** Files of /proc and the like have content and say that they are empty. */
function refuseContent(path: HostPath): void {
  let got: number;
  try {
    got = withFile(path, (descriptor) => readSync(descriptor, new Uint8Array(1), 0, 1, 0));
  } catch {
    // There is nothing to read in an empty file, so whether it may be read is of no account.
    return;
  }
  if (got === 0) return;
  throw new BuildError(
    `${shown(path)} has content and says that it has none (leave out what the kernel makes up, ` +
      "such as /proc and /sys)",
  );
}

/**
 * Reads extended attributes, and the start of contents.
 * @throws BuildError naming the file that can't be read, or that is not as empty as it says.
 */
export function inspectFiles({ paths, contents, xattrs }: InspectOrder): Inspection {
  const fingerprints = new Int32Array(paths.length).fill(NO_FINGERPRINT);
  for (const [index, path] of paths.entries()) {
    if (contents[index] === FINGERPRINT) {
      fingerprints[index] = withFile(path, (file) => fingerprintOf(file, 0, FINGERPRINT_SIZE));
    }
    if (contents[index] === SHOULD_BE_EMPTY) refuseContent(path);
  }
  return { xattrs: xattrs ? readXattrs(paths) : [], fingerprints };
}
