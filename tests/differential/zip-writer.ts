// SPDX-License-Identifier: MIT
// Turns a description into a zip archive, byte by byte. Format: APPNOTE 6.3.10; extra fields of
// Info-ZIP: proginfo/extrafld.txt of zip 3.0.
import { crc32, deflateRawSync } from "node:zlib";
import type { ByteString } from "@daxfs/format";
import {
  contentBytes,
  DescriptionError,
  type ZipDescription,
  type ZipExtra,
  type ZipMember,
} from "./description.js";
import { compressed } from "./tar-writer.js";

const latin1 = (text: ByteString) => Buffer.from(text, "latin1");

/** Little-endian numbers, each as [bytes, value]. */
function fields(...values: readonly (readonly [number, number | bigint])[]): Buffer {
  return Buffer.concat(
    values.map(([size, value]) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
      return bytes.subarray(0, size);
    }),
  );
}

const MAX_16 = 0xffff;
const MAX_32 = 0xffffffff;

function field(id: number, data: Buffer): Buffer {
  return Buffer.concat([fields([2, id], [2, data.length]), data]);
}

export const EXTRA = {
  extendedTimes: 0x5455,
  unixTimes: 0x5855,
  unixOwners16: 0x7855,
  unixOwners: 0x7875,
  pkwareUnix: 0x000d,
  ntfs: 0x000a,
  unicodePath: 0x7075,
} as const;

function extraData(extra: ZipExtra, name: ByteString, isLocal: boolean): Buffer {
  const { mtime = 1_000_000_000, atime = mtime, ctime, uid = 0, gid = 0 } = extra;
  switch (extra.id) {
    case EXTRA.extendedTimes: {
      // The central directory has the flags of all times, and the modification time only.
      const times: [number, number][] = [[4, mtime]];
      let flags = 1;
      if (extra.atime !== undefined) flags |= 2;
      if (ctime !== undefined) flags |= 4;
      if (isLocal && extra.atime !== undefined) times.push([4, atime]);
      if (isLocal && ctime !== undefined) times.push([4, ctime]);
      return fields([1, flags], ...times);
    }
    case EXTRA.unixTimes: {
      const ids: [number, number][] = isLocal
        ? [
            [2, uid],
            [2, gid],
          ]
        : [];
      return fields([4, atime], [4, mtime], ...ids);
    }
    case EXTRA.pkwareUnix:
      return fields([4, atime], [4, mtime], [2, uid], [2, gid]);
    case EXTRA.unixOwners16:
      return isLocal ? fields([2, uid], [2, gid]) : Buffer.alloc(0);
    case EXTRA.unixOwners: {
      const { width = 4 } = extra;
      return fields([1, 1], [1, width], [width, uid], [1, width], [width, gid]);
    }
    case EXTRA.ntfs: {
      const time = BigInt(extra.ntfs ?? "0");
      return fields([4, 0], [2, 1], [2, 24], [8, time], [8, time], [8, time]);
    }
    case EXTRA.unicodePath: {
      const sum = crc32(latin1(extra.stale ? `${name}.` : name));
      return Buffer.concat([fields([1, 1], [4, sum]), latin1(extra.name ?? name)]);
    }
    default:
      return latin1(extra.data ?? "");
  }
}

function extrasOf(member: ZipMember, name: ByteString, place: "local" | "central"): Buffer {
  const wanted = (member.extras ?? []).filter(({ only = place }) => only === place);
  return Buffer.concat(
    wanted.map((extra) => field(extra.id ?? 0xcafe, extraData(extra, name, place === "local"))),
  );
}

/** Programs for the methods that Node has none for. */
const PROGRAMS: Readonly<Record<number, readonly string[]>> = {
  12: ["bzip2", "-c"],
  14: ["xz", "--format=lzma", "-c"],
  93: ["zstd", "-c", "-q"],
  95: ["xz", "-c"],
};
const packedContents = new Map<string, Buffer>();

function packed(method: number, content: Buffer): Buffer {
  if (method === 0) return content;
  if (method === 8) return deflateRawSync(content);
  const key = `${method} ${content.toString("latin1")}`;
  let bytes = packedContents.get(key);
  if (bytes === undefined) {
    const program = PROGRAMS[method];
    if (program === undefined) throw new DescriptionError(`no program for method ${method}`);
    bytes = compressed(program, content);
    // The header of .lzma files, 5 bytes of properties and 8 of size, becomes that of zip, 5.8.8.
    if (method === 14) {
      bytes = Buffer.concat([
        fields([2, 0x1409], [2, 5]),
        bytes.subarray(0, 5),
        bytes.subarray(13),
      ]);
    }
    if (packedContents.size > 1000) packedContents.clear();
    packedContents.set(key, bytes);
  }
  return bytes;
}

