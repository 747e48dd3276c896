// SPDX-License-Identifier: MIT

import { readSync } from "node:fs";
import type { Xattr } from "@daxfs/format";
import { BuildError } from "../errors.js";
import { withFile } from "../host-file.js";
import { type HostPath, shown } from "../host-path.js";
import { fingerprintOf } from "./fingerprint.js";
import { readXattrs } from "./xattrs.js";

/** Files of this machine of which more is to be learned than lstat(2) tells. */
export interface InspectOrder {
  readonly paths: readonly HostPath[];
  /** Per path: what to look at beside its attributes. */
  readonly contents: Uint8Array;
  /** Whether to read attributes. */
  readonly xattrs: boolean;
}

export const NO_CONTENT = 0;
/** A regular file of at least one byte. */
export const HAS_CONTENT = 1;
/** A regular file that should have none. */
export const SHOULD_BE_EMPTY = 2;

/** What was learned of them. */
export interface Inspection {
  /** A row [index, attributes] for each file that has any. */
  readonly xattrs: [number, Xattr[]][];
  /** Fingerprint of each content, 0 where there is none. */
  readonly fingerprints: Uint32Array;
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
 * Reads extended attributes, and the start of each content.
 * @throws BuildError naming the file that can't be read.
 */
export function inspectFiles(order: InspectOrder): Inspection {
  const fingerprints = new Uint32Array(order.paths.length);
  for (let i = 0; i < order.paths.length; i++) {
    const path = order.paths[i]!;
    if (order.contents[i] === HAS_CONTENT) fingerprints[i] = fingerprintOf(path);
    if (order.contents[i] === SHOULD_BE_EMPTY) refuseContent(path);
  }
  return { xattrs: order.xattrs ? readXattrs(order.paths) : [], fingerprints };
}
