// SPDX-License-Identifier: MIT
// Images whose layers have what tools get wrong, as data. The images themselves are in the other
// files of this name.
import type { ByteString } from "@daxfs/format";
import { directory, type Member } from "./oci-writer-tar.js";
import { type Exception, NOW } from "./umoci.js";

export interface OddLayer {
  /** What is odd about it. */
  readonly oddity: string;
  /** In the order of the stream, or a bash script that writes a tar stream. */
  readonly content: readonly Member[] | { readonly script: string };
}

export interface OddImage {
  readonly name: string;
  /** The lowest first. */
  readonly layers: readonly OddLayer[];
  /** All paths of the merged tree but the root's, in ascending order. */
  readonly paths: readonly ByteString[];
  /** Where umoci does not what the specification says, or what it leaves open. */
  readonly exceptions?: readonly Exception[];
}

/** An image that we refuse. */
export interface RefusedImage {
  readonly name: string;
  readonly layers: readonly OddLayer[];
  /** What our message says. */
  readonly message: RegExp;
  /** Why umoci takes it all the same; undefined where it refuses, too. */
  readonly umociTakes?: string;
}

/** An image that umoci refuses, and we don't. */
export interface TakenImage {
  readonly name: string;
  readonly layers: readonly OddLayer[];
  readonly umociSays: RegExp;
  /** Some paths of ours, and some of their fields. */
  readonly expected: Readonly<Record<ByteString, Readonly<Record<string, string>>>>;
}

export const layer = (oddity: string, ...content: readonly Member[]): OddLayer => ({
  oddity,
  content,
});

/** A layer that a real program writes; `$1` is an empty directory to work in. */
export const scriptLayer = (oddity: string, script: string): OddLayer => ({
  oddity,
  content: { script },
});

/** An entry for the root that says what a root without one would be, but for its time. */
export const root = (seconds: string): Member =>
  directory(".", { mode: 0o755, uid: 0, gid: 0, mtime: seconds });

const BILLION = 1_000_000_000n;

/** Nanoseconds, as trees have them, from seconds with or without a fraction. */
export function nanoseconds(seconds: string): string {
  const [, sign, whole, fraction] = /^(-?)(\d+)(?:\.(\d{1,9}))?$/.exec(seconds) ?? [];
  if (whole === undefined) throw new Error(`no time: ${seconds}`);
  const value = BigInt(whole) * BILLION + BigInt((fraction ?? "").padEnd(9, "0"));
  return String(sign === "-" ? -value : value);
}

/** umoci leaves a directory with the time at which it worked on it. */
export const untouchedTime = (path: ByteString, seconds: string, why: string): Exception => ({
  path,
  field: "mtime",
  umoci: NOW,
  ours: nanoseconds(seconds),
  why,
});

/** A directory without an entry of its own: umoci's mkdir gives it the time of unpacking. */
export const madeDirectory = (path: ByteString, seconds: string): Exception =>
  untouchedTime(path, seconds, "no entry says its time; ours is that of the entry it is made for");

/** umoci restores only the directory that an entry lies in, if it was there before. */
export const changedParent = (path: ByteString, seconds: string): Exception =>
  untouchedTime(
    path,
    seconds,
    "a directory was made in it, and umoci restores only the direct parent",
  );
