// SPDX-License-Identifier: MIT
import {
  BLOCK_SIZE,
  type ByteString,
  DEVICE_MAJOR_MAX,
  DEVICE_MINOR_MAX,
  HUGE_SIZE,
  INODE,
  NAME_MAX,
  packDevice,
  printable,
  SUPERBLOCK,
  SYMLINK_MAX,
  XATTR_LIST_MAX,
  XATTR_NAME_MAX,
  XATTR_SET_ALIGN,
  XATTR_VALUE_MAX,
} from "@daxfs/format";
import type { Duplicates } from "../content/duplicates.js";
import { BuildError } from "../errors.js";
import { CONTENT_MAX } from "../model/content.js";
import {
  type DeviceInode,
  type DirectoryInode,
  type FileWithContent,
  hasContent,
  type Inode,
} from "../model/inode.js";
import { TIME_MAX, TIME_MIN } from "../model/limits.js";
import type { Tree } from "../tree/tree.js";
import { Placement } from "./placement.js";
import { type XattrArea, XattrAreaBuilder } from "./xattr-area.js";

/** The inode table as columns; index i is inode i + 1. */
export interface InodeTable {
  readonly inodes: readonly Inode[];
  readonly names: readonly ByteString[];
  readonly parents: Uint32Array;
  /** First child of a directory, 0 if empty; of anything else link_ino. */
  readonly firstChildren: Uint32Array;
  readonly nextSiblings: Uint32Array;
  readonly links: Uint32Array;
  /** In the string table, where the names lie in the order of inodes; 0 for the root. */
  readonly nameOffsets: Uint32Array;
  /** Field `size`: bytes, 64 × children, length of the target, or 0. */
  readonly sizes: Float64Array;
  /** Field `data_offset`: of the content, of the target, or a device number. */
  readonly dataOffsets: Float64Array;
}

/** Contents that are stored, each once, in ascending order of offsets. */
export interface Extents {
  readonly inodes: readonly FileWithContent[];
  /** From the start of the image. */
  readonly offsets: Float64Array;
}

/** Every number and offset of an image, before a byte of it is written. */
export interface Plan {
  readonly table: InodeTable;
  readonly xattrs: XattrArea;
  /** Symlink targets, each once, in the order in which they lie at `dataOffset`. */
  readonly targets: readonly ByteString[];
  readonly extents: Extents;
  readonly strtabOffset: number;
  readonly strtabSize: number;
  readonly xattrOffset: number;
  readonly dataOffset: number;
  readonly totalSize: number;
  readonly dataAlignLog2: number;
}

export interface PlanOptions {
  /** Alignment of files of 2 MiB and more, in bytes. */
  readonly align: typeof BLOCK_SIZE | typeof HUGE_SIZE;
  /** Length that the image is to have, a multiple of 4096; undefined for what it needs. */
  readonly size?: number | undefined;
}

const COUNT_MAX = 0xffffffff;

/**
 * Fixes every number and offset. Pure: the same tree gives the same plan, in whatever order its
 * entries came.
 * @param duplicates files whose content another file has too
 * @throws BuildError naming what the image can't express.
 */
