// SPDX-License-Identifier: MIT
/** Builds the C programs of this directory. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";

const here = fileURLToPath(new URL(".", import.meta.url));
const kernel = fileURLToPath(new URL("../../kernel", import.meta.url));
const WARNINGS = ["-Wall", "-Wextra", "-Werror"];
const HINT = "install the packages gcc and zlib1g-dev";

async function compile(output: string, parameters: string[]): Promise<string> {
  const result = await execa("gcc", [...parameters, "-o", output], { reject: false, all: true });
  if (result.failed) throw new Error(`${result.all || result.shortMessage}\n(${HINT})`);
  return output;
}

/** Builds image_walk with AddressSanitizer and UndefinedBehaviorSanitizer. */
export async function buildImageWalk(directory: string): Promise<string> {
  // Those that also compile in user space.
  const sources = (await readdir(kernel)).filter((name) => /^image.*\.c$/.test(name)).sort();
  return compile(join(directory, "image_walk"), [
    "-std=gnu11",
    "-O1",
    "-g",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    ...WARNINGS,
    "-I",
    here,
    "-I",
    kernel,
    join(here, "image_walk.c"),
    ...sources.map((name) => join(kernel, name)),
    "-lz",
  ]);
}

/** Builds mount_walk, linked statically. */
export async function buildMountWalk(directory: string): Promise<string> {
  return compile(join(directory, "mount_walk"), [
    "-std=gnu11",
    "-O2",
    "-static",
    "-D_GNU_SOURCE",
    ...WARNINGS,
    join(here, "mount_walk.c"),
    "-lz",
  ]);
}
