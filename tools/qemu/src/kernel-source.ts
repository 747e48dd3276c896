// SPDX-License-Identifier: MIT
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { availableVersions, downloadAndUnpack, type PackageSource } from "./apt.js";
import { openSuite, SUITES } from "./suites.js";

const SOURCE_PACKAGE = "linux-source-6.1";

/** Debian's source of the 6.1 kernel, as a package that can be fetched. */
export interface KernelSource {
  name: string;
  version: string;
  packages: PackageSource;
}

/** Finds the newest source of the 6.1 kernel. Throws in one line if there is none to be had. */
export async function findKernelSource(cacheDirectory: string): Promise<KernelSource> {
  const packages = await openSuite(SUITES.bookworm, cacheDirectory);
  const newest = (await availableVersions(SOURCE_PACKAGE, packages))[0];
  if (newest === undefined) throw new Error(`${packages.name} has no ${SOURCE_PACKAGE}`);
  return { name: SOURCE_PACKAGE, version: newest.version, packages };
}

/**
 * Fetches a source and unpacks it into `directory`, which must exist: the whole tree, or only the
 * given files of it.
 */
export async function unpackKernelSource(
  { name, version, packages }: KernelSource,
  directory: string,
  files?: readonly string[],
): Promise<void> {
  const unpacked = join(directory, "unpacked");
  await mkdir(unpacked);
  await downloadAndUnpack([`${name}=${version}`], unpacked, packages);
  const tarball = join(unpacked, "usr/src", `${name}.tar.xz`);
  const where = ["--directory", directory, "--strip-components=1"];
  const members = (files ?? []).map((file) => `${name}/${file}`);
  await execa("tar", ["--extract", "--xz", "--file", tarball, ...where, ...members]);
  await rm(unpacked, { recursive: true });
}
