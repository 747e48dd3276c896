// SPDX-License-Identifier: MIT
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { cachedDirectory, isDirectory } from "./cache.js";
import { findKernelSource, unpackKernelSource } from "./kernel-source.js";

const FILES = ["checkpatch.pl", "spelling.txt", "const_structs.checkpatch"];

/**
 * Fetches the kernel's checkpatch.pl and the lists it reads from Debian's kernel source package,
 * and returns the path of checkpatch.pl. Cached by version; where nothing can be had, the newest in
 * the cache serves.
 */
export async function fetchCheckpatch(cacheDirectory: string): Promise<string> {
  const parent = join(resolve(cacheDirectory), "checkpatch");
  return join(await newestScripts(parent, cacheDirectory), "scripts/checkpatch.pl");
}

async function newestScripts(parent: string, cacheDirectory: string): Promise<string> {
  try {
    const source = await findKernelSource(cacheDirectory);
    return await cachedDirectory(join(parent, source.version), (temporary) =>
      unpackKernelSource(
        source,
        temporary,
        FILES.map((file) => `scripts/${file}`),
      ),
    );
  } catch (error) {
    const collator = new Intl.Collator("en", { numeric: true });
    const cached = ((await isDirectory(parent)) ? await readdir(parent) : [])
      .filter((name) => !name.startsWith("."))
      .sort(collator.compare)
      .at(-1);
    if (cached === undefined) throw error;
    return join(parent, cached);
  }
}
