// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { BuildError } from "../../src/errors.js";
import type { IdMapping } from "../../src/options.js";
import { type AdjustOptions, treeAdjuster } from "../../src/tree/adjust.js";
import { directory, inode, rootOf } from "../support/inodes.js";

const ACCESS = "system.posix_acl_access";
const DEFAULT = "system.posix_acl_default";
const CAPABILITY = "security.capability";
const map = (from: number, to: number, count: number): IdMapping => ({ from, to, count });

/** The attribute of a file in a directory, after the options; in hexadecimal. */
function changed(name: string, hex: string, options: AdjustOptions): string | undefined {
  const value = Uint8Array.from(Buffer.from(hex, "hex"));
  const at = name === DEFAULT ? directory() : inode();
  at.xattrs = [{ name, value }];
  treeAdjuster(options)(rootOf([["d/f", at]]));
  const found = at.xattrs.find((xattr) => xattr.name === name)?.value;
  return found === undefined ? undefined : Buffer.from(found).toString("hex");
}

const NONE = "ffffffff";
const id = (number: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes.toString("hex");
};

/** An ACL: rw- for the owner, entries of users and groups, then r-- for group, mask and others. */
function acl(
  users: readonly (readonly [id: number, permissions: number])[],
  groups: readonly (readonly [id: number, permissions: number])[],
): string {
  const entries = [
    ["0100", 6, NONE],
    ...users.map(([user, bits]) => ["0200", bits, id(user)]),
    ["0400", 4, NONE],
    ...groups.map(([group, bits]) => ["0800", bits, id(group)]),
    ["1000", 7, NONE],
    ["2000", 4, NONE],
  ];
  return `02000000${entries.map(([tag, bits, who]) => `${tag}0${bits}00${who}`).join("")}`;
}

/** Capability values: cap_net_raw, effective. */
const V1 = "010000010020000000000000";
const V2 = "0100000200200000000000000000000000000000";
const v3 = (root: number) => `0100000300200000000000000000000000000000${id(root)}`;

describe.each([ACCESS, DEFAULT])("ids in %s", (name) => {
  it("are mapped, users and groups each by their own map", () => {
    const value = acl([[1000, 6]], [[4, 5]]);
    const uidMap = [map(0, 100_000, 65_536)];
    const gidMap = [map(0, 200_000, 65_536)];
    expect(changed(name, value, { uidMap })).toBe(acl([[101_000, 6]], [[4, 5]]));
    expect(changed(name, value, { gidMap })).toBe(acl([[1000, 6]], [[200_004, 5]]));
    expect(changed(name, value, { uidMap, gidMap })).toBe(acl([[101_000, 6]], [[200_004, 5]]));
  });

  it("are in ascending order afterwards", () => {
    const value = acl(
      [
        [5, 6],
        [6, 4],
      ],
      [
        [7, 1],
        [8, 2],
      ],
    );
    const swapped = { uidMap: [map(0, 0, 5), map(5, 6, 1), map(6, 5, 1)] };
    expect(changed(name, value, swapped)).toBe(
      acl(
        [
          [5, 4],
          [6, 6],
        ],
        [
          [7, 1],
          [8, 2],
        ],
      ),
    );
  });

  it("that become one have the permissions of both", () => {
    const value = acl(
      [
        [5, 6],
        [6, 1],
      ],
      [
        [7, 1],
        [8, 2],
      ],
    );
    const uidMap = [map(0, 0, 5), map(5, 9, 1), map(6, 9, 1)];
    expect(changed(name, value, { uidMap })).toBe(
      acl(
        [[9, 7]],
        [
          [7, 1],
          [8, 2],
        ],
      ),
    );
    expect(changed(name, value, { owner: 0, group: 0 })).toBe(acl([[0, 7]], [[0, 3]]));
    expect(changed(name, value, { owner: 3 })).toBe(
      acl(
        [[3, 7]],
        [
          [7, 1],
          [8, 2],
        ],
      ),
    );
  });

  it("outside the map fail the build, with file and attribute", () => {
    const value = acl([[1000, 6]], [[4, 5]]);
    expect(() => changed(name, value, { gidMap: [map(0, 0, 4)] })).toThrow(BuildError);
    expect(() => changed(name, value, { gidMap: [map(0, 0, 4)] })).toThrow(
      `/d/f: the ids in ${name} can't be changed: group 4 is in no --gid-map range (add one that ` +
        `has it, or leave the attribute out with --xattrs-exclude ${name})`,
    );
    expect(() => changed(name, value, { uidMap: [map(0, 0, 1000)] })).toThrow(
      `/d/f: the ids in ${name} can't be changed: user 1000 is in no --uid-map range`,
    );
    expect(() => changed(name, acl([[0xffffffff, 6]], []), { uidMap: [map(0, 1, 9)] })).toThrow(
      "user 4294967295 is in no --uid-map range",
    );
  });

  it("are looked for in what is kept only", () => {
    const value = acl([], [[4, 5]]);
    const gidMap = [map(0, 0, 1)];
    expect(changed(name, value, { gidMap, xattrs: false })).toBeUndefined();
    expect(changed(name, value, { gidMap, xattrsExclude: ["system.*"] })).toBeUndefined();
    expect(changed(name, value, { gidMap, xattrsInclude: ["user.*"] })).toBeUndefined();
  });

  it("have to be found", () => {
    const value = acl([], [[4, 5]]);
    for (const wrong of ["", "0200", `03${value.slice(2)}`, value.slice(2), `${value}00`]) {
      expect(() => changed(name, wrong, { gidMap: [map(0, 0, 9)] })).toThrow(
        `/d/f: the ids in ${name} can't be changed: it is not a POSIX ACL of Linux (leave`,
      );
      // Nobody asks for other ids.
      expect(changed(name, wrong, {})).toBe(wrong);
    }
    const odd = value.replace("08000500", "07000500");
    expect(() => changed(name, odd, { owner: 1 })).toThrow("it is not a POSIX ACL of Linux");
    expect(changed(name, "02000000", { owner: 1 })).toBe("02000000");
  });
});

