// SPDX-License-Identifier: MIT
import { type ByteString, byteStringOf, FileBytes, type ImageBytes } from "./bytes.js";
import {
  type Inode,
  inodeCodec,
  type Superblock,
  superblockCodec,
  xattrEntryCodec,
  xattrRowCodec,
  xattrSetCodec,
} from "./records.js";
import {
  FILE_TYPE,
  FLAG,
  SUPERBLOCK,
  XATTR_COUNT_MAX,
  XATTR_ENTRY,
  XATTR_NAME_MAX,
  XATTR_ROW,
  XATTR_SET,
  XATTR_SET_ALIGN,
  XATTR_VALUE_MAX,
} from "./schema.js";
import {
  type Breach,
  checkInode,
  checkLink,
  checkName,
  checkSuperblock,
  FormatError,
} from "./validate.js";

/** An extended attribute as getxattr(2) gives it. */
export interface Xattr {
  readonly name: ByteString;
  readonly value: Uint8Array;
}

/** A place in the tree that a walk comes to. */
export interface WalkedInode {
  /** Absolute path inside the image. */
  readonly path: ByteString;
  readonly inode: Inode;
  /** Number that stands for the file: that of its first name where it has several. */
  readonly identity: number;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function refuse(breaches: readonly Breach[]): void {
  const first = breaches[0];
  if (first !== undefined) throw new FormatError(first);
}

/**
 * Random access to an image: nothing is read before it is asked for, and every record is checked
 * before it is used.
 */
export class ImageReader {
  /** Decoded superblock, found valid. */
  readonly superblock: Superblock;

  /**
   * @param bytes the image; closed by {@link close}
   * @throws FormatError when the superblock breaks a rule or the root is not a directory.
   */
  constructor(private readonly bytes: ImageBytes) {
    if (bytes.size < SUPERBLOCK.size) {
      throw new FormatError({
        rule: "superblock.total-size",
        inode: null,
        field: "total_size",
        expected: "at least 4096 bytes",
        found: `${bytes.size} bytes`,
      });
    }
    this.superblock = superblockCodec.decode(viewOf(bytes.read(0, SUPERBLOCK.size)), 0);
    refuse(checkSuperblock(this.superblock, bytes.size));
    const root = this.inode(this.superblock.root_inode);
    if (!isDirectory(root)) {
      throw new FormatError({
        rule: "superblock.root",
        inode: root.ino,
        field: "mode",
        expected: "a directory",
        found: `0o${root.mode.toString(8)}`,
      });
    }
  }

  /**
   * Opens the image in a file.
   * @throws FormatError, or the error of open(2).
   */
  static open(path: string): ImageReader {
    const bytes = new FileBytes(path);
    try {
      return new ImageReader(bytes);
    } catch (error) {
      bytes.close();
      throw error;
    }
  }

  close(): void {
    this.bytes.close();
  }

  has(flag: number): boolean {
    return (this.superblock.flags & flag) !== 0;
  }

  /** The entry of the inode table as it stands there, unchecked. */
  rawInode(ino: number): Inode {
    const offset = Number(this.superblock.inode_offset) + (ino - 1) * inodeCodec.size;
    return inodeCodec.decode(viewOf(this.bytes.read(offset, inodeCodec.size)), 0);
  }

  /**
   * An entry of the inode table.
   * @throws FormatError when the number is not in the table or a field breaks a rule.
   */
  inode(ino: number): Inode {
    if (!(ino >= 1 && ino <= this.superblock.inode_count)) {
      throw new FormatError({
        rule: "inode.ino",
        inode: ino,
        field: "ino",
        expected: `1 to ${this.superblock.inode_count}`,
        found: String(ino),
      });
    }
    const inode = this.rawInode(ino);
    refuse(checkInode(this.superblock, ino, inode));
    return inode;
  }

  /**
   * The number that stands for a file, the same for all its names.
   * @throws FormatError when `link_ino` leads to something else.
   */
  identity(inode: Inode): number {
    if (isDirectory(inode) || !this.has(FLAG.LINKS) || inode.first_child === 0) return inode.ino;
    const link = inode.first_child;
    const first = link < inode.ino ? this.inode(link) : undefined;
    refuse(checkLink(this.superblock, inode.ino, inode, first));
    return link;
  }

