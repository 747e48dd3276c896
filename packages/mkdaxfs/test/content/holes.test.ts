// SPDX-License-Identifier: MIT
// Where the holes of files are, and what that spares.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { BLOCK_SIZE, byteStringOfText } from "@daxfs/format";
import { afterEach, describe, expect, it } from "vitest";
import { chunksOf } from "../../src/content/chunks.js";
import { hashContents } from "../../src/content/hash.js";
import { findHoles } from "../../src/content/holes.js";
import { HoledFile, WholeFile } from "../../src/model/content.js";
import { bytesIn, dataRuns, runsWithin } from "../../src/model/data-runs.js";
import { type FileWithContent, RegularInode } from "../../src/model/inode.js";
import { attributesOf, Random, scratchDirectory, withContent } from "../support/support.js";

const scratch = scratchDirectory();
const MIB = 2 ** 20;

/** Makes a file with holes all around some bytes. */
function sparse(name: string, size: number, data: Readonly<Record<number, Buffer>>): string {
  const path = scratch(name);
  const descriptor = openSync(path, "w");
  ftruncateSync(descriptor, size);
  for (const [offset, bytes] of Object.entries(data)) {
    writeSync(descriptor, bytes, 0, bytes.length, Number(offset));
  }
  closeSync(descriptor);
  return path;
}

function inodeOf(path: string, holed: boolean, size = statSync(path).size): FileWithContent {
  const place = [byteStringOfText(dirname(path)), byteStringOfText(basename(path))] as const;
  const content = holed ? new HoledFile(...place) : new WholeFile(...place);
  return withContent(new RegularInode(attributesOf(), size, content));
}

async function runsOf(path: string, size?: number): Promise<number[] | undefined> {
  const inode = inodeOf(path, true, size);
  await findHoles([inode], new AbortController().signal);
  const { data } = inode.content;
  return data === undefined ? undefined : [...data];
}

const PATH = process.env.PATH;
afterEach(() => {
  process.env.PATH = PATH;
});

/** Leaves only these programs to be found. */
function withOnly(...programs: readonly string[]): void {
  const directory = scratch(`only ${programs.join(" ")}`);
  mkdirSync(directory, { recursive: true });
  for (const program of programs) {
    const real = execFileSync("sh", ["-c", `PATH=/usr/bin:$PATH command -v ${program}`]);
    writeFileSync(`${directory}/${program}`, `#!/bin/sh\nexec ${String(real).trim()} "$@"\n`);
    chmodSync(`${directory}/${program}`, 0o755);
  }
  process.env.PATH = directory;
}

describe("holes of files", () => {
  const DATA = {
    0: Buffer.from("a"),
    [5 * MIB]: Buffer.from("b"),
    [8 * MIB - 1]: Buffer.from("c"),
  };
  const RUNS = [0, 4096, 5 * MIB, 5 * MIB + 4096, 8 * MIB - 4096, 8 * MIB];

  it.each([["perl"], ["python3"]])("are found by %s", async (program) => {
    const path = sparse("three runs", 8 * MIB, DATA);
    const nothing = sparse("nothing", 300 * MIB + 1, {});
    withOnly(program);
    expect(await runsOf(path)).toEqual(RUNS);
    expect(await runsOf(nothing)).toEqual([]);
    // A name is no pattern, command or option.
    const odd = sparse("|cat\n$(x) 'é <", 8 * MIB, DATA);
    expect(await runsOf(odd)).toEqual(RUNS);
  });

  it("are found of many files at once, some of which can't be read", async () => {
    const files = Array.from({ length: 50 }, (_, index) =>
      index % 5 === 0
        ? inodeOf(scratch(`gone ${index}`), true, MIB)
        : inodeOf(sparse(`many ${index}`, 2 * MIB, { [MIB]: Buffer.from("x") }), true),
    );
    await findHoles(files, new AbortController().signal);
    for (const [index, { content }] of files.entries()) {
      const expected = index % 5 === 0 ? undefined : Float64Array.of(MIB, MIB + 4096);
      expect(content.data, `file ${index}`).toEqual(expected);
    }
  });

  it.each([["perl"], ["python3"]])(
    "are not waited for where a fifo lies now: %s",
    async (program) => {
      const path = sparse(`replaced for ${program}`, 8 * MIB, DATA);
      const inodes = [inodeOf(path, true), inodeOf(sparse("beside", 8 * MIB, DATA), true)];
      rmSync(path);
      execFileSync("mkfifo", [path]);
      withOnly(program);
      await findHoles(inodes, AbortSignal.timeout(10_000));
      const found = inodes.map(({ content }) => content.data);
      expect(found.map((runs) => runs && [...runs])).toEqual([undefined, RUNS]);
    },
  );

  it("stay unknown where no program can tell", async () => {
    const path = sparse("no program", 8 * MIB, DATA);
    withOnly();
    expect(await runsOf(path)).toBeUndefined();
  });

  it("stay unknown where a program fails or says something else", async () => {
    const path = sparse("bad program", 8 * MIB, DATA);
    const directory = scratch("bad");
    mkdirSync(directory);
    process.env.PATH = directory;
    for (const script of [
      "exit 1",
      "echo 0 4096; exit 1",
      "echo hello",
      "echo 0 4096; echo",
      "echo 4096 0",
      "echo 0 4096 4096",
      "echo 0 99999999999",
      "printf '0 4096'",
      ":",
    ]) {
      writeFileSync(`${directory}/perl`, `#!/bin/sh\n${script}\n`);
      chmodSync(`${directory}/perl`, 0o755);
      expect(await runsOf(path), script).toBeUndefined();
    }
  });

  it("stay unknown of a file that has grown since it was listed", async () => {
    const path = sparse("grown", 8 * MIB, DATA);
    expect(await runsOf(path, 5 * MIB)).toBeUndefined();
  });
});

