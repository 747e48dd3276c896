// SPDX-License-Identifier: MIT
import { byteStringOfText } from "@daxfs/format";
import { describe, expect, it } from "vitest";
import { BuildError } from "../../src/errors.js";
import type { InodeKind } from "../../src/model/inode-kind.js";
import { type XattrOptions, XattrPolicy } from "../../src/tree/xattr-policy.js";

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
  new XattrPolicy(options).kept(XATTRS, "file").map(({ name }) => name);
const without = (...names: string[]) => NAMES.filter((name) => !names.includes(name));

describe("extended attributes", () => {
  it("are all kept but the labels of the build host, of which it tells", () => {
    const policy = new XattrPolicy({});
    expect(policy.kept(XATTRS, "file").map(({ name }) => name)).toEqual(
      without("security.selinux"),
    );
    policy.kept(XATTRS, "file");
    policy.kept(XATTRS.slice(2), "file");
    expect([...policy.omitted]).toEqual([["security.selinux", 2]]);
  });

  it("stay the same array where all are kept", () => {
    const xattrs = XATTRS.slice(2);
    expect(new XattrPolicy({}).kept(xattrs, "file")).toBe(xattrs);
  });

  it("are left out when so told, without more words", () => {
    const policy = new XattrPolicy({ xattrs: false });
    expect(policy.kept(XATTRS, "file")).toEqual([]);
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
    expect(policy.kept(XATTRS, "file").map(({ name }) => name)).toEqual([
      "security.capability",
      "trusted.overlay.opaque",
    ]);
    expect([...policy.omitted]).toEqual([["security.selinux", 1]]);
    expect(new XattrPolicy({ xattrsExclude: ["*"] }).kept(XATTRS, "file")).toEqual([]);
  });

  it("can't be told by half a glob", () => {
    expect(() => new XattrPolicy({ xattrsInclude: ["[a"] })).toThrow(BuildError);
    expect(() => new XattrPolicy({ xattrsExclude: ["{a"] })).toThrow("the glob '{a'");
  });

  /** Names of what is kept of a file of a type, and of what is counted as left out. */
  function judged(names: readonly string[], kind: InodeKind, options: XattrOptions = {}) {
    const policy = new XattrPolicy(options);
    const xattrs = names.map((name) => ({ name, value: Uint8Array.of(1) }));
    return [policy.kept(xattrs, kind).map(({ name }) => name), [...policy.omitted.keys()]];
  }

  const HIDDEN = [
    ...[
      "system.nfs4_acl",
      "system.nfs4_dacl",
      "system.richacl",
      "system.advise",
      "system.cifs_acl",
    ],
    ...["system.posix_acl_accessory", "system.posix_acl", "system."],
    ...["com.apple.FinderInfo", "com.apple.ResourceFork", "btrfs.compression", "lustre.lov"],
    ...["ceph.dir.layout", "os2.x", "afs.y", "security", "security.", "user", "user.", "trusted."],
    ...["User.a", "SECURITY.b", "xuser.a", ".user.a", "", "a"],
  ];

  it("that no mount shows are left out, which is told", () => {
    for (const kind of ["file", "directory", "symlink"] as const) {
      expect(judged(HIDDEN, kind)).toEqual([[], HIDDEN]);
    }
    expect(judged(HIDDEN, "file", { xattrsInclude: ["*"] })).toEqual([
      HIDDEN.filter((name) => name !== ""),
      [],
    ]);
    expect(judged(HIDDEN, "file", { xattrsExclude: ["*", ""] })).toEqual([[], []]);
    const shown = ["user.\xff", "user.a.b", "trusted.x", "security.SMACK64", "user.\n"];
    expect(judged(shown, "file")).toEqual([shown, []]);
  });

  it("that Linux shows of other types of files only are left out of the rest", () => {
    const acls = ["system.posix_acl_access", "system.posix_acl_default"];
    for (const kind of ["file", "directory", "socket"] as const) {
      expect(judged(["user.a", ...acls], kind)).toEqual([["user.a", ...acls], []]);
    }
    for (const kind of ["fifo", "character-device", "block-device"] as const) {
      expect(judged(["user.a", ...acls], kind)).toEqual([acls, ["user.a"]]);
    }
    const all = ["user.a", ...acls, "trusted.a", "security.a"];
    expect(judged(all, "symlink")).toEqual([
      ["trusted.a", "security.a"],
      ["user.a", ...acls],
    ]);
    expect(judged(all, "symlink", { xattrsInclude: ["user.*"] })).toEqual([["user.a"], []]);
  });

  it("of XFS that are ACLs a second time are left out", () => {
    const names = ["trusted.SGI_ACL_FILE", "trusted.SGI_ACL_DEFAULT"];
    expect(judged(names, "directory")).toEqual([[], names]);
  });

  it("of EVM are kept where they are portable, and those of IMA always", () => {
    const of = (name: string, type: number) => {
      const policy = new XattrPolicy({});
      const value = Uint8Array.of(type, 2, 0);
      const { length } = policy.kept([{ name, value }], "file");
      return [length, policy.omitted.get(name) ?? 0];
    };
    // security/integrity/integrity.h: an HMAC, a signature, a portable signature.
    expect([2, 3, 5].map((type) => of("security.evm", type))).toEqual([
      [0, 1],
      [0, 1],
      [1, 0],
    ]);
    expect([1, 3, 4, 6].map((type) => of("security.ima", type))).toEqual([
      [1, 0],
      [1, 0],
      [1, 0],
      [1, 0],
    ]);
    const empty = [{ name: "security.evm", value: new Uint8Array(0) }];
    expect(new XattrPolicy({}).kept(empty, "file")).toEqual([]);
    expect(new XattrPolicy({ xattrsInclude: ["*"] }).kept(empty, "file")).toBe(empty);
  });
});