  /**
   * The name of an entry; empty for the root.
   * @throws FormatError when it has characters that no name has.
   */
  name(inode: Inode): ByteString {
    if (inode.ino === this.superblock.root_inode) return "";
    const name = this.rawName(inode);
    refuse(checkName(inode.ino, name));
    return name;
  }

  /** The bytes of a name whose range has been checked. */
  rawName(inode: Inode): ByteString {
    const offset = Number(this.superblock.strtab_offset) + inode.name_offset;
    return byteStringOf(this.bytes.read(offset, inode.name_len));
  }

  /**
   * The entries of a directory in the order of the image.
   * @throws FormatError when an entry breaks a rule, has another parent, or the list has no end.
   */
  *children(directory: Inode): Generator<Inode> {
    let steps = 0;
    for (let ino = directory.first_child; ino !== 0; ) {
      if (steps++ >= this.superblock.inode_count) {
        throw new FormatError({
          rule: "tree.walk",
          inode: directory.ino,
          field: "next_sibling",
          expected: "a list that ends",
          found: `more than ${this.superblock.inode_count} entries`,
        });
      }
      const child = this.inode(ino);
      this.checkParent(directory, child);
      yield child;
      ino = child.next_sibling;
    }
  }

  /**
   * Finds a name in a directory: a binary search where the image is sorted.
   * @returns undefined when it is not there.
   * @throws FormatError
   */
  lookup(directory: Inode, name: ByteString): Inode | undefined {
    if (!this.has(FLAG.SORTED)) {
      for (const child of this.children(directory)) if (this.name(child) === name) return child;
      return undefined;
    }
    let low = 0;
    let high = Number(directory.size) / inodeCodec.size;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const child = this.inode(directory.first_child + middle);
      this.checkParent(directory, child);
      const found = this.name(child);
      if (found === name) return child;
      if (name < found) high = middle;
      else low = middle + 1;
    }
    return undefined;
  }

  /**
   * Finds an absolute path, `/` for the root. Symlinks are not followed.
   * @returns undefined when it is not there.
   * @throws FormatError
   */
  resolve(path: ByteString): Inode | undefined {
    let inode: Inode | undefined = this.inode(this.superblock.root_inode);
    for (const name of path.split("/")) {
      if (name === "") continue;
      if (inode === undefined || !isDirectory(inode)) return undefined;
      inode = this.lookup(inode, name);
    }
    return inode;
  }

  /**
   * The whole tree, each directory before what it holds.
   * @throws FormatError
   */
  *walk(): Generator<WalkedInode> {
    const pending: { path: ByteString; inode: Inode }[] = [
      { path: "/", inode: this.inode(this.superblock.root_inode) },
    ];
    for (let place = pending.pop(); place !== undefined; place = pending.pop()) {
      yield { ...place, identity: this.identity(place.inode) };
      if (!isDirectory(place.inode)) continue;
      const base = place.path === "/" ? "/" : `${place.path}/`;
      const children = [...this.children(place.inode)];
      for (const child of children.reverse()) {
        pending.push({ path: base + this.name(child), inode: child });
      }
    }
  }

  /**
   * Bytes of a regular file, fewer than asked for at its end.
   * @throws FormatError
   */
  read(inode: Inode, offset: number, length: number): Uint8Array {
    if ((inode.mode & FILE_TYPE.MASK) !== FILE_TYPE.REGULAR)
      throw new TypeError("not a regular file");
    const size = Number(inode.size);
    if (offset >= size) return new Uint8Array(0);
    const count = Math.min(length, size - offset);
    return this.bytes.read(Number(inode.data_offset) + offset, count).slice();
  }

  /**
   * Target of a symlink.
   * @throws FormatError when a NUL is missing behind it or stands inside.
   */
  target(inode: Inode): ByteString {
    if ((inode.mode & FILE_TYPE.MASK) !== FILE_TYPE.SYMLINK) throw new TypeError("not a symlink");
    const size = Number(inode.size);
    const bytes = this.bytes.read(Number(inode.data_offset), size + 1);
    const end = bytes.indexOf(0);
    if (end !== size) {
      throw new FormatError({
        rule: "inode.symlink-end",
        inode: inode.ino,
        field: "size",
        expected: "a NUL behind the target and none inside",
        found: end < 0 ? `none in ${size + 1} bytes` : `a NUL at byte ${end} of ${size}`,
      });
    }
    return byteStringOf(bytes.subarray(0, size));
  }

