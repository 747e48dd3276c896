// SPDX-License-Identifier: MIT
/** The trees of the base images of the corpus. */
import type { Version1Child, Version1Directory, Version1Node } from "./version1.js";

/** Bytes that differ from file to file and compress well. */
export function patternBytes(name: string, length: number): Uint8Array {
  const line = Buffer.from(`${name}: the quick brown fox jumps over the lazy dog\n`);
  return Buffer.alloc(length, line);
}

function child(name: string | Uint8Array, node: Version1Node): Version1Child {
  return { name: typeof name === "string" ? Buffer.from(name) : name, node };
}

function file(name: string, length: number, permissions = 0o644, uid = 0): Version1Node {
  return { type: "regular", content: patternBytes(name, length), permissions, uid, gid: uid };
}

function directory(children: Version1Child[], permissions = 0o755, nlink = 2): Version1Directory {
  return { type: "directory", children, permissions, nlink };
}

function symlink(target: string): Version1Node {
  return { type: "symlink", target: Buffer.from(target), permissions: 0o777 };
}

/** A symlink target of the greatest length. */
export const LONG_TARGET = `${"a/".repeat(2047)}b`;

/** A name that is not UTF-8: "café" in Latin-1. */
export const LATIN1_NAME = "caf\xe9";

/** The tree of the version-1 base image, its children in no particular order. */
export function version1Tree(): Version1Directory {
  const shared = { ...file("shared", 6000, 0o640, 1000), nlink: 5 } as Version1Node;
  const many: Version1Child[] = [];
  // 7 and 60 are coprime: each number occurs once, out of order.
  for (let i = 0; i < 60; i++) {
    const name = `entry-${String((i * 7) % 60).padStart(2, "0")}`;
    many.push(child(name, file(name, i % 3 === 0 ? 0 : i)));
  }
  const subsub = directory([child("deep.txt", file("deep", 4097)), child("up", symlink("../.."))]);
  const sub = directory([child("subsub", subsub), child("hard", shared)], 0o750, 17);
  const specials = directory([
    child("socket", { type: "socket", permissions: 0o600 }),
    child("null", { type: "character", major: 1, minor: 3, permissions: 0o666 }),
    child("fifo", { type: "fifo", permissions: 0o620, uid: 5, gid: 7 }),
    child("disk", { type: "block", major: 259, minor: 70000, permissions: 0o660, gid: 6 }),
  ]);
  return directory(
    [
      child("zebra", shared),
      child("sub", sub),
      child("empty-dir", directory([])),
      child("alpha", file("alpha", 4096)),
      child("one", file("one", 1)),
      child("Beta", file("Beta", 70000, 0o4755)),
      child("many", directory(many, 0o755, 1)),
      child("same", file("alpha", 4096)),
      child(Buffer.from(LATIN1_NAME, "latin1"), file("latin1", 12)),
      child("n".repeat(255), file("long", 4095)),
      child("specials", specials),
      child("symlink", symlink("zebra")),
      child("dangling", symlink("no/such/target")),
      child("long-target", symlink(LONG_TARGET)),
      child("ünïcode", file("unicode", 300)),
      // The last file: with the quirks its data_offset is the end of the image.
      child("nothing", file("nothing", 0)),
    ],
    0o755,
    23,
  );
}
