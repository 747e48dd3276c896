// SPDX-License-Identifier: MIT
// An archive as a description in JSON: the generators make them, the writers turn them into bytes, the
// shrinker takes parts away, and committed cases are kept as such. Every field is optional, so that
// the shrinker may remove any; the writers have a default for each.
import type { ByteString } from "@daxfs/format";

/** A description that no archive can be written from. */
export class DescriptionError extends Error {}

/** Bytes of a file: those given, or `size` bytes that depend on `seed`. */
export interface ContentDescription {
  readonly text?: ByteString;
  readonly seed?: number;
  readonly size?: number;
}

export type TarDialect = "v7" | "ustar" | "gnu" | "pax" | "star";

/** Stored stretches of a sparse file. */
export interface SparseDescription {
  /** Of GNU tar: "old" is type S. */
  readonly version?: "old" | "0.0" | "0.1" | "1.0";
  /** Pairs of offset and length. */
  readonly map?: readonly (readonly [offset: number, length: number])[];
  readonly realSize?: number;
}

export interface TarMember {
  /** One character, "0" by default. Of "g" only `records` count, of "V" only `name`. */
  readonly type?: string;
  readonly dialect?: TarDialect;
  readonly name?: ByteString;
  readonly link?: ByteString;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Decimal seconds since 1970, perhaps with a fraction, which needs PAX. */
  readonly mtime?: string;
  readonly content?: ContentDescription;
  /** Size in the header of what has no content. */
  readonly claimedSize?: number;
  readonly device?: readonly [major: number, minor: number];
  readonly sparse?: SparseDescription;
  readonly xattrs?: Readonly<Record<ByteString, ByteString>>;
  readonly xattrStyle?: "schily" | "libarchive" | "both";
  /** Further PAX records in front of the member, in any dialect. */
  readonly records?: readonly (readonly [keyword: ByteString, value: ByteString])[];
  /** How octal numbers are written; "nul" by default. */
  readonly digits?: "nul" | "space" | "full" | "blank";
  /** Numbers in base-256 even where octal digits would do. */
  readonly wide?: boolean;
  /** A long-name header of GNU tar, or a PAX record, even for a short name. */
  readonly longNames?: boolean;
  /** Size only in a PAX record. */
  readonly sizeInRecord?: boolean;
  /** Access and change times of GNU tar or star, where ustar has the prefix. */
  readonly headerTimes?: boolean;
}

export interface TarDescription {
  readonly kind: "tar";
  readonly members?: readonly TarMember[];
  /** How the archive ends; two blocks of zeros by default. */
  readonly end?: "none" | "one" | "record";
  readonly compression?: "gzip" | "bzip2" | "xz" | "zstd";
}

/** Times are seconds since 1970, of NTFS units of 100 ns since 1601 as decimal text. */
export interface ZipExtra {
  readonly id?: number;
  readonly mtime?: number;
  readonly atime?: number;
  readonly ctime?: number;
  readonly ntfs?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Bytes of each id of 0x7875. */
  readonly width?: number;
  /** Of 0x7075. */
  readonly name?: ByteString;
  /** Of 0x7075: its checksum is one of another name. */
  readonly stale?: boolean;
  /** Of an unknown field. */
  readonly data?: ByteString;
  /** In which headers it stands; in both by default. */
  readonly only?: "local" | "central";
}

export interface ZipMember {
  readonly name?: ByteString;
  readonly content?: ContentDescription;
  /** 0 by default. */
  readonly method?: number;
  /** Upper byte of "version made by"; 3, Unix, by default. */
  readonly host?: number;
  /** st_mode for the upper half of the external attributes. */
  readonly mode?: number;
  /** Lower half: those of MS-DOS. */
  readonly dos?: number;
  /** Date in the upper half, time in the lower one. */
  readonly dosTime?: number;
  readonly utf8?: boolean;
  readonly extras?: readonly ZipExtra[];
  readonly descriptor?: "signed" | "bare";
  /** Fields that stand in the zip64 extra field of the central directory. */
  readonly zip64?: readonly ("size" | "compressed" | "offset")[];
  /** Sizes of the local header stand in its zip64 extra field. */
  readonly localZip64?: boolean;
  readonly comment?: ByteString;
}

export interface ZipDescription {
  readonly kind: "zip";
  readonly members?: readonly ZipMember[];
  /** Bytes in front of the archive. */
  readonly stub?: ByteString;
  /** Whether offsets count the stub. */
  readonly counted?: boolean;
  readonly behind?: ByteString;
  readonly comment?: ByteString;
  readonly zip64End?: boolean;
}

/** Layers of a container image, the lowest first. */
export interface LayersDescription {
  readonly kind: "layers";
  readonly layers?: readonly (readonly TarMember[])[];
  readonly compression?: "gzip";
}

export type Description = TarDescription | ZipDescription | LayersDescription;

/** The bytes of a content. */
export function contentBytes(content: ContentDescription | undefined): Buffer {
  if (content === undefined) return Buffer.alloc(0);
  if (content.text !== undefined) return Buffer.from(content.text, "latin1");
  const bytes = Buffer.alloc(content.size ?? 0);
  let state = (content.seed ?? 0) >>> 0;
  for (let at = 0; at < bytes.length; at++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    // Compresses to about half.
    bytes[at] = 0x40 + ((state >>> 16) & 0x0f);
  }
  return bytes;
}
