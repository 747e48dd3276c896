// SPDX-License-Identifier: MIT
/** User and group ids inside the values of extended attributes that the kernel interprets. */
import type { Xattr } from "@daxfs/format";
import { isPosixAcl } from "@daxfs/format";

/** Gives the id that a user or a group becomes. @throws XattrFault */
export type IdOf = (id: number) => number;

/** What becomes of ids. */
export interface XattrIds {
  /** Undefined where users stay as they are. */
  readonly user: IdOf | undefined;
  /** Undefined where groups stay as they are. */
  readonly group: IdOf | undefined;
  /**
   * Whether users are mapped one by one, and not all made one. Then the root user that a capability
   * without a root id means is mapped like any other.
   */
  readonly isMap: boolean;
}

/** What is wrong with an attribute; the caller adds the file, the attribute and how to leave it out. */
export class XattrFault extends Error {
  /** @param remedy what else to do, for the user */
  constructor(
    message: string,
    readonly remedy?: string,
  ) {
    super(message);
  }
}

/**
 * The attribute with the ids in it changed: those of ACLs (include/uapi/linux/posix_acl_xattr.h) and
 * the root id of file capabilities (include/uapi/linux/capability.h). All other attributes are data
 * of programs and stay as they are.
 * @throws XattrFault for an id that can't be changed, or a value that can't be read.
 */
export function withChangedIds(xattr: Xattr, ids: XattrIds): Xattr {
  const { name, value } = xattr;
  if (ids.user === undefined && ids.group === undefined) return xattr;
  if (isPosixAcl(name)) return { name, value: changedAcl(value, ids) };
  if (name === "security.capability" && ids.user !== undefined) {
    return { name, value: changedCapability(value, ids.user, ids.isMap) };
  }
  // The layout is that of XFS, which keeps the same ids in the two ACLs of Linux.
  if (name.startsWith("trusted.SGI_ACL_")) {
    throw new XattrFault("its layout is not known here");
  }
  return xattr;
}

const ACL_VERSION = 2;
const ACL_HEADER = 4;
const ACL_ENTRY = 8;
const TAG = { user: 0x02, group: 0x08, all: [0x01, 0x02, 0x04, 0x08, 0x10, 0x20] } as const;

interface AclEntry {
  readonly tag: number;
  readonly permissions: number;
  readonly id: number;
}

function changedAcl(value: Uint8Array, { user, group }: XattrIds): Uint8Array {
  const view = viewOf(value);
  if (
    value.length < ACL_HEADER ||
    value.length % ACL_ENTRY !== ACL_HEADER ||
    view.getUint32(0, true) !== ACL_VERSION
  ) {
    throw new XattrFault("it is not a POSIX ACL of Linux");
  }
  const entries = new Map<number, AclEntry>();
  for (let at = ACL_HEADER; at < value.length; at += ACL_ENTRY) {
    const tag = view.getUint16(at, true);
    if (!TAG.all.some((known) => known === tag))
      throw new XattrFault("it is not a POSIX ACL of Linux");
    const change = tag === TAG.user ? user : tag === TAG.group ? group : undefined;
    const before = view.getUint32(at + 4, true);
    const id = change === undefined ? before : change(before);
    const key = tag * 2 ** 32 + id;
    // Where two become one, that one may do what either might.
    const permissions = (entries.get(key)?.permissions ?? 0) | view.getUint16(at + 2, true);
    entries.set(key, { tag, permissions, id });
  }
  const sorted = [...entries.values()].sort((a, b) => a.tag - b.tag || a.id - b.id);
  const changed = Buffer.alloc(ACL_HEADER + sorted.length * ACL_ENTRY);
  changed.writeUInt32LE(ACL_VERSION, 0);
  for (const [index, { tag, permissions, id }] of sorted.entries()) {
    const at = ACL_HEADER + index * ACL_ENTRY;
    changed.writeUInt16LE(tag, at);
    changed.writeUInt16LE(permissions, at + 2);
    changed.writeUInt32LE(id, at + 4);
  }
  return changed;
}

const CAPABILITY_FLAGS = 0x00ffffff;
/** By version: bytes of a value. */
const CAPABILITY_SIZE: ReadonlyMap<number, number> = new Map([
  [1, 12],
  [2, 20],
  [3, 24],
]);

/**
 * Versions 1 and 2 mean the root of the namespace that the filesystem belongs to, and version 3
 * names another by its user id. Mounts with mapped ids treat the former as user 0, and so does this.
 */
function changedCapability(value: Uint8Array, user: IdOf, isMap: boolean): Uint8Array {
  const view = viewOf(value);
  const magic = value.length < 4 ? 0 : view.getUint32(0, true);
  const version = magic >>> 24;
  if (CAPABILITY_SIZE.get(version) !== value.length) {
    throw new XattrFault("it is not a file capability of Linux");
  }
  const namesRoot = version === 3;
  if (!namesRoot && !isMap) return value;
  const root = user(namesRoot ? view.getUint32(20, true) : 0);
  if (root === 0 && !namesRoot) return value;
  const changed = Buffer.alloc(root === 0 ? 20 : 24);
  // Two words each of permitted and inheritable; version 1 has one.
  changed.set(value.subarray(0, Math.min(value.length, 20)));
  changed.writeUInt32LE(((magic & CAPABILITY_FLAGS) | ((root === 0 ? 2 : 3) << 24)) >>> 0, 0);
  if (root !== 0) changed.writeUInt32LE(root, 20);
  return changed;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
