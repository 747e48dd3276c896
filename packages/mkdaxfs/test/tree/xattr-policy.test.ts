// SPDX-License-Identifier: MIT
import { byteStringOfText, FILE_TYPE } from "@daxfs/format";
import { describe, expect, it } from "vitest";
import { BuildError } from "../../src/errors.js";
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
  new XattrPolicy(options).kept(XATTRS, FILE_TYPE.REGULAR).map(({ name }) => name);
const without = (...names: string[]) => NAMES.filter((name) => !names.includes(name));

describe("extended attributes", () => {
  it("are all kept but the labels of the build host, of which it tells", () => {
    const policy = new XattrPolicy({});
    expect(policy.kept(XATTRS, FILE_TYPE.REGULAR).map(({ name }) => name)).toEqual(
      without("security.selinux"),
    );
    policy.kept(XATTRS, FILE_TYPE.REGULAR);
    policy.kept(XATTRS.slice(2), FILE_TYPE.REGULAR);
    expect([...policy.omitted]).toEqual([["security.selinux", 2]]);
  });

  it("stay the same array where all are kept", () => {
    const xattrs = XATTRS.slice(2);
    expect(new XattrPolicy({}).kept(xattrs, FILE_TYPE.REGULAR)).toBe(xattrs);
  });

  it("are left out when so told, without more words", () => {
    const policy = new XattrPolicy({ xattrs: false });
    expect(policy.kept(XATTRS, FILE_TYPE.REGULAR)).toEqual([]);
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
    expect(policy.kept(XATTRS, FILE_TYPE.REGULAR).map(({ name }) => name)).toEqual([
      "security.capability",
      "trusted.overlay.opaque",
    ]);
    expect([...policy.omitted]).toEqual([["security.selinux", 1]]);
    expect(new XattrPolicy({ xattrsExclude: ["*"] }).kept(XATTRS, FILE_TYPE.REGULAR)).toEqual([]);
  });

  it("can't be told by half a glob", () => {
    expect(() => new XattrPolicy({ xattrsInclude: ["[a"] })).toThrow(BuildError);
    expect(() => new XattrPolicy({ xattrsExclude: ["{a"] })).toThrow("the glob '{a'");
  });

  /** Names of what is kept of a file of a type, and of what is counted as left out. */
  function judged(names: readonly string[], type: number, options: XattrOptions = {}) {
    const policy = new XattrPolicy(options);
    const xattrs = names.map((name) => ({ name, value: Uint8Array.of(1) }));
    return [policy.kept(xattrs, type).map(({ name }) => name), [...policy.omitted.keys()]];
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
    for (const type of [FILE_TYPE.REGULAR, FILE_TYPE.DIRECTORY, FILE_TYPE.SYMLINK]) {
      expect(judged(HIDDEN, type)).toEqual([[], HIDDEN]);
    }
    expect(judged(HIDDEN, FILE_TYPE.REGULAR, { xattrsInclude: ["*"] })).toEqual([
      HIDDEN.filter((name) => name !== ""),
      [],
    ]);
    expect(judged(HIDDEN, FILE_TYPE.REGULAR, { xattrsExclude: ["*", ""] })).toEqual([[], []]);
    const shown = ["user.\xff", "user.a.b", "trusted.x", "security.SMACK64", "user.\n"];
    expect(judged(shown, FILE_TYPE.REGULAR)).toEqual([shown, []]);
  });

  it("that Linux shows of other types of files only are left out of the rest", () => {
    const acls = ["system.posix_acl_access", "system.posix_acl_default"];
    const { REGULAR, DIRECTORY, SYMLINK, FIFO, SOCKET, CHARACTER_DEVICE, BLOCK_DEVICE } = FILE_TYPE;
    for (const type of [REGULAR, DIRECTORY, SOCKET]) {
      expect(judged(["user.a", ...acls], type)).toEqual([["user.a", ...acls], []]);
    }
    for (const type of [FIFO, CHARACTER_DEVICE, BLOCK_DEVICE]) {
      expect(judged(["user.a", ...acls], type)).toEqual([acls, ["user.a"]]);
    }
    const all = ["user.a", ...acls, "trusted.a", "security.a"];
    expect(judged(all, SYMLINK)).toEqual([
      ["trusted.a", "security.a"],
      ["user.a", ...acls],
    ]);
    expect(judged(all, SYMLINK, { xattrsInclude: ["user.*"] })).toEqual([["user.a"], []]);
  });

  it("of XFS that are ACLs a second time are left out", () => {
    const names = ["trusted.SGI_ACL_FILE", "trusted.SGI_ACL_DEFAULT"];
    expect(judged(names, FILE_TYPE.DIRECTORY)).toEqual([[], names]);
  });

  it("of EVM are kept where they are portable, and those of IMA always", () => {
    const of = (name: string, type: number) => {
      const policy = new XattrPolicy({});
      const value = Uint8Array.of(type, 2, 0);
      const { length } = policy.kept([{ name, value }], FILE_TYPE.REGULAR);
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
    expect(new XattrPolicy({}).kept(empty, FILE_TYPE.REGULAR)).toEqual([]);
    expect(new XattrPolicy({ xattrsInclude: ["*"] }).kept(empty, FILE_TYPE.REGULAR)).toBe(empty);
  });
});
