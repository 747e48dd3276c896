// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { DownloadError } from "./apt.js";
import { cachedDirectory, isDirectory } from "./cache.js";
import { findKernelSource, type KernelSource, unpackKernelSource } from "./kernel-source.js";
import { comparePackageVersions, seriesOf } from "./kernel-version.js";
import type { Kernel } from "./kernels.js";

/** The role of the debug kernel (`Kernel.role`). */
export const DEBUG_ROLE = "debug";

const COMPILER = "gcc-12";
/** Of guests with it; measured with the suite in tests/guest. */
const SLOWNESS = 5;
/** What the build takes, by Debian package. */
const BUILD_PACKAGES = ["bc", "bison", "flex", COMPILER, "libelf-dev", "make", "xz-utils"];
const FRAGMENT = fileURLToPath(new URL("../debug.config", import.meta.url));
/** Beside the sources in the kernel's directory, once it is built. */
const RELEASE_FILE = "release";

/**
 * Builds a kernel with what finds faults in kernel code: KASAN, UBSAN, lockdep, kmemleak, fault
 * injection and more (debug.config), from Debian's source package of the 6.1 kernel. That takes 6 to
 * 11 minutes on two processors, once for each version and configuration. Needs no root. Throws if a
 * package that the build takes is missing, and if an option of debug.config did not take effect.
 */
export async function fetchDebugKernel(cacheDirectory: string): Promise<Kernel> {
  const kernels = join(resolve(cacheDirectory), "debug-kernels");
  const fragment = await readFile(FRAGMENT, "utf8");
  const key = createHash("sha256").update(fragment).digest("hex").slice(0, 16);
  const { version, root } = await builtKernel(kernels, key, cacheDirectory, fragment);
  const release = await readFile(join(root, RELEASE_FILE), "utf8");
  return {
    role: DEBUG_ROLE,
    series: seriesOf(release),
    release,
    version,
    image: join(root, "boot", `vmlinuz-${release}`),
    modulesDirectory: join(root, "lib/modules", release),
    headersDirectory: join(root, "linux"),
    compiler: COMPILER,
    cacheDirectory: resolve(cacheDirectory),
    slowness: SLOWNESS,
  };
}

/**
 * The lines of a configuration fragment that a whole configuration contradicts. An option that is
 * to be off may be missing there.
 */
