// SPDX-License-Identifier: MIT
// What stands in headers, one question a test; programs would hardly write some of it.
import { describe, expect, it } from "vitest";
import {
  archive,
  base256,
  header,
  member,
  padded,
  pax,
  readBoth,
  refusal,
} from "../../support/tar.js";

const next = member({ name: "next" }, "next");
const seenOf = async (...parts: readonly Buffer[]) => (await readBoth(archive(...parts))).seen;
const pathsOf = async (...parts: readonly Buffer[]) =>
  (await seenOf(...parts)).map(({ path }) => path);

describe("types of entries", () => {
  it("are those of ustar", async () => {
    const seen = await seenOf(
      member({ name: "old", type: "\0" }, "1"),
      member({ name: "new", type: "0" }, "2"),
      member({ name: "contiguous", type: "7" }, "3"),
      header({ name: "link", type: "1", linkName: "./old" }),
      header({ name: "symlink", type: "2", linkName: "../x/./y" }),
      header({ name: "character", type: "3", raw: { 329: "0000001\0", 337: "0000003\0" } }),
      header({ name: "block", type: "4", raw: { 329: "0000010\0", 337: "0000021\0" } }),
      header({ name: "directory/", type: "5" }),
      header({ name: "fifo", type: "6" }),
    );
    expect(seen.map(({ path, type, body }) => [path, type, body])).toEqual([
      ["old", "regular", "1"],
      ["new", "regular", "2"],
      ["contiguous", "regular", "3"],
      ["link", "link", "old"],
      ["symlink", "symlink", "../x/./y"],
      ["character", "character-device", "1:3"],
      ["block", "block-device", "8:17"],
      ["directory", "directory", undefined],
      ["fifo", "fifo", undefined],
    ]);
  });

  it.each(["v7", "ustar"] as const)(
    "are directories with a slash at the end of %s names",
    async (magic) => {
      const seen = await seenOf(header({ name: "d/", type: "\0", magic }), next);
      expect(seen).toMatchObject([{ path: "d", type: "directory" }, { path: "next" }]);
    },
  );

  it.each(["v7", "ustar", "gnu"] as const)(
    "are old directories of %s without content, whatever their size says",
    async (magic) => {
      for (const size of [1, 4, 512, 513, 100_000]) {
        const old = header({ name: "d/", type: "\0", magic, size });
        const expected = [
          { path: "d", type: "directory", size: 0 },
          { path: "next", body: "next" },
        ];
        expect(await seenOf(old, next)).toMatchObject(expected);
        // The next header as it stands behind a real directory entry.
        expect(await seenOf(header({ name: "a" }), old, next)).toMatchObject([{}, ...expected]);
      }
      expect(await seenOf(header({ name: "d/", type: "\0", magic, size: 600 }))).toMatchObject([
        { path: "d", type: "directory" },
      ]);
    },
  );

  it("are old directories where PAX has the name", async () => {
    const extended = pax([["path", "long/name/"]]);
    const old = header({ name: "cut", type: "\0", size: 4 });
    expect(await seenOf(extended, old, next)).toMatchObject([
      { path: "long/name", type: "directory" },
      { path: "next" },
    ]);
  });

  it("of later directories with a file's type have content where no header follows", async () => {
    for (const type of ["0", "7"]) {
      const bare = header({ name: "d/", type, size: 4 });
      const expected = [{ path: "d", type: "directory", size: 0 }, { path: "next" }];
      expect(await seenOf(bare, next)).toMatchObject(expected);
      expect(await seenOf(bare, padded("data"), next)).toMatchObject(expected);
    }
  });

  it("without content have none, whatever their size says", async () => {
    for (const type of ["2", "3", "4", "5", "6"]) {
      expect(await pathsOf(header({ name: "one", type, size: 5000, linkName: "x" }), next)).toEqual(
        ["one", "next"],
      );
    }
  });

  it("are a directory with a list of names in GNU tar's dumps", async () => {
    const dump = member({ name: "d", type: "D", magic: "gnu" }, "Yfile\0\0");
    expect(await seenOf(dump, next)).toMatchObject([
      { path: "d", type: "directory", size: 0 },
      { path: "next", body: "next" },
    ]);
  });

  it("are told to build on an earlier archive in GNU tar's dumps, in both formats", async () => {
    const warning = [
      "a.tar: is an incremental archive of GNU tar: files that were removed or renamed since the " +
        "archive before it are not (extract them with tar -xG, and build from that)",
    ];
    const read = async (list: string) => {
      const gnu = member({ name: "d/", type: "D", magic: "gnu" }, list);
      const extended = [pax([["GNU.dumpdir", list]]), header({ name: "d/", type: "5" })];
      const results = [
        await readBoth(archive(gnu, next)),
        await readBoth(archive(...extended, next)),
      ];
      for (const { seen } of results) expect(seen).toMatchObject([{ path: "d" }, { path: "next" }]);
      expect(results[1]!.warnings).toEqual(results[0]!.warnings);
      return results[0]!.warnings;
    };
    // A first archive has all files, and names that look like letters of the list.
    expect(await read("YN\0YRx\0DT\0\0")).toEqual([]);
    expect(await read("")).toEqual([]);
    expect(await read("\0")).toEqual([]);
    expect(await read("Ya\0Nb\0\0")).toEqual(warning);
    expect(await read("Na\0\0")).toEqual(warning);
    expect(await read(`${"Yfile\0".repeat(500)}Dsub2\0Rd/sub\0Td/sub2\0\0`)).toEqual(warning);
  });

  it("pass over a volume's label", async () => {
    const label = header({ name: "backup of today", type: "V", magic: "gnu" });
    expect(await pathsOf(label, next)).toEqual(["next"]);
  });

  it.each([
    ["M", "is continued from another volume (put the volumes together first)"],
    ["N", "its type is 'N', which is none of POSIX or GNU tar"],
    ["A", "its type is 'A', which is none of POSIX or GNU tar"],
    ["\xe9", "its type is '\\xe9', which is none of POSIX or GNU tar"],
  ])("%j is refused by name", async (type, message) => {
    const text = await refusal(archive(member({ name: "dir/x", type, magic: "gnu" }, "data")));
    expect(text).toContain("a.tar: dir/x: ");
    expect(text).toContain(message);
  });

  it("that go on in another volume are refused in PAX too", async () => {
    const extended = pax([["GNU.volume.filename", "x"]]);
    expect(await refusal(archive(extended, next))).toContain("continued from another volume");
  });
});

