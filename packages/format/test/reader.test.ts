// SPDX-License-Identifier: MIT
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadBase } from "../../../tests/corpus/bases.js";
import { dataDirectory } from "../../../tests/corpus/corpus.js";
import {
  LATIN1_NAME,
  LONG_TARGET,
  patternBytes,
  version1Tree,
} from "../../../tests/corpus/trees.js";
import { buildVersion1Image, PLAIN } from "../../../tests/corpus/version1.js";
import {
  checkImageFile,
  FileBytes,
  FLAG,
  FormatError,
  type ImageBytes,
  ImageReader,
  MemoryBytes,
} from "../src/index.js";

/** Counts what is asked for. */
class CountedBytes implements ImageBytes {
  readonly size: number;
  count = 0;

  constructor(private readonly bytes: ImageBytes) {
    this.size = bytes.size;
  }

  read(offset: number, length: number): Uint8Array {
    this.count += length;
    return this.bytes.read(offset, length);
  }

  close(): void {
    this.bytes.close();
  }
}

const image = loadBase("extended", dataDirectory());
const reader = new ImageReader(new MemoryBytes(image));
const at = (path: string) => {
  const inode = reader.resolve(path);
  if (inode === undefined) throw new Error(`no ${path}`);
  return inode;
};

describe("an extended image", () => {
  it("is walked, each directory before what it holds, in byte order", () => {
    const paths = [...reader.walk()].map(({ path }) => path);
    expect(new Set(paths).size).toBe(reader.superblock.inode_count);
    expect(paths[0]).toBe("/");
    for (const path of paths.slice(1)) {
      const parent = path.slice(0, path.lastIndexOf("/")) || "/";
      expect(paths.indexOf(parent)).toBeLessThan(paths.indexOf(path));
    }
    const many = paths.filter((path) => path.startsWith("/many/"));
    expect(many).toHaveLength(200);
    expect(many).toEqual([...many].sort());
    expect(paths).toContain(`/names/${LATIN1_NAME}`);
    expect(paths).toContain("/names/with space\n");
  });

  it("gives each name of each directory to a lookup, and no other", () => {
    for (const { inode } of reader.walk()) {
      if ((inode.mode & 0o170000) !== 0o040000) continue;
      for (const child of reader.children(inode)) {
        expect(reader.lookup(inode, reader.name(child))?.ino).toBe(child.ino);
      }
      for (const name of ["", "!", "zzzz", "\xff", "entry-05", "entry-0500"]) {
        expect(reader.lookup(inode, name)).toBeUndefined();
      }
    }
  });

  it("resolves paths", () => {
    expect(at("/").ino).toBe(1);
    expect(at("nested//a/b/c/").ino).toBe(at("/nested/a/b/c").ino);
    expect(reader.resolve("/large/x")).toBeUndefined();
    expect(reader.resolve("/nested/none/x")).toBeUndefined();
  });

  it("gives ranges of a file", () => {
    const inode = at("/files/c-4097");
    const content = patternBytes("c-4097", 4097);
    for (const [offset, length] of [
      [0, 4097],
      [0, 10_000],
      [4090, 4],
      [4096, 4096],
      [4097, 1],
      [5000, 1],
      [7, 0],
    ] as const) {
      const expected = content.subarray(offset, offset + length);
      expect(Buffer.from(reader.read(inode, offset, length)).equals(expected)).toBe(true);
    }
    expect(reader.read(at("/files/c-0"), 0, 10)).toHaveLength(0);
    expect(reader.read(at("/large"), 2 * 1024 * 1024, 10)).toEqual(Uint8Array.of(0x7a));
    expect(() => reader.read(at("/nested"), 0, 1)).toThrow(TypeError);
    expect(() => reader.target(inode)).toThrow(TypeError);
  });

  it("gives copies, which later reads leave alone", () => {
    const one = reader.read(at("/files/c-1"), 0, 1);
    one[0] = 0;
    expect(reader.read(at("/files/c-1"), 0, 1)[0]).not.toBe(0);
  });

  it("stores equal contents once", () => {
    expect(at("/files/a-4097").data_offset).toBe(at("/files/b-4097").data_offset);
    expect(at("/files/a-4097").data_offset).not.toBe(at("/files/c-4097").data_offset);
    expect(at("/large").data_offset % BigInt(2 * 1024 * 1024)).toBe(0n);
  });

  it("gives symlink targets", () => {
    expect(reader.target(at("/symlinks/good"))).toBe("../files/b-4097");
    expect(reader.target(at("/symlinks/long"))).toBe(LONG_TARGET);
  });

  it("has one identity for all names of a file", () => {
    for (const names of [
      ["/links/first", "/links/second", "/links/third"],
      ["/links/symlink", "/links/symlink-again"],
      ["/xattrs/plain", "/xattrs/plain-again"],
    ]) {
      const numbers = names.map((name) => at(name).ino);
      const identities = names.map((name) => reader.identity(at(name)));
      expect(new Set(identities)).toEqual(new Set([Math.min(...numbers)]));
      for (const name of names) expect(at(name).nlink).toBe(names.length);
    }
    expect(reader.identity(at("/nested"))).toBe(at("/nested").ino);
  });

  it("gives xattrs as getxattr(2) does", () => {
    const of = (path: string) =>
      reader
        .xattrs(reader.identity(at(path)))
        .map(({ name, value }) => [name, Buffer.from(value).toString("latin1")]);
    const plain = [
      ["user.one", "first value"],
      ["user.two", "second"],
    ];
    expect(of("/xattrs/plain")).toEqual(plain);
    expect(of("/xattrs/plain-again")).toEqual(plain);
    expect(of("/xattrs/shared-2")).toEqual([["user.shared", "x".repeat(100)]]);
    expect(of("/xattrs/trusted")).toEqual([["trusted.only", "root"]]);
    expect(of("/files/c-1")).toEqual([]);
    const capability = reader.xattrs(at("/xattrs/capability").ino);
    expect(capability.map(({ name }) => name)).toEqual(["security.capability"]);
    // VFS_CAP_REVISION_2, effective, and CAP_NET_RAW permitted.
    expect(Buffer.from(capability[0]!.value.subarray(0, 8)).toString("hex")).toBe(
      "0100000200200000",
    );
    expect(of("/xattrs/acl")[0]?.[0]).toBe("system.posix_acl_access");
    expect(of("/xattrs/directory")[0]?.[0]).toBe("system.posix_acl_default");
  });

  it("has times before 1970 and fractions of seconds", () => {
    const times = new Set([...reader.walk()].map(({ inode }) => inode.mtime_ns));
    expect(times).toContain(1_700_000_000_123_456_789n);
    expect(times).toContain(-86_400_500_000_000n);
    expect(times).toContain(0n);
  });
});