export function droppedOptions(fragment: string, configuration: string): string[] {
  const lines = configuration.split("\n");
  const all = new Set(lines);
  const names = new Set(lines.map((line) => /^(?:# )?(CONFIG_\w+)/.exec(line)?.[1]));
  return fragment.split("\n").filter((line) => {
    if (all.has(line)) return false;
    const off = /^# (CONFIG_\w+) is not set$/.exec(line)?.[1];
    return off === undefined ? line.startsWith("CONFIG_") : names.has(off);
  });
}

/** The newest version, built if it is not in the cache, or the newest built one if none can be had. */
async function builtKernel(
  kernels: string,
  key: string,
  cacheDirectory: string,
  fragment: string,
): Promise<{ version: string; root: string }> {
  let source: KernelSource;
  try {
    source = await findKernelSource(cacheDirectory);
  } catch (error) {
    const version = await newestCached(kernels, key);
    if (version === undefined) throw error;
    return { version, root: join(kernels, `${version}_${key}`) };
  }
  const { version } = source;
  try {
    const root = await cachedDirectory(join(kernels, `${version}_${key}`), (temporary) =>
      build(temporary, source, fragment, join(resolve(cacheDirectory), "logs")),
    );
    return { version, root };
  } catch (error) {
    // Lists name what can't be had: without the network, or once Debian has a newer one.
    const built = error instanceof DownloadError ? await newestCached(kernels, key) : undefined;
    if (built === undefined) throw error;
    return { version: built, root: join(kernels, `${built}_${key}`) };
  }
}

async function newestCached(kernels: string, key: string): Promise<string | undefined> {
  if (!(await isDirectory(kernels))) return undefined;
  return (await readdir(kernels))
    .filter((name) => name.endsWith(`_${key}`) && !name.startsWith("."))
    .map((name) => name.slice(0, -key.length - 1))
    .sort(comparePackageVersions)
    .at(-1);
}

async function build(
  root: string,
  source: KernelSource,
  fragment: string,
  logDirectory: string,
): Promise<void> {
  await requireBuildPackages();
  const tree = join(root, "linux");
  await mkdir(tree);
  await unpackKernelSource(source, tree);
  await mkdir(logDirectory, { recursive: true });
  const log = join(logDirectory, `debug-kernel-${source.version}.log`);
  const make = (...targets: string[]) => run(log, tree, "make", [`CC=${COMPILER}`, ...targets]);

  await make("tinyconfig");
  await run(log, tree, "scripts/kconfig/merge_config.sh", ["-m", ".config", FRAGMENT]);
  await make("olddefconfig");
  const dropped = droppedOptions(fragment, await readFile(join(tree, ".config"), "utf8"));
  if (dropped.length > 0) {
    throw new Error(
      `${FRAGMENT}: not set in ${source.name} ${source.version}, mostly because another option is ` +
        `missing: ${dropped.join(", ")}`,
    );
  }
  await make(`-j${availableParallelism()}`, "bzImage", "modules");
  await install(root, tree, make);
  await removeSources(tree);
}

async function requireBuildPackages(): Promise<void> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query fills it in.
  const format = "${Package} ${db:Status-Status}\\n";
  const query = await execa("dpkg-query", ["-W", "-f", format, ...BUILD_PACKAGES], {
    env: { LC_ALL: "C" },
    reject: false,
  });
  const installed = new Set(
    query.stdout.split("\n").map((line) => line.replace(/ installed$/, "")),
  );
  const missing = BUILD_PACKAGES.filter((name) => !installed.has(name));
  if (missing.length > 0) {
    throw new Error(`building a kernel takes more: apt-get install ${missing.join(" ")}`);
  }
}

/** Runs a step of the build; what it prints is added to the log. */
async function run(log: string, tree: string, command: string, words: string[]): Promise<void> {
  const output = { file: log, append: true };
  const result = await execa(command, words, {
    cwd: tree,
    // Not whatever the caller's own make was given.
    env: { LC_ALL: "C", MAKEFLAGS: undefined, KBUILD_OUTPUT: undefined },
    stdin: "ignore",
    stdout: output,
    stderr: output,
    reject: false,
  });
  if (result.failed) {
    throw new Error(
      `building the debug kernel failed: ${command} ${words.join(" ")}: ` +
        `${result.shortMessage}; see ${log}`,
    );
  }
}

/** Puts the parts that boot where those of a distribution's kernel are. */
async function install(
  root: string,
  tree: string,
  make: (...targets: string[]) => Promise<void>,
): Promise<void> {
  const release = (await readFile(join(tree, "include/config/kernel.release"), "utf8")).trim();
  await mkdir(join(root, "boot"));
  await copyFile(join(tree, "arch/x86/boot/bzImage"), join(root, "boot", `vmlinuz-${release}`));
  await copyFile(join(tree, ".config"), join(root, "boot", `config-${release}`));
  // No depmod: kernel-modules.ts reads the modules themselves.
  await make(`INSTALL_MOD_PATH=${root}`, "DEPMOD=true", "modules_install");
  for (const link of ["build", "source"]) {
    await rm(join(root, "lib/modules", release, link), { force: true });
  }
  await writeFile(join(root, RELEASE_FILE), release);
}

/** Removes what building a module does not read: of 2 GB, 150 MB stay. */
async function removeSources(tree: string): Promise<void> {
  const read = ["./include/*", "./scripts/*", "./tools/*", "./arch/x86/*"];
  const anyOf = (tests: string[][]) => tests.flatMap((test) => ["-o", ...test]).slice(1);
  const kept = [["-regex", "\\./[^/]*"], ...read.map((path) => ["-path", path])];
  const products = ["*.o", "*.a", "vmlinux*"].map((name) => ["-name", name]);
  const removed = anyOf([["-not", "(", ...anyOf(kept), ")"], ...products]);
  await execa("find", [".", "-type", "f", "(", ...removed, ")", "-delete"], { cwd: tree });
}
