// SPDX-License-Identifier: MIT
import { type ByteString, FILE_TYPE, type Xattr } from "@daxfs/format";
import { type HostPath, joined } from "../host-path.js";

/** Where the bytes of a regular file lie. */
export interface Content {
  /** Directory of the file that holds them; one string for all files in it. */
  readonly directory: HostPath;
  readonly name: ByteString;
  /** Where they begin in that file. */
  readonly offset: number;
  /** Whether they are all of it, so that a byte behind them shows that it grew. */
  readonly whole: boolean;
}

/** All of a file of this machine. The constants lie in the prototype: there may be millions. */
export class WholeFile implements Content {
  constructor(
    readonly directory: HostPath,
    readonly name: ByteString,
  ) {}

  get offset(): number {
    return 0;
  }

  get whole(): boolean {
    return true;
  }
}

/** The path of the file that holds a content. */
export function contentPath(content: Content): HostPath {
  return joined(content.directory, content.name);
}

/** A device number. */
export interface Device {
  readonly major: number;
  readonly minor: number;
}

/** Names in a directory. */
export type Children = Map<ByteString, FileInode>;

const NO_XATTRS: readonly Xattr[] = [];

/**
 * A file of whatever type, first as a source saw it, then in the tree: the same object, since a
 * tree may have millions.
 */
export class FileInode {
  /** Names that it has in the tree. */
  links = 0;
  xattrs: readonly Xattr[] = NO_XATTRS;
  /**
   * A checksum of the start of a regular file's content, which differs for most contents that do:
   * 30 bits, which V8 keeps without memory of their own. Of no meaning beside files of other sizes.
   */
  fingerprint = 0;

  constructor(
    /** File type and permissions, as st_mode. */
    readonly mode: number,
    readonly uid: number,
    readonly gid: number,
    /** Nanoseconds since 1970. */
    readonly mtimeNs: bigint,
    /** Bytes of a regular file, 0 for all else. */
    readonly size: number,
    /**
     * By type: children; content, null where a file is empty; symlink target; device number; null
     * for fifos and sockets.
     */
    readonly body: Children | Content | ByteString | Device | null,
  ) {}

  get type(): number {
    return this.mode & FILE_TYPE.MASK;
  }

  /** @throws TypeError when it is no directory. */
  get children(): Children {
    if (this.body instanceof Map) return this.body;
    throw new TypeError("not a directory");
  }
}

/** One name in a source's tree. */
export interface SourceEntry {
  /** Path of the directory that holds it, from the tree's root; "" for what lies in the root. */
  readonly directory: ByteString;
  /** "" for the root itself. */
  readonly name: ByteString;
  /** The same object for all names of one file. A directory has no children yet. */
  readonly inode: FileInode;
}

/** A tree that can be read once, entry by entry; a directory comes before what it holds. */
export interface Source {
  /** For messages. */
  readonly description: string;
  /**
   * Entries in batches, so that large trees don't pay for a promise each.
   * @throws BuildError
   */
  entries(): AsyncIterable<readonly SourceEntry[]>;
  /** What was left out by a rule and should be said: attribute name -> number of files. */
  readonly omittedXattrs: ReadonlyMap<string, number>;
}
