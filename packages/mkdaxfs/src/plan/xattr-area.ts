// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import {
  bytesOf,
  XATTR_ENTRY,
  XATTR_ROW,
  XATTR_SET,
  XATTR_SET_ALIGN,
  type Xattr,
} from "@daxfs/format";

/** Rows and sets of the xattr area, each with its place. */
export interface XattrArea {
  readonly rows: readonly XattrRow[];
  readonly sets: readonly XattrSet[];
  /** Bytes of the area. */
  readonly size: number;
}

export interface XattrRow {
  readonly ino: number;
  readonly set: XattrSet;
}

export interface XattrSet {
  /** From the start of the area, in bytes. */
  readonly offset: number;
  /** In ascending order of names. */
  readonly xattrs: readonly Xattr[];
}

/** Collects the attributes of inodes, equal sets once. */
export class XattrAreaBuilder {
  private readonly rows: { ino: number; set: number }[] = [];
  private readonly sets: { xattrs: Xattr[]; size: number }[] = [];
  private readonly known = new Map<string, number>();

  /** Adds the attributes of an inode; inodes come in ascending order. */
  add(ino: number, xattrs: readonly Xattr[]): void {
    if (xattrs.length === 0) return;
    const sorted = [...xattrs].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    const key = keyOf(sorted);
    let set = this.known.get(key);
    if (set === undefined) {
      set = this.sets.length;
      this.known.set(key, set);
      this.sets.push({ xattrs: sorted, size: setSize(sorted) });
    }
    this.rows.push({ ino, set });
  }

  /** The area, once every inode has been added. */
  finish(): XattrArea {
    let at = this.rows.length * XATTR_ROW.size;
    const sets = this.sets.map(({ xattrs, size }) => {
      const offset = at;
      at += size;
      return { offset, xattrs };
    });
    const rows = this.rows.map(({ ino, set }) => ({ ino, set: sets[set]! }));
    return { rows, sets, size: at };
  }
}

/** Tells sets apart in few bytes, however long their values are. */
function keyOf(xattrs: readonly Xattr[]): string {
  const hash = createHash("sha256");
  for (const { name, value } of xattrs) {
    hash.update(`${name.length}:${value.length}:${name}`, "latin1").update(value);
  }
  return hash.digest().toString("latin1");
}

/** Bytes that an attribute takes in its set. */
export function entrySize(xattr: Xattr): number {
  const size = XATTR_ENTRY.size + bytesOf(xattr.name).length + xattr.value.length;
  return Math.ceil(size / 4) * 4;
}

function setSize(xattrs: readonly Xattr[]): number {
  const size = xattrs.reduce<number>((sum, xattr) => sum + entrySize(xattr), XATTR_SET.size);
  return Math.ceil(size / XATTR_SET_ALIGN) * XATTR_SET_ALIGN;
}
