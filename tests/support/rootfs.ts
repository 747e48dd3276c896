// SPDX-License-Identifier: MIT
import { debianRootfs as build } from "../../tools/setup/rootfs.mjs";

/** Options of `debianRootfs`. */
export interface RootfsOptions {
  /** Packages in addition to those of `debootstrap --variant=minbase`. */
  packages?: readonly string[];
}

/**
 * A Debian system as a directory tree in `rootfs/` of the cache directory, on disk. It is built once
 * and shared by all tests: a test that changes it must make a copy (`cp -a`).
 */
export async function debianRootfs(
  cacheDirectory: string,
  options: RootfsOptions = {},
): Promise<string> {
  return build(cacheDirectory, { ...options, log: (message) => console.info(message) });
}
