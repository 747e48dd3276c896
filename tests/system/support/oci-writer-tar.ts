// SPDX-License-Identifier: MIT
// A writer of tar streams for tests, with full control over the order, the names and the records of
// the members: tar-stream and the tar commands clean up, sort out or refuse much of what has to be
// in these streams.
import { type ByteString, bytesOf } from "@daxfs/format";

const TYPE_FLAGS = {
  file: "0",
  link: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
} as const;

/** One member of a tar stream. Names and values are byte strings, one character a byte. */
export interface Member {
  readonly type: keyof typeof TYPE_FLAGS;
  readonly path: ByteString;
  /** 0640 by default; 0750 for a directory, 0777 for a symlink. */
  readonly mode?: number;
  /** 1000 by default, so that it shows who made a directory. */
  readonly uid?: number;
  /** 100 by default. */
  readonly gid?: number;
  /** Seconds since 1970 as a decimal number; each member has its own by default. */
  readonly mtime?: string;
  readonly content?: ByteString;
  /** What the header says of the content's length; that of the content by default. */
  readonly headerSize?: number;
  /** Of a hard link or a symlink. */
  readonly target?: ByteString;
  /** Major and minor number. */
  readonly device?: readonly [number, number];
  /** Written as `SCHILY.xattr` records. */
  readonly xattrs?: Readonly<Record<ByteString, ByteString>>;
  /** Further PAX records, written as they are. */
  readonly pax?: Readonly<Record<ByteString, ByteString>>;
  /** How what doesn't fit into the header is said: in PAX records, the default, or as GNU tar does. */
  readonly dialect?: "pax" | "gnu";
}

type Facts = Omit<Member, "type" | "path">;

export const file = (path: ByteString, content: ByteString = path, facts: Facts = {}): Member => ({
  type: "file",
  path,
  content,
  ...facts,
});
export const directory = (path: ByteString, facts: Facts = {}): Member => ({
  type: "directory",
  path: `${path}/`,
  ...facts,
});
export const symlink = (path: ByteString, target: ByteString, facts: Facts = {}): Member => ({
  type: "symlink",
  path,
  target,
  ...facts,
});
/** A hard link. */
export const link = (path: ByteString, target: ByteString, facts: Facts = {}): Member => ({
  type: "link",
  path,
  target,
  ...facts,
});
export const fifo = (path: ByteString, facts: Facts = {}): Member => ({
  type: "fifo",
  path,
  ...facts,
});

const BLOCK = 512;

/** What fits into the octal digits of a field of the header. */
const largest = (width: number) => 8 ** (width - 1) - 1;

function padded(bytes: Uint8Array): Buffer {
  const rest = bytes.length % BLOCK;
  return Buffer.concat([bytes, Buffer.alloc(rest === 0 ? 0 : BLOCK - rest)]);
}

function writeText(header: Buffer, at: number, width: number, text: ByteString): void {
  header.write(text.slice(0, width), at, "latin1");
}

/** Octal digits, or the two's complement that GNU tar writes for what they can't say. */
function writeNumber(header: Buffer, at: number, width: number, value: bigint): void {
  if (value >= 0n && value <= BigInt(largest(width))) {
    writeText(header, at, width, value.toString(8).padStart(width - 1, "0"));
    return;
  }
  let rest = BigInt.asUintN(8 * width, value);
  for (let index = width - 1; index >= 0; index--) {
    header[at + index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  header[at] = header[at]! | 0x80;
}

interface Header {
  readonly flag: string;
  readonly name: ByteString;
  readonly target?: ByteString;
  readonly mode?: number;
  readonly uid?: bigint;
  readonly gid?: bigint;
  readonly size?: number;
  readonly seconds?: bigint;
  readonly device?: readonly [number, number];
}

function headerBlock(header: Header): Buffer {
  const block = Buffer.alloc(BLOCK);
  writeText(block, 0, 100, header.name);
  writeNumber(block, 100, 8, BigInt(header.mode ?? 0));
  writeNumber(block, 108, 8, header.uid ?? 0n);
  writeNumber(block, 116, 8, header.gid ?? 0n);
  writeNumber(block, 124, 12, BigInt(header.size ?? 0));
  writeNumber(block, 136, 12, header.seconds ?? 0n);
  writeText(block, 156, 1, header.flag);
  writeText(block, 157, 100, header.target ?? "");
  writeText(block, 257, 8, "ustar\x0000");
  writeNumber(block, 329, 8, BigInt(header.device?.[0] ?? 0));
  writeNumber(block, 337, 8, BigInt(header.device?.[1] ?? 0));
  writeText(block, 148, 8, "        ");
  const sum = block.reduce((total, byte) => total + byte, 0);
  writeText(block, 148, 8, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
function paxRecord(key: ByteString, value: ByteString): ByteString {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length++;
  return `${length}${rest}`;
}

/** A member that says something of the next one. */
const extension = (flag: string, name: ByteString, content: ByteString): Buffer[] => [
  headerBlock({ flag, name, size: content.length }),
  padded(bytesOf(content)),
];

function memberBlocks(member: Member, defaultSeconds: number): Buffer[] {
  const content = bytesOf(member.content ?? "");
  const mtime = member.mtime ?? String(defaultSeconds);
  const uid = member.uid ?? 1000;
  const gid = member.gid ?? 100;
  const target = member.target ?? "";
  const gnu = member.dialect === "gnu";
  const whole = /^-?\d+$/.test(mtime);
  const records = new Map<ByteString, ByteString>();
  const blocks: Buffer[] = [];
  for (const [text, record, flag] of [
    [member.path, "path", "L"],
    [target, "linkpath", "K"],
  ] as const) {
    if (text.length <= 100) continue;
    if (gnu) blocks.push(...extension(flag, "././@LongLink", `${text}\0`));
    else records.set(record, text);
  }
  if (!gnu) {
    if (uid > largest(8)) records.set("uid", String(uid));
    if (gid > largest(8)) records.set("gid", String(gid));
    if (!whole || Number(mtime) < 0 || Number(mtime) > largest(12)) records.set("mtime", mtime);
  }
  for (const [name, value] of Object.entries(member.xattrs ?? {})) {
    records.set(`SCHILY.xattr.${name}`, value);
  }
  for (const [key, value] of Object.entries(member.pax ?? {})) records.set(key, value);
  if (records.size > 0) {
    const text = [...records].map(([key, value]) => paxRecord(key, value)).join("");
    blocks.push(...extension("x", "PaxHeaders/member", text));
  }
  const orZero = (key: string, value: bigint) => (records.has(key) ? 0n : value);
  const { mode = { directory: 0o750, symlink: 0o777 }[member.type as string] ?? 0o640 } = member;
  blocks.push(
    headerBlock({
      flag: TYPE_FLAGS[member.type],
      name: member.path,
      target,
      mode,
      uid: orZero("uid", BigInt(uid)),
      gid: orZero("gid", BigInt(gid)),
      size: member.headerSize ?? content.length,
      seconds: whole ? orZero("mtime", BigInt(mtime)) : 0n,
      ...(member.device && { device: member.device }),
    }),
    padded(content),
  );
  return blocks;
}

/**
 * A tar stream with these members.
 * @param firstSecond mtime of the first member in seconds since 1970, where it has none of its own;
 *   each further one is a second later
 */
export function tarStream(members: readonly Member[], firstSecond: number): Buffer {
  const blocks = members.flatMap((member, index) => memberBlocks(member, firstSecond + index));
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}
