// SPDX-License-Identifier: MIT
import { FILE_TYPE } from "@daxfs/format";
import type { BuildReport } from "../options.js";
import type { InodeTable } from "./plan.js";

/** What the names of an image are. */
export function countTypes({
  inodes,
  firstChildren,
}: InodeTable): Pick<BuildReport, "types" | "hardLinks"> {
  const types = { regular: 0, directory: 0, symlink: 0, device: 0, fifo: 0, socket: 0 };
  let hardLinks = 0;
  for (const [index, inode] of inodes.entries()) {
    types[nameOfType(inode.type)]++;
    if (inode.type !== FILE_TYPE.DIRECTORY && firstChildren[index] !== 0) hardLinks++;
  }
  return { types, hardLinks };
}

function nameOfType(type: number): keyof BuildReport["types"] {
  switch (type) {
    case FILE_TYPE.DIRECTORY:
      return "directory";
    case FILE_TYPE.SYMLINK:
      return "symlink";
    case FILE_TYPE.CHARACTER_DEVICE:
    case FILE_TYPE.BLOCK_DEVICE:
      return "device";
    case FILE_TYPE.FIFO:
      return "fifo";
    case FILE_TYPE.SOCKET:
      return "socket";
    default:
      return "regular";
  }
}