describe("the root id of a file capability", () => {
  it("is mapped", () => {
    const uidMap = [map(0, 0, 10), map(100_000, 300_000, 65_536)];
    expect(changed(CAPABILITY, v3(100_000), { uidMap })).toBe(v3(300_000));
    expect(changed(CAPABILITY, v3(100_000), { gidMap: [map(0, 5, 1)] })).toBe(v3(100_000));
    expect(changed(CAPABILITY, v3(100_000), {})).toBe(v3(100_000));
  });

  it("is not named where it is 0", () => {
    const uidMap = [map(100_000, 0, 65_536), map(0, 100_000, 1)];
    expect(changed(CAPABILITY, v3(100_000), { uidMap })).toBe(V2);
    expect(changed(CAPABILITY, v3(0), { uidMap: [map(0, 0, 10)] })).toBe(V2);
  });

  it("is 0 in versions without one, as for mounts with mapped ids", () => {
    const uidMap = [map(0, 100_000, 65_536)];
    expect(changed(CAPABILITY, V2, { uidMap })).toBe(v3(100_000));
    expect(changed(CAPABILITY, V1, { uidMap })).toBe(v3(100_000));
    for (const same of [V1, V2]) {
      expect(changed(CAPABILITY, same, { uidMap: [map(0, 0, 65_536)] })).toBe(same);
      expect(changed(CAPABILITY, same, { gidMap: uidMap })).toBe(same);
    }
  });

  it("becomes the owner that everything gets, if it is named", () => {
    expect(changed(CAPABILITY, v3(100_000), { owner: 0, group: 0 })).toBe(V2);
    expect(changed(CAPABILITY, v3(100_000), { owner: 7 })).toBe(v3(7));
    expect(changed(CAPABILITY, v3(100_000), { group: 7 })).toBe(v3(100_000));
    for (const same of [V1, V2]) expect(changed(CAPABILITY, same, { owner: 7 })).toBe(same);
  });

  it("keeps flags and all capabilities", () => {
    const all = "ffffffffaaaaaaaa55555555bbbbbbbb";
    const uidMap = [map(0, 1, 1), map(1, 0, 1)];
    expect(changed(CAPABILITY, `00000003${all}${id(1)}`, { owner: 0 })).toBe(`00000002${all}`);
    expect(changed(CAPABILITY, `00000002${all}`, { uidMap })).toBe(`00000003${all}${id(1)}`);
  });

  it("outside the map fails the build, with file and attribute", () => {
    for (const [value, user] of [
      [v3(99), 99],
      [V2, 0],
      [V1, 0],
    ] as const) {
      const at = inode({ uid: 50, xattrs: [] });
      at.xattrs = [{ name: CAPABILITY, value: Buffer.from(value, "hex") }];
      const root = rootOf([["f", at]]);
      root.uid = 50;
      expect(() => treeAdjuster({ uidMap: [map(50, 0, 1)] })(root)).toThrow(
        `/f: the ids in ${CAPABILITY} can't be changed: user ${user} is in no --uid-map range (add ` +
          `one that has it, or leave the attribute out with --xattrs-exclude ${CAPABILITY})`,
      );
    }
  });

  it("has to be found", () => {
    for (const wrong of ["", "010000", `${V2}00`, v3(1).slice(2), "00000004"]) {
      expect(() => changed(CAPABILITY, wrong, { uidMap: [map(0, 0, 9)] })).toThrow(
        "can't be changed: it is not a file capability of Linux (leave",
      );
      expect(changed(CAPABILITY, wrong, {})).toBe(wrong);
    }
  });
});

describe("other attributes", () => {
  it("stay as they are", () => {
    const options = { uidMap: [map(0, 5, 10)], gidMap: [map(0, 5, 10)] };
    for (const name of ["user.containers.override_stat", "user.a", "trusted.x", "security.ima"]) {
      expect(changed(name, "303a303a30", options)).toBe("303a303a30");
    }
  });

  it("that XFS stores ACLs in are not kept with the old ids", () => {
    const options = { uidMap: [map(0, 5, 10)], xattrsInclude: ["*"] };
    expect(() => changed("trusted.SGI_ACL_FILE", "00000000", options)).toThrow(
      "/d/f: the ids in trusted.SGI_ACL_FILE can't be changed",
    );
  });

  it("of a file with several names are changed once", () => {
    const file = inode();
    file.xattrs = [{ name: CAPABILITY, value: Buffer.from(v3(1), "hex") }];
    const root = rootOf([
      ["a", file],
      ["b", file],
    ]);
    treeAdjuster({ uidMap: [map(0, 5, 1), map(1, 2, 1)] })(root);
    expect(Buffer.from(file.xattrs[0]!.value).toString("hex")).toBe(v3(2));
  });
});