describe("a lookup", () => {
  const sorted = new CountedBytes(new MemoryBytes(image));
  const list = new CountedBytes(
    new MemoryBytes(buildVersion1Image(version1Tree(), { ...PLAIN, order: "given" })),
  );

  it("reads few entries of a sorted directory", () => {
    const counted = new ImageReader(sorted);
    const many = counted.resolve("/many")!;
    const before = sorted.count;
    expect(counted.lookup(many, "entry-137")).toBeDefined();
    // 8 entries of 200 are as many as a binary search takes, each with its name.
    expect(sorted.count - before).toBeLessThanOrEqual(8 * (64 + 9));
  });

  it("follows the list of an unsorted one", () => {
    const counted = new ImageReader(list);
    expect(counted.has(FLAG.SORTED)).toBe(false);
    const many = counted.resolve("/many")!;
    for (let i = 0; i < 60; i++) {
      const name = `entry-${String(i).padStart(2, "0")}`;
      expect(counted.name(counted.lookup(many, name)!)).toBe(name);
    }
    expect(counted.lookup(many, "entry-60")).toBeUndefined();
  });
});

describe("an image in a file", () => {
  let directory: string;
  let path: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "daxfs-reader-"));
    path = join(directory, "image");
    writeFileSync(path, image);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("is the same as in memory", () => {
    const file = ImageReader.open(path);
    try {
      expect([...file.walk()]).toEqual([...reader.walk()]);
    } finally {
      file.close();
    }
    expect(checkImageFile(path)).toEqual([]);
  });

  it("is read only where it is asked for", () => {
    const bytes = new CountedBytes(new FileBytes(path));
    const file = new ImageReader(bytes);
    // The superblock and the root's entry.
    expect(bytes.count).toBeLessThanOrEqual(4096 + 64);
    for (const { identity } of file.walk()) file.xattrs(identity);
    const metadata = Number(file.superblock.data_offset);
    expect(file.superblock.total_size).toBeGreaterThan(10 * metadata);
    expect(bytes.count).toBeLessThan(10 * metadata);
    const before = bytes.count;
    expect(file.read(file.resolve("/large")!, 2 * 1024 * 1024 - 5, 100)).toHaveLength(6);
    expect(bytes.count - before).toBeLessThan(4096);
    file.close();
  });

  it("costs the process no more of the file than the chunks around what it asks for", () => {
    const bytes = new FileBytes(path);
    // The counter of the kernel: bytes that this process got from read(2) and its like.
    const counter = () => Number(/^rchar: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))![1]);
    const idle = counter();
    const overhead = counter() - idle;
    const before = counter();
    const file = new ImageReader(bytes);
    const entry = file.resolve("/many/entry-100")!;
    expect(file.read(entry, 0, 10)).toHaveLength(0);
    const used = counter() - before - overhead;
    bytes.close();
    // 279 inodes and their names lie in the first 64 KiB.
    expect(used).toBeLessThanOrEqual(2 * 65_536);
    expect(used).toBeGreaterThan(0);
  });
});

describe("what is no image", () => {
  it.each([0, 1, 4095])("of %i bytes is refused", (length) => {
    expect(() => new ImageReader(new MemoryBytes(new Uint8Array(length)))).toThrow(FormatError);
  });

  it("is refused with where, what and which rule", () => {
    const zeros = new MemoryBytes(new Uint8Array(8192));
    expect(() => new ImageReader(zeros)).toThrow(
      "superblock: magic: expected 0x64646178, found 0x0 [superblock.magic]",
    );
  });

  it("has no inode outside the table", () => {
    for (const ino of [0, -1, reader.superblock.inode_count + 1, 1.5, Number.NaN]) {
      expect(() => reader.inode(ino)).toThrow();
    }
  });
});