export function planImage(tree: Tree, duplicates: Duplicates, options: PlanOptions): Plan {
  const { inodes, names, parents, firstChildren } = numberInodes(tree);
  const count = inodes.length;
  const table: InodeTable = {
    inodes,
    names,
    parents,
    firstChildren,
    nextSiblings: new Uint32Array(count),
    nameOffsets: new Uint32Array(count),
    links: new Uint32Array(count),
    sizes: new Float64Array(count),
    dataOffsets: new Float64Array(count),
  };
  const xattrs = planMetadata(table);

  const strtabOffset = SUPERBLOCK.size + count * INODE.size;
  const strtabSize = placeNames(table);
  if (strtabSize > COUNT_MAX) throw new BuildError("the names take more than 4 GiB together");
  const xattrOffset = roundUp(strtabOffset + strtabSize, XATTR_SET_ALIGN);
  const dataOffset = roundUp(xattrOffset + xattrs.size, BLOCK_SIZE);

  const { targets, end } = placeTargets(table, dataOffset);
  const { extents, totalSize: needed } = placeContents(
    table,
    duplicates,
    roundUp(end, BLOCK_SIZE),
    options,
  );
  if (options.size !== undefined && needed > options.size) {
    throw new BuildError(
      `the image needs ${needed} bytes, but the size given is ${options.size} (allow more, or leave out files)`,
    );
  }
  const huge =
    options.align === HUGE_SIZE && extents.inodes.some((inode) => inode.size >= HUGE_SIZE);
  return {
    table,
    xattrs,
    targets,
    extents,
    strtabOffset,
    strtabSize,
    xattrOffset,
    dataOffset,
    totalSize: options.size ?? needed,
    dataAlignLog2: Math.log2(huge ? HUGE_SIZE : BLOCK_SIZE),
  };
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

type Numbering = Pick<InodeTable, "inodes" | "names" | "parents" | "firstChildren">;

/**
 * Numbers the tree directory by directory, so that the children of each lie next to each other in
 * byte order of their names, and the first name of a linked file has the lowest number.
 */
function numberInodes(tree: Tree): Numbering {
  const count = countNames(tree.root);
  if (count > COUNT_MAX) throw new BuildError("the tree has more than 2^32 - 1 entries");
  const inodes = new Array<Inode>(count).fill(tree.root);
  const names = new Array<ByteString>(count).fill("");
  const parents = new Uint32Array(count);
  const firstChildren = new Uint32Array(count);
  const firstNames = new Map<Inode, number>();
  let end = 1;
  for (let index = 0; index < count; index++) {
    const inode = inodes[index]!;
    if (inode.kind !== "directory") {
      if (inode.links < 2) continue;
      const first = firstNames.get(inode);
      if (first === undefined) firstNames.set(inode, index + 1);
      else firstChildren[index] = first;
      continue;
    }
    const { children } = inode;
    if (children.size > 0) firstChildren[index] = end + 1;
    for (const name of [...children.keys()].sort()) {
      inodes[end] = children.get(name)!;
      names[end] = name;
      parents[end] = index + 1;
      end++;
    }
  }
  return { inodes, names, parents, firstChildren };
}

function countNames(root: DirectoryInode): number {
  let count = 1;
  const pending = [root];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    count += directory.children.size;
    for (const inode of directory.children.values()) {
      if (inode.kind === "directory") pending.push(inode);
    }
  }
  return count;
}

/** Lays the names out one behind the other, each with its NUL. Returns the bytes they take. */
function placeNames({ names, nameOffsets }: InodeTable): number {
  let end = 0;
  for (let index = 1; index < names.length; index++) {
    nameOffsets[index] = end;
    end += names[index]!.length + 1;
  }
  return end;
}

/** Fills in what needs no offsets, and holds every entry against what the format can express. */
function planMetadata(table: InodeTable): XattrArea {
  const { inodes, names, parents, links, sizes, nextSiblings } = table;
  const xattrs = new XattrAreaBuilder();
  for (const [index, inode] of inodes.entries()) {
    const refused = whyInexpressible(names[index]!, inode);
    if (refused !== undefined) throw new BuildError(`${pathOf(table, index)}: ${refused}`);
    if (parents[index + 1] === parents[index] && index > 0) nextSiblings[index] = index + 2;
    sizes[index] = sizeField(inode);
    if (inode.kind === "directory") {
      links[index]! += 2;
      if (index > 0) links[parents[index]! - 1]!++;
    } else {
      links[index] = inode.links;
    }
    const furtherName = inode.kind !== "directory" && table.firstChildren[index] !== 0;
    if (!furtherName) xattrs.add(index + 1, inode.xattrs);
  }
  return xattrs.finish();
}

function sizeField(inode: Inode): number {
  switch (inode.kind) {
    case "directory":
      return inode.children.size * INODE.size;
    case "file":
      return inode.size;
    case "symlink":
      return inode.target.length;
    default:
      return 0;
  }
}

