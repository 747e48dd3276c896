// SPDX-License-Identifier: MIT
/** User and group ids inside the values of extended attributes that the kernel interprets. */
import type { Xattr } from "@daxfs/format";
import { isPosixAcl } from "@daxfs/format";
import { ACL_TAG, type AclEntry, decodeAcl, encodeAcl } from "./posix-acl.js";
import { XattrError } from "./xattr-error.js";

/** Gives the id that a user or a group becomes. @throws XattrError */
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

/**
 * The attribute with the ids in it changed: those of ACLs (include/uapi/linux/posix_acl_xattr.h) and
 * the root id of file capabilities (include/uapi/linux/capability.h). All other attributes are data
 * of programs and stay as they are.
 * @throws XattrError for an id that can't be changed, or a value that can't be read.
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
    throw new XattrError("its layout is not known here");
  }
  return xattr;
}

function changedAcl(value: Uint8Array, { user, group }: XattrIds): Uint8Array {
  const entries = new Map<number, AclEntry>();
  for (const entry of decodeAcl(value)) {
    const { tag } = entry;
    const change =
      tag === ACL_TAG.namedUser ? user : tag === ACL_TAG.namedGroup ? group : undefined;
    const id = change === undefined ? entry.id : change(entry.id);
    const key = tag * 2 ** 32 + id;
    // Where two become one, that one may do what either might.
    const permissions = (entries.get(key)?.permissions ?? 0) | entry.permissions;
    entries.set(key, { tag, permissions, id });
  }
  return encodeAcl([...entries.values()].sort((a, b) => a.tag - b.tag || a.id - b.id));
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
    throw new XattrError("it is not a file capability of Linux");
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
