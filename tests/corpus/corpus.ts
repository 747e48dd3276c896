// SPDX-License-Identifier: MIT
/** The corpus as data: what corpus.json holds, and how it is made from the corruptions. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ByteString, RuleId } from "@daxfs/format";
import { BASE_NAMES, type BaseName, loadBase } from "./bases.js";
import { CORRUPTIONS, type Corruption, type KernelOutcome } from "./corruptions/index.js";
import { applyPatches, Base, sumPatches } from "./edit.js";

/** A corruption as corpus.json has it. Paths are byte strings: one character a byte. */
export interface CorpusRecord {
  readonly name: string;
  readonly base: BaseName;
  /** What is changed, for people. */
  readonly changes: readonly string[];
  /** Bytes to write over those of the base, sums included. */
  readonly patches: readonly { readonly offset: number; readonly hex: string }[];
  /** Bytes that are left of the image. */
  readonly length: number;
  readonly expected: {
    /** A finding that the checker has, among others. */
    readonly rule: RuleId;
    readonly inode: number | null;
    readonly path: ByteString | null;
    readonly field: string;
    /** Rule that a walk with ImageReader fails on, where that is another. */
    readonly readerRule?: RuleId;
  };
  readonly kernel: KernelOutcome;
}

/** A corruption with the image it makes. */
export interface CorpusImage extends CorpusRecord {
  readonly bytes: Uint8Array;
}

/** Where the repository keeps the data; not for bundled code. */
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

/** Works the corruptions out for the base images in a directory. */
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

/** Every corruption with its image, one at a time, from the data alone. */
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
