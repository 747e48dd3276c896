// SPDX-License-Identifier: MIT
/**
 * Writes images of the published version 1. It follows the base tables of the format page and
 * shares no code with packages/format, so that a mistake in the schema shows as a difference.
 */

/** Attributes that every kind of file has. */
interface Common {
  /** Permission bits. */
  readonly permissions: number;
  readonly uid?: number;
  readonly gid?: number;
  /** st_nlink of the source; by default the number of links in the image. */
  readonly nlink?: number;
}

/** A file of an image. The same object under two names is a hard link. */
export type Version1Node = Common &
  (
    | { readonly type: "regular"; readonly content: Uint8Array }
    | { readonly type: "directory"; readonly children: readonly Version1Child[] }
    | { readonly type: "symlink"; readonly target: Uint8Array }
    | { readonly type: "character" | "block"; readonly major: number; readonly minor: number }
    | { readonly type: "fifo" | "socket" }
  );

/** An entry of a directory, its name as bytes. */
export interface Version1Child {
  readonly name: Uint8Array;
  readonly node: Version1Node;
}

export type Version1Directory = Extract<Version1Node, { type: "directory" }>;

/** Choices that differ between existing builders. */
export interface Version1Options {
  /** Order of the children of a directory: as given, or by ascending bytes. */
  readonly order: "given" | "sorted";
  /** `size` of a directory: 64 × children, or the size on the host. */
  readonly directorySize: "children" | number;
  /** `data_offset` of empty files: 0, or that of the next content, which may be the end. */
  readonly emptyFileOffset: "zero" | "next";
  /** `data_offset` of devices: their number, or 0. */
  readonly deviceOffset: "number" | "zero";
  /** Symlink targets: packed, or each in its own block. */
  readonly symlinks: "together" | "blocks";
  /** Whether equal contents are stored once. */
  readonly deduplicate: boolean;
  /** Start of the inode table. */
  readonly inodeOffset: number;
  /** Unused bytes between the inode table and the string table. */
  readonly strtabGap: number;
}

/** Everything that "What version-1 builders in the field write" allows, at once. */
export const FIELD_QUIRKS: Version1Options = {
  order: "given",
  directorySize: 4096,
  emptyFileOffset: "next",
  deviceOffset: "zero",
  symlinks: "blocks",
  deduplicate: false,
  inodeOffset: 4096,
  strtabGap: 13,
};

/** Follows the base tables, without quirks. */
export const PLAIN: Version1Options = {
  order: "sorted",
  directorySize: "children",
  emptyFileOffset: "zero",
  deviceOffset: "number",
  symlinks: "together",
  deduplicate: true,
  inodeOffset: 4096,
  strtabGap: 0,
};

const TYPE_BITS = {
  socket: 0xc000,
  symlink: 0xa000,
  regular: 0x8000,
  block: 0x6000,
  directory: 0x4000,
  character: 0x2000,
  fifo: 0x1000,
} as const;

const BLOCK = 4096;

interface Entry {
  readonly node: Version1Node;
  readonly name: Uint8Array;
  readonly parent: number;
  readonly children: number[];
  next: number;
}

function compareBytes(a: Version1Child, b: Version1Child): number {
  return Buffer.compare(a.name, b.name);
}

