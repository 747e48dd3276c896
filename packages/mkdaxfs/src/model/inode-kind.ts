// SPDX-License-Identifier: MIT
/** The types of files, and the bits of st_mode that stand for them. */
import { FILE_TYPE } from "@daxfs/format";

const TYPES = [
  ["directory", FILE_TYPE.DIRECTORY],
  ["file", FILE_TYPE.REGULAR],
  ["symlink", FILE_TYPE.SYMLINK],
  ["character-device", FILE_TYPE.CHARACTER_DEVICE],
  ["block-device", FILE_TYPE.BLOCK_DEVICE],
  ["fifo", FILE_TYPE.FIFO],
  ["socket", FILE_TYPE.SOCKET],
] as const;

/** What an inode is; a `file` is a regular file. */
export type InodeKind = (typeof TYPES)[number][0];

const KINDS: ReadonlyMap<number, InodeKind> = new Map(TYPES.map(([kind, type]) => [type, kind]));
const TYPE_BITS: ReadonlyMap<InodeKind, number> = new Map(TYPES);

/** The kind that st_mode tells; undefined for bits that stand for none. */
export function kindOf(mode: number): InodeKind | undefined {
  return KINDS.get(mode & FILE_TYPE.MASK);
}

/** The bits of st_mode that are not the file type. */
export function permissionsOf(mode: number): number {
  return mode & ~FILE_TYPE.MASK;
}

/** File type and permissions, as st_mode. */
export function modeOf(kind: InodeKind, permissions: number): number {
  return TYPE_BITS.get(kind)! | permissions;
}
