// SPDX-License-Identifier: MIT
import { mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { execa } from "execa";
import { availableVersions, downloadAndUnpack } from "./apt.js";
import { cachedDirectory } from "./cache.js";

const SOURCE_PACKAGE = "linux-source-6.1";
const FILES = ["checkpatch.pl", "spelling.txt", "const_structs.checkpatch"];

/**
 * Fetches the kernel's checkpatch.pl and the lists it reads from Debian's kernel source package,
 * and returns the path of checkpatch.pl. Cached by version.
 */
export async function fetchCheckpatch(cacheDirectory: string): Promise<string> {
  const newest = (await availableVersions(SOURCE_PACKAGE))[0];
  if (newest === undefined) throw new Error(`apt knows no ${SOURCE_PACKAGE}: run apt-get update`);
  const path = join(resolve(cacheDirectory), "checkpatch", newest.version);
  const root = await cachedDirectory(path, async (temporary) => {
    const unpacked = join(temporary, "unpacked");
    await mkdir(unpacked);
    await downloadAndUnpack([`${SOURCE_PACKAGE}=${newest.version}`], unpacked);
    const tarball = join(unpacked, "usr/src", `${SOURCE_PACKAGE}.tar.xz`);
    const members = FILES.map((file) => `${SOURCE_PACKAGE}/scripts/${file}`);
    const where = ["--directory", temporary, "--strip-components=1"];
    await execa("tar", ["--extract", "--xz", "--file", tarball, ...where, ...members]);
    await rm(unpacked, { recursive: true });
  });
  return join(root, "scripts/checkpatch.pl");
}
