// SPDX-License-Identifier: MIT
import { type ByteString, FILE_TYPE, printable } from "@daxfs/format";
import { BuildError } from "../errors.js";
import type { BuildOptions } from "../options.js";
import type { Children, FileInode } from "../sources/source.js";
import { parseModeChange } from "./file-mode.js";
import { ID_MAX, type IdMap, idMap } from "./id-map.js";
import { type XattrOptions, XattrPolicy } from "./xattr-policy.js";

export type AdjustOptions = XattrOptions &
  Pick<BuildOptions, "owner" | "group" | "uidMap" | "gidMap" | "mode" | "mtimeNs" | "clampMtimeNs">;

/** What was adjusted. */
export interface Adjusted {
  /** Attributes left out by the default policy: name -> number of files. */
  readonly omittedXattrs: ReadonlyMap<ByteString, number>;
}

/**
 * Changes a merged tree as the options say: owners, groups, permissions, times, extended attributes
 * of every file, each once however many names it has. An owner given for everything comes before
 * the map; a time given for everything is clamped like any other.
 * @param policy what becomes of attributes; it counts what is left out
 * @returns what does it, to be used once; options are read here, so that a wrong one is known
 *   before a source is read.
 * @throws BuildError for an option here, for a file there.
 */
export function treeAdjuster(
  options: AdjustOptions,
  policy = new XattrPolicy(options),
): (root: FileInode) => Adjusted {
  const owner = idChange("owner", options.owner, options.uidMap);
  const group = idChange("group", options.group, options.gidMap);
  const changeMode = options.mode === undefined ? undefined : parseModeChange(options.mode);
  const { mtimeNs, clampMtimeNs } = options;

  const adjust = (inode: FileInode, directory: ByteString, name: ByteString) => {
    inode.uid = owner(inode.uid, directory, name);
    inode.gid = group(inode.gid, directory, name);
    if (inode.type === FILE_TYPE.SYMLINK) {
      // Linux has them so and changes them never; archives may hold what another system had.
      inode.mode = FILE_TYPE.SYMLINK | 0o777;
    } else if (changeMode !== undefined) {
      inode.mode = changeMode(inode.mode, inode.type === FILE_TYPE.DIRECTORY);
    }
    if (mtimeNs !== undefined) inode.mtimeNs = mtimeNs;
    if (clampMtimeNs !== undefined && inode.mtimeNs > clampMtimeNs) inode.mtimeNs = clampMtimeNs;
    if (inode.xattrs.length > 0) inode.xattrs = policy.kept(inode.xattrs, inode.type);
  };
  return (root) => {
    forEachInode(root, adjust);
    return { omittedXattrs: policy.omitted };
  };
}

/** Gives the id that an owner or a group becomes. @throws BuildError naming the file. */
type IdChange = (id: number, directory: ByteString, name: ByteString) => number;

function idChange(
  what: "owner" | "group",
  all: number | undefined,
  mappings: BuildOptions["uidMap"],
): IdChange {
  const option = what === "owner" ? "--uid-map" : "--gid-map";
  if (all !== undefined) {
    if (!isId(all)) throw new BuildError(`${what} ${all} is not one of 0 to ${ID_MAX}`);
    return () => all;
  }
  const map: IdMap | undefined = mappings?.length ? idMap(mappings, option) : undefined;
  return (id, directory, name) => {
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
  root: FileInode,
  visit: (inode: FileInode, directory: ByteString, name: ByteString) => void,
): void {
  const seen = new Set<FileInode>();
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
      if (inode.body instanceof Map) {
        pending.push({ path: `${next.path}/${name}`, children: inode.body });
      }
    }
  }
}
