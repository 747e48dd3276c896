// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { cachedDirectory } from "./cache.js";

/** Sources for the guest, beside src/ and dist/. */
const SOURCES = fileURLToPath(new URL("../guest/", import.meta.url));

/** The shell functions for images, in the guest. */
export function readBackingFunctions(): Promise<string> {
  return readFile(join(SOURCES, "backings.sh"), "utf8");
}

/**
 * Builds mount_dmabuf, the guest's program that mounts an image from a dma-buf, and returns its
 * path. It is kept in the cache until its sources change.
 */
export async function buildMountDmabuf(cacheDirectory: string): Promise<string> {
  const source = join(SOURCES, "mount_dmabuf.c");
  const hash = createHash("sha256");
  for (const path of [source, join(SOURCES, "dmabuf.h")]) hash.update(await readFile(path));
  const name = `mount_dmabuf-${hash.digest("hex").slice(0, 16)}`;
  const directory = await cachedDirectory(join(cacheDirectory, "guest-programs", name), (out) =>
    compile(source, join(out, "mount_dmabuf")),
  );
  return join(directory, "mount_dmabuf");
}

async function compile(source: string, output: string): Promise<void> {
  const flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-static", "-Wall", "-Wextra", "-Werror"];
  const result = await execa("gcc", [...flags, source, "-o", output], { reject: false });
  if (result.failed) {
    throw new Error(
      `building ${source} failed (apt-get install gcc libc6-dev libdrm-dev):\n` +
        (result.stderr || result.shortMessage),
    );
  }
}
