// SPDX-License-Identifier: MIT
// What programs that read tar archives disagree about, or what some of them write.
import { describe, expect, it } from "vitest";
import {
  archive,
  contentText,
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

describe("names that stand for the root", () => {
  const kinds = { "0": "a file", "1": "a hard link", "2": "a symlink", "6": "a fifo" };

  it.each(Object.entries(kinds))("are refused of entries of type %s", async (type, kind) => {
    const of = (name: string) =>
      refusal(archive(next, header({ name, type, linkName: "next" }), next));
    for (const name of [".", "..", "./.", "a/..", "/."]) {
      expect(await of(name)).toBe(
        `a.tar: ${name}: is ${kind} and has a name that stands for the root of the tree (it is ` +
          "damaged: make the archive again)",
      );
    }
    expect(await of("")).toBe(
      `a.tar: the entry at byte 1024: is ${kind} and has no name (it is damaged: make the archive ` +
        "again)",
    );
  });

  it("are the root's for directories", async () => {
    for (const name of ["", ".", "..", "./", "a/.."]) {
      expect(await pathsOf(header({ name, type: "5" }), next)).toEqual(["", "next"]);
    }
  });
});

describe("content that only some programs see", () => {
  const hidden = member({ name: "hidden" }, "hidden");
  const size = hidden.length;
  const given = pax([["size", `${size}`]]);

  it("is refused where it follows a hard link of PAX and begins with a header", async () => {
    const link = header({ name: "link", type: "1", linkName: "next", size });
    for (const [extra, content] of [
      [pax([["mtime", "1"]]), hidden],
      [given, hidden],
    ] as const) {
      expect(await refusal(archive(next, extra, link, content, next))).toBe(
        `a.tar: link: is a hard link with a size of ${size} bytes, a header follows where its ` +
          "content should be, and programs disagree about what counts (make the archive with GNU tar or bsdtar)",
      );
    }
  });

  it.each(["ustar", "gnu", "v7"] as const)(
    "is refused where PAX gives the size of a hard link in format %s",
    async (magic) => {
      const link = header({ name: "link", type: "1", linkName: "next", magic });
      expect(await refusal(archive(next, given, link, hidden, next))).toContain(
        `link: is a hard link with a size of ${size} bytes, a header follows`,
      );
    },
  );

  it("is refused where it follows a directory that is one by the slash behind its name", async () => {
    const directory = header({ name: "d/", type: "0" });
    expect(await refusal(archive(next, given, directory, hidden, next))).toContain(
      `d/: is a directory with a size of ${size} bytes, which a header follows, and programs disagree`,
    );
    expect(await pathsOf(next, given, directory)).toEqual(["next", "d"]);
  });

  it.each([["2"], ["3"], ["4"], ["5"], ["6"]])(
    "is refused where PAX gives a size to what has none: %s",
    async (type) => {
      const entry = header({ name: "entry", type, linkName: "next", size });
      expect(await refusal(archive(given, entry, hidden))).toContain(
        `entry: has the size ${size} in its PAX header and no content, and programs disagree`,
      );
      expect(await pathsOf(pax([["size", "0"]]), entry, hidden)).toEqual(["entry", "hidden"]);
    },
  );
});

describe("extra headers of one entry", () => {
  const long = (type: string, name: string) =>
    member({ name: "././@LongLink", type, magic: "gnu" }, `${name}\0`);

  it.each([
    ["x", [pax([["path", "a"]]), pax([["path", "b"]])], "PAX header"],
    ["x and X", [pax([["path", "a"]]), pax([["mtime", "1"]], "X")], "PAX header"],
    ["x without records", [pax([]), pax([["path", "b"]])], "PAX header"],
    ["x around L", [pax([["path", "a"]]), long("L", "l"), pax([["path", "b"]])], "PAX header"],
    ["L", [long("L", "a"), long("L", "b")], "long name"],
    ["K", [long("K", "a"), long("L", "b"), long("K", "c")], "long link target"],
  ])("are refused where there are two: %s", async (_, headers, what) => {
    const message = await refusal(archive(next, ...headers, next, next));
    expect(message).toMatch(/^a\.tar: the entry at byte \d+: has more than one /);
    expect(message).toContain(
      `has more than one ${what}, and programs disagree about what counts (make the archive with ` +
        "GNU tar or bsdtar)",
    );
  });

  it("are refused where a global one stands behind the entry's own", async () => {
    const headers = [pax([["path", "a"]]), pax([["mtime", "1"]], "g")];
    expect(await refusal(archive(...headers, next))).toContain(
      "has a global PAX header behind its own one, and programs disagree",
    );
    expect(await pathsOf(...headers.reverse(), next)).toEqual(["a"]);
  });

  it("are refused where those of GNU tar and of PAX give two names, in either order", async () => {
    const name = [long("L", "a"), pax([["path", "b"]])];
    const target = [long("K", "a"), pax([["linkpath", "b"]])];
    const link = header({ name: "x", type: "2", linkName: "y" });
    for (const [what, headers] of Object.entries({ name, "link target": target })) {
      const expected = `has one ${what} in a header of GNU tar and another in PAX, and programs`;
      expect(await refusal(archive(next, ...headers, link))).toContain(expected);
      expect(await refusal(archive(next, ...headers.reverse(), link))).toContain(expected);
    }
    const same = [long("L", "a"), pax([["path", "a"]])];
    expect(await pathsOf(...same, next)).toEqual(["a"]);
  });

  it.each([
    ["path", "all"],
    ["linkpath", "/etc/shadow"],
    ["size", "512"],
    ["SCHILY.realsize", "512"],
    ["GNU.sparse.name", "all"],
    ["GNU.sparse.map", "0,1"],
  ])("are refused where one for all entries has what only one can have: %s", async (...record) => {
    expect(await refusal(archive(pax([record], "g"), next))).toBe(
      `a.tar: the entry at byte 0: has ${record[0]} in a global PAX header, and programs disagree ` +
        "about what counts (make the archive with GNU tar or bsdtar)",
    );
  });

  it("are refused where a keyword is not one to all programs", async () => {
    for (const keyword of [" path", "\tpath"]) {
      expect(await refusal(archive(pax([[keyword, "a"]]), next))).toContain(
        "the record at byte 0 of its PAX header is damaged",
      );
    }
  });

  it("may be one of each type, for every entry anew", async () => {
    const headers = [long("K", "target"), long("L", "name"), pax([["mtime", "1"]])];
    const entry = header({ name: "x", type: "2", linkName: "y", magic: "gnu" });
    const seen = await seenOf(...headers, entry, ...headers, entry);
    const expected = { path: "name", body: "target", mtimeNs: 1_000_000_000n };
    expect(seen).toMatchObject([expected, expected]);
  });
});

describe("numbers of PAX with leading zeros", () => {
  const zeros = (digits: string) => `${"0".repeat(30)}${digits}`;

  it("are the same numbers, everywhere", async () => {
    const extended = pax([
      ["size", zeros("4")],
      ["uid", zeros("5")],
      ["gid", zeros("4294967294")],
      ["mtime", `-${zeros("3.25")}`],
    ]);
    expect(await seenOf(extended, header({ size: 0 }), padded("data"), next)).toMatchObject([
      { size: 4, body: "data", uid: 5, gid: 4294967294, mtimeNs: -3_250_000_000n },
      { path: "next" },
    ]);
    const device = pax([
      ["SCHILY.devmajor", zeros("300")],
      ["SCHILY.devminor", zeros("7")],
    ]);
    expect(await seenOf(device, header({ type: "3" }))).toMatchObject([{ body: "300:7" }]);
  });

  it("are so in the maps of sparse files", async () => {
    const body = `${"\0".repeat(512)}data`;
    const sparse = (records: readonly (readonly [string, string])[], content: string) =>
      seenOf(pax(records), member({}, content));
    const size = ["GNU.sparse.size", zeros("516")] as const;
    const count = ["GNU.sparse.numblocks", zeros("1")] as const;
    const map = `${zeros("512")},${zeros("4")}`;
    const first = [
      ["GNU.sparse.offset", zeros("512")],
      ["GNU.sparse.numbytes", zeros("4")],
    ] as const;
    const [old] = await sparse([size, count, ...first], "data");
    const [middle] = await sparse([size, count, ["GNU.sparse.map", map]], "data");
    const text = padded(`${zeros("1")}\n${map.replace(",", "\n")}\n`).toString("latin1");
    const version = [
      ["GNU.sparse.major", zeros("1")],
      ["GNU.sparse.minor", zeros("0")],
      ["GNU.sparse.realsize", zeros("516")],
    ] as const;
    const [latest] = await sparse(version, `${text}data`);
    for (const seen of [old, middle, latest])
      expect(seen).toMatchObject({ size: 516, body: contentText(Buffer.from(body)) });
  });
});
