// SPDX-License-Identifier: MIT
import { byteStringOfText } from "@daxfs/format";
import { describe, expect, it } from "vitest";
import { BuildError } from "../src/errors.js";
import { type XattrOptions, XattrPolicy } from "../src/tree/xattr-policy.js";

const NAMES = [
  "security.capability",
  "security.selinux",
  "system.posix_acl_access",
  "trusted.overlay.opaque",
  "user.a/b",
  byteStringOfText("user.ü"),
  "user.\xff",
];
const XATTRS = NAMES.map((name) => ({ name, value: Uint8Array.of(1) }));

const kept = (options: XattrOptions) =>
  new XattrPolicy(options).kept(XATTRS).map(({ name }) => name);
const without = (...names: string[]) => NAMES.filter((name) => !names.includes(name));

describe("extended attributes", () => {
  it("are all kept but the labels of the build host, of which it tells", () => {
    const policy = new XattrPolicy({});
    expect(policy.kept(XATTRS).map(({ name }) => name)).toEqual(without("security.selinux"));
    policy.kept(XATTRS);
    policy.kept(XATTRS.slice(2));
    expect([...policy.omitted]).toEqual([["security.selinux", 2]]);
  });

  it("stay the same array where all are kept", () => {
    const xattrs = XATTRS.slice(2);
    expect(new XattrPolicy({}).kept(xattrs)).toBe(xattrs);
  });

  it("are left out when so told, without more words", () => {
    const policy = new XattrPolicy({ xattrs: false });
    expect(policy.kept(XATTRS)).toEqual([]);
    expect(policy.omitted.size).toBe(0);
  });

  it("are those that globs name", () => {
    expect(kept({ xattrsInclude: ["security.*"] })).toEqual([
      "security.capability",
      "security.selinux",
    ]);
    expect(kept({ xattrsInclude: ["user.*"] })).toEqual(NAMES.slice(4));
    expect(kept({ xattrsInclude: ["user.?"] })).toEqual(NAMES.slice(5));
    expect(kept({ xattrsInclude: ["user.a/b", "user"] })).toEqual(["user.a/b"]);
    expect(kept({ xattrsInclude: ["*"] })).toEqual(NAMES);
    expect(kept({ xattrsInclude: ["*"], xattrsExclude: ["trusted.*"] })).toEqual(
      without("trusted.overlay.opaque"),
    );
  });

  it("are those of the default but for what globs name", () => {
    const policy = new XattrPolicy({ xattrsExclude: ["user.*", "system.*"] });
    expect(policy.kept(XATTRS).map(({ name }) => name)).toEqual([
      "security.capability",
      "trusted.overlay.opaque",
    ]);
    expect([...policy.omitted]).toEqual([["security.selinux", 1]]);
    expect(new XattrPolicy({ xattrsExclude: ["*"] }).kept(XATTRS)).toEqual([]);
  });

  it("can't be told by half a glob", () => {
    expect(() => new XattrPolicy({ xattrsInclude: ["[a"] })).toThrow(BuildError);
    expect(() => new XattrPolicy({ xattrsExclude: ["{a"] })).toThrow("the glob '{a'");
  });
});