function whyInexpressible(name: ByteString, inode: Inode): string | undefined {
  if (name.length > NAME_MAX) {
    return `the name has ${name.length} bytes, an image holds at most ${NAME_MAX} (rename it)`;
  }
  if (name === "." || name === ".." || name.includes("/") || name.includes("\0")) {
    return "no name for a file";
  }
  if (inode.mtimeNs > TIME_MAX || inode.mtimeNs < TIME_MIN) {
    return "its mtime is outside the years 1677 to 2262 that an image holds (touch it)";
  }
  if (inode.kind === "symlink") {
    const { target } = inode;
    if (target.length < 1 || target.length > SYMLINK_MAX) {
      return `its target has ${target.length} bytes, an image holds 1 to ${SYMLINK_MAX}`;
    }
    if (target.includes("\0")) return "its target has a NUL inside";
  }
  if (isDevice(inode)) {
    const { major, minor } = inode.device;
    if (major > DEVICE_MAJOR_MAX || minor > DEVICE_MINOR_MAX) {
      return `Linux has no device number ${major}:${minor}`;
    }
  }
  for (const xattr of inode.xattrs) {
    const length = xattr.name.length;
    if (length < 1 || length > XATTR_NAME_MAX || xattr.name.includes("\0")) {
      return `the attribute name '${printable(xattr.name)}' is not one of 1 to ${XATTR_NAME_MAX} bytes`;
    }
    if (xattr.value.length > XATTR_VALUE_MAX) {
      return `the attribute ${printable(xattr.name)} has more than ${XATTR_VALUE_MAX} bytes`;
    }
  }
  const list = inode.xattrs.reduce((sum, xattr) => sum + xattr.name.length + 1, 0);
  if (list > XATTR_LIST_MAX) {
    return `the names of its attributes take ${list} bytes, at most ${XATTR_LIST_MAX} can be listed`;
  }
  return undefined;
}

function isDevice(inode: Inode): inode is DeviceInode {
  return inode.kind === "character-device" || inode.kind === "block-device";
}

function pathOf(table: InodeTable, index: number): string {
  const names: string[] = [];
  for (let at = index; at > 0; at = table.parents[at]! - 1) names.push(printable(table.names[at]!));
  return `/${names.reverse().join("/")}`;
}

/** Lays symlink targets out from `start`, each followed by a NUL; equal ones share their place. */
function placeTargets(
  table: InodeTable,
  start: number,
): { readonly targets: readonly ByteString[]; readonly end: number } {
  const places = new Map<ByteString, number>();
  let end = start;
  for (const [index, inode] of table.inodes.entries()) {
    if (inode.kind !== "symlink") continue;
    const { target } = inode;
    let place = places.get(target);
    if (place === undefined) {
      place = end;
      places.set(target, place);
      end += target.length + 1;
    }
    table.dataOffsets[index] = place;
  }
  return { targets: [...places.keys()], end };
}

function placeContents(
  table: InodeTable,
  duplicates: Duplicates,
  start: number,
  options: PlanOptions,
): { readonly extents: Extents; readonly totalSize: number } {
  // The first file in the table with a content stands for it, whichever one the search for
  // duplicates took, so that the order in which files were read does not matter.
  const stored: FileWithContent[] = [];
  const shared = new Map<FileWithContent, number>();
  /** Per index of the table: which of the stored contents is its own, plus one. */
  const slots = new Uint32Array(table.inodes.length);
  const holders = new Set(duplicates.values());
  for (let index = 0; index < table.inodes.length; index++) {
    const inode = table.inodes[index]!;
    if (isDevice(inode)) {
      const { major, minor } = inode.device;
      table.dataOffsets[index] = packDevice(major, minor);
    }
    if (!hasContent(inode)) continue;
    const holder = duplicates.get(inode) ?? inode;
    // Few files share a content, and only those cost a place in the map.
    const several = inode.links > 1 || holders.has(holder);
    let slot = several ? shared.get(holder) : undefined;
    if (slot === undefined) {
      slot = stored.push(inode);
      if (several) shared.set(holder, slot);
    }
    slots[index] = slot;
  }
  const placement = new Placement(start, options.align);
  const offsets = placement.place(Float64Array.from(stored, (inode) => inode.size));
  if (placement.end > CONTENT_MAX) {
    throw new BuildError(`the image would take more than ${CONTENT_MAX} bytes (leave out files)`);
  }
  for (let index = 0; index < slots.length; index++) {
    if (slots[index] !== 0) table.dataOffsets[index] = offsets[slots[index]! - 1]!;
  }
  return { extents: inOrder(stored, offsets), totalSize: placement.end };
}

/** Contents in the order in which they lie in the image. */
function inOrder(inodes: FileWithContent[], offsets: Float64Array): Extents {
  // Without large files they do so already.
  if (offsets.every((offset, slot) => slot === 0 || offset > offsets[slot - 1]!)) {
    return { inodes, offsets };
  }
  const order = Uint32Array.from(inodes.keys()).sort((a, b) => offsets[a]! - offsets[b]!);
  return {
    inodes: Array.from(order, (slot) => inodes[slot]!),
    offsets: Float64Array.from(order, (slot) => offsets[slot]!),
  };
}
