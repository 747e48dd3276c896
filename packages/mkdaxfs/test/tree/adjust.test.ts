// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { BuildError } from "../../src/errors.js";
import type { DirectoryInode, Inode } from "../../src/model/inode.js";
import { type AdjustOptions, treeAdjuster } from "../../src/tree/adjust.js";
import { directory, inode, rootOf, symlink as symlinkInode } from "../support/inodes.js";

const adjust = (root: DirectoryInode, options: AdjustOptions) => treeAdjuster(options)(root);

function samples() {
  const file = inode({ mode: 0o4711, uid: 1000, gid: 100, mtimeNs: 5_500_000_000n });
  const linked = inode({ mode: 0o600, uid: 5, gid: 6, mtimeNs: -1n });
  const symlink = symlinkInode({ mode: 0o777, uid: 7, gid: 8 });
  const folder = directory({ mode: 0o2750, uid: 2000, gid: 2001, mtimeNs: 7_000_000_000n });
  const root = rootOf([
    ["a", file],
    ["b", linked],
    ["folder", folder],
    ["z", symlink],
  ]);
  folder.children.set("c", linked);
  linked.links = 2;
  return { root, file, linked, symlink, folder };
}

const owners = (...files: Inode[]) => files.map(({ uid, gid }) => [uid, gid]);

describe("without options", () => {
  it("nothing changes", () => {
    const { root } = samples();
    expect(adjust(root, {}).omittedXattrs.size).toBe(0);
    expect(root).toEqual(samples().root);
  });

  it.each([2 ** 32 - 1, 2 ** 32, -1, Number.NaN, 1.5])("an owner %d is refused", (id) => {
    const { root, folder } = samples();
    folder.children.set("bad\nname", inode({ uid: id }));
    expect(() => adjust(root, {})).toThrow(BuildError);
    expect(() => adjust(root, {})).toThrow(`/folder/bad\\x0aname: owner ${id} is not one of 0 to`);
    adjust(root, { owner: 0 });
    folder.children.set("group", inode({ gid: id }));
    expect(() => adjust(root, {})).toThrow(`/folder/group: group ${id} is not`);
  });
});

describe("an access ACL", () => {
  const ACCESS = "system.posix_acl_access";
  /** Tag and permissions of each entry; those that name somebody name 1000. */
  const acl = (...entries: readonly (readonly [tag: number, permissions: number])[]) => {
    const value = Buffer.alloc(4 + 8 * entries.length);
    value.writeUInt32LE(2, 0);
    for (const [index, [tag, permissions]] of entries.entries()) {
      value.writeUInt16LE(tag, 4 + index * 8);
      value.writeUInt16LE(permissions, 6 + index * 8);
      value.writeUInt32LE(tag === 2 || tag === 8 ? 1000 : 0xffffffff, 8 + index * 8);
    }
    return value;
  };
  const NAMED = acl([1, 6], [2, 7], [4, 5], [8, 4], [0x10, 7], [0x20, 4]);
  const fileWith = (name: string, value: Buffer) =>
    inode({ mode: 0o674, xattrs: [{ name, value }] });
  const changed = (file: Inode, options: AdjustOptions): string => {
    adjust(rootOf([["file", file]]), options);
    return Buffer.from(file.xattrs[0]?.value ?? []).toString("hex");
  };

  it("follows the mode as chmod has it: the mask is what the group may do", () => {
    expect(changed(fileWith(ACCESS, NAMED), { mode: "0640" })).toBe(
      acl([1, 6], [2, 7], [4, 5], [8, 4], [0x10, 4], [0x20, 0]).toString("hex"),
    );
    expect(changed(fileWith(ACCESS, NAMED), { mode: "u=,g-w", owner: 5 })).toBe(
      acl([1, 0], [2, 7], [4, 5], [8, 4], [0x10, 5], [0x20, 4])
        .fill(Buffer.of(5, 0, 0, 0), 16, 20)
        .toString("hex"),
    );
    const bare = acl([1, 6], [4, 5], [0x20, 4]);
    expect(changed(fileWith(ACCESS, bare), { mode: "a=x" })).toBe(
      acl([1, 1], [4, 1], [0x20, 1]).toString("hex"),
    );
  });

  it("stays where the mode is left alone, and so does a default ACL", () => {
    expect(changed(fileWith(ACCESS, NAMED), { mtimeNs: 0n })).toBe(NAMED.toString("hex"));
    const folder = directory({
      mode: 0o755,
      xattrs: [{ name: "system.posix_acl_default", value: NAMED }],
    });
    expect(changed(folder, { mode: "0" })).toBe(NAMED.toString("hex"));
  });

  it("that can't be read is named", () => {
    expect(() => changed(fileWith(ACCESS, Buffer.from("odd")), { mode: "0600" })).toThrow(
      `/file: the permissions in ${ACCESS} can't be changed: it is not a POSIX ACL of Linux (leave ` +
        `the attribute out with --xattrs-exclude ${ACCESS})`,
    );
  });
});

