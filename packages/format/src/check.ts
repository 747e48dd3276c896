// SPDX-License-Identifier: MIT
import { type ByteString, FileBytes, type ImageBytes, printable } from "./bytes.js";
import { dataDigest, metadataCrc, superblockCrc } from "./checksums.js";
import { fieldSize } from "./codec.js";
import { ImageReader, isDirectory } from "./reader.js";
import { type Inode, superblockCodec } from "./records.js";
import {
  BLOCK_SIZE,
  FILE_TYPE,
  FLAG,
  INODE,
  isKnownFileType,
  SUPERBLOCK,
  XATTR_SET_ALIGN,
} from "./schema.js";
import {
  type Breach,
  checkInode,
  checkLink,
  checkName,
  checkSuperblock,
  checkSuperblockExtras,
  type Finding,
  FormatError,
  hasNameInRange,
} from "./validate.js";

/**
 * Holds an image against every rule of the format.
 * @yields each breach, the first 10,000 with the path of their inode where one can be made out;
 *   nothing for a valid image. Never throws for what is in the image, and always ends.
 */
export function* checkImage(bytes: ImageBytes): Generator<Finding> {
  let reader: ImageReader;
  if (bytes.size >= SUPERBLOCK.size) {
    const superblock = bytes.read(0, SUPERBLOCK.size).slice();
    const decoded = superblockCodec.decode(new DataView(superblock.buffer), 0);
    const breaches = checkSuperblock(decoded, bytes.size);
    for (const breach of breaches) yield { ...breach, path: null };
    if (breaches.length > 0) return;
  }
  try {
    reader = new ImageReader(bytes);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    yield { path: null, ...error.finding };
    return;
  }
  yield* new Checker(reader, bytes).findings();
}

/**
 * Holds the image in a file against every rule of the format.
 * @returns all findings
 * @throws the error of open(2) or read(2).
 */
export function checkImageFile(path: string): Finding[] {
  const bytes = new FileBytes(path);
  try {
    return [...checkImage(bytes)];
  } finally {
    bytes.close();
  }
}

/** Parents that are followed to name an inode; of longer paths the end is given. */
const PATH_DEPTH_MAX = 128;
/** Findings that get a path; a broken table could have one for each inode. */
const PATHS_MAX = 10_000;

class Checker {
  private readonly count: number;
  /** Per inode number: whether the tree walk has come to it. */
  private readonly reached: Uint8Array;
  /** Per inode number: names of the file, or subdirectories of the directory. */
  private readonly links: Uint32Array;

  constructor(
    private readonly reader: ImageReader,
    private readonly bytes: ImageBytes,
  ) {
    this.count = reader.superblock.inode_count;
    this.reached = new Uint8Array(this.count + 1);
    this.links = new Uint32Array(this.count + 1);
  }

  *findings(): Generator<Finding> {
    let paths = 0;
    for (const breach of this.breaches()) {
      yield { ...breach, path: paths++ < PATHS_MAX ? this.pathOf(breach.inode) : null };
    }
  }

  private *breaches(): Generator<Breach> {
    yield* this.superblock();
    for (let ino = 1; ino <= this.count; ino++) yield* this.inode(ino);
    yield* this.tree();
    if (this.reader.has(FLAG.LINKS)) yield* this.linkCounts();
    if (this.reader.has(FLAG.XATTRS)) yield* this.xattrs();
    yield* this.digest();
  }

  private *superblock(): Generator<Breach> {
    const { superblock } = this.reader;
    const block = this.bytes.read(0, SUPERBLOCK.size).slice();
    const last = SUPERBLOCK.fields.at(-1)!;
    yield* checkSuperblockExtras(superblock, block.subarray(last.offset + fieldSize(last)));
    if (!this.reader.has(FLAG.CHECKSUMS)) return;
    const sums = [
      ["superblock.crc", "super_crc32", superblockCrc(block)],
      ["metadata.crc", "metadata_crc32", metadataCrc(this.bytes, superblock)],
    ] as const;
    for (const [rule, field, sum] of sums) {
      if (superblock[field] === sum) continue;
      const expected = `0x${sum.toString(16)}`;
      yield { rule, inode: null, field, expected, found: `0x${superblock[field].toString(16)}` };
    }
  }

  private *digest(): Generator<Breach> {
    const { superblock } = this.reader;
    if (!this.reader.has(FLAG.DIGEST)) return;
    const digest = Buffer.from(dataDigest(this.bytes, superblock));
    if (digest.equals(superblock.data_digest)) return;
    yield {
      rule: "data.digest",
      inode: null,
      field: "data_digest",
      expected: digest.toString("hex"),
      found: Buffer.from(superblock.data_digest).toString("hex"),
    };
  }

