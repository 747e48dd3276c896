// SPDX-License-Identifier: MIT
import type { ByteString } from "@daxfs/format";

/** Where an entry lies: the directory that holds it and its name, both "" for the root. */
export interface EntryPath {
  readonly directory: ByteString;
  readonly name: ByteString;
}

/**
 * Cleans a path from an archive: empty parts and "." go, ".." takes the part before it away and
 * stops at the root, so that nothing leads out of the tree. This is what extracting with the tree
 * as root directory would make of it, symlinks apart.
 */
export function cleanPath(path: ByteString): ByteString {
  if (!/(^|\/)(\.{0,2})(\/|$)/.test(path)) return path;
  const parts: ByteString[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** Splits a path from an archive, once it is clean. */
export function entryPath(path: ByteString): EntryPath {
  const clean = cleanPath(path);
  const slash = clean.lastIndexOf("/");
  return slash < 0
    ? { directory: "", name: clean }
    : { directory: clean.slice(0, slash), name: clean.slice(slash + 1) };
}

/** Path of a name in a directory, from the tree's root. */
export function joinPath(directory: ByteString, name: ByteString): ByteString {
  return directory === "" ? name : `${directory}/${name}`;
}
