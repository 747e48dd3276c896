// SPDX-License-Identifier: MIT
/** What a corruption is, and functions that make one. */
import type { ByteString, RuleId } from "@daxfs/format";
import type { BaseName } from "../bases.js";
import type { Base, Edit, Resum } from "../edit.js";

/** What a walk of a mounted tree does with a file. */
export type Operation = "stat" | "list" | "read" | "readlink" | "listxattr" | "getxattr";

/** An operation that must fail in the kernel. */
export interface KernelError {
  readonly path: ByteString;
  readonly operation: Operation;
  readonly errno: "EUCLEAN" | "ENOENT";
}

/** What the kernel module does at mount and afterwards. */
export type KernelOutcome =
  | { readonly mount: "refused"; readonly errno: "EINVAL"; readonly field: string }
  | {
      readonly mount: "mounts";
      /** Each of these must fail. Paths below one of theirs may fail too, and nothing else may. */
      readonly errors: readonly KernelError[];
    };

/** A change that makes a valid image invalid. */
export interface Corruption {
  readonly name: string;
  readonly base: BaseName;
  readonly edits: (base: Base) => readonly Edit[];
  /** Length of the corrupted image in bytes; by default that of the base. */
  readonly length?: (base: Base) => number;
  /** Checksums to recompute, so that the reader finds the corrupted field and not a wrong sum. */
  readonly resum: Resum;
  /** Rule of a finding that the checker must report. Others may follow from it. */
  readonly rule: RuleId;
  /** Path or number of the inode in that finding; null for the image as a whole. */
  readonly inode: ByteString | number | null;
  readonly field: string;
  /** Rule that a walk with ImageReader fails on, if it is a different one. */
  readonly readerRule?: RuleId;
  readonly kernel: KernelOutcome;
}

type Options = Partial<Pick<Corruption, "resum" | "length" | "readerRule">>;

/** The mount is refused because of `field`. */
export function refusedBy(field: string): KernelOutcome {
  return { mount: "refused", errno: "EINVAL", field };
}

/** The image mounts, and the given operations, each "OPERATION PATH", fail with EUCLEAN. */
export function mounts(...failures: string[]): KernelOutcome {
  const errors = failures.map((failure): KernelError => {
    const space = failure.indexOf(" ");
    const operation = failure.slice(0, space) as Operation;
    return { path: failure.slice(space + 1), operation, errno: "EUCLEAN" };
  });
  return { mount: "mounts", errors };
}

/** The image mounts, and `path` is not found. */
export function missing(path: ByteString): KernelOutcome {
  return { mount: "mounts", errors: [{ path, operation: "stat", errno: "ENOENT" }] };
}

/** A corruption of the superblock. The kernel refuses the mount because of the same field. */
export function superblock(
  base: BaseName,
  name: string,
  rule: RuleId,
  field: string,
  edits: Corruption["edits"],
  options: Options = {},
): Corruption {
  return inode(base, name, null, rule, field, edits, refusedBy(field), options);
}

/** A corruption that the checker reports at the inode `at`. */
export function inode(
  base: BaseName,
  name: string,
  at: ByteString | number | null,
  rule: RuleId,
  field: string,
  edits: Corruption["edits"],
  kernel: KernelOutcome,
  options: Options = {},
): Corruption {
  return { name, base, edits, resum: "all", rule, inode: at, field, kernel, ...options };
}
