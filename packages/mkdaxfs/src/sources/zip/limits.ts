// SPDX-License-Identifier: MIT
import type { Entry } from "yauzl";
import { BuildError } from "../../errors.js";
import { type InputLimits, RATIO_FREE } from "../context.js";
import { EntryError } from "./entry-error.js";

/**
 * Holds what entries claim to unpack to against the limits, before they are unpacked; that they
 * unpack to no more is seen to when they are.
 */
export class ClaimedSizes {
  private total = 0;

  /**
   * @param archiveSize bytes of the archive
   * @param description of the archive, for messages
   */
  constructor(
    private readonly limits: InputLimits,
    private readonly archiveSize: number,
    private readonly description: string,
  ) {}

  /**
   * Counts an entry's content.
   * @throws EntryError when it alone is compressed too well, BuildError when all are too much.
   */
  add(entry: Entry): void {
    const { maxSize, maxRatio } = this.limits;
    if (entry.uncompressedSize > Math.max(RATIO_FREE, entry.compressedSize * maxRatio)) {
      throw new EntryError(
        `unpacks to ${entry.uncompressedSize} bytes, more than ${maxRatio} times its length ` +
          "(raise --max-ratio if it is to be trusted)",
      );
    }
    this.total += entry.uncompressedSize;
    if (maxSize !== undefined && this.total > maxSize) {
      throw new BuildError(
        `${this.description}: its files have more than ${maxSize} bytes (raise --max-size if that ` +
          "is right)",
      );
    }
    // Entries may share their bytes.
    if (this.total > Math.max(RATIO_FREE, this.archiveSize * maxRatio)) {
      throw new BuildError(
        `${this.description}: unpacks to more than ${maxRatio} times its length (raise ` +
          "--max-ratio if it is to be trusted)",
      );
    }
  }
}
