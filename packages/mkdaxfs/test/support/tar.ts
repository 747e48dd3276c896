// SPDX-License-Identifier: MIT
// Tar archives byte by byte, as no program would write them, and what a source makes of archives.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { BuildError } from "../../src/errors.js";
import { fsPath } from "../../src/host/path.js";
import { contentPath, FileRange } from "../../src/model/content.js";
import { joinPath } from "../../src/model/entry-path.js";
import { type FileWithContent, hasContent, type Inode } from "../../src/model/inode.js";
import type { SourceEntry } from "../../src/model/source.js";
import type { ByteInput } from "../../src/sources/byte-input.js";
import type { InputLimits, SourceContext } from "../../src/sources/context.js";
import { newFileSpool, type Spool } from "../../src/sources/spool.js";
import { TarSource } from "../../src/sources/tar/tar-source.js";
import { scratchDirectory, sizeOf } from "./support.js";

const scratch = scratchDirectory();

/** Debian's packages of the programs that make archives for these tests. */
const PACKAGES: Readonly<Record<string, string>> = {
  bsdtar: "libarchive-tools",
  bzip2: "bzip2",
  getfattr: "attr",
  gzip: "gzip",
  mkfifo: "coreutils",
  python3: "python3",
  setfacl: "acl",
  setfattr: "attr",
  tar: "tar",
  xz: "xz-utils",
  zstd: "zstd",
};

/** Runs a program and returns its output. A missing one fails the test, and says what to install. */
export function run(command: readonly string[], input?: Uint8Array, cwd?: string): Buffer {
  const [program = "", ...args] = command;
  const done = spawnSync(program, args, {
    input,
    cwd,
    maxBuffer: 1024 * 1024 * 1024,
    env: { ...process.env, LC_ALL: "C", TZ: "UTC" },
  });
  if (done.error !== undefined) {
    const install = PACKAGES[program] ?? program;
    throw new Error(`${program} can't be run: ${done.error.message} (apt-get install ${install})`);
  }
  if (done.status !== 0) throw new Error(`${command.join(" ")}: ${done.stderr.toString()}`);
  return done.stdout;
}

/** What a test wants a header to say; the rest is as ustar has it for an empty file. */
export interface HeaderFields {
  readonly name?: string | Buffer;
  readonly prefix?: string;
  readonly type?: string;
  readonly linkName?: string | Buffer;
  readonly size?: number;
  /** Fields as they lie in the header, by offset; written last, before the checksum. */
  readonly raw?: Readonly<Record<number, string | Buffer>>;
  readonly magic?: "ustar" | "gnu" | "v7";
  /** Of the checksum: whether bytes are taken for signed, or what is added to make it wrong. */
  readonly signed?: boolean;
  readonly wrong?: number;
}

const MAGICS = { ustar: "ustar\x0000", gnu: "ustar  \0", v7: "" };

