// SPDX-License-Identifier: MIT
import { readdir, readFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { execa } from "execa";
import type { Kernel } from "./kernels.js";
import { findProgram } from "./programs.js";

/** Programs that undo what a distribution does to its modules, by the end of the file's name. */
const DECOMPRESSORS: Record<string, string> = { ".xz": "xz", ".zst": "zstd" };

/**
 * Returns the host paths of kernel modules in the order in which to load them: the distribution's
 * modules named in `names`, then the module files in `paths`, each after what it depends on. What
 * is built into the kernel is left out.
 *
 * The unpacked kernel package has no modules.dep (its installation makes it), so this reads the
 * modules themselves.
 */
export async function resolveModules(
  kernel: Kernel,
  names: readonly string[],
  paths: readonly string[],
): Promise<string[]> {
  if (names.length === 0 && paths.length === 0) return [];
  const available = await listModules(kernel);
  const builtin = await listBuiltin(kernel);
  const order: string[] = [];
  const visited = new Set<string>();

  const addName = async (name: string, neededBy: string): Promise<void> => {
    const wanted = normalise(name);
    if (visited.has(wanted) || builtin.has(wanted)) return;
    visited.add(wanted);
    const path = available.get(wanted);
    if (path === undefined) throw new Error(`${kernel.release} has no module ${name}${neededBy}`);
    await addPath(path);
  };
  const addPath = async (path: string): Promise<void> => {
    const dependencies = moduleInfo(await readModule(path)).get("depends") ?? "";
    for (const dependency of dependencies.split(",").filter((name) => name !== "")) {
      await addName(dependency, `, which ${basename(path)} needs`);
    }
    order.push(path);
  };

  // Several given files may need each other; the names of all are known before any is resolved.
  for (const path of paths) available.set(moduleName(path), path);
  for (const name of names) await addName(name, "");
  for (const path of paths) await addName(moduleName(path), "");
  return order;
}

/** Reads a module's file, and decompresses it if its name says that it is compressed. */
export async function readModule(path: string): Promise<Buffer> {
  const decompressor = DECOMPRESSORS[extname(path)];
  if (decompressor === undefined) return readFile(path);
  const program = await findProgram(decompressor);
  const { stdout } = await execa(program, ["--decompress", "--stdout", path], {
    encoding: "buffer",
    stripFinalNewline: false,
  });
  return Buffer.from(stdout);
}

/** Name of a module's file, without what says that it is compressed. */
export function moduleFileName(path: string): string {
  const name = basename(path);
  return extname(path) in DECOMPRESSORS ? name.slice(0, -extname(path).length) : name;
}

function moduleName(path: string): string {
  return normalise(basename(moduleFileName(path), ".ko"));
}

/** The kernel treats - and _ in module names alike; file names have either. */
function normalise(name: string): string {
  return name.replaceAll("-", "_");
}

async function listModules(kernel: Kernel): Promise<Map<string, string>> {
  const directory = join(kernel.modulesDirectory, "kernel");
  const modules = new Map<string, string>();
  for (const path of await readdir(directory, { recursive: true })) {
    if (moduleFileName(path).endsWith(".ko")) modules.set(moduleName(path), join(directory, path));
  }
  return modules;
}

async function listBuiltin(kernel: Kernel): Promise<Set<string>> {
  const text = await readFile(join(kernel.modulesDirectory, "modules.builtin"), "utf8");
  const paths = text.split("\n").filter((line) => line !== "");
  return new Set(paths.map(moduleName));
}

/** The key=value pairs of a module's .modinfo section (a 64-bit little-endian ELF file). */
export function moduleInfo(elf: Buffer): Map<string, string> {
  const tableOffset = Number(elf.readBigUInt64LE(0x28));
  const entrySize = elf.readUInt16LE(0x3a);
  const entries = elf.readUInt16LE(0x3c);
  const section = (index: number) => {
    const entry = elf.subarray(tableOffset + index * entrySize);
    const offset = Number(entry.readBigUInt64LE(0x18));
    const size = Number(entry.readBigUInt64LE(0x20));
    return { name: entry.readUInt32LE(0), data: () => elf.subarray(offset, offset + size) };
  };
  const names = section(elf.readUInt16LE(0x3e)).data();
  for (let index = 0; index < entries; index++) {
    const { name, data } = section(index);
    if (names.toString("latin1", name, names.indexOf(0, name)) !== ".modinfo") continue;
    const pairs = data().toString("utf8").split("\0");
    return new Map(
      pairs.map((pair) => [pair.split("=", 1)[0] ?? "", pair.slice(pair.indexOf("=") + 1)]),
    );
  }
  throw new Error("not a kernel module: no .modinfo section");
}
