// SPDX-License-Identifier: MIT
/** The rules that one record can be checked against by itself, as pure functions. */
import { printable } from "./bytes.js";
import type { Inode, Superblock } from "./records.js";
import type { RuleId } from "./rules.js";
import {
  BLOCK_SIZE,
  COMPATIBLE_MASK,
  DEVICE_MAJOR_MAX,
  DEVICE_MINOR_MAX,
  FILE_TYPE,
  FLAG,
  INCOMPATIBLE_MASK,
  INODE,
  isKnownFileType,
  KNOWN_FLAGS,
  MAGIC,
  NAME_MAX,
  SUPERBLOCK,
  SYMLINK_MAX,
  VERSION,
  XATTR_ROW,
  XATTR_SET_ALIGN,
} from "./schema.js";

/** A breach of a rule. */
export interface Finding {
  readonly rule: RuleId;
  /** Inode number, null where the finding is about the image. */
  readonly inode: number | null;
  /** Path inside the image, fit for printing; null where none is known. */
  readonly path: string | null;
  readonly field: string;
  readonly expected: string;
  readonly found: string;
}

/** A finding before it is known which path its inode has. */
export type Breach = Omit<Finding, "path">;

/** An image is not what it should be; carries the finding. */
export class FormatError extends Error {
  override readonly name = "FormatError";

  constructor(readonly finding: Breach | Finding) {
    super(describeFinding(finding));
  }
}

