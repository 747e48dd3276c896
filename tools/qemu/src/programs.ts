// SPDX-License-Identifier: MIT
import { access, constants, readFile } from "node:fs/promises";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { execa } from "execa";

/** Debian packages of the programs this tool can't do without. */
const packages: Record<string, string> = {
  busybox: "busybox-static",
  bwrap: "bubblewrap",
  "qemu-system-x86_64": "qemu-system-x86",
  gzip: "gzip",
  xz: "xz-utils",
  zstd: "zstd",
};

/**
 * Finds a program by name or path. The directories for administrators are searched as well: an
 * ordinary user's PATH lacks them, but programs such as getcap are there.
 */
export async function findProgram(name: string): Promise<string> {
  const candidates = name.includes("/")
    ? [resolve(name)]
    : [...(process.env.PATH ?? "").split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"]
        .filter((directory) => isAbsolute(directory))
        .map((directory) => join(directory, name));
  for (const candidate of candidates) {
    if (await isExecutable(candidate)) return candidate;
  }
  const hint = packages[name];
  throw new Error(`${name} is missing${hint === undefined ? "" : `: run apt-get install ${hint}`}`);
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Shared libraries a program loads, its dynamic loader included, under the paths it looks for. */
export async function sharedLibraries(program: string): Promise<string[]> {
  const { stdout, stderr, failed } = await execa("ldd", [program], {
    env: { LC_ALL: "C" },
    reject: false,
  });
  if (failed) {
    if (/not a dynamic executable/.test(stdout + stderr)) return [];
    throw new Error(`ldd ${program} failed: ${stderr}`);
  }
  return parseLdd(program, stdout);
}

function parseLdd(program: string, output: string): string[] {
  const libraries: string[] = [];
  for (const line of output.split("\n")) {
    if (/=> not found/.test(line)) throw new Error(`${program} lacks a library: ${line.trim()}`);
    // "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)" or "/lib64/ld-linux-x86-64.so.2 (0x…)"
    const path = /(?:=>\s+|^\s*)(\/\S+) \(0x/.exec(line)?.[1];
    if (path !== undefined) libraries.push(path);
  }
  return libraries;
}

/** Throws unless `program` is a static ELF file; the guest has no libraries for it otherwise. */
export async function requireStatic(program: string, debianPackage: string): Promise<void> {
  const magic = (await readFile(program)).subarray(0, 4).toString("latin1");
  if (magic !== "\x7fELF" || (await sharedLibraries(program)).length > 0) {
    throw new Error(`${program} is not static: run apt-get install ${debianPackage}`);
  }
}
