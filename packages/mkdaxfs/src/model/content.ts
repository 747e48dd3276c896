// SPDX-License-Identifier: MIT
/** Where the contents of regular files are: in files of this machine, or in ranges of them. */
import type { ByteString } from "@daxfs/format";
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