describe("paths", () => {
  it("are clean, and never lead out", async () => {
    const names = [
      "/etc/passwd",
      "./a",
      "a//b/./c",
      "../../x",
      "a/../../y",
      "d/..",
      "./",
      "c/../d",
    ];
    expect(await pathsOf(...names.map((name) => header({ name, type: "5" })))).toEqual([
      "etc/passwd",
      "a",
      "a/b/c",
      "x",
      "y",
      "",
      "",
      "d",
    ]);
  });

  it("may have more than 4096 bytes, in both ways of writing them", async () => {
    const path = `${"d/".repeat(3000)}file`;
    const target = `${"t/".repeat(3000)}x`;
    const gnu = [
      member({ name: "././@LongLink", type: "K", magic: "gnu" }, `${target}\0`),
      member({ name: "././@LongLink", type: "L", magic: "gnu" }, `${path}\0`),
    ];
    const link = header({ name: "cut", type: "2", linkName: "cut", magic: "gnu" });
    const extended = pax([
      ["path", path],
      ["linkpath", target],
    ]);
    for (const parts of [
      [...gnu, link],
      [extended, link],
    ]) {
      const seen = await seenOf(...parts, next);
      expect(seen).toMatchObject([{ path, body: target }, { path: "next" }]);
    }
  });

  it("may be of any bytes in PAX", async () => {
    const path = "\xff\xfe\n=\x01/\xe9";
    expect(
      await pathsOf(
        pax([
          ["hdrcharset", "BINARY"],
          ["path", path],
        ]),
        next,
      ),
    ).toEqual([path]);
  });

  it("of PAX and those of GNU tar come before the header's", async () => {
    const long = member({ name: "x", type: "L", magic: "gnu" }, "of-gnu\0");
    expect(await pathsOf(long, next)).toEqual(["of-gnu"]);
    expect(await pathsOf(pax([["path", "of-pax"]]), next)).toEqual(["of-pax"]);
    expect(await pathsOf(pax([["mtime", "1"]]), long, next)).toEqual(["of-gnu"]);
  });
});

