// SPDX-License-Identifier: MIT
import { LATIN1_NAME } from "../trees.js";
import { type Corruption, inode, mounts } from "./corruption.js";

/** Corruptions of a name that is not ASCII, and of one that has the greatest length. */
export const NAMES: readonly Corruption[] = [
  inode(
    "version1",
    "latin1-name-slash",
    `/${LATIN1_NAME}`,
    "inode.name-characters",
    "name",
    (b) => [b.setName(`/${LATIN1_NAME}`, "ca/f")],
    mounts("list /"),
  ),
  inode(
    "version1",
    "long-name-nul",
    `/${"n".repeat(255)}`,
    "inode.name-characters",
    "name",
    (b) => [b.setName(`/${"n".repeat(255)}`, `${"n".repeat(254)}\0`)],
    mounts("list /"),
  ),
];
