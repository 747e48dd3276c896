// SPDX-License-Identifier: MIT
// Turns a description into a tar archive, byte by byte: no program writes all that readers may meet.
// Formats: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar's manual, "Basic Tar Format".
import { spawnSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import type { ByteString } from "@daxfs/format";
import { contentBytes, type TarDescription, type TarMember } from "./description.js";

const BLOCK = 512;
const NAME_ROOM = 100;
const PREFIX_ROOM = 155;
/** star has access and change times where the last bytes of ustar's prefix are. */
const STAR_PREFIX_ROOM = 130;

type Record = readonly [keyword: ByteString, value: ByteString];

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)]);
}

const latin1 = (text: ByteString) => Buffer.from(text, "latin1");

/** "LENGTH KEYWORD=VALUE\n", where LENGTH counts itself. */
function paxRecord([keyword, value]: Record): Buffer {
  const rest = ` ${keyword}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length++;
  return latin1(`${length}${rest}`);
}

function base256(value: bigint, width: number): Buffer {
  const bytes = Buffer.alloc(width);
  let rest = BigInt.asUintN(width * 8, value);
  for (let at = width - 1; at >= 0; at--) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  bytes[0]! |= 0x80;
  return bytes;
}

function fitsOctal(value: bigint, width: number): boolean {
  return value >= 0n && value < 8n ** BigInt(width - 1);
}

function octal(value: bigint, width: number, digits: TarMember["digits"]): string {
  const text = value.toString(8);
  switch (digits) {
    case "space":
      return `${text.padStart(width - 2, " ")} \0`.slice(-width);
    case "full":
      return text.padStart(width, "0");
    case "blank":
      return value === 0n ? "" : `${text.padStart(width - 1, "0")} `;
    default:
      return `${text.padStart(width - 1, "0")}\0`;
  }
}

interface HeaderFields {
  readonly name: ByteString;
  readonly prefix?: ByteString;
  readonly type: string;
  readonly link?: ByteString;
  readonly size: number;
  readonly seconds?: bigint;
  readonly member: TarMember;
  readonly sparse?: (block: Buffer) => void;
}

const MAGICS = { v7: "", ustar: "ustar\x0000", gnu: "ustar  \0", pax: "ustar\x0000" };

function header(fields: HeaderFields): Buffer {
  const { member, type } = fields;
  const dialect = member.dialect ?? "ustar";
  const block = Buffer.alloc(BLOCK);
  const put = (at: number, width: number, text: ByteString) =>
    latin1(text.slice(0, width)).copy(block, at);
  const number = (at: number, width: number, value: bigint) => {
    if (member.wide || !fitsOctal(value, width)) base256(value, width).copy(block, at);
    else put(at, width, octal(value, width, member.digits));
  };
  put(0, NAME_ROOM, fields.name);
  number(100, 8, BigInt(member.mode ?? 0o644));
  number(108, 8, BigInt(member.uid ?? 0));
  number(116, 8, BigInt(member.gid ?? 0));
  number(124, 12, BigInt(fields.size));
  number(136, 12, fields.seconds ?? 0n);
  put(156, 1, type);
  put(157, NAME_ROOM, fields.link ?? "");
  put(257, 8, dialect === "star" ? MAGICS.ustar : MAGICS[dialect]);
  if (dialect !== "v7") {
    const [major, minor] = member.device ?? [0, 0];
    if (type === "3" || type === "4") {
      number(329, 8, BigInt(major));
      number(337, 8, BigInt(minor));
    }
    put(345, PREFIX_ROOM, fields.prefix ?? "");
    if (dialect === "star") {
      for (const at of [476, 488]) put(at, 12, "12345670123 ");
      put(508, 4, "tar\0");
    } else if (dialect === "gnu" && member.headerTimes) {
      for (const at of [345, 357]) put(at, 12, "12345670123\0");
    }
  }
  fields.sparse?.(block);
  put(148, 8, "        ");
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, 8, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** A header that says something of the next one. */
function extension(type: string, name: ByteString, content: Uint8Array, member: TarMember): Buffer {
  const plain: TarMember = { dialect: member.dialect === "gnu" ? "gnu" : "ustar" };
  return Buffer.concat([
    header({ name, type, size: content.length, member: plain }),
    padded(content),
  ]);
}

/** Where a name is cut, so that ustar's or star's prefix has the first part. */
function prefixEnd(name: ByteString, room: number): number | undefined {
  for (let at = name.indexOf("/"); at >= 0; at = name.indexOf("/", at + 1)) {
    if (at > 0 && at <= room && name.length - at - 1 <= NAME_ROOM && at < name.length - 1)
      return at;
  }
  return undefined;
}

/** Of a time: whole seconds, downwards, and whether there is more. */
function wholeSeconds(time: string): { readonly seconds: bigint; readonly hasFraction: boolean } {
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(time);
  if (match === null) return { seconds: 0n, hasFraction: false };
  const hasFraction = /[1-9]/.test(match[3] ?? "");
  const size = BigInt(match[2]!);
  if (match[1] === "") return { seconds: size, hasFraction };
  return { seconds: hasFraction ? -size - 1n : -size, hasFraction };
}

interface Stored {
  readonly bytes: Buffer;
  readonly type: string;
  readonly records: readonly Record[];
  readonly name: ByteString;
  /** Blocks behind the header. */
  readonly blocks: readonly Buffer[];
  readonly header?: (block: Buffer) => void;
}

/** What is stored of a sparse file, and its map in the form of its version. */
function sparseParts(member: TarMember, name: ByteString): Stored | undefined {
  const { sparse } = member;
  if (sparse === undefined) return undefined;
  const whole = contentBytes(member.content);
  const map = sparse.map ?? [];
  const end = map.reduce((last, [offset, length]) => Math.max(last, offset + length), 0);
  const realSize = Math.max(sparse.realSize ?? 0, end);
  const bytes = Buffer.concat(
    map.map(([offset, length]) =>
      Buffer.from(Array.from({ length }, (_, at) => whole[(offset + at) % whole.length] ?? 0x61)),
    ),
  );
  const size = String(realSize);
  const base = { bytes, type: "0", blocks: [], name };
  const count = String(map.length);
  const standIn = `GNUSparseFile.0/${name.slice(-60).replace(/^.*\/(?=.)/, "")}`;
  switch (sparse.version ?? "1.0") {
    case "0.0":
      return {
        ...base,
        records: [
          ["GNU.sparse.size", size],
          ["GNU.sparse.numblocks", count],
          ...map.flatMap(([offset, length]): Record[] => [
            ["GNU.sparse.offset", String(offset)],
            ["GNU.sparse.numbytes", String(length)],
          ]),
        ],
      };
    case "0.1":
      return {
        ...base,
        name: standIn,
        records: [
          ["GNU.sparse.size", size],
          ["GNU.sparse.numblocks", count],
          ["GNU.sparse.name", name],
          ["GNU.sparse.map", map.flat().join(",")],
        ],
      };
    case "1.0": {
      const text = [map.length, ...map.flat()].map((number) => `${number}\n`).join("");
      return {
        ...base,
        name: standIn,
        bytes: Buffer.concat([padded(latin1(text)), bytes]),
        records: [
          ["GNU.sparse.major", "1"],
          ["GNU.sparse.minor", "0"],
          ["GNU.sparse.name", name],
          ["GNU.sparse.realsize", size],
        ],
      };
    }
    case "old":
      return { ...base, ...oldSparse(map, realSize), type: "S", records: [] };
  }
}

/** Four pairs in the header, 21 in each block behind it. */
function oldSparse(map: readonly (readonly [number, number])[], realSize: number) {
  const pairs = (block: Buffer, start: number, part: typeof map) => {
    for (const [index, pair] of part.entries()) {
      for (const [half, value] of pair.entries()) {
        block.write(octal(BigInt(value), 12, "nul"), start + index * 24 + half * 12, "latin1");
      }
    }
  };
  const blocks: Buffer[] = [];
  for (let at = 4; at < map.length; at += 21) {
    const block = Buffer.alloc(BLOCK);
    pairs(block, 0, map.slice(at, at + 21));
    block[504] = at + 21 < map.length ? 1 : 0;
    blocks.push(block);
  }
  return {
    blocks,
    header: (block: Buffer) => {
      pairs(block, 386, map.slice(0, 4));
      block[482] = blocks.length > 0 ? 1 : 0;
      block.write(octal(BigInt(realSize), 12, "nul"), 483, "latin1");
    },
  };
}

function xattrRecords({ xattrs = {}, xattrStyle = "schily" }: TarMember): Record[] {
  return Object.entries(xattrs).flatMap(([name, value]) => {
    const records: Record[] = [];
    if (xattrStyle !== "libarchive") {
      const escaped = name.replaceAll("%", "%25").replaceAll("=", "%3D");
      records.push([`SCHILY.xattr.${escaped}`, value]);
    }
    if (xattrStyle !== "schily") {
      const escaped = name.replace(
        /[^!-~]|[%=]/g,
        (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
      );
      const text = latin1(value).toString("base64").replace(/=+$/, "");
      records.push([`LIBARCHIVE.xattr.${escaped}`, text]);
    }
    return records;
  });
}

const HAS_CONTENT = "\x00071DS";

function memberBlocks(member: TarMember): Buffer[] {
  const { type = "0", dialect = "ustar" } = member;
  const records: Record[] = [];
  if (type === "g") {
    const content = Buffer.concat((member.records ?? []).map(paxRecord));
    return [extension("g", "pax_global_header", content, member)];
  }
  const stored = sparseParts(member, member.name ?? "f");
  const isPax = dialect === "pax" || dialect === "star" || dialect === "ustar";
  let name = stored?.name ?? member.name ?? "f";
  let prefix = "";
  const blocks: Buffer[] = [];
  const { link = "" } = member;
  const long = (text: ByteString) => text.length > NAME_ROOM || member.longNames === true;
  if (long(name)) {
    const cut =
      dialect === "ustar" || dialect === "star"
        ? prefixEnd(name, dialect === "star" ? STAR_PREFIX_ROOM : PREFIX_ROOM)
        : undefined;
    if (cut !== undefined) {
      prefix = name.slice(0, cut);
      name = name.slice(cut + 1);
    } else if (isPax) {
      records.push(["path", name]);
    } else {
      blocks.push(extension("L", "././@LongLink", latin1(`${name}\0`), member));
    }
  }
  if (long(link) && link !== "") {
    if (isPax) records.push(["linkpath", link]);
    else blocks.push(extension("K", "././@LongLink", latin1(`${link}\0`), member));
  }
  const { mtime = "1000000000" } = member;
  let { seconds, hasFraction } = wholeSeconds(mtime);
  let numbers = member;
  if (isPax) {
    const inHeader = fitsOctal(seconds, 12) && !hasFraction;
    if (!inHeader && !(member.wide && !hasFraction)) {
      records.push(["mtime", mtime]);
      if (!fitsOctal(seconds, 12)) seconds = 0n;
    }
    for (const key of ["uid", "gid"] as const) {
      const id = member[key] ?? 0;
      if (fitsOctal(BigInt(id), 8) || member.wide) continue;
      records.push([key, String(id)]);
      numbers = { ...numbers, [key]: 0 };
    }
  }
  const content =
    stored?.bytes ?? (HAS_CONTENT.includes(type) ? contentBytes(member.content) : Buffer.alloc(0));
  let size = content.length > 0 ? content.length : (member.claimedSize ?? 0);
  if (member.sizeInRecord) {
    records.push(["size", String(size)]);
    size = 0;
  }
  records.push(...(stored?.records ?? []), ...xattrRecords(member), ...(member.records ?? []));
  if (records.length > 0) {
    const bytes = Buffer.concat(records.map(paxRecord));
    blocks.unshift(extension("x", "PaxHeaders/x", bytes, member));
  }
  blocks.push(
    header({
      ...{ name, prefix, link, size, seconds, member: numbers },
      type: stored?.type ?? type,
      ...(stored?.header && { sparse: stored.header }),
    }),
    ...(stored?.blocks ?? []),
    padded(content),
  );
  return blocks;
}

const ENDS = { none: 0, one: 1, record: 20 };

/** The archive before compression. */
export function tarStream(members: readonly TarMember[], end?: TarDescription["end"]): Buffer {
  const blocks = members.flatMap(memberBlocks);
  const zeros = end === undefined ? 2 : ENDS[end];
  return Buffer.concat([...blocks, Buffer.alloc(zeros * BLOCK)]);
}

/** Bytes from a program that compresses its input. */
export function compressed(command: readonly string[], bytes: Uint8Array): Buffer {
  const [program = "", ...args] = command;
  const { status, stdout, error } = spawnSync(program, args, { input: bytes });
  if (status !== 0) throw new Error(`${program} can't compress: ${error?.message ?? status}`);
  return stdout;
}

export function tarBytes({ members = [], end, compression }: TarDescription): Buffer {
  const bytes = tarStream(members, end);
  if (compression === undefined) return bytes;
  return compression === "gzip" ? gzipSync(bytes) : compressed([compression, "-c"], bytes);
}