describe("runs of data", () => {
  it("are whole blocks, and one where little lies between", () => {
    const far = 10 * MIB;
    const pairs = [1, 2, 4096, 1, 9000, 0, 60_000, 10, far, 5, far + 65_000, 1];
    expect([...dataRuns(pairs, far + 65_001)]).toEqual([0, 61_440, far, far + 65_001]);
    expect([...dataRuns([], 100)]).toEqual([]);
    expect([...dataRuns([99, 1], 100)]).toEqual([0, 100]);
  });

  it("are cut where a piece is", () => {
    const runs = dataRuns([0, 4096, MIB, MIB, 5 * MIB, 1], 6 * MIB);
    expect([...runsWithin(runs, 0, 4096)]).toEqual([0, 4096]);
    expect([...runsWithin(runs, 4096, MIB)]).toEqual([]);
    expect([...runsWithin(runs, 4096, MIB + 1)]).toEqual([MIB - 4096, MIB - 4095]);
    expect([...runsWithin(runs, MIB + 10, 6 * MIB)]).toEqual([
      ...[0, MIB - 10],
      ...[4 * MIB - 10, 4 * MIB - 10 + 4096],
    ]);
    expect(bytesIn(runs)).toBe(4096 + MIB + 4096);
  });
});

describe("hashes of contents", () => {
  const hashOf = (inode: FileWithContent) => {
    const chunks = chunksOf([inode]);
    return Buffer.from(hashContents(chunks.list(0, chunks.length))).toString("hex");
  };

  it("are the same whether holes are known or not", async () => {
    const random = new Random(3);
    for (let round = 0; round < 10; round++) {
      const size = 9 * MIB + random.below(3 * MIB);
      const data: Record<number, Buffer> = {};
      for (let count = random.below(12); count > 0; count--) {
        const length = 1 + random.below(random.below(2) === 0 ? 100 : 300_000);
        data[random.below(size - length)] = random.bytes(length);
      }
      const path = sparse(`hashed ${round}`, size, data);
      const dense = scratch(`dense ${round}`);
      writeFileSync(dense, readFileSync(path));
      const known = inodeOf(path, true);
      await findHoles([known], new AbortController().signal);
      expect(known.content.data).toBeDefined();
      expect(hashOf(known)).toBe(hashOf(inodeOf(path, false)));
      expect(hashOf(known)).toBe(hashOf(inodeOf(dense, false)));
    }
  });

  it("differ where a byte differs, or where the same bytes lie elsewhere", () => {
    const size = 3 * MIB;
    const block = Buffer.alloc(BLOCK_SIZE, "x");
    const files = [
      {},
      { 0: block },
      { [BLOCK_SIZE]: block },
      { [MIB]: block },
      { 0: block, [BLOCK_SIZE]: block },
      { 0: block, [2 * BLOCK_SIZE]: block },
      // The start of a run as the hash has it.
      { 0: Buffer.from(Float64Array.of(0, BLOCK_SIZE).buffer) },
      { [size - 1]: Buffer.from("y") },
    ].map((data, index) => sparse(`place ${index}`, size, data));
    const hashes = files.map((path) => hashOf(inodeOf(path, false)));
    expect(new Set(hashes).size).toBe(files.length);
  });
});
