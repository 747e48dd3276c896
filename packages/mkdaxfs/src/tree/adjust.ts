// SPDX-License-Identifier: MIT
import { ACCESS_ACL, type ByteString, printable, type Xattr } from "@daxfs/format";
import { BuildError } from "../errors.js";
import type { Children, DirectoryInode, Inode } from "../model/inode.js";
import { ID_MAX, TIME_MAX, TIME_MIN } from "../model/limits.js";
import type { BuildOptions } from "../options.js";
import { parseModeChange } from "./file-mode.js";
import { type IdMap, idMap } from "./id-map.js";
import { aclWithMode } from "./posix-acl.js";
import { XattrError } from "./xattr-error.js";
import { type IdOf, withChangedIds, type XattrIds } from "./xattr-ids.js";
import { type XattrOptions, XattrPolicy } from "./xattr-policy.js";

export type AdjustOptions = XattrOptions &
  Pick<BuildOptions, "owner" | "group" | "uidMap" | "gidMap" | "mode" | "mtimeNs" | "clampMtimeNs">;

/** What was adjusted. */
export interface Adjusted {
  /** Attributes left out by the default policy: name -> number of files. */
  readonly omittedXattrs: ReadonlyMap<ByteString, number>;
  /** Files whose modification time no image holds, and which got the nearest that one does. */
  readonly clampedTimes: number;
  /** Changes a modification time as those of the tree were changed. */
  readonly time: (mtimeNs: bigint) => bigint;
}

/**
 * Changes a merged tree as the options say: owners, groups, permissions, times, extended attributes
 * of every file, each once however many names it has. An owner given for everything comes before
 * the map; a time given for everything is clamped like any other. Ids inside attributes are changed
 * like owners and groups.
 * @param policy what becomes of attributes; it counts what is left out
 * @returns what does it, to be used once; options are read here, so that a wrong one is known
 *   before a source is read.
 * @throws BuildError for an option here, for a file there.
 */
export function treeAdjuster(
  options: AdjustOptions,
  policy = new XattrPolicy(options),
): (root: DirectoryInode) => Adjusted {
  const owner = idChange("owner", options.owner, options.uidMap);
  const group = idChange("group", options.group, options.gidMap);
  const ids: XattrIds = {
    user: owner.changes ? owner.inXattr : undefined,
    group: group.changes ? group.inXattr : undefined,
    isMap: options.owner === undefined,
  };
  const changeMode = options.mode === undefined ? undefined : parseModeChange(options.mode);
  let clampedTimes = 0;
  const time = (mtimeNs: bigint): bigint => {
    const asked = options.mtimeNs ?? mtimeNs;
    const { clampMtimeNs } = options;
    return clampMtimeNs !== undefined && asked > clampMtimeNs ? clampMtimeNs : asked;
  };

  const adjust = (inode: Inode, directory: ByteString, name: ByteString) => {
    inode.uid = owner.ofFile(inode.uid, directory, name);
    inode.gid = group.ofFile(inode.gid, directory, name);
    if (inode.kind === "symlink") {
      // Linux has them so and changes them never; archives may hold what another system had.
      inode.permissions = 0o777;
    } else if (changeMode !== undefined) {
      inode.permissions = changeMode(inode.permissions, inode.kind === "directory");
    }
    const mtimeNs = time(inode.mtimeNs);
    inode.mtimeNs = withinImage(mtimeNs);
    if (inode.mtimeNs !== mtimeNs) clampedTimes++;
    if (inode.xattrs.length === 0) return;
    inode.xattrs = policy.kept(inode.xattrs, inode.kind);
    const changesIds = ids.user !== undefined || ids.group !== undefined;
    if (!changesIds && changeMode === undefined) return;
    inode.xattrs = inode.xattrs.map((xattr) => {
      const file = shownPath(directory, name);
      const changed = changing(file, "ids", xattr, () =>
        changesIds ? withChangedIds(xattr, ids) : xattr,
      );
      if (changeMode === undefined || xattr.name !== ACCESS_ACL) return changed;
      return changing(file, "permissions", xattr, () => ({
        name: xattr.name,
        value: aclWithMode(changed.value, inode.permissions),
      }));
    });
  };
  return (root) => {
    forEachInode(root, adjust);
    return {
      omittedXattrs: policy.omitted,
      clampedTimes,
      time: (mtimeNs) => withinImage(time(mtimeNs)),
    };
  };
}