/** Numbers the tree depth first, so that siblings are not consecutive. */
function numberEntries(root: Version1Directory, order: Version1Options["order"]): Entry[] {
  const entries: Entry[] = [];
  const add = (node: Version1Node, name: Uint8Array, parent: number): number => {
    const entry: Entry = { node, name, parent, children: [], next: 0 };
    const number = entries.push(entry);
    if (node.type !== "directory") return number;
    const children = [...node.children];
    if (order === "sorted") children.sort(compareBytes);
    for (const child of children) entry.children.push(add(child.node, child.name, number));
    entry.children.forEach((child, index) => {
      entries[child - 1]!.next = entry.children[index + 1] ?? 0;
    });
    return number;
  };
  add(root, new Uint8Array(0), 0);
  return entries;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

interface Placed {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Allocates contents and targets in the data area. */
class DataArea {
  readonly placed: Placed[] = [];
  private readonly byNode = new Map<Version1Node, number>();
  private readonly byContent = new Map<string, number>();
  private at: number;

  constructor(
    start: number,
    private readonly options: Version1Options,
  ) {
    this.at = start;
  }

  get end(): number {
    return roundUp(this.at, BLOCK);
  }

  roundUp(): void {
    this.at = this.end;
  }

  offsetOf(node: Version1Node): number {
    const known = this.byNode.get(node);
    if (known !== undefined) return known;
    const offset = this.place(node);
    this.byNode.set(node, offset);
    return offset;
  }

  private place(node: Version1Node): number {
    switch (node.type) {
      case "regular":
        if (node.content.length > 0) return this.add(node.content, BLOCK);
        if (this.options.emptyFileOffset === "zero") return 0;
        this.at = roundUp(this.at, BLOCK);
        return this.at;
      case "symlink": {
        const target = Buffer.concat([node.target, Buffer.from([0])]);
        return this.add(target, this.options.symlinks === "blocks" ? BLOCK : 1);
      }
      default:
        return 0;
    }
  }

  private add(bytes: Uint8Array, alignment: number): number {
    const key = `${alignment} ${Buffer.from(bytes).toString("latin1")}`;
    const known = this.options.deduplicate ? this.byContent.get(key) : undefined;
    if (known !== undefined) return known;
    const offset = roundUp(this.at, alignment);
    this.placed.push({ offset, bytes });
    this.byContent.set(key, offset);
    this.at = offset + bytes.length;
    return offset;
  }
}

function sizeOf(entry: Entry, options: Version1Options): number {
  const { node } = entry;
  switch (node.type) {
    case "regular":
      return node.content.length;
    case "symlink":
      return node.target.length;
    case "directory":
      return options.directorySize === "children"
        ? 64 * entry.children.length
        : options.directorySize;
    default:
      return 0;
  }
}

function linkCounts(entries: readonly Entry[]): Map<Version1Node, number> {
  const counts = new Map<Version1Node, number>();
  for (const { node } of entries) {
    if (node.type !== "directory") counts.set(node, (counts.get(node) ?? 0) + 1);
    else counts.set(node, 2 + node.children.filter((c) => c.node.type === "directory").length);
  }
  return counts;
}

/**
 * Builds an image of version 1: flags and all bytes that version 1 does not use are 0.
 * @param root the root directory
 * @param options default to the choices of a plain builder
 */
export function buildVersion1Image(
  root: Version1Directory,
  options: Partial<Version1Options> = {},
): Uint8Array<ArrayBuffer> {
  const chosen = { ...PLAIN, ...options };
  const entries = numberEntries(root, chosen.order);
  const strtabOffset = chosen.inodeOffset + entries.length * 64 + chosen.strtabGap;
  const nameOffsets: number[] = [];
  let strtabSize = 0;
  for (const { name } of entries) {
    nameOffsets.push(strtabSize);
    strtabSize += name.length + 1;
  }
  const dataOffset = roundUp(strtabOffset + strtabSize, BLOCK);
  const area = new DataArea(dataOffset, chosen);
  // Packed targets follow the files, because the rest of the last page of a file must be zero.
  if (chosen.symlinks === "together") {
    for (const { node } of entries) if (node.type !== "symlink") area.offsetOf(node);
    area.roundUp();
  }
  const offsets = entries.map(({ node }) => area.offsetOf(node));
  const totalSize = area.end;

  const image = new Uint8Array(totalSize);
  const view = new DataView(image.buffer);
  view.setUint32(0, 0x64646178, true); // magic
  view.setUint32(4, 1, true); // version
  view.setUint32(8, 0, true); // flags
  view.setUint32(12, BLOCK, true); // block_size
  view.setBigUint64(16, BigInt(totalSize), true); // total_size
  view.setBigUint64(24, BigInt(chosen.inodeOffset), true); // inode_offset
  view.setUint32(32, entries.length, true); // inode_count
  view.setUint32(36, 1, true); // root_inode
  view.setBigUint64(40, BigInt(strtabOffset), true); // strtab_offset
  view.setBigUint64(48, BigInt(strtabSize), true); // strtab_size
  view.setBigUint64(56, BigInt(dataOffset), true); // data_offset

  const counts = linkCounts(entries);
  entries.forEach((entry, index) => {
    const { node, name } = entry;
    const at = chosen.inodeOffset + index * 64;
    let offset = BigInt(offsets[index]!);
    if ((node.type === "character" || node.type === "block") && chosen.deviceOffset === "number") {
      offset = (BigInt(node.major) << 32n) | BigInt(node.minor);
    }
    view.setUint32(at, index + 1, true); // ino
    view.setUint32(at + 4, TYPE_BITS[node.type] | node.permissions, true); // mode
    view.setUint32(at + 8, node.uid ?? 0, true); // uid
    view.setUint32(at + 12, node.gid ?? 0, true); // gid
    view.setBigUint64(at + 16, BigInt(sizeOf(entry, chosen)), true); // size
    view.setBigUint64(at + 24, offset, true); // data_offset
    view.setUint32(at + 32, nameOffsets[index]!, true); // name_offset
    view.setUint32(at + 36, name.length, true); // name_len
    view.setUint32(at + 40, entry.parent, true); // parent_ino
    view.setUint32(at + 44, node.nlink ?? counts.get(node)!, true); // nlink
    view.setUint32(at + 48, entry.children[0] ?? 0, true); // first_child
    view.setUint32(at + 52, entry.next, true); // next_sibling
    image.set(name, strtabOffset + nameOffsets[index]!);
  });
  for (const { offset, bytes } of area.placed) image.set(bytes, offset);
  return image;
}