describe("owners", () => {
  it("become the one given", () => {
    const { root, file, linked, symlink, folder } = samples();
    adjust(root, { owner: 0, group: 2 ** 32 - 2 });
    const all = [root, file, linked, symlink, folder];
    expect(owners(...all)).toEqual(all.map(() => [0, 2 ** 32 - 2]));
  });

  it.each([2 ** 32 - 1, -1, 0.5])("can't become %d", (id) => {
    expect(() => treeAdjuster({ owner: id })).toThrow(BuildError);
    expect(() => treeAdjuster({ group: id })).toThrow(/^group .* is not one of/);
  });

  it("are mapped by ranges, each file once", () => {
    const { root, file, linked, symlink, folder } = samples();
    adjust(root, {
      uidMap: [
        { from: 1000, to: 0, count: 1 },
        { from: 0, to: 100_000, count: 1000 },
        { from: 2000, to: 2 ** 32 - 3, count: 2 },
      ],
      gidMap: [{ from: 0, to: 10, count: 65536 }],
    });
    expect(owners(root, file, linked, symlink, folder)).toEqual([
      [100_000, 10],
      [0, 110],
      [100_005, 16],
      [100_007, 18],
      [2 ** 32 - 3, 2011],
    ]);
  });

  it("outside all ranges are refused with the path", () => {
    const uidMap = [{ from: 0, to: 0, count: 1000 }];
    expect(() => adjust(samples().root, { uidMap })).toThrow(BuildError);
    expect(() => adjust(samples().root, { uidMap })).toThrow(
      "/a: owner 1000 is in no --uid-map range",
    );
    const gidMap = [{ from: 1, to: 1, count: 2000 }];
    expect(() => adjust(samples().root, { gidMap })).toThrow("/: group 0 is in no --gid-map range");
    const before = [{ from: 1001, to: 0, count: 5 }];
    expect(() => adjust(samples().root, { uidMap: [...uidMap, ...before] })).toThrow("/a: owner");
  });

  it("need no range where one is given for all", () => {
    const { root, file } = samples();
    adjust(root, { owner: 3, uidMap: [{ from: 5, to: 0, count: 1 }] });
    expect(file.uid).toBe(3);
  });

  it.each([
    ["empty", [0, 0, 0]],
    ["below the first id", [-1, 0, 2]],
    ["past the last id", [2 ** 32 - 2, 0, 2]],
    ["to past the last id", [0, 2 ** 32 - 2, 2]],
    ["no numbers", [0.5, 0, 1]],
    ["too many", [0, 0, 2 ** 53]],
  ] as const)("have no range that is %s", (_, [from, to, count]) => {
    expect(() => treeAdjuster({ uidMap: [{ from, to, count }] })).toThrow(BuildError);
    expect(() => treeAdjuster({ gidMap: [{ from, to, count }] })).toThrow(
      `--gid-map ${from}:${to}:${count} is not a range of ids`,
    );
  });

  it("have no ranges that overlap", () => {
    const ranges = [
      { from: 10, to: 0, count: 10 },
      { from: 0, to: 100, count: 11 },
    ];
    expect(() => treeAdjuster({ uidMap: ranges })).toThrow(/10:0:10 overlaps/);
    treeAdjuster({ uidMap: [ranges[0]!, { from: 0, to: 100, count: 10 }] });
  });
});

