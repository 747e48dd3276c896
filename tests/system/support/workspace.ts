// SPDX-License-Identifier: MIT
import { existsSync, mkdirSync, mkdtempSync, readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, type TestContext } from "vitest";

export const IS_ROOT = process.getuid?.() === 0;

/** A directory in memory where there is one; it takes sparse files and many files quickly. */
export const MEMORY = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** Ends a test that this machine can't run, and says why. */
export function needsRoot(context: TestContext): void {
  if (!IS_ROOT) context.skip("needs root");
}

/** Directories and mounts of one test file. */
export interface Workspace {
  /** A path below the workspace. */
  path(...names: string[]): string;
  /** Makes a directory, empty unless it was there. */
  directory(...names: string[]): string;
  /** Mounts until {@link unmount} or the end of the file, whatever becomes of the test. */
  mount(args: readonly string[], target: string): Promise<void>;
  unmount(target: string): Promise<void>;
  /** Does something at the end of the file. */
  onEnd(action: () => unknown): void;
}

/** Makes a workspace for the file that calls it, and cleans up after its tests, failed or not. */
export function workspace(base: string): Workspace {
  let root = "";
  const mounts: string[] = [];
  const actions: (() => unknown)[] = [];
  beforeAll(() => {
    root = mkdtempSync(join(base, "mkdaxfs-system-"));
  });
  const unmount = async (target: string) => {
    await execa("umount", ["-l", target], { reject: false });
    mounts.splice(mounts.indexOf(target), 1);
  };
  afterAll(async () => {
    for (const action of actions) await action();
    for (const target of [...mounts].reverse()) await unmount(target);
    // An ordinary user can't look into a directory without rights, not even his own.
    await execa("chmod", ["-R", "u+rwX", root], { reject: false });
    await execa("rm", ["-rf", "--one-file-system", root]);
  });
  return {
    path: (...names) => join(root, ...names),
    directory(...names) {
      mkdirSync(join(root, ...names), { recursive: true });
      return join(root, ...names);
    },
    async mount(args, target) {
      await execa("mount", [...args, target]);
      mounts.push(target);
    },
    unmount,
    onEnd: (action) => actions.push(action),
  };
}

/** Bytes that a file takes on its disk. */
export const usedBytes = (path: string) => statSync(path).blocks * 512;

/** Names in a directory, the hidden ones too. */
export const listing = (path: string) => readdirSync(path).sort();

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until something is so. @throws after `seconds` */
export async function until(what: string, isSo: () => boolean, seconds = 20): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!isSo()) {
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain: ${what}`);
    await pause(2);
  }
}
