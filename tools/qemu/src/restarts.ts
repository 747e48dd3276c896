// SPDX-License-Identifier: MIT
/** The guests that `runGuest` started a second time, so that a run of tests can say how many. */
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";

function pathOf(cacheDirectory: string): string {
  return join(resolve(cacheDirectory), "logs/restarts");
}

/** Adds a restart; `reason` is one line. Processes may do so at the same time. */
export async function rememberRestart(cacheDirectory: string, reason: string): Promise<void> {
  await mkdir(join(pathOf(cacheDirectory), ".."), { recursive: true });
  await appendFile(pathOf(cacheDirectory), `${reason}\n`);
}

/** The reasons of all restarts that this cache has seen, the oldest first. */
export async function restarts(cacheDirectory: string): Promise<string[]> {
  const text = await readFile(pathOf(cacheDirectory), "utf8").catch(() => "");
  return text.split("\n").filter((line) => line !== "");
}
