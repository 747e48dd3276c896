// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { copyFile, cp, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import { execa } from "execa";
import { cachedDirectory, temporaryDirectory } from "./cache.js";
import { BUILD_ROOT_MODULE, type Kernel } from "./kernels.js";
import { findProgram } from "./programs.js";

/** Choices for `buildModule`. */
export interface BuildModuleOptions {
  /** Build with W=1, the kernel's further compiler warnings. */
  extraWarnings?: boolean;
  /** Further arguments for make, such as C=2 (sparse). */
  makeArguments?: readonly string[];
}

/**
 * Builds an out-of-tree module for `kernel` and returns the path of the .ko in `outDirectory`. The
 * sources are copied first, so that builds for several kernels don't meet in the source directory.
 * Throws with make's output on an error and on any warning.
 */
export async function buildModule(
  kernel: Kernel,
  sourceDirectory: string,
  outDirectory: string,
  options: BuildModuleOptions = {},
): Promise<string> {
  const scratch = await temporaryDirectory(join(kernel.cacheDirectory, "builds"), kernel.release);
  try {
    await copySources(sourceDirectory, scratch);
    await make(kernel, scratch, options);
    const modules = (await readdir(scratch)).filter((name) => name.endsWith(".ko"));
    const module = modules[0];
    if (module === undefined || modules.length > 1) {
      throw new Error(
        `${sourceDirectory}: expected one module, got ${modules.join(" ") || "none"}`,
      );
    }
    await mkdir(outDirectory, { recursive: true });
    const result = join(resolve(outDirectory), module);
    // In one step: another run may be reading the one that is there.
    const fresh = `${result}.${process.pid}`;
    await copyFile(join(scratch, module), fresh);
    await rename(fresh, result);
    return result;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * The same, but in a directory of the cache, and only if these sources were not built for this
 * kernel before.
 */
export async function cachedModule(kernel: Kernel, sourceDirectory: string): Promise<string> {
  const { cacheDirectory, release } = kernel;
  // What is hashed and what is built is one copy: somebody may be editing.
  const sources = await temporaryDirectory(join(cacheDirectory, "builds"), "sources");
  try {
    await copySources(sourceDirectory, sources);
    const name = `${release}_${await hashOfSources(kernel, sources)}`;
    const directory = await cachedDirectory(
      join(cacheDirectory, "modules", name),
      async (temporary) => {
        await buildModule(kernel, sources, temporary);
      },
    );
    return join(directory, (await readdir(directory))[0] ?? "");
  } finally {
    await rm(sources, { recursive: true, force: true });
  }
}

async function hashOfSources(kernel: Kernel, sources: string): Promise<string> {
  // Kernels of one release may differ, as debug kernels do, but not those of one directory.
  const hash = createHash("sha256").update(kernel.headersDirectory);
  const entries = await readdir(sources, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  for (const path of files.map(({ parentPath, name }) => join(parentPath, name)).sort()) {
    const content = await readFile(path);
    hash.update(`\0${relative(sources, path)}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex").slice(0, 16);
}

async function copySources(from: string, to: string): Promise<void> {
  await cp(resolve(from), to, {
    recursive: true,
    dereference: true,
    filter: (path) => !isBuildProduct(basename(path)),
  });
}

async function make(kernel: Kernel, scratch: string, options: BuildModuleOptions): Promise<void> {
  const words = [...(options.extraWarnings ? ["W=1"] : []), ...(options.makeArguments ?? [])];
  const { failed, output } = await runMake(kernel, scratch, words);
  if (failed) {
    // The Makefile's own explanation, if it has one, says more than the first error.
    const reason = /^daxfs does not build .*$/m.exec(output)?.[0];
    const failure = `building for ${kernel.release} failed`;
    throw new Error(`${failure}${reason === undefined ? "" : `: ${reason}`}:\n${output}`);
  }
  if (findBuildWarnings(output).length > 0) {
    throw new Error(`building for ${kernel.release} gave warnings:\n${output}`);
  }
}

/**
 * Runs a module's make in `directory` with the kernel's headers and compiler, and returns whether
 * it failed and what it printed. `path` is the PATH it gets, if not that of this process. For a
 * kernel with a buildRoot, make sees that as `/` and the directory as /module, and of the machine
 * nothing else. Throws if the compiler is missing.
 */
export async function runMake(
  kernel: Kernel,
  directory: string,
  words: readonly string[],
  path = process.env.PATH,
): Promise<{ failed: boolean; output: string }> {
  const [command, ...before] =
    kernel.buildRoot === undefined
      ? await hostCommand(kernel, directory)
      : await rootCommand(kernel, kernel.buildRoot, directory);
  const result = await execa(command, [...before, `CC=${kernel.compiler}`, ...words], {
    cwd: directory,
    // Makefiles of modules like to use $(PWD), which is whatever the environment says.
    env: { LC_ALL: "C", PATH: path, PWD: directory },
    reject: false,
    all: true,
  });
  return { failed: result.failed, output: result.all || (result.shortMessage ?? "") };
}

type Command = [string, ...string[]];

async function hostCommand(kernel: Kernel, directory: string): Promise<Command> {
  const { compiler, headersDirectory } = kernel;
  const odd = [headersDirectory, directory].find((path) => /[\s:]/.test(path));
  if (odd !== undefined) {
    throw new Error(`${odd}: the kernel's make takes no path with a space or a colon in it`);
  }
  const found = await execa(compiler, ["--version"], { reject: false });
  if (found.failed) {
    // Debian's packages are named without the machine that their compilers are for.
    const packageName = compiler.replace(/^x86_64-linux-gnu-/, "");
    throw new Error(`${compiler} is missing: run apt-get install ${packageName}`);
  }
  return ["make", `KDIR=${headersDirectory}`];
}

/** /proc is for objtool, which asks there for its own path. */
async function rootCommand(kernel: Kernel, root: string, directory: string): Promise<Command> {
  const bubblewrap = await findProgram("bwrap");
  const mounts = [
    ...["--ro-bind", root, "/"],
    ...["--bind", directory, BUILD_ROOT_MODULE],
    ...["--ro-bind", "/proc", "/proc"],
    ...["--dev", "/dev"],
    ...["--tmpfs", "/tmp"],
  ];
  const path = ["--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin"];
  const headers = `/${relative(root, kernel.headersDirectory)}`;
  return [
    bubblewrap,
    ...mounts,
    ...path,
    // Sets PWD as well.
    ...["--chdir", BUILD_ROOT_MODULE],
    ...["make", `KDIR=${headers}`],
  ];
}

/** Lines of make's output in which the compiler, sparse, objtool or modpost warns. */
export function findBuildWarnings(output: string): string[] {
  return output.split("\n").filter((line) => /\bwarning:/i.test(line));
}

function isBuildProduct(name: string): boolean {
  return (
    /\.(o|ko|mod|mod\.c|a|cmd|d)$/.test(name) ||
    name === "Module.symvers" ||
    name === "modules.order" ||
    name === ".tmp_versions"
  );
}