  /** The rules of one entry of the table, wherever it hangs in the tree. */
  private *inode(ino: number): Generator<Breach> {
    const { superblock } = this.reader;
    const inode = this.reader.rawInode(ino);
    const breaches = checkInode(superblock, ino, inode);
    yield* breaches;
    const sound = (rule: string) => !breaches.some((breach) => breach.rule === rule);
    if (ino !== superblock.root_inode && sound("inode.name-range")) {
      yield* checkName(ino, this.reader.rawName(inode));
      yield* this.nameEnd(inode, ino);
    }
    if (!isKnownFileType(inode.mode)) return;
    if (this.reader.has(FLAG.LINKS) && !isDirectory(inode) && inode.first_child !== 0) {
      const link = inode.first_child;
      const first = link <= this.count ? this.reader.rawInode(link) : undefined;
      yield* checkLink(superblock, ino, inode, first);
    }
    if (breaches.length > 0) return;
    const type = inode.mode & FILE_TYPE.MASK;
    if (type === FILE_TYPE.SYMLINK) yield* this.caught(ino, () => this.reader.target(inode));
    if (type === FILE_TYPE.REGULAR) yield* this.tail(inode);
  }

  private *nameEnd(inode: Inode, ino: number): Generator<Breach> {
    const { superblock } = this.reader;
    const end = inode.name_offset + inode.name_len;
    const found =
      BigInt(end) < superblock.strtab_size
        ? this.bytes.read(Number(superblock.strtab_offset) + end, 1)[0]
        : undefined;
    if (found === 0) return;
    yield {
      rule: "inode.name-end",
      inode: ino,
      field: "name_len",
      expected: "a NUL behind the name",
      found: found === undefined ? "the end of the string table" : `0x${found.toString(16)}`,
    };
  }

  private *tail(inode: Inode): Generator<Breach> {
    const size = Number(inode.size);
    const rest = (BLOCK_SIZE - (size % BLOCK_SIZE)) % BLOCK_SIZE;
    const end = Number(inode.data_offset) + size;
    if (rest === 0 || end + rest > this.bytes.size) return;
    const stray = this.bytes.read(end, rest).findIndex((byte) => byte !== 0);
    if (stray < 0) return;
    yield {
      rule: "data.tail",
      inode: inode.ino,
      field: "data_offset",
      expected: "zeros behind the content",
      found: `a byte at ${stray} past the end`,
    };
  }

  /** The tree from the root: what is reached, in which order, from where. */
  private *tree(): Generator<Breach> {
    const root = this.reader.superblock.root_inode;
    const pending = [root];
    this.reached[root] = 1;
    for (let ino = pending.pop(); ino !== undefined; ino = pending.pop()) {
      yield* this.directory(this.reader.rawInode(ino), ino, pending);
    }
    for (let ino = 1; ino <= this.count; ino++) {
      if (this.reached[ino]) continue;
      yield {
        rule: "tree.reached",
        inode: ino,
        field: "next_sibling",
        expected: "a directory that lists it",
        found: "none",
      };
    }
  }

  private *directory(directory: Inode, ino: number, pending: number[]): Generator<Breach> {
    const sorted = this.reader.has(FLAG.SORTED);
    const names = sorted ? undefined : new Set<ByteString>();
    let previous: ByteString | undefined;
    let children = 0;
    let lister = ino;
    let field = "first_child";
    for (let at = directory.first_child; at !== 0; ) {
      const breach = (rule: Breach["rule"], inode: number, name: string, expected: string) => {
        return { rule, inode, field: name, expected, found: String(at) } as const;
      };
      // A number that is not in the table has been reported with the entry that holds it.
      if (at > this.count) break;
      if (this.reached[at]) {
        yield breach("tree.reached", lister, field, "an entry that nothing else lists");
        break;
      }
      this.reached[at] = 1;
      const child = this.reader.rawInode(at);
      if (child.parent_ino !== ino) {
        const found = String(child.parent_ino);
        yield { ...breach("tree.parent", at, "parent_ino", String(ino)), found };
      }
      if (sorted && at !== directory.first_child + children) {
        const next = directory.first_child + children;
        yield breach("tree.order", lister, field, `${next}, behind its neighbour`);
      }
      const name = this.rawName(child, at);
      if (name !== undefined) {
        if (names?.has(name)) {
          const twice = breach("tree.duplicate-name", at, "name", "a name of its own");
          yield { ...twice, found: `'${printable(name)}'` };
        }
        names?.add(name);
        if (sorted && previous !== undefined && !(previous < name)) {
          const rule = previous === name ? "tree.duplicate-name" : "tree.order";
          const expected = `a name after '${printable(previous)}'`;
          yield { ...breach(rule, at, "name", expected), found: `'${printable(name)}'` };
        }
        previous = name;
      }
      this.countLink(child, at, ino);
      if (isDirectory(child)) pending.push(at);
      children++;
      lister = at;
      field = "next_sibling";
      at = child.next_sibling;
    }
    if (sorted && directory.size !== BigInt(children * INODE.size)) {
      const expected = `${children * INODE.size}, for ${children} children`;
      const found = String(directory.size);
      yield { rule: "tree.directory-size", inode: ino, field: "size", expected, found };
    }
  }