describe("modes", () => {
  it("change but for symlinks, each file once", () => {
    const { root, file, linked, symlink, folder } = samples();
    adjust(root, { mode: "u=g,g=u,g+w" });
    expect([file, linked, symlink, folder].map(({ mode }) => mode.toString(8))).toEqual([
      "100131",
      "100020",
      "120777",
      "42570",
    ]);
  });

  it("that are none are refused before there is a tree", () => {
    expect(() => treeAdjuster({ mode: "rwx" })).toThrow(BuildError);
  });
});

describe("times", () => {
  it("become the one given", () => {
    const { root, linked } = samples();
    adjust(root, { mtimeNs: -12n });
    expect([root.mtimeNs, linked.mtimeNs]).toEqual([-12n, -12n]);
  });

  it("are lowered to the limit and never raised", () => {
    const { root, file, linked, folder } = samples();
    adjust(root, { clampMtimeNs: 6_000_000_000n });
    expect([root, file, linked, folder].map(({ mtimeNs }) => mtimeNs)).toEqual([
      0n,
      5_500_000_000n,
      -1n,
      6_000_000_000n,
    ]);
    adjust(root, { mtimeNs: 9n, clampMtimeNs: 3n });
    expect(file.mtimeNs).toBe(3n);
  });
});

describe("times that no image holds", () => {
  const MAX = 2n ** 63n - 1n;

  it("become the nearest one, and are counted", () => {
    const times = [MAX, MAX + 1n, 2n ** 80n, -MAX - 1n, -MAX - 2n, -(2n ** 90n), 7n];
    const files = times.map((mtimeNs) => inode({ mtimeNs }));
    const root = rootOf(files.map((file, index) => [`d/${index}`, file] as const));
    expect(adjust(root, {}).clampedTimes).toBe(4);
    expect(files.map(({ mtimeNs }) => mtimeNs)).toEqual([
      ...[MAX, MAX, MAX],
      ...[-MAX - 1n, -MAX - 1n, -MAX - 1n],
      7n,
    ]);
  });

  it("don't count where options give another", () => {
    const late = () => rootOf([["f", inode({ mtimeNs: MAX + 1n })]]);
    expect(adjust(late(), { mtimeNs: 5n }).clampedTimes).toBe(0);
    expect(adjust(late(), { clampMtimeNs: 5n }).clampedTimes).toBe(0);
    const early = rootOf([["f", inode({ mtimeNs: -MAX - 2n })]]);
    expect(adjust(early, { clampMtimeNs: 5n }).clampedTimes).toBe(1);
  });

  it("are told for what is added later", () => {
    const { time } = adjust(rootOf([]), { clampMtimeNs: 5n });
    expect([time(9n), time(-1n), time(-MAX - 2n)]).toEqual([5n, -1n, -MAX - 1n]);
    expect(adjust(rootOf([]), {}).time(MAX + 1n)).toBe(MAX);
    expect(adjust(rootOf([]), { mtimeNs: 3n }).time(MAX + 1n)).toBe(3n);
  });
});

describe("attributes", () => {
  it("go through the policy, each file once", () => {
    const { root, linked, file } = samples();
    const label = { name: "security.selinux", value: Uint8Array.of(1) };
    const own = { name: "user.a", value: Uint8Array.of(2) };
    linked.xattrs = [label, own];
    file.xattrs = [label];
    root.xattrs = [own];
    expect([...adjust(root, {}).omittedXattrs]).toEqual([["security.selinux", 2]]);
    expect([root.xattrs, linked.xattrs, file.xattrs]).toEqual([[own], [own], []]);
    adjust(root, { xattrs: false });
    expect([root.xattrs, linked.xattrs]).toEqual([[], []]);
  });
});

describe("a tree", () => {
  it("may be deeper than a stack", () => {
    const root = directory();
    let at = root;
    for (let depth = 0; depth < 50_000; depth++) {
      const next = directory();
      next.links = 1;
      at.children.set("d", next);
      at = next;
    }
    at.uid = 7;
    adjust(root, { group: 5 });
    expect(at.gid).toBe(5);
    const message = /^(\/d){50000}: owner 7 is in no/;
    expect(() => adjust(root, { uidMap: [{ from: 0, to: 0, count: 1 }] })).toThrow(message);
  });
});