function withinImage(mtimeNs: bigint): bigint {
  if (mtimeNs > TIME_MAX) return TIME_MAX;
  return mtimeNs < TIME_MIN ? TIME_MIN : mtimeNs;
}

/** Says of which file and attribute it is that something can't be changed. @param what in it */
function changing(file: string, what: string, xattr: Xattr, change: () => Xattr): Xattr {
  try {
    return change();
  } catch (error) {
    if (!(error instanceof XattrError)) throw error;
    const attribute = printable(xattr.name);
    const remedy = error.remedy === undefined ? "" : `${error.remedy}, or `;
    throw new BuildError(
      `${file}: the ${what} in ${attribute} can't be changed: ${error.message} ` +
        `(${remedy}leave the attribute out with --xattrs-exclude ${attribute})`,
    );
  }
}

/** Gives the ids that owners or groups become. */
interface IdChange {
  /** Whether any may become another. */
  readonly changes: boolean;
  /** @throws BuildError naming the file. */
  readonly ofFile: (id: number, directory: ByteString, name: ByteString) => number;
  readonly inXattr: IdOf;
}

function idChange(
  what: "owner" | "group",
  all: number | undefined,
  mappings: BuildOptions["uidMap"],
): IdChange {
  const option = what === "owner" ? "--uid-map" : "--gid-map";
  if (all !== undefined) {
    if (!isId(all)) throw new BuildError(`${what} ${all} is not one of 0 to ${ID_MAX}`);
    return { changes: true, ofFile: () => all, inXattr: () => all };
  }
  const map: IdMap | undefined = mappings?.length ? idMap(mappings, option) : undefined;
  return {
    changes: map !== undefined,
    ofFile: (id, directory, name) => {
      if (!isId(id)) {
        throw new BuildError(
          `${shownPath(directory, name)}: ${what} ${id} is not one of 0 to ${ID_MAX} (give --${what})`,
        );
      }
      const mapped = map === undefined ? id : map(id);
      if (mapped === undefined) {
        throw new BuildError(
          `${shownPath(directory, name)}: ${what} ${id} is in no ${option} range (add one that has it)`,
        );
      }
      return mapped;
    },
    inXattr: (id) => {
      const mapped = map === undefined ? id : map(id);
      if (mapped !== undefined) return mapped;
      const who = what === "owner" ? "user" : "group";
      throw new XattrError(`${who} ${id} is in no ${option} range`, "add one that has it");
    },
  };
}

function isId(id: number): boolean {
  return Number.isInteger(id) && id >= 0 && id <= ID_MAX;
}

function shownPath(directory: ByteString, name: ByteString): string {
  return printable(`${directory}/${name}`);
}

/**
 * Calls `visit` for every inode of a tree once, with the path of the directory that holds it, ""
 * for the root, and its name there.
 */
function forEachInode(
  root: DirectoryInode,
  visit: (inode: Inode, directory: ByteString, name: ByteString) => void,
): void {
  const seen = new Set<Inode>();
  visit(root, "", "");
  const pending: { readonly path: ByteString; readonly children: Children }[] = [];
  pending.push({ path: "", children: root.children });
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const [name, inode] of next.children) {
      if (inode.links > 1) {
        if (seen.has(inode)) continue;
        seen.add(inode);
      }
      visit(inode, next.path, name);
      if (inode.kind === "directory") {
        pending.push({ path: `${next.path}/${name}`, children: inode.children });
      }
    }
  }
}