  private countLink(child: Inode, ino: number, parent: number): void {
    if (isDirectory(child)) {
      this.links[parent]!++;
      return;
    }
    const link = child.first_child;
    const linked = this.reader.has(FLAG.LINKS) && link !== 0 && link <= this.count;
    this.links[linked ? link : ino]!++;
  }

  private *linkCounts(): Generator<Breach> {
    for (let ino = 1; ino <= this.count; ino++) {
      if (!this.reached[ino]) continue;
      const inode = this.reader.rawInode(ino);
      const directory = isDirectory(inode);
      const first = !directory && inode.first_child !== 0 ? inode.first_child : ino;
      if (first > this.count) continue;
      const links = this.links[first]! + (directory ? 2 : 0);
      if (inode.nlink === links) continue;
      yield {
        rule: "inode.nlink-count",
        inode: ino,
        field: "nlink",
        expected: String(links),
        found: String(inode.nlink),
      };
    }
  }

  private *xattrs(): Generator<Breach> {
    let before = 0;
    /** The sets that rows lead to, each with the first inode that has it. */
    const sets = new Map<number, number>();
    for (let index = 0; index < this.reader.superblock.xattr_rows; index++) {
      const { ino, set } = this.reader.xattrRow(index);
      if (ino <= before && index > 0) {
        const expected = `more than ${before}`;
        yield { rule: "xattr.rows", inode: ino, field: "ino", expected, found: String(ino) };
      }
      before = ino;
      const known = ino >= 1 && ino <= this.count;
      const inode = known ? this.reader.rawInode(ino) : undefined;
      const further =
        inode !== undefined &&
        this.reader.has(FLAG.LINKS) &&
        !isDirectory(inode) &&
        inode.first_child !== 0;
      if (!known || further) {
        const expected = `1 to ${this.count}, no further link`;
        yield { rule: "xattr.inode", inode: ino, field: "ino", expected, found: String(ino) };
      }
      if (!sets.has(set)) sets.set(set, ino);
    }
    // Sets that overlap are not read: together they could be far longer than the image.
    let end = 0;
    for (const [set, ino] of [...sets].sort(([a], [b]) => a - b)) {
      const start = Number(this.reader.superblock.xattr_offset) + set * XATTR_SET_ALIGN;
      if (start < end) {
        const expected = "a set of its own";
        yield { rule: "xattr.overlap", inode: ino, field: "set", expected, found: String(set) };
        continue;
      }
      const names: ByteString[] = [];
      yield* this.caught(ino, () => {
        const found = this.reader.xattrSet(ino, set);
        for (const xattr of found.xattrs) names.push(xattr.name);
        end = found.end;
      });
      yield* this.xattrNames(ino, names);
    }
  }

  private *xattrNames(ino: number, names: readonly ByteString[]): Generator<Breach> {
    for (let i = 1; i < names.length; i++) {
      if (names[i - 1]! < names[i]!) continue;
      yield {
        rule: "xattr.order",
        inode: ino,
        field: "name",
        expected: `a name after '${printable(names[i - 1]!)}'`,
        found: `'${printable(names[i]!)}'`,
      };
    }
  }

  /** Runs a read of the reader and turns its refusal into a finding. */
  private *caught(ino: number, read: () => void): Generator<Breach> {
    try {
      read();
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      yield { ...error.finding, inode: ino };
    }
  }

  /** The bytes of a name, undefined where they lie outside the table. */
  private rawName(inode: Inode, ino: number): ByteString | undefined {
    const sound = hasNameInRange(this.reader.superblock, ino, inode);
    return sound ? this.reader.rawName(inode) : undefined;
  }

  /** A printable path by way of the parents; null where they lead nowhere. */
  private pathOf(ino: number | null): string | null {
    const { root_inode: root } = this.reader.superblock;
    const names: string[] = [];
    let at = ino ?? 0;
    while (at !== root) {
      if (at < 1 || at > this.count) return null;
      if (names.length >= PATH_DEPTH_MAX) return `…/${names.reverse().join("/")}`;
      const inode = this.reader.rawInode(at);
      const name = this.rawName(inode, at);
      if (name === undefined) return null;
      names.push(printable(name));
      at = inode.parent_ino;
    }
    return `/${names.reverse().join("/")}`;
  }
}
