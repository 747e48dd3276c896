// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

const TEMPORARY_PREFIX = ".temporary-";
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

/** Whether `path` exists and is a directory. */
export async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/**
 * Returns `path`, filled by `fill` if it isn't there yet. `fill` works in a temporary directory
 * beside it that is renamed when complete, so that an interrupted run leaves nothing half done
 * under the final name, and two runs at once can't disturb each other: the first to finish wins.
 */
export async function cachedDirectory(
  path: string,
  fill: (temporary: string) => Promise<void>,
): Promise<string> {
  if (await isDirectory(path)) return path;
  const temporary = await temporaryDirectory(dirname(path), basename(path));
  // Unpacking a package also sets the directory's own times; the outer one keeps the time it was
  // made, which tells removeAbandoned its age.
  const content = join(temporary, "content");
  try {
    await mkdir(content);
    await fill(content);
    await rename(content, path);
  } catch (error) {
    // The rename fails when another process was faster; its result is as good as ours.
    if (!isOccupied(error) || !(await isDirectory(path))) throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return path;
}

/**
 * Makes a temporary directory in `parent`, and removes those there that interrupted runs left
 * behind.
 */
export async function temporaryDirectory(parent: string, name: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  await removeAbandoned(parent);
  return mkdtemp(join(parent, `${TEMPORARY_PREFIX}${name}-`));
}

function isOccupied(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOTEMPTY" || code === "EEXIST";
}

/** Only old directories are taken: a young one may belong to a run in progress. */
async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(TEMPORARY_PREFIX)) continue;
    const path = join(parent, name);
    const status = await stat(path).catch(() => undefined);
    if (status !== undefined && Date.now() - status.mtimeMs > ABANDONED_AFTER_MS) {
      await rm(path, { recursive: true, force: true });
    }
  }
}
