// SPDX-License-Identifier: MIT

import type { ByteString } from "@daxfs/format";
import type { HostPath } from "../host/path.js";
import type { WorkerPool } from "../jobs/pool.js";
import type { Progress } from "../options.js";
import type { Platform } from "../platform.js";
import type { Spool } from "./spool.js";

export type { Platform };

/** What becomes of an attribute; `omitted` is left out though the user did not ask for that. */
export type XattrVerdict = "kept" | "excluded" | "omitted";

/** What keeps hostile input from taking everything. */
export interface InputLimits {
  /** Bytes that the contents of all sources may have together; undefined for no limit. */
  readonly maxSize: number | undefined;
  /** How many times its own length a compressed stream may unpack to. */
  readonly maxRatio: number;
}

/** Bytes that anything may unpack to before the ratio counts. */
export const RATIO_FREE = 64 * 1024 * 1024;

/** How registries are reached. */
export interface RegistryOptions {
  /** False allows plain http and certificates that can't be verified. */
  readonly tlsVerify: boolean;
  /** Blobs that are fetched at once. */
  readonly parallel: number;
}

/** What a build gives to its sources. */
export interface SourceContext {
  readonly pool: WorkerPool;
  /** Makes room on disk for contents that don't lie in a file as they are; closed by the build. */
  readonly newSpool: () => Spool;
  /** Aborted when the build is given up: throw its `reason`, and stop what is under way. */
  readonly signal: AbortSignal;
  readonly limits: InputLimits;
  readonly platform: Platform;
  readonly registry: RegistryOptions;
  /** Directory that the image is written to, which may not be part of a directory source. */
  readonly outputDirectory: HostPath | undefined;
  /** The file that the image becomes, whether it is there or not; it may be no source. */
  readonly outputFile: HostPath | undefined;
  /**
   * Whether anything at or below a path of the image can get into it, which spares a source the
   * reading; of use where paths are final. Undefined where everything gets in.
   * @param isDirectory undefined where that is not known
   */
  readonly wanted: ((path: ByteString, isDirectory?: boolean) => boolean) | undefined;
  /** Whether extended attributes are asked for at all. */
  readonly xattrs: boolean;
  /**
   * What becomes of the attributes of a name. A source need not read or understand those that are
   * not kept; omitted ones are counted where the tree is adjusted, so they have to get there, with
   * any value.
   */
  readonly xattrVerdict: (name: ByteString) => XattrVerdict;
  readonly report: (progress: Progress) => void;
  /** Says something that the user should know and that is not an error, in one line. */
  readonly warn: (text: string) => void;
}