/** A header of 512 bytes. */
export function header(fields: HeaderFields = {}): Buffer {
  const block = Buffer.alloc(512);
  const put = (at: number, value: string | Buffer) =>
    (typeof value === "string" ? Buffer.from(value, "latin1") : value).copy(block, at);
  put(0, fields.name ?? "file");
  put(100, "0000644\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, `${(fields.size ?? 0).toString(8).padStart(11, "0")}\0`);
  put(136, "00000000000\0");
  put(156, fields.type ?? "0");
  put(157, fields.linkName ?? "");
  put(257, MAGICS[fields.magic ?? "ustar"]);
  put(345, fields.prefix ?? "");
  for (const [at, value] of Object.entries(fields.raw ?? {})) put(Number(at), value);
  put(148, "        ");
  let sum = fields.wrong ?? 0;
  for (const byte of block) sum += fields.signed && byte > 127 ? byte - 256 : byte;
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** A content, filled up to whole blocks. */
export function padded(content: string | Buffer): Buffer {
  const bytes = typeof content === "string" ? Buffer.from(content, "latin1") : content;
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** A member: a header and its content. */
export function member(fields: HeaderFields, content: string | Buffer = ""): Buffer {
  return Buffer.concat([header({ size: content.length, ...fields }), padded(content)]);
}

/** One PAX record; its value as latin1. */
export function paxRecord(keyword: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([
    Buffer.from(` ${keyword}=`, "latin1"),
    typeof value === "string" ? Buffer.from(value, "latin1") : value,
    Buffer.from("\n"),
  ]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length++;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** An extended header with records for what follows it. */
export function pax(records: readonly (readonly [string, string | Buffer])[], type = "x"): Buffer {
  const content = Buffer.concat(records.map(([keyword, value]) => paxRecord(keyword, value)));
  return member({ name: "PaxHeaders/x", type }, content);
}

export const END = Buffer.alloc(1024);

/** An archive with its end marker. */
export function archive(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([...parts, END]);
}

/** A stream in chunks of a length that fits nothing. */
export async function* chunked(bytes: Uint8Array, size = 701): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Numbers in base-256, as GNU tar writes large ones and negative ones. */
export function base256(value: bigint, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let rest = BigInt.asUintN(length * 8, value);
  for (let i = length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  bytes[0]! |= 0x80;
  return bytes;
}

/** What a test sees of an entry. */
export interface Seen {
  readonly path: string;
  readonly type: string;
  readonly permissions?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtimeNs: bigint;
  readonly size?: number;
  /** Content (SHA-256 of a long one), symlink target, "major:minor", or target of a link. */
  readonly body?: string;
  /** Values in hexadecimal by name. */
  readonly xattrs?: Readonly<Record<string, string>>;
}

export interface ReadResult {
  readonly seen: readonly Seen[];
  readonly warnings: readonly string[];
  /** Bytes that went to spools. */
  readonly spooled: number;
}

export interface ReadOptions {
  readonly limits?: Partial<InputLimits>;
  readonly digest?: string;
  readonly diffId?: string;
  readonly isVerified?: boolean;
  readonly signal?: AbortSignal;
  readonly report?: SourceContext["report"];
  /** All are kept by default. */
  readonly xattrVerdict?: SourceContext["xattrVerdict"];
}

/** A context for sources that need no more of it than limits, a spool and someone to warn. */
export function tarContext(
  options: ReadOptions,
  spools: Spool[],
  warnings: string[],
): SourceContext {
  const context: Partial<SourceContext> = {
    newSpool: () => {
      const spool = newFileSpool();
      spools.push(spool);
      return spool;
    },
    signal: options.signal ?? new AbortController().signal,
    limits: { maxSize: undefined, maxRatio: 1000, ...options.limits },
    report: options.report ?? (() => {}),
    xattrVerdict: options.xattrVerdict ?? (() => "kept"),
    warn: (text) => warnings.push(text),
  };
  return context as SourceContext;
}

/** Reads an archive through a source. */
export async function readTar(input: ByteInput, options: ReadOptions = {}): Promise<ReadResult> {
  const spools: Spool[] = [];
  const warnings: string[] = [];
  const source = new TarSource({
    description: "a.tar",
    isLayer: false,
    context: tarContext(options, spools, warnings),
    digest: options.digest,
    diffId: options.diffId,
    isVerified: options.isVerified ?? false,
    open: async () => input,
  });
  try {
    const seen: Seen[] = [];
    // Contents have to be there as soon as the entry is.
    for await (const batch of source.entries()) seen.push(...batch.map(seenOf));
    return { seen, warnings, spooled: spools.reduce((sum, spool) => sum + spool.size, 0) };
  } finally {
    source.close();
    for (const spool of spools) spool.close();
  }
}

/** Longest content that is shown as it is. */
const SHOWN_MAX = 100;
/** Longest content that is read. */
const READ_MAX = 64 * 1024 * 1024;

function seenOf(entry: SourceEntry): Seen {
  const path = joinPath(entry.directory, entry.name);
  if (entry.kind === "link") {
    return { path, type: "link", mtimeNs: entry.mtimeNs, body: entry.target };
  }
  const { inode } = entry;
  const xattrs = inode.xattrs.map(({ name, value }) => [name, Buffer.from(value).toString("hex")]);
  const body = bodyOf(inode);
  return {
    path,
    type: inode.kind === "file" ? "regular" : inode.kind,
    permissions: inode.permissions,
    uid: inode.uid,
    gid: inode.gid,
    mtimeNs: inode.mtimeNs,
    size: sizeOf(inode),
    ...(body !== undefined && { body }),
    ...(xattrs.length > 0 && { xattrs: Object.fromEntries(xattrs) }),
  };
}

function bodyOf(inode: Inode): string | undefined {
  if (inode.kind === "symlink") return inode.target;
  if ("device" in inode) return `${inode.device.major}:${inode.device.minor}`;
  if (!hasContent(inode)) return undefined;
  return inode.size > READ_MAX ? "long" : contentText(readContent(inode, 0, inode.size));
}

/** A content as `Seen` has it. */
export function contentText(bytes: Uint8Array): string {
  if (bytes.length <= SHOWN_MAX) return Buffer.from(bytes).toString("latin1");
  return createHash("sha256").update(bytes).digest("hex");
}

/** Reads a part of a content the way the image's writer does: by path, from an offset. */
function readContent({ content }: FileWithContent, offset: number, length: number): Buffer {
  expect(content).toBeInstanceOf(FileRange);
  const descriptor = openSync(fsPath(contentPath(content)), "r");
  try {
    const bytes = Buffer.alloc(length);
    const got = readSync(descriptor, bytes, 0, length, content.offset + offset);
    expect(got, "bytes of a content that are there").toBe(length);
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}

/** Reads an archive as a file and as a stream, which must give the same. */
export async function readBoth(bytes: Buffer, options: ReadOptions = {}): Promise<ReadResult> {
  const path = scratch("archive");
  // It does not begin where its file does.
  writeFileSync(path, Buffer.concat([Buffer.from("in front"), bytes]));
  const file: ByteInput = { kind: "file", path, offset: 8, size: bytes.length };
  const fromFile = await readTar(file, options);
  const fromStream = await readTar({ kind: "stream", stream: chunked(bytes) }, options);
  expect(fromStream.seen).toEqual(fromFile.seen);
  expect(fromStream.warnings).toEqual(fromFile.warnings);
  return fromFile;
}

/** Reads an archive of which every way of reading has to say the same: what is wrong with it. */
export async function refusal(bytes: Buffer, options: ReadOptions = {}): Promise<string> {
  const path = scratch("archive");
  writeFileSync(path, bytes);
  const inputs: ByteInput[] = [
    { kind: "file", path, offset: 0, size: bytes.length },
    { kind: "stream", stream: chunked(bytes) },
  ];
  const messages: string[] = [];
  for (const input of inputs) messages.push(await messageOf(readTar(input, options)));
  expect(messages[1]).toBe(messages[0]);
  return messages[0]!;
}

/** The message of the error that a user gets. */
export async function messageOf(outcome: Promise<unknown>): Promise<string> {
  const error = await outcome.then(
    () => new Error("there was no error"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof BuildError)) throw error;
  expect(error.message).not.toMatch(/[\n\0]/);
  return error.message;
}
