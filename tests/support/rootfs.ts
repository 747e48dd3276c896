// SPDX-License-Identifier: MIT
import { debianRootfs as build } from "../../tools/setup/rootfs.mjs";

/** Choices for `debianRootfs`. */
export interface RootfsOptions {
  /** Packages to add to those of `debootstrap --variant=minbase`. */
  packages?: readonly string[];
}

/**
 * A Debian system as a directory tree in `rootfs/` of the cache directory, on disk: built once, and
 * shared by all tests, so that a test which changes it takes a copy (`cp -a`).
 */
export async function debianRootfs(
  cacheDirectory: string,
  options: RootfsOptions = {},
): Promise<string> {
  return build(cacheDirectory, { ...options, log: (message) => console.info(message) });
}
