// SPDX-License-Identifier: MIT
import { type ByteString, FILE_TYPE, type Xattr } from "@daxfs/format";
import { type HostPath, joined } from "../host/path.js";
import type { DataRuns } from "./data-runs.js";

/**
 * Bytes that contents may take together: 64 TiB, far below where numbers lose their units, and
 * above any memory.
 */
export const CONTENT_MAX = 2 ** 46;

/** Where the bytes of a regular file lie. */
export interface Content {
  /** Directory of the file that holds them; one string for all files in it. */
  readonly directory: HostPath;
  readonly name: ByteString;
  /** Where they begin in that file. */
  readonly offset: number;
  /** Whether they are all of it, so that a byte behind them shows that it grew. */
  readonly whole: boolean;
  /** Where bytes other than zeros may lie; undefined where nothing is known of holes. */
  readonly data: DataRuns | undefined;
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

  get data(): DataRuns | undefined {
    return undefined;
  }
}

/** All of a file of this machine that is worth a look for holes. */
export class HoledFile extends WholeFile {
  /** Undefined until somebody has looked. */
  private runs: DataRuns | undefined;

  override get data(): DataRuns | undefined {
    return this.runs;
  }

  override set data(runs: DataRuns | undefined) {
    this.runs = runs;
  }
}

/** A range of a file of this machine: of an archive, or of what was unpacked from one. */
export class FileRange implements Content {
  /**
   * @param directory of the file that holds it; one string for all ranges of a file
   * @param offset bytes from the start of that file
   */
  constructor(
    readonly directory: HostPath,
    readonly name: ByteString,
    readonly offset: number,
  ) {}

  get whole(): boolean {
    return false;
  }

  get data(): DataRuns | undefined {
    return undefined;
  }
}

/** A range of a file of this machine that has holes. */
export class HoledRange extends FileRange {
  constructor(
    directory: HostPath,
    name: ByteString,
    offset: number,
    private readonly runs: DataRuns,
  ) {
    super(directory, name, offset);
  }

  override get data(): DataRuns {
    return this.runs;
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
  /** Number of the source that last gave it a name. */
  layer = 0;
  xattrs: readonly Xattr[] = NO_XATTRS;

  constructor(
    /** File type and permissions, as st_mode. */
    public mode: number,
    public uid: number,
    public gid: number,
    /** Nanoseconds since 1970. */
    public mtimeNs: bigint,
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

  /** @throws TypeError when it is not a directory. */
  get children(): Children {
    if (this.body instanceof Map) return this.body;
    throw new TypeError("not a directory");
  }
}

/** One name in a source's tree. A directory source gives it with `directory` already clean. */
export interface FileEntry {
  readonly kind: "file";
  /** Path of the directory that holds it, from the tree's root; "" for what lies in the root. */
  readonly directory: ByteString;
  /** "" for the root itself. */
  readonly name: ByteString;
  /** The same object for all names of one file. A directory has no children yet. */
  readonly inode: FileInode;
}

/** A further name of a file, given by the path that the file has at that moment. */
export interface LinkEntry {
  readonly kind: "link";
  readonly directory: ByteString;
  readonly name: ByteString;
  /** Path of the file in the tree, clean, from its root. */
  readonly target: ByteString;
  /** Nanoseconds since 1970: what the archive says; for parents that have to be made. */
  readonly mtimeNs: bigint;
}

export type SourceEntry = FileEntry | LinkEntry;

/** A tree that can be read once, entry by entry. */
export interface Source {
  /** For messages. */
  readonly description: string;
  /**
   * Whether it is a layer: names that begin with `.wh.` are whiteouts, as the OCI image
   * specification has them. Elsewhere they are names like any other.
   */
  readonly isLayer: boolean;
  /**
   * Entries in batches, so that large trees don't pay for a promise each. Their contents stay
   * readable until `close`.
   * @throws BuildError
   */
  entries(): AsyncIterable<readonly SourceEntry[]>;
  /** Gives back what the contents lie in; called once the image is written, or has failed. */
  close(): void;
}
