// SPDX-License-Identifier: MIT
import type { ByteString } from "@daxfs/format";
import type { HostPath } from "../../host/path.js";
import { FileRange, HoledRange } from "../../model/content.js";
import { dataRuns } from "../../model/data-runs.js";
import type { Spool } from "../spool.js";
import type { TarEntry } from "./entry.js";
import type { TarInput } from "./input.js";
import { type TarReader, WAIT, type Wait } from "./reader.js";

/** The file that an uncompressed archive lies in. */
export interface ArchiveFile {
  readonly directory: HostPath;
  readonly name: ByteString;
  /** Where the archive begins in it. */
  readonly offset: number;
}

/**
 * Sees to it that contents can be read later: those that lie in a file as they are stay there, all
 * others go to a spool.
 */
export class Contents {
  private spool: Spool | undefined;

  /** @param file undefined when the archive is not in a file, or compressed there */
  constructor(
    private readonly input: TarInput,
    private readonly reader: TarReader,
    private readonly file: ArchiveFile | undefined,
    private readonly newSpool: () => Spool,
  ) {}

  /** Places the content, of at least one byte, of the member at hand. @throws BuildError */
  *place(member: TarEntry): Generator<Wait, FileRange> {
    if (member.sparse !== undefined) return yield* this.spoolSparse(member);
    if (this.file === undefined) return yield* this.spoolWhole(member.storedSize);
    const { directory, name, offset } = this.file;
    return new FileRange(directory, name, offset + this.input.position);
  }

  /** Lets others read what was placed. @throws BuildError */
  flush(): void {
    this.spool?.flush();
  }

  private *spoolWhole(size: number): Generator<Wait, FileRange> {
    const spool = this.theSpool();
    const range = new FileRange(spool.directory, spool.name, spool.size);
    yield* this.copy(size, (bytes) => spool.append(bytes));
    return range;
  }

  private *spoolSparse({ sparse }: TarEntry): Generator<Wait, FileRange> {
    const { pairs, realSize } = sparse!;
    const spool = this.theSpool();
    const start = spool.size;
    for (let i = 0; i < pairs.length; i += 2) {
      spool.skip(start + pairs[i]! - spool.size);
      yield* this.copy(pairs[i + 1]!, (bytes) => spool.append(bytes));
    }
    spool.skip(start + realSize - spool.size);
    return new HoledRange(spool.directory, spool.name, start, dataRuns(pairs, realSize));
  }

  private *copy(size: number, take: (bytes: Uint8Array) => void): Generator<Wait, void> {
    for (let left = size; left > 0; ) {
      const bytes = this.input.peekSome(left);
      if (bytes.length === 0) {
        if (this.input.ended) throw this.reader.cutShort(left);
        yield WAIT;
        continue;
      }
      take(bytes);
      left -= this.input.skip(bytes.length);
    }
  }

  private theSpool(): Spool {
    this.spool ??= this.newSpool();
    return this.spool;
  }
}
