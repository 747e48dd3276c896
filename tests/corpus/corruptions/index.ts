// SPDX-License-Identifier: MIT
/**
 * All corruptions of the corpus: the change to a base image, what the checker reports for it, and
 * what the kernel module does with it.
 */
import { CONTENTS } from "./contents.js";
import type { Corruption } from "./corruption.js";
import { ENTRIES } from "./entries.js";
import { LINKS } from "./links.js";
import { NAMES } from "./names.js";
import { SUPERBLOCKS } from "./superblock.js";
import { TREES } from "./trees.js";
import { XATTRS } from "./xattrs.js";

export type { Corruption, KernelError, KernelOutcome, Operation } from "./corruption.js";

/** Each corruption has a unique name. The order is that of corpus.json. */
export const CORRUPTIONS: readonly Corruption[] = [
  ...SUPERBLOCKS,
  ...ENTRIES,
  ...CONTENTS,
  ...LINKS,
  ...TREES,
  ...XATTRS,
  ...NAMES,
];
