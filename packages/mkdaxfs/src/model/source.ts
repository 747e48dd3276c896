// SPDX-License-Identifier: MIT
/** What a source gives: a tree, name by name. */
import type { ByteString } from "@daxfs/format";
import type { Inode } from "./inode.js";

/** One name in a source's tree. A directory source gives it with `directory` already clean. */
export interface InodeEntry {
  readonly kind: "inode";
  /** Path of the directory that holds it, from the tree's root; "" for what lies in the root. */
  readonly directory: ByteString;
  /** "" for the root itself. */
  readonly name: ByteString;
  /** The same object for all names of one file. A directory has no children yet. */
  readonly inode: Inode;
}

/** A further name of a file, given by the path that the file has at that moment. */
export interface LinkEntry {
  readonly kind: "link";
  readonly directory: ByteString;
  readonly name: ByteString;
  /** Path of the file in the tree, clean, from its root. */
  readonly target: ByteString;
  /** Nanoseconds since 1970: what the archive says; for parents that have to be made. */
  readonly mtimeNs: bigint;
}

export type SourceEntry = InodeEntry | LinkEntry;

/** A tree that can be read once, entry by entry. */
export interface Source {
  /** For messages. */
  readonly description: string;
  /**
   * Whether it is a layer: names that begin with `.wh.` are whiteouts, as the OCI image
   * specification has them. Elsewhere they are names like any other.
   */
  readonly isLayer: boolean;
  /**
   * Entries in batches, so that large trees don't pay for a promise each. Their contents stay
   * readable until `close`.
   * @throws BuildError
   */
  entries(): AsyncIterable<readonly SourceEntry[]>;
  /** Gives back what the contents lie in; called once the image is written, or has failed. */
  close(): void;
}
