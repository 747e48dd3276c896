// SPDX-License-Identifier: MIT
import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  availableVersions,
  downloadAndUnpack,
  downloadAndUnpackWithDependencies,
  HOST_PACKAGES,
  type PackageSource,
} from "./apt.js";
import { cachedDirectory, isDirectory } from "./cache.js";
import { openSuite } from "./suites.js";

/** The kernel series that can be fetched. */
export const KERNEL_FLAVOURS = ["6.1", "6.12", "7.2"] as const;

/** A kernel series that can be fetched. */
export type KernelFlavour = (typeof KERNEL_FLAVOURS)[number];

/** Whether a word names a kernel series that can be fetched. */
export function isKernelFlavour(word: string): word is KernelFlavour {
  return KERNEL_FLAVOURS.some((flavour) => flavour === word);
}

/** A distribution kernel, unpacked in the cache and ready to boot and to build modules for. */
export interface Kernel {
  flavour: KernelFlavour | "6.1-debug";
  /** What `uname -r` prints in the guest. */
  release: string;
  /** Version of the Debian package. */
  version: string;
  /** The bzImage. */
  image: string;
  /** Directory of the kernel's own modules (its `kernel/` holds the .ko files). */
  modulesDirectory: string;
  /** What modules pass as KDIR, unless there is a `buildRoot`. */
  headersDirectory: string;
  /** The compiler this kernel was built with, and its modules must be. */
  compiler: string;
  /**
   * Root directory of the kernel's own Debian system, if the machine's is too old: compiler, make
   * and headers are in there, and work with it as `/`.
   */
  buildRoot?: string;
  /** Cache directory the kernel lies in. */
  cacheDirectory: string;
  /** How many times as long guests are given as on a stock kernel; 1 by default. */
  slowness?: number;
}

/** How to get one flavour. */
interface Recipe {
  /** Suite of Debian, if it is not the machine's own. */
  suite?: string;
  /** Release as it appears in the image package's name; group 1 is the part without "-amd64". */
  release: RegExp;
  /** Packages of the image, its modules and of what needs no others to build a module. */
  packages: (abi: string) => string[];
  /** Packages to unpack with all that they depend on, where modules are built in a buildRoot. */
  buildRoot?: (abi: string) => string[];
  /** The bzImage in the unpacked packages. */
  image: (release: string) => string;
  compiler: string;
  origin: string;
}

/** The package that depends on a suite's current kernel image. */
const META_PACKAGE = "linux-image-amd64";

/** What a module's `make` and `make install` run, besides what the headers depend on. */
const TOOLS = ["kmod", "make", "xz-utils"];

/** What every Debian system has, so that no package says that it needs it. */
const ESSENTIALS = ["bash", "coreutils", "dash", "diffutils", "findutils", "grep", "mawk", "sed"];

const recipes: Record<KernelFlavour, Recipe> = {
  "6.1": {
    release: /^(6\.1\.0-\d+)-amd64$/,
    packages: (abi) => [
      `linux-image-${abi}-amd64`,
      `linux-headers-${abi}-amd64`,
      `linux-headers-${abi}-common`,
      "linux-kbuild-6.1",
      "linux-compiler-gcc-12-x86",
    ],
    image: (release) => `boot/vmlinuz-${release}`,
    compiler: "gcc-12",
    origin: "Debian 12 (bookworm)",
  },
  "6.12": {
    suite: "bookworm-backports",
    release: /^(6\.12\.[\d.]+\+deb12[\d.]*)-amd64$/,
    packages: (abi) => [
      `linux-image-${abi}-amd64`,
      `linux-headers-${abi}-amd64`,
      `linux-headers-${abi}-common`,
      `linux-kbuild-${abi}`,
    ],
    image: (release) => `boot/vmlinuz-${release}`,
    compiler: "gcc-12",
    origin: "Debian 12 (bookworm-backports)",
  },
  "7.2": {
    suite: "forky",
    release: /^(7\.2\.[\d.]+\+deb14[\d.]*)-amd64$/,
    packages: (abi) => [`linux-binary-${abi}-amd64`, `linux-modules-${abi}-amd64`],
    buildRoot: (abi) => [`linux-headers-${abi}-amd64`],
    image: (release) => `lib/modules/${release}/vmlinuz`,
    compiler: "x86_64-linux-gnu-gcc-16",
    origin: "Debian 14 (forky)",
  },
};

interface Candidate {
  release: string;
  abi: string;
  version: string;
}

/**
 * Fetches the stock kernel of a flavour through apt, as an ordinary user and without installing
 * anything, and returns where its parts are. Cached by version; when apt can't name a version (no
 * package lists, no network), the newest one in the cache serves.
 */
