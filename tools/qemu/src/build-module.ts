// SPDX-License-Identifier: MIT
import { copyFile, cp, mkdir, readdir, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { execa } from "execa";
import { temporaryDirectory } from "./cache.js";
import type { Kernel } from "./kernels.js";

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
    await cp(resolve(sourceDirectory), scratch, {
      recursive: true,
      dereference: true,
      filter: (path) => !isBuildProduct(basename(path)),
    });
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
    await copyFile(join(scratch, module), result);
    return result;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function make(kernel: Kernel, scratch: string, options: BuildModuleOptions): Promise<void> {
  const compiler = kernel.compiler;
  const found = await execa(compiler, ["--version"], { reject: false });
  if (found.failed) throw new Error(`${compiler} is missing: run apt-get install ${compiler}`);
  const result = await execa(
    "make",
    [
      `KDIR=${kernel.headersDirectory}`,
      `CC=${compiler}`,
      ...(options.extraWarnings ? ["W=1"] : []),
      ...(options.makeArguments ?? []),
    ],
    // Makefiles of modules like to use $(PWD), which is whatever the environment says.
    { cwd: scratch, env: { LC_ALL: "C", PWD: scratch }, reject: false, all: true },
  );
  const output = result.all ?? "";
  if (result.failed) {
    throw new Error(`building for ${kernel.release} failed:\n${output || result.shortMessage}`);
  }
  if (findBuildWarnings(output).length > 0) {
    throw new Error(`building for ${kernel.release} gave warnings:\n${output}`);
  }
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
