// SPDX-License-Identifier: MIT
/**
 * Inodes, first as a source saw them, then in the tree: the same objects. A tree may have millions,
 * so what is the same for all inodes of a class is a getter of its prototype.
 */
import type { ByteString, Xattr } from "@daxfs/format";
import type { Content } from "./content.js";
import { type InodeKind, modeOf } from "./inode-kind.js";

/** What every inode has, whatever its kind. */
export interface InodeAttributes {
  /** Permissions with setuid, setgid and sticky bit: st_mode without the file type. */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint;
  readonly xattrs?: readonly Xattr[] | undefined;
}

const NO_XATTRS: readonly Xattr[] = [];

abstract class AnyInode implements InodeAttributes {
  /** Names that it has in the tree. */
  links = 0;
  /** Number of the source that last gave it a name. */
  layer = 0;
  permissions: number;
  uid: number;
  gid: number;
  mtimeNs: bigint;
  xattrs: readonly Xattr[];

  constructor({ permissions, uid, gid, mtimeNs, xattrs = NO_XATTRS }: InodeAttributes) {
    this.permissions = permissions;
    this.uid = uid;
    this.gid = gid;
    this.mtimeNs = mtimeNs;
    this.xattrs = xattrs;
  }

  abstract get kind(): InodeKind;

  /** File type and permissions, as st_mode. */
  get mode(): number {
    return modeOf(this.kind, this.permissions);
  }
}

/** Names in a directory. */
export type Children = Map<ByteString, Inode>;

export class DirectoryInode extends AnyInode {
  readonly children: Children = new Map();

  get kind(): "directory" {
    return "directory";
  }
}

export class RegularInode extends AnyInode {
  constructor(
    attributes: InodeAttributes,
    /** Bytes of the content. */
    readonly size: number,
    /** Undefined where the file is empty. */
    readonly content: Content | undefined,
  ) {
    super(attributes);
  }

  get kind(): "file" {
    return "file";
  }
}

/** A regular file that is not empty. */
export type FileWithContent = RegularInode & { readonly content: Content };

export class SymlinkInode extends AnyInode {
  constructor(
    attributes: InodeAttributes,
    readonly target: ByteString,
  ) {
    super(attributes);
  }

  get kind(): "symlink" {
    return "symlink";
  }
}

/** A device number. */
export interface Device {
  readonly major: number;
  readonly minor: number;
}

export class DeviceInode extends AnyInode {
  constructor(
    readonly kind: "character-device" | "block-device",
    attributes: InodeAttributes,
    readonly device: Device,
  ) {
    super(attributes);
  }
}

/** What has nothing but attributes. */
export class SpecialInode extends AnyInode {
  constructor(
    readonly kind: "fifo" | "socket",
    attributes: InodeAttributes,
  ) {
    super(attributes);
  }
}

/** A file of whatever type; its `kind` tells which members it has. */
export type Inode = DirectoryInode | RegularInode | SymlinkInode | DeviceInode | SpecialInode;

/** Whether an inode is a regular file that is not empty. */
export function hasContent(inode: Inode): inode is FileWithContent {
  return inode.kind === "file" && inode.content !== undefined;
}
