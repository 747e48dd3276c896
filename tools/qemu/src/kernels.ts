// SPDX-License-Identifier: MIT
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { availableVersions, downloadAndUnpack } from "./apt.js";
import { cachedDirectory, isDirectory } from "./cache.js";

/** The kernel series that can be fetched. */
export type KernelFlavour = "6.1";

/** A distribution kernel, unpacked in the cache and ready to boot and to build modules for. */
export interface Kernel {
  flavour: KernelFlavour;
  /** What `uname -r` prints in the guest. */
  release: string;
  /** Version of the Debian package. */
  version: string;
  /** The bzImage. */
  image: string;
  /** Directory of the kernel's own modules (its `kernel/` holds the .ko files). */
  modulesDirectory: string;
  /** What modules pass as KDIR. */
  headersDirectory: string;
  /** The compiler this kernel was built with, and its modules must be. */
  compiler: string;
  /** Cache directory the kernel lies in. */
  cacheDirectory: string;
}

/** How to get one flavour. A flavour from another suite is one more entry in the table below. */
interface Recipe {
  /** Package that depends on the current kernel image. */
  metaPackage: string;
  /** Release as it appears in the image package's name; group 1 is the part without "-amd64". */
  release: RegExp;
  /** Packages besides the image that building a module takes. */
  companions: (abi: string) => string[];
  compiler: string;
  origin: string;
}

const recipes: Record<KernelFlavour, Recipe> = {
  "6.1": {
    metaPackage: "linux-image-amd64",
    release: /^(6\.1\.0-\d+)-amd64$/,
    companions: (abi) => [
      `linux-headers-${abi}-amd64`,
      `linux-headers-${abi}-common`,
      "linux-kbuild-6.1",
      "linux-compiler-gcc-12-x86",
    ],
    compiler: "gcc-12",
    origin: "Debian 12 (bookworm)",
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
 * package lists), the newest one in the cache serves.
 */
export async function fetchKernel(flavour: KernelFlavour, cacheDirectory: string): Promise<Kernel> {
  const recipe = recipes[flavour];
  const kernels = join(resolve(cacheDirectory), "kernels");
  const candidate = (await newestOffered(recipe)) ?? (await newestCached(recipe, kernels));
  if (candidate === undefined) {
    throw new Error(
      `apt knows no ${flavour} kernel (${recipe.metaPackage} of ${recipe.origin}): run apt-get update`,
    );
  }
  const { release, abi, version } = candidate;
  const root = await cachedDirectory(join(kernels, `${release}_${version}`), async (temporary) => {
    const names = [`linux-image-${release}`, ...recipe.companions(abi)];
    await downloadAndUnpack(
      names.map((name) => `${name}=${version}`),
      temporary,
    );
    await relocateHeaders(temporary, release, abi);
  });
  return {
    flavour,
    release,
    version,
    image: join(root, "boot", `vmlinuz-${release}`),
    modulesDirectory: join(root, "lib/modules", release),
    headersDirectory: join(root, "usr/src", `linux-headers-${release}`),
    compiler: recipe.compiler,
    cacheDirectory: resolve(cacheDirectory),
  };
}

function parseRelease(recipe: Recipe, release: string, version: string): Candidate | undefined {
  const abi = recipe.release.exec(release)?.[1];
  return abi === undefined ? undefined : { release, abi, version };
}

async function newestOffered(recipe: Recipe): Promise<Candidate | undefined> {
  for (const { version, depends } of await availableVersions(recipe.metaPackage)) {
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
