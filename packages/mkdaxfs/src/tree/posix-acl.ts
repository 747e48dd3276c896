// SPDX-License-Identifier: MIT
/** The values of `system.posix_acl_*`, as Linux has them: include/uapi/linux/posix_acl_xattr.h. */
import { XattrError } from "./xattr-error.js";

export interface AclEntry {
  readonly tag: number;
  /** 0 to 7 */
  readonly permissions: number;
  /** Of entries that name a user or group. */
  readonly id: number;
}

export const ACL_TAG = {
  owner: 0x01,
  namedUser: 0x02,
  group: 0x04,
  namedGroup: 0x08,
  mask: 0x10,
  other: 0x20,
} as const;

const VERSION = 2;
const HEADER = 4;
const ENTRY = 8;
const TAGS: readonly number[] = Object.values(ACL_TAG);

/** @throws XattrError for what is not an ACL */
export function decodeAcl(value: Uint8Array): AclEntry[] {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const notAnAcl = () => new XattrError("it is not a POSIX ACL of Linux");
  if (value.length < HEADER || value.length % ENTRY !== HEADER) throw notAnAcl();
  if (view.getUint32(0, true) !== VERSION) throw notAnAcl();
  const entries: AclEntry[] = [];
  for (let at = HEADER; at < value.length; at += ENTRY) {
    const tag = view.getUint16(at, true);
    if (!TAGS.includes(tag)) throw notAnAcl();
    const permissions = view.getUint16(at + 2, true);
    entries.push({ tag, permissions, id: view.getUint32(at + 4, true) });
  }
  return entries;
}

/** @param entries in the order that the value is to have */
export function encodeAcl(entries: readonly AclEntry[]): Uint8Array {
  const value = Buffer.alloc(HEADER + entries.length * ENTRY);
  value.writeUInt32LE(VERSION, 0);
  for (const [index, { tag, permissions, id }] of entries.entries()) {
    const at = HEADER + index * ENTRY;
    value.writeUInt16LE(tag, at);
    value.writeUInt16LE(permissions, at + 2);
    value.writeUInt32LE(id, at + 4);
  }
  return value;
}

/**
 * The access ACL of a file whose mode was changed, as chmod(2) changes it: the mode's permissions of the
 * group are those of the mask where there is one.
 * @throws XattrError for what is not an ACL
 */
export function aclWithMode(value: Uint8Array, mode: number): Uint8Array {
  const entries = decodeAcl(value);
  const groupTag = entries.some(({ tag }) => tag === ACL_TAG.mask) ? ACL_TAG.mask : ACL_TAG.group;
  const shifts: ReadonlyMap<number, number> = new Map([
    [ACL_TAG.owner, 6],
    [groupTag, 3],
    [ACL_TAG.other, 0],
  ]);
  return encodeAcl(
    entries.map((entry) => {
      const shift = shifts.get(entry.tag);
      return shift === undefined ? entry : { ...entry, permissions: (mode >> shift) & 7 };
    }),
  );
}
