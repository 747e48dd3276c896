// SPDX-License-Identifier: MIT
import type { Platform } from "./platform.js";

/**
 * Where a tree comes from: a path of this machine, recognised by what lies there (a directory, a
 * tar or zip archive, an OCI layout, a docker archive; "-" for an archive on standard input), a glob of
 * such paths, or an image's reference.
 */
export type SourceSpec =
  | string
  /** From the local engine, else from its registry. */
  | { readonly docker: string }
  /** From its registry. */
  | { readonly oci: string };

/** Ids from `from` on become ids from `to` on, `count` of them. */
export interface IdMapping {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export interface BuildOptions {
  /** Merged from left to right: what comes later replaces what came before. At least one. */
  readonly sources: readonly SourceSpec[];
  /** File for the image; "-" for standard output. Needed unless `dryRun` is set. */
  readonly output?: string;
  /** Do everything but write the image; false by default. */
  readonly dryRun?: boolean;

  /** Globs of what gets into the image; everything by default. */
  readonly include?: readonly string[];
  /** Globs of what stays out, even where an include glob matches. */
  readonly exclude?: readonly string[];
  /**
   * What becomes of whiteouts in layers: they remove what lower layers hold ("apply", the default),
   * or are kept as overlayfs marks them ("overlay"), for one layer that is to be an overlay's lower.
   */
  readonly whiteouts?: "apply" | "overlay";

  /** Owner of everything; else as the sources have it. */
  readonly owner?: number;
  /** Group of everything. */
  readonly group?: number;
  /** Every owner must be in one of these, if there are any. */
  readonly uidMap?: readonly IdMapping[];
  /** The same for groups. */
  readonly gidMap?: readonly IdMapping[];
  /** Changes to permissions, as chmod(1) takes them: "u+rwX,go-w", "0644". */
  readonly mode?: string;
  /** Modification time of everything, nanoseconds since 1970. */
  readonly mtimeNs?: bigint;
  /** Modification times later than this become this, nanoseconds since 1970. */
  readonly clampMtimeNs?: bigint;
  /** Whether extended attributes are kept; true by default. */
  readonly xattrs?: boolean;
  /** Globs of attribute names that are kept, in place of the default policy. */
  readonly xattrsInclude?: readonly string[];
  /** Globs of attribute names that are left out, beside those of the default policy. */
  readonly xattrsExclude?: readonly string[];

  /** At most 32 bytes of UTF-8; "" by default. */
  readonly label?: string;
  /** In place of the one that is derived from the content. */
  readonly uuid?: string;
  /** Nanoseconds since 1970 for the superblock; 0 by default. */
  readonly buildTimeNs?: bigint;
  /** Whether to write a SHA-256 digest of the data area; false by default. */
  readonly digest?: boolean;
  /** Alignment of files of 2 MiB and more: 4096, or 2 MiB for huge mappings, the default. */
  readonly align?: 4096 | 2097152;
  /** Whether equal contents are stored once; true by default. */
  readonly dedupe?: boolean;
  /** Length of the image in bytes, a multiple of 4096; by default what it needs. */
  readonly size?: number;

  /** Threads that read; as many as there are cores by default, at most 4. */
  readonly jobs?: number;
  /** Bytes that the contents of all sources may have together; no limit by default. */
  readonly maxSize?: number;
  /** How many times its own length a compressed stream may unpack to; 200 by default. */
  readonly maxRatio?: number;
  /** Of images for several; that of this machine by default. */
  readonly platform?: Platform;
  /** Whether registries must have valid certificates; true by default. */
  readonly tlsVerify?: boolean;

  /** Gives the build up: it then throws the signal's reason and leaves nothing behind. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /** Gets what the user should know and what is not an error, a line each. */
  readonly onWarning?: (text: string) => void;
}

/** How far a stage of a build has come, for a progress bar. */
export interface Progress {
  /** "fetch" counts bytes, "read" and "hash" count entries and files, "copy" counts bytes. */
  readonly stage: "fetch" | "read" | "hash" | "copy";
  readonly done: number;
  /** Undefined while it is not known. */
  readonly total: number | undefined;
}

/** What was built. Sizes in bytes, times in milliseconds. */
export interface BuildReport {
  /** Names in the image, the root included. */
  readonly inodes: number;
  /** Names in the image by file type. */
  readonly types: {
    readonly regular: number;
    readonly directory: number;
    readonly symlink: number;
    readonly device: number;
    readonly fifo: number;
    readonly socket: number;
  };
  /** Further names of hard-linked files. */
  readonly hardLinks: number;
  /** Length of the image. */
  readonly totalSize: number;
  /** Contents of all regular files, each file once. */
  readonly contentSize: number;
  /** Contents that are stored, each once. */
  readonly storedSize: number;
  /** Undefined when nothing was written. */
  readonly uuid: string | undefined;
  /** Of the data area in hexadecimal, as the superblock has it; undefined unless asked for. */
  readonly digest: string | undefined;
  /** Attributes left out by the default policy: name -> number of files. */
  readonly omittedXattrs: ReadonlyMap<string, number>;
  /** Digests of the manifests of the container images, in the order of the sources. */
  readonly images: readonly { readonly reference: string; readonly digest: string }[];
  readonly timings: {
    readonly read: number;
    readonly hash: number;
    readonly plan: number;
    readonly write: number;
    readonly total: number;
  };
}