describe("PAX headers", () => {
  it("beat what the header says", async () => {
    const extended = pax([
      ["size", "4"],
      ["uid", "4294967294"],
      ["gid", "3000000000"],
      ["mtime", "-3.25"],
    ]);
    const seen = await seenOf(extended, header({ name: "file", size: 0 }), padded("data"), next);
    expect(seen).toMatchObject([
      {
        path: "file",
        size: 4,
        body: "data",
        uid: 4294967294,
        gid: 3000000000,
        mtimeNs: -3250000000n,
      },
      { path: "next", uid: 0, gid: 0, mtimeNs: 0n },
    ]);
  });

  it("have device numbers that no header holds", async () => {
    const extended = pax([
      ["SCHILY.devmajor", "300"],
      ["SCHILY.devminor", "1048575"],
    ]);
    expect(await seenOf(extended, header({ type: "3" }))).toMatchObject([{ body: "300:1048575" }]);
  });

  it("for all that follow hold until they are taken back", async () => {
    const seen = await seenOf(
      pax(
        [
          ["uid", "5"],
          ["comment", "of git"],
        ],
        "g",
      ),
      next,
      pax([
        ["uid", "6"],
        ["mtime", "1"],
      ]),
      next,
      next,
      pax([["uid", ""]]),
      next,
      pax([["uid", "7"]], "g"),
      next,
      pax([["uid", ""]], "g"),
      next,
    );
    expect(seen.map(({ uid }) => uid)).toEqual([5, 6, 5, 0, 7, 0]);
    expect(seen.map(({ mtimeNs }) => mtimeNs)).toEqual([0n, 1_000_000_000n, 0n, 0n, 0n, 0n]);
  });

  it("of Sun's kind are the same", async () => {
    expect(await pathsOf(pax([["path", "sun"]], "X"), next)).toEqual(["sun"]);
  });

  it("have attributes of any bytes", async () => {
    const value = Buffer.from("\0\n=\xff 12 a=b\n\0", "latin1");
    const capability = Buffer.from("0100000200200000000000000000000000000000", "hex");
    const extended = pax([
      ["SCHILY.xattr.user.binary", value],
      ["SCHILY.xattr.security.capability", capability],
      ["SCHILY.xattr.user.empty", ""],
      ["SCHILY.xattr.user.a%3Db%25", "x"],
      ["RHT.security.selinux", "system_u:object_r:bin_t:s0"],
    ]);
    expect((await seenOf(extended, next, next)).map(({ xattrs }) => xattrs)).toEqual([
      {
        "user.binary": value.toString("hex"),
        "security.capability": capability.toString("hex"),
        "user.empty": "",
        "user.a=b%": "78",
        "security.selinux": Buffer.from("system_u:object_r:bin_t:s0\0").toString("hex"),
      },
      undefined,
    ]);
  });

  it("have libarchive's attributes, before those that it writes for others", async () => {
    const extended = pax([
      ["LIBARCHIVE.xattr.user.%C3%A9%3D", Buffer.from([0, 10, 255]).toString("base64")],
      ["LIBARCHIVE.xattr.user.unpadded", "eA"],
      ["SCHILY.xattr.user.%C3%A9%3D", "x"],
    ]);
    const [first] = await seenOf(extended, next);
    expect(first!.xattrs).toEqual({ "user.\xc3\xa9=": "000aff", "user.unpadded": "78" });
    expect(await refusal(archive(pax([["LIBARCHIVE.xattr.user.x", "%%%"]]), next))).toBe(
      "a.tar: next: its PAX record LIBARCHIVE.xattr.user.x has the value '%%%'",
    );
  });

  it("have access control lists, less exact than the attribute itself", async () => {
    const list = [
      "SCHILY.acl.access",
      "user::rw-,user:5:r--,group::r--,mask::r--,other::---",
    ] as const;
    const named = ["SCHILY.acl.access", list[1].replace("5", "joe")] as const;
    const [first] = await seenOf(pax([list]), next);
    expect(first!.xattrs!["system.posix_acl_access"]).toMatch(/^02000000/);
    const [second] = await seenOf(
      pax([named, ["SCHILY.xattr.system.posix_acl_access", "x"]]),
      next,
    );
    expect(second!.xattrs).toEqual({ "system.posix_acl_access": "78" });
    expect(await refusal(archive(pax([named]), next))).toBe(
      "a.tar: next: its access control list names 'joe', without a number (make the archive with " +
        "--xattrs too, or leave the list out with --xattrs-exclude 'system.posix_acl_*')",
    );
  });

  it.each([
    [[["size", "-1"]], "its PAX record size has the value '-1'"],
    [
      [["size", "99999999999999999999"]],
      "its PAX record size has the value '99999999999999999999'",
    ],
    [[["uid", "joe"]], "its PAX record uid has the value 'joe'"],
    [[["gid", "4294967296"]], "its PAX record gid has the value '4294967296'"],
    [[["mtime", "yesterday"]], "its PAX record mtime has the value 'yesterday'"],
    [[["path", "a\0b"]], "its PAX record path has the value 'a\\x00b'"],
    [[["linkpath", "\0"]], "its PAX record linkpath has the value '\\x00'"],
    [[["SCHILY.devminor", "1.5"]], "its PAX record SCHILY.devminor has the value '1.5'"],
  ] as const)("are refused with %j", async (records, message) => {
    expect(await refusal(archive(pax(records), next))).toBe(`a.tar: next: ${message}`);
  });
});

