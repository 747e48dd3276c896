// SPDX-License-Identifier: MIT
/** What tests that boot a machine have in common: the module, images, programs, a place for them. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  cachedModule,
  DEBUG_ROLE,
  fetchDebugKernel,
  fetchKernel,
  type GuestResult,
  type Kernel,
  type KernelRole,
  kernelRole,
  ROLE_WORDS,
} from "@daxfs/qemu";
import { execa } from "execa";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The repository's cache, on disk: kernels, the Debian tree, what tests make. */
export const CACHE = join(ROOT, ".cache");

const HELPERS = join(ROOT, "tests/guest/helpers");
const MKDAXFS = join(ROOT, "packages/mkdaxfs/bin/mkdaxfs.cjs");

/** A kernel and the module built for it. */
export interface Daxfs {
  kernel: Kernel;
  /** Path of daxfs.ko. */
  module: string;
}

/** Role of the kernel under test: DAXFS_KERNEL of the environment, or "oldest". */
function roleUnderTest(): KernelRole {
  const word = process.env.DAXFS_KERNEL ?? "oldest";
  const role = kernelRole(word);
  if (role !== undefined) return role;
  throw new Error(`DAXFS_KERNEL is "${word}", not one of ${ROLE_WORDS}, ${DEBUG_ROLE}`);
}

/** Fetches the kernel that DAXFS_KERNEL names: a role or its series, or "debug", which is built. */
export function fetchKernelUnderTest(): Promise<Kernel> {
  return process.env.DAXFS_KERNEL === DEBUG_ROLE
    ? fetchDebugKernel(CACHE)
    : fetchKernel(roleUnderTest(), CACHE);
}

/**
 * Fetches the kernel under test and builds the module. DAXFS_MODULE_SOURCE names another directory
 * than `kernel/`, to run the tests on a changed module.
 */
export async function buildDaxfs(): Promise<Daxfs> {
  const kernel = await fetchKernelUnderTest();
  const source = process.env.DAXFS_MODULE_SOURCE ?? join(ROOT, "kernel");
  return { kernel, module: await cachedModule(kernel, source) };
}

/**
 * Makes a directory in the cache for one test file, which removes it with `removeDirectory`. What a
 * test that was killed left there goes with the next one a day later.
 */
export async function workDirectory(name: string): Promise<string> {
  const parent = join(CACHE, "tests");
  await mkdir(parent, { recursive: true });
  const old = ["-mindepth", "1", "-maxdepth", "1", "-mmin", "+1440"];
  await execa("find", [parent, ...old, "-exec", "rm", "-rf", "--one-file-system", "{}", "+"]);
  return mkdtemp(join(parent, `${name}-`));
}

/** Removes a directory with rm(1): a tree may hold names that Node can't pass on. */
export async function removeDirectory(directory: string | undefined): Promise<void> {
  if (directory !== undefined) await execa("rm", ["-rf", "--one-file-system", directory]);
}

/** Builds an image of a tree with mkdaxfs. */
export async function buildImage(
  tree: string,
  image: string,
  options: readonly string[] = [],
): Promise<string> {
  await rm(image, { force: true });
  await execa(process.execPath, [MKDAXFS, "--quiet", ...options, tree, "-o", image]);
  return image;
}

/** The C files of a helper program: NAME.c, or all of the directory NAME. */
async function helperSources(name: string): Promise<string[]> {
  const directory = join(HELPERS, name);
  if (!existsSync(directory)) return [`${directory}.c`];
  const files = await readdir(directory);
  return files.filter((file) => file.endsWith(".c")).map((file) => join(directory, file));
}

/** Builds a C program of tests/guest/helpers, static unless told otherwise, and returns its path. */
export async function compileHelper(
  name: string,
  directory: string,
  { dynamic = false } = {},
): Promise<string> {
  const output = join(directory, dynamic ? `${name}-dynamic` : name);
  const flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-pthread"];
  const words = [...flags, ...(dynamic ? [] : ["-static"])];
  await execa("gcc", [...words, ...(await helperSources(name)), "-o", output]);
  return output;
}

/** Runs a shell script on the host; its positional parameters are `words`. */
export async function hostScript(script: string, ...words: string[]): Promise<string> {
  const { stdout } = await execa("bash", ["-euo", "pipefail", "-c", script, "bash", ...words], {
    env: { LC_ALL: "C" },
  });
  return stdout;
}

/** Why the tests of a file can't run here, or undefined; root makes trees of all kinds of files. */
export async function reasonToSkip(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "only root can make device nodes and foreign owners";
  await mkdir(CACHE, { recursive: true });
  const { stdout } = await execa("stat", ["--file-system", "--format=%T", CACHE]);
  if (stdout === "tmpfs") return `${CACHE} is on tmpfs, which has no user attributes`;
  await stat(MKDAXFS);
  return undefined;
}

/** A value that the guest sent. Throws if it did not. */
export function guestValue(result: GuestResult, name: string): string {
  const value = result.values[name];
  if (value === undefined) throw new Error(`the guest sent no value "${name}"`);
  return value;
}

/** A check that a helper program reported (see helpers/check.h). */
export interface HelperCheck {
  name: string;
  passed: boolean;
  detail: string;
}

/**
 * The checks in a helper's output, which the guest attached under `name`. Throws if the program did
 * not come to its end.
 */
export function helperChecks(result: GuestResult, name: string): HelperCheck[] {
  const text = result.attachments[name]?.toString("utf8");
  if (text === undefined) throw new Error(`the guest sent no "${name}"`);
  const lines = text.split("\n").filter((line) => line !== "");
  const checks = lines
    .map((line) => /^(pass|FAIL) ([^:]+)(?:: (.*))?$/.exec(line))
    .filter((match) => match !== null)
    .map(([, outcome, check = "", detail = ""]) => ({
      name: check,
      passed: outcome === "pass",
      detail,
    }));
  if (lines.at(-1) !== `done ${checks.length}`) {
    throw new Error(`${name} did not come to its end:\n${text}`);
  }
  return checks;
}

/** The checks that failed, a line each: its name and the detail. */
export function failedChecks(checks: readonly HelperCheck[]): string[] {
  return checks.filter(({ passed }) => !passed).map(({ name, detail }) => `${name}: ${detail}`);
}
