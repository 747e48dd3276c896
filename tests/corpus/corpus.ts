// SPDX-License-Identifier: MIT
/** The format of corpus.json, and how it is made from the corruptions. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ByteString, RuleId } from "@daxfs/format";
import { BASE_NAMES, type BaseName, loadBase } from "./bases.js";
import { CORRUPTIONS, type Corruption, type KernelOutcome } from "./corruptions/index.js";
import { applyPatches, Base, sumPatches } from "./edit.js";

/** A corruption in corpus.json. Paths are byte strings: one character per byte. */
export interface CorpusRecord {
  readonly name: string;
  readonly base: BaseName;
  /** Human-readable descriptions of the changes. */
  readonly changes: readonly string[];
  /** Bytes that replace those of the base, checksums included. */
  readonly patches: readonly { readonly offset: number; readonly hex: string }[];
  /** Length of the corrupted image in bytes. */
  readonly length: number;
  readonly expected: {
    /** Rule of a finding that the checker must report. Others may follow from it. */
    readonly rule: RuleId;
    readonly inode: number | null;
    readonly path: ByteString | null;
    readonly field: string;
    /** Rule that a walk with ImageReader fails on, if it is a different one. */
    readonly readerRule?: RuleId;
  };
  readonly kernel: KernelOutcome;
}

/** A corruption with the corrupted image. */
export interface CorpusImage extends CorpusRecord {
  readonly bytes: Uint8Array;
}

/** The data directory of the repository. Does not work in bundled code. */
export function dataDirectory(): string {
  return fileURLToPath(new URL("data", import.meta.url));
}

function recordOf(corruption: Corruption, base: Base): CorpusRecord {
  const edits = corruption.edits(base);
  const image = Uint8Array.from(base.bytes);
  applyPatches(image, edits);
  const sums = sumPatches(image, corruption.resum);
  const path = typeof corruption.inode === "string" ? corruption.inode : null;
  const inode =
    typeof corruption.inode === "string" ? base.ino(corruption.inode) : corruption.inode;
  return {
    name: corruption.name,
    base: corruption.base,
    changes: edits.map((edit) => edit.text),
    patches: [...edits, ...sums].map(({ offset, bytes }) => ({
      offset,
      hex: Buffer.from(bytes).toString("hex"),
    })),
    length: corruption.length?.(base) ?? base.bytes.length,
    expected: {
      rule: corruption.rule,
      inode,
      path,
      field: corruption.field,
      ...(corruption.readerRule === undefined ? {} : { readerRule: corruption.readerRule }),
    },
    kernel: corruption.kernel,
  };
}

/** Computes the records of all corruptions for the base images in a directory. */
export function makeCorpus(directory: string): CorpusRecord[] {
  const bases = new Map(
    BASE_NAMES.map((name) => [name, new Base(name, loadBase(name, directory))] as const),
  );
  return CORRUPTIONS.map((corruption) => recordOf(corruption, bases.get(corruption.base)!));
}

/** The records of corpus.json. */
export function loadRecords(directory = dataDirectory()): CorpusRecord[] {
  return JSON.parse(readFileSync(join(directory, "corpus.json"), "utf8")) as CorpusRecord[];
}

/** Yields every corruption with its image, read from the data only. */
export function* loadCorpus(directory = dataDirectory()): Generator<CorpusImage> {
  const bases = new Map(BASE_NAMES.map((name) => [name, loadBase(name, directory)] as const));
  for (const record of loadRecords(directory)) {
    const bytes = Uint8Array.from(bases.get(record.base)!);
    applyPatches(
      bytes,
      record.patches.map(({ offset, hex }) => ({ offset, bytes: Buffer.from(hex, "hex") })),
    );
    yield { ...record, bytes: bytes.subarray(0, record.length) };
  }
}
