// SPDX-License-Identifier: MIT
/** Shared by tests that boot a machine: the module, images, programs, work directories. */
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

/** The cache of the repository, on disk: kernels, the Debian tree, files of tests. */
export const CACHE = join(ROOT, ".cache");

const HELPERS = join(ROOT, "tests/guest/helpers");
const MKDAXFS = join(ROOT, "packages/mkdaxfs/bin/mkdaxfs.cjs");

/** A kernel and the module built for it. */
export interface Daxfs {
  kernel: Kernel;
  /** Path of daxfs.ko. */
  module: string;
}

/** Role of the kernel under test: the value of DAXFS_KERNEL, or "oldest". */
function roleUnderTest(): KernelRole {
  const word = process.env.DAXFS_KERNEL ?? "oldest";
  const role = kernelRole(word);
  if (role !== undefined) return role;
  throw new Error(`DAXFS_KERNEL is "${word}", not one of ${ROLE_WORDS}, ${DEBUG_ROLE}`);
}

/** Fetches the kernel that DAXFS_KERNEL names by role or series, or builds it for "debug". */
export function fetchKernelUnderTest(): Promise<Kernel> {
  return process.env.DAXFS_KERNEL === DEBUG_ROLE
    ? fetchDebugKernel(CACHE)
    : fetchKernel(roleUnderTest(), CACHE);
}

/**
 * Fetches the kernel under test and builds the module from `kernel/`, or from the directory that
 * DAXFS_MODULE_SOURCE names.
 */
export async function buildDaxfs(): Promise<Daxfs> {
  const kernel = await fetchKernelUnderTest();
  const source = process.env.DAXFS_MODULE_SOURCE ?? join(ROOT, "kernel");
  return { kernel, module: await cachedModule(kernel, source) };
}

/**
 * Makes a directory in the cache for one test file, which removes it with `removeDirectory`. Also
 * removes directories older than a day, which killed tests left behind.
 */
export async function workDirectory(name: string): Promise<string> {
  const parent = join(CACHE, "tests");
  await mkdir(parent, { recursive: true });
  const old = ["-mindepth", "1", "-maxdepth", "1", "-mmin", "+1440"];
  await execa("find", [parent, ...old, "-exec", "rm", "-rf", "--one-file-system", "{}", "+"]);
  return mkdtemp(join(parent, `${name}-`));
}

/** Removes a directory with rm(1), because Node can't handle names that are not UTF-8. */
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

/** Builds a C program of tests/guest/helpers, linked statically by default. Returns its path. */
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

/** Why tests that make files of all kinds can't run here, or undefined if they can. */
export async function reasonToSkip(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "only root can make device nodes and foreign owners";
  await mkdir(CACHE, { recursive: true });
  const { stdout } = await execa("stat", ["--file-system", "--format=%T", CACHE]);
  if (stdout === "tmpfs") return `${CACHE} is on tmpfs, which has no user attributes`;
  await stat(MKDAXFS);
  return undefined;
}

/** A value that the guest sent. Throws if there is none. */
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
 * The checks in the output of a helper, which the guest attached as `name`. Throws if the program
 * did not complete.
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
    throw new Error(`${name} did not complete:\n${text}`);
  }
  return checks;
}

/** A line, "NAME: DETAIL", for each check that failed. */
export function failedChecks(checks: readonly HelperCheck[]): string[] {
  return checks.filter(({ passed }) => !passed).map(({ name, detail }) => `${name}: ${detail}`);
}
