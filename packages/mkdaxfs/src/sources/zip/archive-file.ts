// SPDX-License-Identifier: MIT
import { closeSync, fstatSync, readSync } from "node:fs";
import type { ByteString } from "@daxfs/format";
import { BuildError, describing } from "../../errors.js";
import { openWithoutWaiting } from "../../host-file.js";
import type { HostPath } from "../../host-path.js";

/** The file that an archive lies in. It stays open, so that it is the same one to the end. */
export class ArchiveFile {
  /** With `name`, a path by which any thread opens this file, whatever becomes of its own name. */
  readonly directory: HostPath = "/proc/self/fd";
  readonly name: ByteString;
  /** Bytes. */
  readonly size: number;
  private readonly descriptor: number;

  /**
   * @param description for messages
   * @throws BuildError when it can't be opened, or is not a regular file.
   */
  constructor(
    path: HostPath,
    readonly description: string,
  ) {
    this.descriptor = describing(
      () => `cannot read ${description}`,
      () => openWithoutWaiting(path),
    );
    this.name = String(this.descriptor);
    const stats = fstatSync(this.descriptor);
    this.size = stats.size;
    if (stats.isFile()) return;
    this.close();
    throw new BuildError(
      `${description} is not a regular file, and a zip archive is read from its end`,
    );
  }

  /** Fills a buffer. @throws BuildError when the file can't be read, or ends before. */
  read(buffer: Uint8Array, offset: number): void {
    for (let done = 0; done < buffer.length; ) {
      const got = describing(
        () => `cannot read ${this.description}`,
        () => readSync(this.descriptor, buffer, done, buffer.length - done, offset + done),
      );
      if (got === 0) {
        throw new BuildError(`${this.description} became shorter while it was read (build again)`);
      }
      done += got;
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

/** Bytes that a window covers: more than any header with its variable parts takes. */
export const WINDOW_SIZE = 256 * 1024;

/**
 * A file seen through a window that moves where it is asked for, so that headers and small contents
 * that lie next to each other cost one call together.
 */
export class FileWindow {
  private readonly buffer: Buffer;
  private start = 0;
  private filled = 0;

  constructor(private readonly file: ArchiveFile) {
    this.buffer = Buffer.allocUnsafeSlow(Math.min(WINDOW_SIZE, file.size));
  }

  /**
   * Bytes of the file, valid until the next call.
   * @param offset what an archive claims, so anything
   * @param length at most {@link WINDOW_SIZE}
   * @returns undefined where the file does not reach that far
   * @throws BuildError when it can't be read.
   */
  bytes(offset: number, length: number): Buffer | undefined {
    if (length > this.file.size - offset) return undefined;
    if (offset < this.start || offset + length > this.start + this.filled) {
      this.filled = 0;
      const filled = Math.min(this.buffer.length, this.file.size - offset);
      this.file.read(this.buffer.subarray(0, filled), offset);
      this.start = offset;
      this.filled = filled;
    }
    return this.buffer.subarray(offset - this.start, offset - this.start + length);
  }
}
