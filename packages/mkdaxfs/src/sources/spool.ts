// SPDX-License-Identifier: MIT
import { randomUUID } from "node:crypto";
import { closeSync, ftruncateSync, openSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import type { ByteString } from "@daxfs/format";
import { BuildError, isSystemError, systemErrorText } from "../errors.js";
import type { HostPath } from "../host/path.js";
import { CONTENT_MAX } from "../model/content.js";

/**
 * A temporary file for contents that can't be read where they lie: compressed, sparse, or from a
 * pipe. It has no name, so nothing of it outlives the process; other threads open it by the path
 * that `directory` and `name` make.
 */
export interface Spool {
  readonly directory: HostPath;
  readonly name: ByteString;
  /** Bytes so far; where `append` writes next. */
  readonly size: number;
  /**
   * Adds bytes, which the caller may overwrite afterwards. They may stay in memory until `flush`.
   * @throws BuildError when there is no room.
   */
  append(bytes: Uint8Array): void;
  /** Adds `length` zeros that take no room. @throws BuildError when no file can be that long. */
  skip(length: number): void;
  /** Puts everything in the file, for others to read. @throws BuildError when there is no room. */
  flush(): void;
  /** Gives the room back; may be called again. */
  close(): void;
}

/** Bytes that gather for one write. */
const BUFFER_SIZE = 1024 * 1024;

/**
 * Makes a spool.
 * @param directory where it takes its room; by default $TMPDIR, else /var/tmp, which other than
 *   /tmp is seldom in memory
 * @throws BuildError when no file can be made there.
 */
export function newFileSpool(directory?: string): Spool {
  const chosen = directory ?? process.env.TMPDIR;
  if (chosen !== undefined && chosen !== "") return new FileSpool(chosen);
  try {
    return new FileSpool("/var/tmp");
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    return new FileSpool(tmpdir());
  }
}

class FileSpool implements Spool {
  /** A file without a name can be opened here, by any thread of the process. */
  readonly directory: HostPath = "/proc/self/fd";
  readonly name: ByteString;
  private readonly descriptor: number;
  private readonly buffer = Buffer.allocUnsafeSlow(BUFFER_SIZE);
  private buffered = 0;
  /** Where the bytes in the buffer belong. */
  private position = 0;
  /** Length of the file. */
  private length = 0;
  private open = true;

  constructor(private readonly place: string) {
    const path = `${place}/.mkdaxfs-${randomUUID()}`;
    try {
      this.descriptor = openSync(path, "wx+", 0o600);
    } catch (error) {
      throw this.failure("cannot make a temporary file", error, "that can be written to");
    }
    unlinkSync(path);
    this.name = String(this.descriptor);
  }

  get size(): number {
    return this.position + this.buffered;
  }

  append(bytes: Uint8Array): void {
    this.checkSize(bytes.length);
    if (bytes.length > BUFFER_SIZE - this.buffered) this.writeBuffer();
    if (bytes.length >= BUFFER_SIZE) {
      this.writeAll(bytes);
    } else {
      this.buffer.set(bytes, this.buffered);
      this.buffered += bytes.length;
    }
  }

  skip(length: number): void {
    this.checkSize(length);
    this.writeBuffer();
    this.position += length;
  }

  flush(): void {
    this.writeBuffer();
    if (this.position === this.length) return;
    this.writing(() => ftruncateSync(this.descriptor, this.position));
    this.length = this.position;
  }

  close(): void {
    if (this.open) closeSync(this.descriptor);
    this.open = false;
  }

  private checkSize(length: number): void {
    if (this.size + length <= CONTENT_MAX) return;
    throw new BuildError(
      `what is unpacked would take more than ${CONTENT_MAX} bytes (no image can be that long)`,
    );
  }

  private writeBuffer(): void {
    if (this.buffered === 0) return;
    const bytes = this.buffer.subarray(0, this.buffered);
    this.buffered = 0;
    this.writeAll(bytes);
  }

  private writeAll(bytes: Uint8Array): void {
    this.writing(() => {
      for (let done = 0; done < bytes.length; ) {
        const rest = bytes.length - done;
        const wrote = writeSync(this.descriptor, bytes, done, rest, this.position);
        done += wrote;
        this.position += wrote;
      }
    });
    this.length = this.position;
  }

  private writing(write: () => void): void {
    try {
      write();
    } catch (error) {
      throw this.failure("cannot write a temporary file", error, "with more room");
    }
  }

  private failure(what: string, error: unknown, wanted: string): unknown {
    if (!isSystemError(error)) return error;
    const reason = systemErrorText(error);
    return new BuildError(
      `${what} in ${this.place}: ${reason} (set TMPDIR to a directory ${wanted})`,
      { cause: error },
    );
  }
}
