// SPDX-License-Identifier: MIT
import { type ByteString, printable, type Xattr } from "@daxfs/format";
import type { Extended } from "./extended.js";
import { TarError, type TarHeader } from "./header.js";
import type { SparseMap } from "./sparse.js";

export type EntryKind =
  | "file"
  | "link"
  | "symlink"
  | "character-device"
  | "block-device"
  | "directory"
  | "fifo";

/** One entry of an archive, all its headers put together. */
export interface TarEntry {
  readonly kind: EntryKind;
  /** As in the archive, not clean. */
  readonly path: ByteString;
  /** What a link or a symlink leads to. */
  readonly linkPath: ByteString;
  /** Permissions only. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly xattrs: readonly Xattr[];
  /** Whether it has an NFSv4 ACL, which is not among the attributes. */
  readonly hasNfs4Acl: boolean;
  /** Bytes of a file's content in the archive, which begins where the input is now. */
  storedSize: number;
  /** Of a sparse file. */
  sparse: SparseMap | undefined;
}

/** Paths in extra headers of GNU tar. */
export interface LongNames {
  path: ByteString | undefined;
  linkPath: ByteString | undefined;
}

const KINDS: ReadonlyMap<string, EntryKind> = new Map([
  ["\0", "file"],
  ["0", "file"],
  ["1", "link"],
  ["2", "symlink"],
  ["3", "character-device"],
  ["4", "block-device"],
  ["5", "directory"],
  ["6", "fifo"],
  // A directory of an incremental archive; its content is a list of names.
  ["D", "directory"],
  // A sparse file.
  ["S", "file"],
]);

/**
 * Puts a header and what came before it together. The content is not looked at: its size is what
 * the headers say, whatever the kind, and it may be sparse.
 * @throws TarError for a type that is none of ustar's, PAX's or GNU tar's
 */
export function entryOf(header: TarHeader, extended: Extended, longNames: LongNames): TarEntry {
  const path = extended.sparsePath ?? extended.path ?? longNames.path ?? header.path;
  const xattrs = extended.xattrs();
  return {
    kind: kindOf(header, path),
    path,
    linkPath: extended.linkPath ?? longNames.linkPath ?? header.linkPath,
    mode: extended.mode(header.mode, xattrs),
    uid: extended.uid ?? header.uid,
    gid: extended.gid ?? header.gid,
    mtimeNs: extended.mtimeNs ?? BigInt(header.mtime) * 1_000_000_000n,
    deviceMajor: extended.deviceMajor ?? header.deviceMajor,
    deviceMinor: extended.deviceMinor ?? header.deviceMinor,
    xattrs,
    hasNfs4Acl: extended.hasNfs4Acl,
    storedSize: extended.size ?? header.size,
    sparse: undefined,
  };
}

function kindOf({ type, format }: TarHeader, path: ByteString): EntryKind {
  if (type === "M") {
    throw new TarError("it is continued from another volume (put the volumes together first)");
  }
  const kind = KINDS.get(type);
  // POSIX would have an unknown type read as a file; but what programs give types of their own are
  // things like access control lists, and no file of the tree.
  if (kind === undefined || (type === "S" && format !== "gnu")) {
    throw new TarError(
      `its type is '${printable(type)}', which is none of POSIX or GNU tar (make the archive with ` +
        "GNU tar or bsdtar)",
    );
  }
  // How directories were written before there were types; GNU tar still reads any file so.
  return kind === "file" && path.endsWith("/") ? "directory" : kind;
}
