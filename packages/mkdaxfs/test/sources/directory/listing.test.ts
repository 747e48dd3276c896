// SPDX-License-Identifier: MIT
import { linkSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { byteStringOfText } from "@daxfs/format";
import { describe, expect, it } from "vitest";
import { BuildError } from "../../../src/errors.js";
import {
  FILES_AT_ONCE,
  type Listing,
  type ListRequest,
  listDirectories,
  type PendingDirectory,
} from "../../../src/sources/directory/listing.js";
import { scratchDirectory } from "../../support/support.js";

const scratch = scratchDirectory();

function list(root: string, order: Partial<ListRequest> = {}): Listing {
  return listDirectories({
    root: byteStringOfText(root),
    directories: [{ path: "", names: undefined }],
    descend: true,
    xattrs: true,
    forbidden: undefined,
    ...order,
  });
}

/** The paths of the files in a listing. */
function pathsOf({ directories, ends, names }: Listing): string[] {
  return directories.flatMap((directory, position) =>
    names.slice(ends[position - 1] ?? 0, ends[position]).map((name) => `${directory}/${name}`),
  );
}

/** Lists all that is below a directory, a task after the other. */
function listAll(root: string, descend: boolean): Listing[] {
  const listings: Listing[] = [];
  const pending: PendingDirectory[] = [{ path: "", names: undefined }];
  while (pending.length > 0) {
    const listing = list(root, { directories: pending.splice(-2), descend });
    listings.push(listing);
    pending.push(...listing.left);
  }
  return listings;
}

describe("a listing", () => {
  it("has what lstat(2) says of each file", () => {
    const root = scratch("kinds");
    mkdirSync(`${root}/directory`, { recursive: true });
    writeFileSync(`${root}/file`, "four");
    linkSync(`${root}/file`, `${root}/directory/other name`);
    symlinkSync("nowhere", `${root}/symlink`);
    const listing = list(root);
    expect(pathsOf(listing).sort()).toEqual([
      "/directory",
      "/file",
      "/symlink",
      "directory/other name",
    ]);
    const file = listing.names.indexOf("file");
    const stats = statSync(`${root}/file`, { bigint: true });
    expect(listing.modes[file]).toBe(Number(stats.mode));
    expect(listing.mtimes[file]).toBe(stats.mtimeNs);
    expect(listing.sizes[file]).toBe(4);
    const otherName = listing.names.indexOf("other name");
    expect([...listing.linked].sort()).toEqual([file, otherName].sort());
    for (const index of [file, otherName]) {
      expect(listing.devs[index]).toBe(Number(stats.dev));
      expect(listing.inos[index]).toBe(Number(stats.ino));
    }
    expect(listing.targets.get(listing.names.indexOf("symlink"))).toBe("nowhere");
    expect(listing.left).toEqual([]);
  });

  it("goes no further than it is told", () => {
    const root = scratch("levels");
    mkdirSync(`${root}/a/b/c`, { recursive: true });
    const listing = list(root, { descend: false });
    expect(pathsOf(listing)).toEqual(["/a"]);
    expect(listing.left).toEqual([{ path: "a", names: undefined }]);
    const some = list(root, { directories: [{ path: "a", names: [] }] });
    expect(pathsOf(some)).toEqual([]);
  });

  it.each([true, false])("leaves what is too much at once, descending: %s", (descend) => {
    const root = scratch(`many-${descend}`);
    const expected: string[] = [];
    for (const [directory, count] of [
      ["", 2 * FILES_AT_ONCE + 10],
      ["/a", FILES_AT_ONCE],
      ["/a/b", FILES_AT_ONCE + 1],
      ["/c", 3],
    ] as const) {
      mkdirSync(root + directory, { recursive: true });
      for (let index = 0; index < count; index++) {
        writeFileSync(`${root}${directory}/${index}`, "");
        expected.push(`${directory.slice(1)}/${index}`);
      }
    }
    const listings = listAll(root, descend);
    for (const listing of listings) {
      expect(listing.names.length).toBeLessThanOrEqual(FILES_AT_ONCE);
      for (const { names } of listing.left) {
        expect(names?.length ?? 0).toBeLessThanOrEqual(FILES_AT_ONCE);
      }
    }
    const all = listings.flatMap(pathsOf);
    expect(all.sort()).toEqual([...expected, "/a", "/c", "a/b"].sort());
    expect(new Set(all).size).toBe(all.length);
  });

  it("refuses the directory that it must not find, and what went away", () => {
    const root = scratch("refused");
    mkdirSync(`${root}/output`, { recursive: true });
    const { dev, ino } = statSync(`${root}/output`, { bigint: true });
    expect(() => list(root, { forbidden: { dev, ino } })).toThrow(
      /^the output is inside the source, in .*\/output/,
    );
    const gone = [{ path: "", names: ["gone"] }];
    expect(() => list(root, { directories: gone })).toThrow(BuildError);
    expect(() => list(root, { directories: gone })).toThrow(/went away/);
  });
});