describe("hard links", () => {
  const link = (size: number, magic: "ustar" | "gnu" | "v7" = "ustar") =>
    header({ name: "link", type: "1", linkName: "file", size, magic });

  it("have no content before PAX, whatever the size says", async () => {
    for (const magic of ["ustar", "gnu", "v7"] as const) {
      expect(await pathsOf(link(600, magic), next)).toEqual(["link", "next"]);
      expect(await pathsOf(link(600, magic))).toEqual(["link"]);
    }
  });

  it("may be followed by their content in PAX", async () => {
    const content = padded("x".repeat(600));
    expect(await pathsOf(pax([["mtime", "1"]]), link(600), content, next)).toEqual([
      "link",
      "next",
    ]);
    // And in ustar, where what follows is no header.
    expect(await pathsOf(link(600), content, next)).toEqual(["link", "next"]);
  });

  it("are refused in PAX where a header follows instead of their content", async () => {
    const message =
      "a.tar: link: is a hard link with a size of 512 bytes, a header follows where its content " +
      "should be, and programs disagree about what counts (make the archive with GNU tar or bsdtar)";
    const start = [pax([["mtime", "1"]]), link(512)];
    // Content to bsdtar, an entry to GNU tar and Python.
    expect(await refusal(archive(...start, header(), next))).toBe(message);
    expect(await refusal(archive(...start, header()))).toBe(message);
    // Zeros are no header: they may be content, or end the archive.
    expect(await pathsOf(...start, Buffer.alloc(512), next)).toEqual(["link", "next"]);
    expect(await pathsOf(...start)).toEqual(["link"]);
  });

  it("have no content in other formats, also behind an entry with a PAX header", async () => {
    for (const magic of ["gnu", "v7"] as const) {
      const first = [pax([["mtime", "1"]]), header({ name: "first" })];
      expect(await pathsOf(...first, link(600, magic), next)).toEqual(["first", "link", "next"]);
      // Nor have those of ustar behind an entry of such a format.
      const second = header({ name: "second", magic });
      expect(await pathsOf(...first, second, link(600), next)).toEqual([
        ...["first", "second", "link", "next"],
      ]);
    }
  });

  it("to nothing are refused", async () => {
    const bytes = archive(header({ name: "a/link", type: "1" }));
    expect(await refusal(bytes)).toBe("a.tar: a/link: is a hard link without a target");
  });
});

describe("an archive", () => {
  it("may hold a path again, both times with its content", async () => {
    const seen = await seenOf(member({}, "first"), next, member({}, "second"));
    expect(seen.map(({ path, body }) => [path, body])).toEqual([
      ["file", "first"],
      ["next", "next"],
      ["file", "second"],
    ]);
  });

  it("may be empty", async () => {
    expect(await readBoth(Buffer.alloc(1024))).toMatchObject({ seen: [], warnings: [] });
    expect(await readBoth(Buffer.alloc(10240))).toMatchObject({ seen: [], warnings: [] });
  });

  it("may end with one block of zeros, or without any", async () => {
    expect(await readBoth(Buffer.concat([next, Buffer.alloc(512)]))).toMatchObject({
      warnings: [],
    });
    const { seen, warnings } = await readBoth(next);
    expect(seen).toHaveLength(1);
    expect(warnings).toEqual(["a.tar: has no end marker, perhaps it was cut short"]);
  });

  it("may be followed by something, of which is told", async () => {
    const { seen, warnings } = await readBoth(Buffer.concat([archive(next), archive(next)]));
    expect(seen).toHaveLength(1);
    expect(warnings).toEqual([
      "a.tar: what follows its end at byte 2048 was left out (archives put together with cat are " +
        "separate sources)",
    ]);
  });

  it("has owners and sizes in base-256", async () => {
    const raw = { 108: base256(3_000_000n, 8), 124: base256(4n, 12) };
    const [first] = await seenOf(header({ raw, magic: "gnu" }), padded("data"));
    expect(first).toMatchObject({ uid: 3_000_000, size: 4, body: "data" });
  });
});
