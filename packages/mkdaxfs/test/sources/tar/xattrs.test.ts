// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { type XattrOptions, XattrPolicy } from "../../../src/tree/xattr-policy.js";
import { archive, header, member, pax, readBoth, refusal } from "../../support/tar.js";

const next = member({ name: "next" }, "next");
type Records = readonly (readonly [string, string | Buffer])[];

const of = (options: XattrOptions) => {
  const policy = new XattrPolicy(options);
  return { xattrVerdict: (name: string) => policy.verdict(name) };
};
const read = (records: Records, options: XattrOptions, mode = "0000644") =>
  readBoth(archive(pax(records), header({ raw: { 100: `${mode}\0` } }), next), of(options));
const refused = (records: Records, options: XattrOptions = {}) =>
  refusal(archive(pax(records), next), of(options));

const ACL = "user::rw-,user:joe:r-x,group::r--,mask::rwx,other::---";
const WITHOUT_ACLS: readonly XattrOptions[] = [
  { xattrs: false },
  { xattrsExclude: ["system.posix_acl_*"] },
  { xattrsExclude: ["system.*"] },
  { xattrsInclude: ["user.*"] },
];

describe("attributes that options leave out", () => {
  it.each([
    ["SCHILY.acl.access", ACL],
    ["SCHILY.acl.default", ACL],
    ["SCHILY.acl.access", "not a list at all"],
    ["SCHILY.acl.default", "user::rwx"],
    ["SCHILY.acl.access", `${ACL},group:staff:rwx`],
  ])("are not parsed: %s=%s", async (keyword, value) => {
    expect(await refused([[keyword, value]])).toMatch(
      /^a\.tar: next: its access control list .*--xattrs-exclude 'system\.posix_acl_\*'\)$/,
    );
    for (const options of WITHOUT_ACLS) {
      const { seen, warnings } = await read([[keyword, value]], options);
      expect(seen.map(({ xattrs }) => xattrs)).toEqual([undefined, undefined]);
      expect(warnings).toEqual([]);
    }
  });

  it("are not parsed in headers for all entries either", async () => {
    const bytes = archive(pax([["SCHILY.acl.access", ACL]], "g"), next, next);
    expect(await refusal(bytes)).toContain("names 'joe', without a number");
    for (const options of WITHOUT_ACLS) {
      expect((await readBoth(bytes, of(options))).seen).toHaveLength(2);
    }
  });

  it("give the mode that the file would have with them, as in a directory", async () => {
    // bsdtar stores the permissions of the group itself.
    for (const options of WITHOUT_ACLS) {
      const { seen } = await read([["SCHILY.acl.access", ACL]], options, "0000640");
      expect(seen[0]?.permissions).toBe(0o670);
      const bare = await read([["SCHILY.acl.access", "mask::rwx"]], options, "0004640");
      expect(bare.seen[0]?.permissions).toBe(0o4640);
      const byDefault = await read([["SCHILY.acl.default", ACL]], options, "0000640");
      expect(byDefault.seen[0]?.permissions).toBe(0o640);
    }
  });

  it("may be of any length, encoding and name", async () => {
    const records: Records = [
      ["SCHILY.xattr.user.large", "x".repeat(65_537)],
      ["LIBARCHIVE.xattr.user.wrong", "%%%"],
      [`SCHILY.xattr.user.${"n".repeat(300)}`, "x"],
      ["SCHILY.xattr.user.nul\0", "x"],
    ];
    for (const options of [{ xattrs: false }, { xattrsExclude: ["user.*"] }]) {
      expect((await read(records, options)).seen[0]?.xattrs).toBeUndefined();
    }
    for (const record of records) expect(await refused([record])).toMatch(/^a\.tar: next: /);
    // So are those that the default leaves out, but they are counted.
    const apple = ["SCHILY.xattr.com.apple.ResourceFork", "x".repeat(100_000)] as const;
    const { seen } = await read([apple, ["SCHILY.xattr.user.a", "b"]], {});
    expect(seen[0]?.xattrs).toEqual({ "com.apple.ResourceFork": "", "user.a": "62" });
  });

  it("don't bring back those that libarchive writes for others", async () => {
    const records: Records = [
      ["LIBARCHIVE.xattr.user.%C3%A9", "eA=="],
      ["SCHILY.xattr.user.?", "x"],
    ];
    const { seen } = await read(records, { xattrsExclude: ["user.é"] });
    expect(seen[0]?.xattrs).toBeUndefined();
  });
});

describe("NFSv4 ACLs", () => {
  const ACE = ["SCHILY.acl.ace", "owner@:rw-p--aARWcCos:-------:allow,user:joe:r::allow"] as const;

  it("are left out, which is told once", async () => {
    const bytes = archive(pax([ACE, ["SCHILY.xattr.user.a", "b"]]), next, next, pax([ACE]), next);
    const { seen, warnings } = await readBoth(bytes, of({}));
    expect(seen.map(({ xattrs }) => xattrs)).toEqual([{ "user.a": "62" }, undefined, undefined]);
    expect(warnings).toEqual([
      "a.tar: left out the NFSv4 ACLs of 2 files: Linux shows POSIX ACLs only",
    ]);
    expect((await readBoth(archive(pax([ACE]), next))).warnings).toEqual([
      "a.tar: left out the NFSv4 ACLs of 1 file: Linux shows POSIX ACLs only",
    ]);
  });

  it("are left out without a word where options say so", async () => {
    for (const options of [
      { xattrs: false },
      { xattrsExclude: ["system.nfs4_acl"] },
      { xattrsInclude: ["user.*"] },
    ]) {
      expect((await readBoth(archive(pax([ACE]), next), of(options))).warnings).toEqual([]);
    }
    expect((await readBoth(archive(pax([["SCHILY.acl.ace", ""]]), next))).warnings).toEqual([]);
  });
});

describe("attributes that no image holds", () => {
  it.each([
    ["SCHILY.xattr.", "the attribute name '' has 0 bytes"],
    [
      "LIBARCHIVE.xattr.user.a%00b",
      "the attribute name 'user.a\\x00b' has 8 bytes or a NUL inside",
    ],
    [`SCHILY.xattr.user.${"n".repeat(251)}`, "' has 256 bytes or a NUL inside"],
  ])("are refused with archive and file: %s", async (keyword, message) => {
    const text = await refusal(archive(pax([[keyword, "eA=="]]), next));
    expect(text).toMatch(/^a\.tar: next: the attribute name /);
    expect(text).toContain(message);
    expect(text).toContain("names of 1 to 255 bytes (leave it out with --xattrs-exclude)");
  });

  it("are refused where they are too long, or have too many names", async () => {
    const large = pax([["SCHILY.xattr.user.a", "x".repeat(65_537)]]);
    expect(await refusal(archive(large, next))).toBe(
      "a.tar: next: its attribute user.a has 65537 bytes, an image holds 65536 (leave it out with " +
        "--xattrs-exclude)",
    );
    const many: Records = Array.from({ length: 300 }, (_, index) => [
      `SCHILY.xattr.user.${"n".repeat(240)}${index}`,
      "",
    ]);
    expect(await refusal(archive(pax(many), next))).toMatch(
      /^a\.tar: next: the names of its attributes take \d+ bytes, at most 65536 can be listed/,
    );
  });
});
