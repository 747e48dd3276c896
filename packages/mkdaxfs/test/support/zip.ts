// SPDX-License-Identifier: MIT
// Zip archives byte by byte, as no program would write them, and what a source makes of them.
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";
import { crc32, deflateRawSync } from "node:zlib";
import { byteStringOfText } from "@daxfs/format";
import { expect, type TestContext } from "vitest";
import { BuildError } from "../../src/errors.js";
import { fsPath } from "../../src/host/path.js";
import { contentPath, FileRange } from "../../src/model/content.js";
import { joinPath } from "../../src/model/entry-path.js";
import type { Inode } from "../../src/model/inode.js";
import type { InputLimits, SourceContext } from "../../src/sources/context.js";
import { newFileSpool, type Spool } from "../../src/sources/spool.js";
import { ZipSource } from "../../src/sources/zip/zip-source.js";

/** An entry; what is not given is what a well-behaved program on Unix would write. */
export interface ZipEntry {
  readonly name: string | Buffer;
  /** Before compression. */
  readonly content?: string | Buffer;
  /** 0 by default: stored. */
  readonly method?: number;
  /** File type and permissions; a regular file 0644 by default. */
  readonly mode?: number;
  /** In place of the mode. */
  readonly attributes?: number;
  /** 3 by default: Unix. */
  readonly host?: number;
  readonly flags?: number;
  readonly dosDate?: number;
  readonly dosTime?: number;
  readonly crc?: number;
  readonly size?: number;
  readonly compressedSize?: number;
  /** Bytes as they lie in the archive. */
  readonly stored?: Buffer;
  readonly extra?: Buffer;
  /** Of the archive's directory: where the local header should be. */
  readonly offset?: number;
  /** What the local header says otherwise. */
  readonly local?: {
    readonly name?: string;
    readonly method?: number;
    readonly flags?: number;
    readonly crc?: number;
    readonly size?: number;
    readonly compressedSize?: number;
    readonly extra?: Buffer;
    readonly signature?: number;
  };
  /** Bytes behind the content: a data descriptor. */
  readonly trailer?: Buffer;
}

/** What an archive's end says otherwise. */
export interface ZipEnd {
  readonly count?: number;
  readonly comment?: Buffer;
  readonly directoryOffset?: number;
  readonly disk?: number;
  /** Whether count and place of the directory stand in zip64 records. */
  readonly zip64?: boolean;
  /** Bytes that will lie in front of the archive and that its offsets count. */
  readonly base?: number;
}

/** Little-endian numbers, each as [bytes, value]. */
export function fields(...values: readonly (readonly [number, number | bigint])[]): Buffer {
  return Buffer.concat(
    values.map(([size, value]) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
      return bytes.subarray(0, size);
    }),
  );
}

/** An extra field. */
export function extra(id: number, ...data: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(data);
  return Buffer.concat([fields([2, id], [2, bytes.length]), bytes]);
}

interface Prepared {
  readonly common: (over: ZipEntry["local"]) => Buffer;
  readonly name: Buffer;
  readonly stored: Buffer;
}

function prepared(entry: ZipEntry): Prepared {
  const content = Buffer.from(entry.content ?? "");
  const method = entry.method ?? 0;
  const stored = entry.stored ?? (method === 8 ? deflateRawSync(content) : content);
  return {
    name: Buffer.from(entry.name),
    stored,
    common: (over = {}) =>
      fields(
        [2, 20],
        [2, over.flags ?? entry.flags ?? 0],
        [2, over.method ?? method],
        [2, entry.dosTime ?? 0],
        [2, entry.dosDate ?? 0x21],
        [4, over.crc ?? entry.crc ?? crc32(content)],
        [4, over.compressedSize ?? entry.compressedSize ?? stored.length],
        [4, over.size ?? entry.size ?? content.length],
      ),
  };
}

/** The bytes of an archive. */
export function zipOf(entries: readonly ZipEntry[], end: ZipEnd = {}): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = end.base ?? 0;
  for (const entry of entries) {
    const { common, name, stored } = prepared(entry);
    const localName = entry.local?.name === undefined ? name : Buffer.from(entry.local.name);
    const localExtra = entry.local?.extra ?? Buffer.alloc(0);
    const body = Buffer.concat([
      fields([4, entry.local?.signature ?? 0x04034b50]),
      common(entry.local ?? {}),
      fields([2, localName.length], [2, localExtra.length]),
      localName,
      localExtra,
      stored,
      entry.trailer ?? Buffer.alloc(0),
    ]);
    const extraBytes = entry.extra ?? Buffer.alloc(0);
    directory.push(
      fields([4, 0x02014b50], [1, 30], [1, entry.host ?? 3]),
      common({}),
      fields([2, name.length], [2, extraBytes.length], [2, 0], [2, 0], [2, 0]),
      fields([4, entry.attributes ?? (entry.mode ?? 0o100644) * 0x10000]),
      fields([4, entry.offset ?? offset]),
      name,
      extraBytes,
    );
    bodies.push(body);
    offset += body.length;
  }
  return Buffer.concat([...bodies, ...directory, ...endOf(entries.length, directory, offset, end)]);
}