/** One line: where, field, expected, found, and the rule's name. */
export function describeFinding(finding: Breach | Finding): string {
  const place: string[] = [];
  if (finding.inode !== null) place.push(`inode ${finding.inode}`);
  if ("path" in finding && finding.path !== null) place.push(finding.path);
  const where = place.length === 0 ? "superblock" : place.join(" ");
  return `${where}: ${finding.field}: expected ${finding.expected}, found ${finding.found} [${finding.rule}]`;
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

function inside(offset: bigint, size: bigint, start: bigint, end: bigint): boolean {
  return offset >= start && offset <= end && size <= end - offset;
}

interface Part {
  readonly field: string;
  readonly start: bigint;
  readonly size: bigint;
}

function overlaps(parts: readonly Part[]): Breach[] {
  const breaches: Breach[] = [];
  const used = parts.filter((part) => part.size > 0n);
  used.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  for (let i = 1; i < used.length; i++) {
    const before = used[i - 1]!;
    const part = used[i]!;
    if (part.start >= before.start + before.size) continue;
    breaches.push({
      rule: "superblock.overlap",
      inode: null,
      field: part.field,
      expected: `at least ${hex(before.start + before.size)}, the end of what begins at ${before.field}`,
      found: hex(part.start),
    });
  }
  return breaches;
}

/** The parts of the image that the superblock names, whether they are right or not. */
function partsOf(superblock: Superblock): Part[] {
  const parts = [
    { field: "magic", start: 0n, size: BigInt(SUPERBLOCK.size) },
    {
      field: "inode_offset",
      start: superblock.inode_offset,
      size: BigInt(superblock.inode_count) * BigInt(INODE.size),
    },
    { field: "strtab_offset", start: superblock.strtab_offset, size: superblock.strtab_size },
    {
      field: "data_offset",
      start: superblock.data_offset,
      size: superblock.total_size - superblock.data_offset,
    },
  ];
  if (superblock.flags & FLAG.XATTRS) {
    parts.push({
      field: "xattr_offset",
      start: superblock.xattr_offset,
      size: superblock.xattr_size,
    });
  }
  return parts;
}

function checkIdentity(superblock: Superblock, size: number): Breach[] {
  const breaches: Breach[] = [];
  const fault = (rule: RuleId, field: string, expected: string, found: string) =>
    breaches.push({ rule, inode: null, field, expected, found });
  if (superblock.magic !== MAGIC) {
    fault("superblock.magic", "magic", hex(MAGIC), hex(superblock.magic));
  }
  if (superblock.version !== VERSION) {
    fault("superblock.version", "version", String(VERSION), String(superblock.version));
  }
  const unknown = (superblock.flags & INCOMPATIBLE_MASK & ~KNOWN_FLAGS) >>> 0;
  if (unknown !== 0) {
    const bits = [...Array(32).keys()].filter((bit) => (unknown >>> bit) & 1).join(", ");
    fault(
      "superblock.features",
      "flags",
      "no unknown incompatible feature bit",
      `${hex(superblock.flags)} with bit ${bits}`,
    );
  }
  if (superblock.block_size !== BLOCK_SIZE) {
    fault("superblock.block-size", "block_size", "4096", String(superblock.block_size));
  }
  const total = superblock.total_size;
  if (total < BigInt(SUPERBLOCK.size) || total > BigInt(size) || total % 4096n !== 0n) {
    const expected = `a multiple of 4096, at least 4096 and at most the ${size} bytes there are`;
    fault("superblock.total-size", "total_size", expected, String(total));
  }
  return breaches;
}

/**
 * The rules of the superblock that need nothing but its fields and the number of bytes that the
 * file or region has.
 * @returns the breaches; with none, every part it names is inside `size`.
 */
export function checkSuperblock(superblock: Superblock, size: number): Breach[] {
  const breaches = checkIdentity(superblock, size);
  // What follows would only repeat that this is not an image.
  if (breaches.length > 0) return breaches;

  const end = superblock.total_size;
  const behind = BigInt(SUPERBLOCK.size);
  const fault = (rule: RuleId, field: string, expected: string, found: string) =>
    breaches.push({ rule, inode: null, field, expected, found });
  if (superblock.inode_count === 0) {
    fault("superblock.inode-count", "inode_count", "at least 1", "0");
  }
  const [, inodes, strings] = partsOf(superblock);
  if (!inside(inodes!.start, inodes!.size, behind, end)) {
    const found = `${inodes!.size} bytes at ${hex(inodes!.start)}`;
    fault("superblock.inode-table", "inode_offset", `a table in 0x1000 to ${hex(end)}`, found);
  }
  if (!inside(strings!.start, strings!.size, behind, end)) {
    const found = `${strings!.size} bytes at ${hex(strings!.start)}`;
    fault("superblock.string-table", "strtab_offset", `a table in 0x1000 to ${hex(end)}`, found);
  }
  const data = superblock.data_offset;
  if (data < behind || data > end || data % BigInt(BLOCK_SIZE) !== 0n) {
    const expected = `a multiple of 4096 from 0x1000 to ${hex(end)}`;
    fault("superblock.data-area", "data_offset", expected, hex(data));
  }
  if (superblock.flags & FLAG.XATTRS) {
    const rows = BigInt(superblock.xattr_rows) * BigInt(XATTR_ROW.size);
    if (
      superblock.xattr_offset % BigInt(XATTR_SET_ALIGN) !== 0n ||
      !inside(superblock.xattr_offset, superblock.xattr_size, behind, end)
    ) {
      const found = `${superblock.xattr_size} bytes at ${hex(superblock.xattr_offset)}`;
      fault("superblock.xattr-area", "xattr_offset", `an aligned area up to ${hex(end)}`, found);
    } else if (rows > superblock.xattr_size) {
      const expected = `an index inside ${superblock.xattr_size} bytes`;
      fault("superblock.xattr-area", "xattr_rows", expected, String(superblock.xattr_rows));
    }
  }
  if (superblock.root_inode === 0 || superblock.root_inode > superblock.inode_count) {
    const expected = `1 to ${superblock.inode_count}`;
    fault("superblock.root", "root_inode", expected, String(superblock.root_inode));
  }
  if (breaches.length === 0) breaches.push(...overlaps(partsOf(superblock)));
  return breaches;
}

/** Rules of the superblock that readers need not hold it to, but builders keep. */
export function checkSuperblockExtras(superblock: Superblock, reserved: Uint8Array): Breach[] {
  const breaches: Breach[] = [];
  const align = superblock.data_align_log2;
  const extended = superblock.flags !== 0;
  if (align !== 12 && align !== 21 && (extended || align !== 0)) {
    breaches.push({
      rule: "superblock.alignment",
      inode: null,
      field: "data_align_log2",
      expected: "12 or 21",
      found: String(align),
    });
  }
  const label = Buffer.from(superblock.label);
  const end = label.indexOf(0);
  const text = end < 0 ? label : label.subarray(0, end);
  const padded = end < 0 || label.subarray(end).every((byte) => byte === 0);
  const utf8 = Buffer.from(text.toString("utf8"), "utf8").equals(text);
  if (!padded || !utf8) {
    breaches.push({
      rule: "superblock.label",
      inode: null,
      field: "label",
      expected: "UTF-8 with NULs behind",
      found: label.toString("hex"),
    });
  }
  // Bytes that a feature unknown here may use are not ours to judge.
  const unknown = superblock.flags & COMPATIBLE_MASK & ~KNOWN_FLAGS;
  const stray = unknown === 0 ? reserved.findIndex((byte) => byte !== 0) : -1;
  if (stray >= 0) {
    breaches.push({
      rule: "superblock.reserved",
      inode: null,
      field: "reserved",
      expected: "zero",
      found: `${hex(reserved[stray]!)} at byte ${SUPERBLOCK.size - reserved.length + stray}`,
    });
  }
  return breaches;
}

function checkContent(superblock: Superblock, ino: number, inode: Inode): Breach[] {
  const breaches: Breach[] = [];
  const fault = (rule: RuleId, field: string, expected: string, found: string) =>
    breaches.push({ rule, inode: ino, field, expected, found });
  const start = superblock.data_offset;
  const end = superblock.total_size;
  const area = `inside the data area, ${hex(start)} to ${hex(end)}`;
  const { size, data_offset: offset } = inode;
  if (size >= 1n << 63n) {
    fault("inode.size", "size", "at most 2^63 - 1", String(size));
    return breaches;
  }
  switch (inode.mode & FILE_TYPE.MASK) {
    case FILE_TYPE.DIRECTORY:
      if (inode.first_child > superblock.inode_count) {
        const expected = `0 to ${superblock.inode_count}`;
        fault("inode.child-range", "first_child", expected, String(inode.first_child));
      }
      break;
    case FILE_TYPE.REGULAR:
      if (size === 0n) {
        if (offset > end) {
          const expected = `at most ${hex(end)}`;
          fault("inode.content-range", "data_offset", expected, hex(offset));
        }
        break;
      }
      if (!inside(offset, size, start, end)) {
        const found = `${size} bytes at ${hex(offset)}`;
        fault("inode.content-range", "data_offset", area, found);
      }
      if (offset % BigInt(BLOCK_SIZE) !== 0n) {
        fault("inode.content-alignment", "data_offset", "a multiple of 4096", hex(offset));
      }
      break;
    case FILE_TYPE.SYMLINK:
      if (size === 0n || size > BigInt(SYMLINK_MAX)) {
        fault("inode.symlink-length", "size", `1 to ${SYMLINK_MAX}`, String(size));
      } else if (!inside(offset, size + 1n, start, end)) {
        const found = `${size + 1n} bytes at ${hex(offset)}`;
        fault("inode.content-range", "data_offset", area, found);
      }
      break;
    default:
      if (size !== 0n) fault("inode.size", "size", "0", String(size));
  }
  const type = inode.mode & FILE_TYPE.MASK;
  if (type === FILE_TYPE.CHARACTER_DEVICE || type === FILE_TYPE.BLOCK_DEVICE) {
    const major = offset >> 32n;
    const minor = offset & 0xffffffffn;
    if (major > BigInt(DEVICE_MAJOR_MAX) || minor > BigInt(DEVICE_MINOR_MAX)) {
      const expected = `major up to ${DEVICE_MAJOR_MAX}, minor up to ${DEVICE_MINOR_MAX}`;
      fault("inode.device", "data_offset", expected, `${major}:${minor}`);
    }
  }
  return breaches;
}

/** Whether an entry's name lies in the string table and has a length that names have. */
export function hasNameInRange(superblock: Superblock, ino: number, inode: Inode): boolean {
  if (ino === superblock.root_inode) return inode.name_len === 0;
  return (
    inode.name_len >= 1 &&
    inode.name_len <= NAME_MAX &&
    BigInt(inode.name_offset) + BigInt(inode.name_len) <= superblock.strtab_size
  );
}

/**
 * The rules of an inode that need nothing but its own fields.
 * @param ino the number that its place in the table gives it
 */
export function checkInode(superblock: Superblock, ino: number, inode: Inode): Breach[] {
  const breaches: Breach[] = [];
  const count = superblock.inode_count;
  const root = ino === superblock.root_inode;
  const fault = (rule: RuleId, field: string, expected: string, found: string) =>
    breaches.push({ rule, inode: ino, field, expected, found });
  if (inode.ino !== ino) fault("inode.ino", "ino", String(ino), String(inode.ino));
  if (!hasNameInRange(superblock, ino, inode)) {
    if (root ? inode.name_len !== 0 : inode.name_len < 1 || inode.name_len > NAME_MAX) {
      const expected = root ? "0 for the root" : `1 to ${NAME_MAX}`;
      fault("inode.name-range", "name_len", expected, String(inode.name_len));
    } else {
      const expected = `a name inside the ${superblock.strtab_size} bytes of names`;
      const found = `${inode.name_len} at ${inode.name_offset}`;
      fault("inode.name-range", "name_offset", expected, found);
    }
  }
  if (root ? inode.parent_ino !== 0 : inode.parent_ino < 1 || inode.parent_ino > count) {
    const expected = root ? "0 for the root" : `1 to ${count}`;
    fault("inode.parent-range", "parent_ino", expected, String(inode.parent_ino));
  }
  if (inode.next_sibling > count) {
    fault("inode.sibling-range", "next_sibling", `0 to ${count}`, String(inode.next_sibling));
  }
  if (inode.nlink === 0) fault("inode.nlink", "nlink", "at least 1", "0");
  if (!isKnownFileType(inode.mode) || inode.mode > 0o177777) {
    const expected = "a file type of Linux and 12 bits of permissions";
    fault("inode.file-type", "mode", expected, `0o${inode.mode.toString(8)}`);
    return breaches;
  }
  breaches.push(...checkContent(superblock, ino, inode));
  return breaches;
}

/** The rule of a name's characters. */
export function checkName(ino: number, name: string): Breach[] {
  if (name !== "." && name !== ".." && !name.includes("/") && !name.includes("\0")) return [];
  return [
    {
      rule: "inode.name-characters",
      inode: ino,
      field: "name",
      expected: "no '/', no NUL, neither '.' nor '..'",
      found: `'${printable(name)}'`,
    },
  ];
}

/**
 * The rules of a further name of a hard-linked file, checked against the entry it names.
 * @param first the entry that `link_ino` leads to, undefined where there is none
 */
export function checkLink(
  superblock: Superblock,
  ino: number,
  inode: Inode,
  first: Inode | undefined,
): Breach[] {
  const link = inode.first_child;
  const breach = (rule: RuleId, field: string, expected: string, found: string): Breach => ({
    rule,
    inode: ino,
    field,
    expected,
    found,
  });
  if (link >= ino || first === undefined) {
    return [breach("inode.link", "link_ino", `0, or a number below ${ino}`, String(link))];
  }
  const breaches: Breach[] = [];
  const directory = (first.mode & FILE_TYPE.MASK) === FILE_TYPE.DIRECTORY;
  if (directory || first.first_child !== 0) {
    const found = `${link}, ${directory ? "a directory" : `itself a link to ${first.first_child}`}`;
    return [breach("inode.link", "link_ino", "a first name", found)];
  }
  for (const field of ["mode", "size", "data_offset"] as const) {
    if (inode[field] === first[field]) continue;
    const expected = `${first[field]}, as inode ${link} has`;
    breaches.push(breach("inode.link", field, expected, String(inode[field])));
  }
  const repeated = superblock.flags & FLAG.MTIME ? ["uid", "gid", "mtime_ns"] : ["uid", "gid"];
  for (const field of repeated as ("uid" | "gid" | "mtime_ns")[]) {
    if (inode[field] === first[field]) continue;
    const expected = `${first[field]}, as inode ${link} has`;
    breaches.push(breach("inode.link-attributes", field, expected, String(inode[field])));
  }
  return breaches;
}