export async function fetchKernel(flavour: KernelFlavour, cacheDirectory: string): Promise<Kernel> {
  const recipe = recipes[flavour];
  const kernels = join(resolve(cacheDirectory), "kernels");
  const { source, candidate } = await choose(flavour, cacheDirectory, kernels);
  const { release, abi, version } = candidate;
  const root = await cachedDirectory(join(kernels, `${release}_${version}`), async (temporary) => {
    const exactly = (name: string) => `${name}=${version}`;
    if (recipe.buildRoot !== undefined) {
      const names = [...recipe.buildRoot(abi).map(exactly), ...TOOLS, ...ESSENTIALS];
      await downloadAndUnpackWithDependencies(names, temporary, source);
      await completeBuildRoot(temporary);
    }
    await downloadAndUnpack(recipe.packages(abi).map(exactly), temporary, source);
    if (recipe.buildRoot === undefined) await relocateHeaders(temporary, release, abi);
  });
  return {
    flavour,
    release,
    version,
    image: join(root, recipe.image(release)),
    modulesDirectory: join(root, "lib/modules", release),
    headersDirectory: join(root, "usr/src", `linux-headers-${release}`),
    compiler: recipe.compiler,
    ...(recipe.buildRoot === undefined ? {} : { buildRoot: root }),
    cacheDirectory: resolve(cacheDirectory),
  };
}

/** Settles on a version: the newest that apt offers, or else the newest in the cache. */
async function choose(
  flavour: KernelFlavour,
  cacheDirectory: string,
  kernels: string,
): Promise<{ source: PackageSource; candidate: Candidate }> {
  const recipe = recipes[flavour];
  let source = HOST_PACKAGES;
  let offered: Candidate | undefined;
  let reason = HOST_PACKAGES.remedy;
  try {
    if (recipe.suite !== undefined) source = await openSuite(recipe.suite, cacheDirectory);
    offered = await newestOffered(recipe, source);
    reason = source.remedy;
  } catch (error) {
    // What is in the cache does not need the network.
    reason = error instanceof Error ? error.message : String(error);
  }
  const candidate = offered ?? (await newestCached(recipe, kernels));
  if (candidate !== undefined) return { source, candidate };
  throw new Error(
    `apt knows no ${flavour} kernel (${META_PACKAGE} of ${recipe.origin}): ${reason}`,
  );
}

function parseRelease(recipe: Recipe, release: string, version: string): Candidate | undefined {
  const abi = recipe.release.exec(release)?.[1];
  return abi === undefined ? undefined : { release, abi, version };
}

async function newestOffered(
  recipe: Recipe,
  source: PackageSource,
): Promise<Candidate | undefined> {
  for (const { version, depends } of await availableVersions(META_PACKAGE, source)) {
    for (const name of depends) {
      const candidate = parseRelease(recipe, name.replace(/^linux-image-/, ""), version);
      if (candidate !== undefined) return candidate;
    }
  }
  return undefined;
}

async function newestCached(recipe: Recipe, kernels: string): Promise<Candidate | undefined> {
  if (!(await isDirectory(kernels))) return undefined;
  const found = (await readdir(kernels))
    .map((name) => /^([^_]+)_(.+)$/.exec(name))
    .map((match) => match && parseRelease(recipe, match[1] ?? "", match[2] ?? ""))
    .filter((candidate) => candidate !== null && candidate !== undefined);
  const collator = new Intl.Collator("en", { numeric: true });
  return found.sort((a, b) => collator.compare(b.version, a.version))[0];
}

/** What the scripts of the packages would have done, had they been installed, and mount points. */
async function completeBuildRoot(root: string): Promise<void> {
  await symlink("mawk", join(root, "usr/bin/awk"));
  await mkdir(join(root, BUILD_ROOT_MODULE));
}

/** Where in a buildRoot the directory of a module that is built appears. */
export const BUILD_ROOT_MODULE = "/module";

/**
 * Makes the unpacked headers usable where they lie: Debian's packages refer to each other by
 * absolute paths under /usr/src. The new paths are relative, because the directory is renamed when
 * it is complete. (The links between the packages are relative already.)
 */
async function relocateHeaders(root: string, release: string, abi: string): Promise<void> {
  const makefile = join(root, "usr/src", `linux-headers-${release}`, "Makefile");
  const text = await readFile(makefile, "utf8");
  const absolute = `/usr/src/linux-headers-${abi}-common/Makefile`;
  if (!text.includes(`include ${absolute}`)) {
    throw new Error(`${makefile}: expected "include ${absolute}"`);
  }
  const relative = `$(dir $(lastword $(MAKEFILE_LIST)))../linux-headers-${abi}-common/Makefile`;
  await writeFile(makefile, text.replaceAll(absolute, relative));
  // They point at the host's /usr/src, which has other headers or none.
  for (const link of ["build", "source"]) {
    await rm(join(root, "lib/modules", release, link), { force: true });
  }
}