const LZMA = 14;
const UTF8 = 1 << 11;
const SIZES_FOLLOW = 1 << 3;
const END_MARKER = 1 << 1;

interface Written {
  readonly local: Buffer;
  /** @param offset of the local header */
  readonly central: (offset: number) => Buffer;
}

function written(member: ZipMember): Written {
  const { name = "f", method = 0, descriptor, zip64 = [] } = member;
  const content = contentBytes(member.content);
  const bytes = packed(method, content);
  const sum = crc32(content);
  const flags =
    (member.utf8 ? UTF8 : 0) |
    (descriptor === undefined ? 0 : SIZES_FOLLOW) |
    (method === LZMA ? END_MARKER : 0);
  const version = zip64.length > 0 || member.localZip64 ? 45 : 20;
  const { dosTime = 0x2a210000 } = member;
  const rawName = latin1(name);

  const inLocal64 = member.localZip64 === true;
  const follows = descriptor !== undefined;
  const localSizes: readonly [number, number] = follows ? [0, 0] : [bytes.length, content.length];
  const local64 = inLocal64
    ? field(1, fields([8, localSizes[1]], [8, localSizes[0]]))
    : Buffer.alloc(0);
  const localExtra = Buffer.concat([local64, extrasOf(member, name, "local")]);
  const sizeFields: [number, number][] = inLocal64
    ? [
        [4, MAX_32],
        [4, MAX_32],
      ]
    : [
        [4, localSizes[0]],
        [4, localSizes[1]],
      ];
  // With zip64 in the local header the sizes of the descriptor have 8 bytes.
  const width = inLocal64 ? 8 : 4;
  const trailer = follows
    ? fields(
        ...(descriptor === "signed" ? [[4, 0x08074b50] as const] : []),
        [4, sum],
        [width, bytes.length],
        [width, content.length],
      )
    : Buffer.alloc(0);
  const local = Buffer.concat([
    fields([4, 0x04034b50], [2, version], [2, flags], [2, method], [4, dosTime]),
    fields([4, follows ? 0 : sum], ...sizeFields, [2, rawName.length], [2, localExtra.length]),
    ...[rawName, localExtra, bytes, trailer],
  ]);

  const central = (offset: number): Buffer => {
    const has = (part: "size" | "compressed" | "offset") => zip64.includes(part);
    const long = Buffer.concat([
      has("size") ? fields([8, content.length]) : Buffer.alloc(0),
      has("compressed") ? fields([8, bytes.length]) : Buffer.alloc(0),
      has("offset") ? fields([8, offset]) : Buffer.alloc(0),
    ]);
    const extra = Buffer.concat([
      long.length > 0 ? field(1, long) : Buffer.alloc(0),
      extrasOf(member, name, "central"),
    ]);
    const comment = latin1(member.comment ?? "");
    const attributes = (((member.mode ?? 0) << 16) | (member.dos ?? 0)) >>> 0;
    return Buffer.concat([
      fields([4, 0x02014b50], [1, version], [1, member.host ?? 3], [2, version], [2, flags]),
      fields([2, method], [4, dosTime], [4, sum]),
      fields([4, has("compressed") ? MAX_32 : bytes.length]),
      fields([4, has("size") ? MAX_32 : content.length]),
      fields([2, rawName.length], [2, extra.length], [2, comment.length], [2, 0], [2, 0]),
      fields([4, attributes], [4, has("offset") ? MAX_32 : offset]),
      ...[rawName, extra, comment],
    ]);
  };
  return { local, central };
}

export function zipBytes(archive: ZipDescription): Buffer {
  const { members = [], counted = false } = archive;
  const stub = latin1(archive.stub ?? "");
  const base = counted ? stub.length : 0;
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = base;
  for (const member of members) {
    const { local, central } = written(member);
    centrals.push(central(offset));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(centrals);
  const count = members.length;
  const end64 = archive.zip64End
    ? [
        fields([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, count], [8, count]),
        fields([8, directory.length], [8, offset]),
        fields([4, 0x07064b50], [4, 0], [8, offset + directory.length], [4, 1]),
      ]
    : [];
  const short = (value: number, max: number) => (archive.zip64End ? max : value);
  const comment = latin1(archive.comment ?? "");
  return Buffer.concat([
    ...[stub, ...locals, directory, ...end64],
    fields([4, 0x06054b50], [2, 0], [2, 0], [2, short(count, MAX_16)], [2, short(count, MAX_16)]),
    fields([4, short(directory.length, MAX_32)], [4, short(offset, MAX_32)], [2, comment.length]),
    ...[comment, latin1(archive.behind ?? "")],
  ]);
}