  /** A row of the xattr index. */
  xattrRow(index: number): { readonly ino: number; readonly set: number } {
    const offset = Number(this.superblock.xattr_offset) + index * XATTR_ROW.size;
    return xattrRowCodec.decode(viewOf(this.bytes.read(offset, XATTR_ROW.size)), 0);
  }

  /**
   * Extended attributes of a file, by the number that stands for it.
   * @throws FormatError
   */
  xattrs(identity: number): Xattr[] {
    if (!this.has(FLAG.XATTRS)) return [];
    let low = 0;
    let high = this.superblock.xattr_rows;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = this.xattrRow(middle);
      if (row.ino === identity) return this.xattrSet(identity, row.set).xattrs;
      if (row.ino > identity) high = middle;
      else low = middle + 1;
    }
    return [];
  }

  /**
   * The attributes of a set, and the byte behind it.
   * @param ino whose set it is, for messages
   * @param set offset from the area's start in units of 8 bytes
   * @throws FormatError
   */
  xattrSet(ino: number, set: number): { readonly xattrs: Xattr[]; readonly end: number } {
    const area = Number(this.superblock.xattr_offset);
    const end = area + Number(this.superblock.xattr_size);
    const index = area + this.superblock.xattr_rows * XATTR_ROW.size;
    let at = area + set * XATTR_SET_ALIGN;
    const fault = (
      rule: "xattr.set" | "xattr.entry",
      field: string,
      expected: string,
      found: string,
    ) => new FormatError({ rule, inode: ino, field, expected, found });
    if (at < index || at + XATTR_SET.size > end) {
      throw fault("xattr.set", "set", "a set inside the xattr area, behind its index", String(set));
    }
    const { count } = xattrSetCodec.decode(viewOf(this.bytes.read(at, XATTR_SET.size)), 0);
    if (count > XATTR_COUNT_MAX) {
      throw fault("xattr.set", "count", `at most ${XATTR_COUNT_MAX}`, String(count));
    }
    at += XATTR_SET.size;
    const xattrs: Xattr[] = [];
    for (let i = 0; i < count; i++) {
      if (at + XATTR_ENTRY.size > end) {
        throw fault("xattr.set", "count", "entries inside the xattr area", String(count));
      }
      const header = xattrEntryCodec.decode(viewOf(this.bytes.read(at, XATTR_ENTRY.size)), 0);
      at += XATTR_ENTRY.size;
      const room = end - at;
      if (header.name_len < 1 || header.name_len > XATTR_NAME_MAX || header.name_len > room) {
        throw fault("xattr.entry", "name_len", `1 to ${XATTR_NAME_MAX}`, String(header.name_len));
      }
      if (header.value_len > XATTR_VALUE_MAX || header.value_len > room - header.name_len) {
        const expected = `at most ${XATTR_VALUE_MAX}, inside the area`;
        throw fault("xattr.entry", "value_len", expected, String(header.value_len));
      }
      const name = byteStringOf(this.bytes.read(at, header.name_len));
      if (name.includes("\0")) throw fault("xattr.entry", "name", "no NUL", JSON.stringify(name));
      const value = this.bytes.read(at + header.name_len, header.value_len).slice();
      xattrs.push({ name, value });
      at = Math.ceil((at + header.name_len + header.value_len) / 4) * 4;
    }
    return { xattrs, end: at };
  }

  private checkParent(directory: Inode, child: Inode): void {
    if (child.parent_ino === directory.ino) return;
    throw new FormatError({
      rule: "tree.parent",
      inode: child.ino,
      field: "parent_ino",
      expected: String(directory.ino),
      found: String(child.parent_ino),
    });
  }
}

/** Whether an inode is a directory. */
export function isDirectory(inode: Pick<Inode, "mode">): boolean {
  return (inode.mode & FILE_TYPE.MASK) === FILE_TYPE.DIRECTORY;
}
