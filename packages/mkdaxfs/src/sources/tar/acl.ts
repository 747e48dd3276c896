// SPDX-License-Identifier: MIT
import { type ByteString, printable } from "@daxfs/format";
import { TarError } from "./header.js";
import { decimal } from "./pax.js";

// The binary form is that of Linux: include/uapi/linux/posix_acl_xattr.h.
const ACL_VERSION = 2;
const NO_ID = 0xffffffff;

const TAGS = {
  user: { owner: 0x01, named: 0x02 },
  group: { owner: 0x04, named: 0x08 },
  mask: { owner: 0x10, named: undefined },
  other: { owner: 0x20, named: undefined },
} as const;

interface AclEntry {
  readonly tag: number;
  readonly permissions: number;
  readonly id: number;
}

/**
 * Turns an access control list from its text form, in which tar programs store it, into the value
 * of `system.posix_acl_access` or `system.posix_acl_default`. Entries are "TYPE:QUALIFIER:rwx" or
 * "TYPE:QUALIFIER:rwx:ID", between newlines or commas.
 * @returns undefined for one that says no more than permissions do
 * @throws TarError, also for users that are given only by name: what ids they have, only the
 *   machine that made the archive knows.
 */
export function aclValue(text: ByteString, kind: "access" | "default"): Uint8Array | undefined {
  const entries = entriesOf(text).map(parseEntry);
  checkComplete(entries, text);
  if (kind === "access" && entries.length === 3) return undefined;
  entries.sort((a, b) => a.tag - b.tag || a.id - b.id);
  const value = Buffer.alloc(4 + entries.length * 8);
  value.writeUInt32LE(ACL_VERSION, 0);
  for (const [index, { tag, permissions, id }] of entries.entries()) {
    const at = 4 + index * 8;
    value.writeUInt16LE(tag, at);
    value.writeUInt16LE(permissions, at + 2);
    value.writeUInt32LE(id, at + 4);
  }
  return value;
}

/**
 * The mode that a file has once it has an access control list, as Linux keeps the two together: the
 * permissions of the group are those of the mask where there is one. libarchive stores those of the
 * group itself.
 * @param value of `system.posix_acl_access`; the mode stays as it is for one that is malformed
 */
export function modeWithAcl(mode: number, value: Uint8Array): number {
  const { buffer, byteOffset, byteLength } = value;
  const view = new DataView(buffer, byteOffset, byteLength);
  if (byteLength < 4 || byteLength % 8 !== 4 || view.getUint32(0, true) !== ACL_VERSION)
    return mode;
  const permissions = new Map<number, number>();
  for (let at = 4; at < byteLength; at += 8) {
    permissions.set(view.getUint16(at, true), view.getUint16(at + 2, true) & 7);
  }
  return modeOf(mode, permissions);
}

/**
 * The same for the text form, which need not be one that `aclValue` takes.
 * @param mode stays as it is where entries are missing
 */
export function modeWithAclText(mode: number, text: ByteString): number {
  const permissions = new Map<number, number>();
  for (const entry of entriesOf(text)) {
    const [, type = "", qualifier, letters = ""] = ENTRY.exec(entry) ?? [];
    const tag = tagsOf(type)?.owner;
    if (tag !== undefined && qualifier === "") permissions.set(tag, permissionsOf(letters));
  }
  return modeOf(mode, permissions);
}

/** @param permissions by the tags of entries that name no one */
function modeOf(mode: number, permissions: ReadonlyMap<number, number>): number {
  const user = permissions.get(TAGS.user.owner);
  const group = permissions.get(TAGS.mask.owner) ?? permissions.get(TAGS.group.owner);
  const other = permissions.get(TAGS.other.owner);
  if (user === undefined || group === undefined || other === undefined) return mode;
  return (mode & ~0o777) | (user << 6) | (group << 3) | other;
}

const ENTRY = /^(u|user|g|group|m|mask|o|other):([^:]*):([r-][w-][x-]|[rwx]*)(?::([^:]*))?$/;

function entriesOf(text: ByteString): string[] {
  const lines = text.split(/[\n,]/).map((line) => line.replace(/#.*/s, "").trim());
  return lines.filter((line) => line !== "");
}

function tagsOf(type: string): (typeof TAGS)[keyof typeof TAGS] | undefined {
  if (type === "") return undefined;
  return Object.entries(TAGS).find(([name]) => name.startsWith(type))?.[1];
}

function permissionsOf(letters: string): number {
  return (
    (letters.includes("r") ? 4 : 0) +
    (letters.includes("w") ? 2 : 0) +
    (letters.includes("x") ? 1 : 0)
  );
}

function parseEntry(entry: string): AclEntry {
  const [, type = "", qualifier = "", letters = "", number] = ENTRY.exec(entry) ?? [];
  const tags = tagsOf(type);
  const isNumber = number === undefined || decimal(number) !== undefined;
  if (tags === undefined || !isNumber) throw badAcl(entry);
  const permissions = permissionsOf(letters);
  if (qualifier === "") return { tag: tags.owner, permissions, id: NO_ID };
  const id = decimal(number ?? qualifier) ?? Number.NaN;
  if (tags.named === undefined || !(id < NO_ID)) {
    throw new TarError(
      `its access control list names '${printable(qualifier)}', without a number ` +
        "(make the archive with --xattrs too, or leave the list out with " +
        "--xattrs-exclude 'system.posix_acl_*')",
    );
  }
  return { tag: tags.named, permissions, id };
}

/** Each list has one entry of each owner kind, and a mask if it names anyone. */
function checkComplete(entries: readonly AclEntry[], text: ByteString): void {
  const ofTag = (tag: number) => entries.filter((entry) => entry.tag === tag).length;
  const named = ofTag(TAGS.user.named) + ofTag(TAGS.group.named);
  const masks = ofTag(TAGS.mask.owner);
  const owners = [TAGS.user.owner, TAGS.group.owner, TAGS.other.owner];
  const complete = owners.every((tag) => ofTag(tag) === 1);
  if (!complete || masks > 1 || (named > 0 && masks === 0)) throw badAcl(text);
  const keys = new Set(entries.map(({ tag, id }) => tag * 2 ** 32 + id));
  if (keys.size !== entries.length) throw badAcl(text);
}

function badAcl(text: ByteString): TarError {
  return new TarError(
    `its access control list is wrong at '${printable(text.slice(0, 60))}' ` +
      "(leave it out with --xattrs-exclude 'system.posix_acl_*')",
  );
}
