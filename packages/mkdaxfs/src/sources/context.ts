// SPDX-License-Identifier: MIT

import type { ByteString } from "@daxfs/format";
import type { HostPath } from "../host/path.js";
import type { WorkerPool } from "../jobs/pool.js";
import type { XattrVerdict } from "../model/xattr-verdict.js";
import type { Progress } from "../options.js";
import type { Platform } from "../platform.js";
import type { Spool } from "./spool.js";

/** What keeps hostile input from taking everything. */
export interface InputLimits {
  /** Bytes that the contents of all sources may have together; undefined for no limit. */
  readonly maxSize: number | undefined;
  /** How many times its own length a compressed stream may unpack to. */
  readonly maxRatio: number;
}

/** Bytes that anything may unpack to before the ratio counts. */
export const RATIO_FREE = 64 * 1024 * 1024;

/** What a build gives to every source. */
export interface SourceContext {
  /** Makes room on disk for contents that no file has as they are; closed by the build. */
  readonly newSpool: () => Spool;
  /** Aborted when the build is given up: throw its `reason`, and stop what is under way. */
  readonly signal: AbortSignal;
  readonly limits: InputLimits;
  /**
   * What becomes of the attributes of a name. A source need not read or understand those that are
   * not kept; omitted ones are counted where the tree is adjusted, so they have to get there, with
   * any value.
   */
  readonly xattrVerdict: (name: ByteString) => XattrVerdict;
  readonly report: (progress: Progress) => void;
  /** Tells the user in one line what is worth knowing and not an error. */
  readonly warn: (text: string) => void;
}

/** What a build gives to directory sources. */
export interface DirectoryContext extends SourceContext {
  readonly pool: WorkerPool;
  /** Directory that the image is written to, which may not be part of a directory source. */
  readonly outputDirectory: HostPath | undefined;
  /**
   * Whether anything at or below a path of the image can get into it, which spares a source the
   * reading; of use where paths are final. Undefined where everything gets in.
   * @param isDirectory undefined where that is not known
   */
  readonly wanted: ((path: ByteString, isDirectory?: boolean) => boolean) | undefined;
  /** Whether extended attributes are read at all. */
  readonly xattrs: boolean;
}

/** What a build gives to container images. */
export interface ContainerContext extends SourceContext {
  readonly platform: Platform;
  readonly registry: RegistryOptions;
}

/** How registries are reached. */
export interface RegistryOptions {
  /** False allows plain http and certificates that can't be verified. */
  readonly tlsVerify: boolean;
  /** Blobs that are fetched at once. */
  readonly parallel: number;
}

/** What a build gives to open sources of all kinds. */
export interface OpenContext extends DirectoryContext, ContainerContext {
  /** The file that the image becomes, whether it exists or not; it may not be a source. */
  readonly outputFile: HostPath | undefined;
}