function endOf(
  count: number,
  directory: readonly Buffer[],
  start: number,
  { comment = Buffer.alloc(0), ...end }: ZipEnd,
): Buffer[] {
  const size = directory.reduce((sum, bytes) => sum + bytes.length, 0);
  const said = end.count ?? count;
  const offset = end.directoryOffset ?? start;
  const records: Buffer[] = [];
  if (end.zip64) {
    records.push(
      fields([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0]),
      fields([8, said], [8, said], [8, size], [8, offset]),
      fields([4, 0x07064b50], [4, 0], [8, start + size], [4, 1]),
    );
  }
  const number = (bytes: 2 | 4, value: number) =>
    [bytes, end.zip64 ? 2 ** (8 * bytes) - 1 : value] as const;
  records.push(
    fields([4, 0x06054b50], [2, end.disk ?? 0], [2, 0], number(2, said), number(2, said)),
    fields(number(4, size), number(4, offset), [2, comment.length]),
    comment,
  );
  return records;
}

export interface ReadOptions {
  readonly limits?: Partial<InputLimits>;
  readonly signal?: AbortSignal;
  /** Gets what is warned of. */
  readonly warnings?: string[];
}

/** A name in an archive, as a source gives it. */
export interface ReadEntry {
  readonly inode: Inode;
  /** Of a regular file. */
  readonly content: Buffer | undefined;
}

/** Runs something with the source of an archive, and gives back what that took. */
export async function withSource<T>(
  path: string,
  options: ReadOptions,
  use: (source: ZipSource) => Promise<T>,
): Promise<T> {
  const spools: Spool[] = [];
  const context: SourceContext = {
    newSpool: () => {
      const spool = newFileSpool();
      spools.push(spool);
      return spool;
    },
    signal: options.signal ?? new AbortController().signal,
    limits: { maxSize: undefined, maxRatio: 1000, ...options.limits },
    xattrVerdict: () => "kept",
    report: () => {},
    warn: (text) => options.warnings?.push(text),
  };
  const source = new ZipSource({ description: "test.zip", path: byteStringOfText(path), context });
  try {
    return await use(source);
  } finally {
    source.close();
    for (const spool of spools) spool.close();
  }
}

/** Reads an archive; a path that comes again replaces what it was before. */
export function readZip(path: string, options: ReadOptions = {}): Promise<Map<string, ReadEntry>> {
  return withSource(path, options, async (source) => {
    const inodes = new Map<string, Inode>();
    for await (const batch of source.entries()) {
      for (const entry of batch) {
        if (entry.kind !== "inode") throw new Error("a zip archive has no links");
        const path = joinPath(entry.directory, entry.name);
        inodes.delete(path);
        inodes.set(path, entry.inode);
      }
    }
    return new Map(
      [...inodes].map(([path, inode]) => [path, { inode, content: contentOf(inode) }]),
    );
  });
}

/** The content of a regular file, read as a build reads it; undefined for all else. */
export function contentOf(inode: Inode): Buffer | undefined {
  if (inode.kind !== "file") return undefined;
  const { size, content } = inode;
  if (content === undefined) return Buffer.alloc(0);
  expect(content).toBeInstanceOf(FileRange);
  const bytes = Buffer.alloc(size);
  const descriptor = openSync(fsPath(contentPath(content)), "r");
  try {
    expect(readSync(descriptor, bytes, 0, size, content.offset)).toBe(size);
  } finally {
    closeSync(descriptor);
  }
  return bytes;
}

/** What a source says of an archive that it refuses. */
export async function refusal(path: string, options: ReadOptions = {}): Promise<string> {
  try {
    await readZip(path, options);
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    expect(error.message).toMatch(/^(cannot read )?test\.zip/);
    expect(error.message).not.toContain("\n");
    return error.message;
  }
  return expect.fail("it was taken");
}

/** Skips a test where a program is missing. */
export function needs(context: TestContext, ...programs: readonly string[]): void {
  for (const program of programs) {
    const found = spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
    if (!found) context.skip(`${program} is not installed`);
  }
}

/** Runs a bash script; `$1` and so on are its arguments. */
export function bash(script: string, ...args: readonly string[]): string {
  return execFileSync("bash", ["-euc", script, "bash", ...args], {
    encoding: "latin1",
    timeout: 60_000,
    env: { ...process.env, LC_ALL: "C.UTF-8", TZ: "UTC" },
  });
}
