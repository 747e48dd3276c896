// SPDX-License-Identifier: MIT
import type { InodeKind } from "../model/inode-kind.js";
import type { BuildReport } from "../options.js";
import type { InodeTable } from "./plan.js";

/** What a report calls each kind. */
const NAMES: Readonly<Record<InodeKind, keyof BuildReport["types"]>> = {
  directory: "directory",
  file: "regular",
  symlink: "symlink",
  "character-device": "device",
  "block-device": "device",
  fifo: "fifo",
  socket: "socket",
};

/** What the names of an image are. */
export function countTypes({
  inodes,
  firstChildren,
}: InodeTable): Pick<BuildReport, "types" | "hardLinks"> {
  const types = { regular: 0, directory: 0, symlink: 0, device: 0, fifo: 0, socket: 0 };
  let hardLinks = 0;
  for (const [index, inode] of inodes.entries()) {
    types[NAMES[inode.kind]]++;
    if (inode.kind !== "directory" && firstChildren[index] !== 0) hardLinks++;
  }
  return { types, hardLinks };
}
