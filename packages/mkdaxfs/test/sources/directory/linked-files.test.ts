// SPDX-License-Identifier: MIT
// Which names of a directory source are one file, whatever its link count says.
import { describe, expect, it } from "vitest";
import type { Inode } from "../../../src/model/inode.js";
import { type FoundFile, LinkedFiles } from "../../../src/sources/directory/linked-files.js";
import { inode } from "../../support/inodes.js";

interface Name extends Partial<FoundFile> {
  readonly mtime?: bigint;
}

/** Numbers of the files that names get, in their order. */
function filesOf(...names: readonly Name[]): number[] {
  const files = new LinkedFiles();
  const made: Inode[] = [];
  return names.map(({ dev = 1, ino = 1, linked = false, mtime = 0n }) => {
    const make = () => {
      const file = inode({ mtimeNs: mtime });
      made.push(file);
      return file;
    };
    const file = files.fileOf({ dev, ino, linked }, make, (known) => known.mtimeNs === mtime);
    return made.indexOf(file);
  });
}

describe("names with one device and inode number", () => {
  it("are one file where the link count says so", () => {
    expect(filesOf({ linked: true }, { linked: true }, { linked: true })).toEqual([0, 0, 0]);
    // Somebody writes to it meanwhile.
    expect(filesOf({ linked: true }, { linked: true, mtime: 5n })).toEqual([0, 0]);
  });

  it("are one file where the link count grows as names are looked up", () => {
    expect(filesOf({}, { linked: true }, { linked: true })).toEqual([0, 0, 0]);
    expect(filesOf({}, {}, { linked: true }, {})).toEqual([0, 0, 0, 0]);
    expect(filesOf({}, {})).toEqual([0, 0]);
    expect(filesOf({ linked: true }, {})).toEqual([0, 0]);
  });

  it("are several where anything else differs, and the link count is 1", () => {
    expect(filesOf({ mtime: 1n }, { mtime: 2n }, { mtime: 1n })).toEqual([0, 1, 0]);
    expect(filesOf({ mtime: 1n }, { mtime: 2n, linked: true }, { mtime: 1n })).toEqual([0, 1, 0]);
  });
});

describe("names of several files", () => {
  it("have another inode or device number", () => {
    expect(filesOf({ ino: 1 }, { ino: 2 }, { dev: 2, ino: 1 }, { ino: 2 })).toEqual([0, 1, 2, 1]);
    expect(filesOf({ ino: 2n ** 60n }, { ino: 2n ** 60n + 1n }, { ino: 2n ** 60n })).toEqual([
      0, 1, 0,
    ]);
  });
});
