// SPDX-License-Identifier: MIT
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  availableVersions,
  DownloadError,
  downloadAndUnpack,
  downloadAndUnpackWithDependencies,
  isNewerVersion,
  type PackageSource,
  resolvePackages,
} from "./apt.js";
import { cachedDirectory, isDirectory } from "./cache.js";
import { type KernelRole, ROLE_SOURCES } from "./kernel-roles.js";
import { seriesOf } from "./kernel-version.js";
import { type Archives, openSuite, type Suite } from "./suites.js";
import { extractVmlinux } from "./vmlinux.js";

/** A distribution kernel, unpacked in the cache and ready to boot and to build modules for. */
export interface Kernel {
  role: KernelRole | "debug";
  /** Major and minor number of its version, "6.12". */
  series: string;
  /** What `uname -r` prints in the guest. */
  release: string;
  /** Version of the Debian package. */
  version: string;
  /** The bzImage, as the distribution ships it. */
  image: string;
  /** The kernel of the bzImage, decompressed, if it can be booted that way. */
  vmlinux?: string;
  /** Directory of the kernel's own modules (its `kernel/` holds the .ko files). */
  modulesDirectory: string;
  /** What modules pass as KDIR, unless there is a `buildRoot`. */
  headersDirectory: string;
  /** The compiler this kernel was built with, and its modules must be. */
  compiler: string;
  /**
   * Root directory of the kernel's own Debian system, if the machine is another Debian: compiler,
   * make and headers are in there, and work with it as `/`.
   */
  buildRoot?: string;
  /** Cache directory the kernel is in. */
  cacheDirectory: string;
  /** How many times as long guests are given as on a stock kernel; 1 by default. */
  slowness?: number;
  /** Why this is not the newest kernel of its role, in one line, if it is not. */
  notice?: string;
}

/** What the cache keeps beside an unpacked kernel; paths are relative to its directory. */
interface CachedKernel {
  /** The role that it was fetched for. */
  role: KernelRole;
  release: string;
  version: string;
  image: string;
  vmlinux?: string;
  modulesDirectory: string;
  headersDirectory: string;
  compiler: string;
  hasBuildRoot: boolean;
}

interface Candidate {
  release: string;
  version: string;
}

/** The package that depends on a suite's current kernel image. */
const META_PACKAGE = "linux-image-amd64";

/** Packages that Debian builds from its kernel's source, and that a kernel here is made of. */
const KERNEL_PACKAGE = /^linux-(?:image|binary|modules|headers|kbuild|compiler)-/;

/** What a module's `make` and `make install` run, besides what the headers depend on. */
const TOOLS = ["kmod", "make", "xz-utils"];

/** What every Debian system has, so that no package says that it needs it. */
const ESSENTIALS = ["bash", "coreutils", "dash", "diffutils", "findutils", "grep", "mawk", "sed"];

/** In the directory of a kernel, once it is complete. */
const DESCRIPTION = "kernel.json";
const VMLINUX = "vmlinux";
/** In the cache: a directory for each version of a kernel, and which one each role has. */
const KERNELS = "debian-kernels";
const HOUR_MS = 60 * 60 * 1000;

/** Choices for `fetchKernel`. */
export interface FetchKernelOptions {
  /** Where Debian's packages come from; the machine's own archives by default. */
  archives?: Archives;
  /**
   * A kernel that was settled on so many hours ago is taken without asking apt again; 24 by default.
   * What runs for a while asks for less at its beginning, so that the answer stays one all along.
   */
  maxAgeHours?: number;
  /** The same for a kernel that has a notice: what stood in the way may have passed. */
  maxAgeHoursOfNotice?: number;
}

/**
 * Fetches the stock kernel of a role through apt, as an ordinary user and without installing
 * anything, and returns where its parts are. It is the newest kernel whose packages apt can resolve
 * and get: Debian signs kernels apart from their tools, so that a set may be half published for days.
 * Cached by version; where nothing can be had, the newest one in the cache serves. `notice` says
 * what was passed over and why. Throws in one line if there is no kernel at all.
 */
export async function fetchKernel(
  role: KernelRole,
  cacheDirectory: string,
  options: FetchKernelOptions = {},
): Promise<Kernel> {
  const cache = resolve(cacheDirectory);
  const settled = await readSettled(cache, role, options);
  if (settled !== undefined) return settled;

  const problems: string[] = [];
  for (const suite of ROLE_SOURCES[role].suites) {
    const taken = await fetchFrom(suite, role, cache, options, problems);
    if (taken !== undefined) return settle(cache, role, taken.directory, problems, taken.how);
  }
  const cached = await newestCached(cache, role);
  if (cached !== undefined) return settle(cache, role, cached.directory, problems, FROM_CACHE);
  throw new Error(`no ${describeRole(role)} kernel can be had: ${problems.join("; ")}`);
}

/** How a kernel was had, for the notice. */
const INSTEAD = "taken instead";
const FROM_CACHE = "taken from the cache";

/**
 * Unpacks the newest kernel of a suite that can be had, and says which directory of the cache it is
 * in. Where something stands in the way, a newer one in the cache wins over what the suite has left.
 */
async function fetchFrom(
  suite: Suite,
  role: KernelRole,
  cache: string,
  { archives }: FetchKernelOptions,
  problems: string[],
): Promise<{ directory: string; how: string } | undefined> {
  const open = (fresh: boolean) =>
    openSuite(suite, cache, { fresh, ...(archives ? { archives } : {}) });
  const found: string[] = [];
  try {
    let source = await open(false);
    let fresh = false;
    found.push(...source.problems);
    let offered = await offeredKernels(source, role);
    for (let candidate = offered.shift(); candidate; candidate = offered.shift()) {
      const cached = found.length > 0 ? await newestCached(cache, role) : undefined;
      if (cached !== undefined && (await isNewerVersion(cached.version, candidate.version))) {
        problems.push(...found);
        return { directory: cached.directory, how: FROM_CACHE };
      }
      const problem = await fetchCandidate(candidate, role, suite, source, cache);
      if (problem === undefined) {
        problems.push(...found);
        return { directory: directoryName(candidate), how: INSTEAD };
      }
      // Lists may be older than the archive; those of a moment ago are not.
      const renewed =
        problem.download && !fresh ? await open(true).catch(() => undefined) : undefined;
      if (renewed !== undefined) {
        source = renewed;
        fresh = true;
        found.splice(0, found.length, ...source.problems);
        offered = await offeredKernels(source, role);
      } else {
        found.push(`${META_PACKAGE} ${candidate.version}: ${problem.reason}`);
      }
    }
    if (found.length === source.problems.length) {
      found.push(`${source.name} has no ${describeRole(role)} kernel`);
    }
  } catch (error) {
    found.push(oneLine(error));
  }
  problems.push(...found);
  return undefined;
}

/** An error's message in one line: that of a program that failed has what it printed in it. */
function oneLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.trim().replace(/\s*\n\s*/g, ": ");
}

/** The kernels that the lists of a source offer for a role, newest first. */
async function offeredKernels(source: PackageSource, role: KernelRole): Promise<Candidate[]> {
  const { series } = ROLE_SOURCES[role];
  return (await availableVersions(META_PACKAGE, source)).flatMap(({ version, depends }) => {
    const release = depends
      .map((name) => /^linux-image-(\d+\.\d+.*)$/.exec(name)?.[1])
      .find((candidate) => candidate !== undefined);
    if (release === undefined) return [];
    return series === undefined || seriesOf(release) === series ? [{ release, version }] : [];
  });
}

/** Unpacks a kernel into the cache, unless it is there. Returns what stands in the way, if anything. */
async function fetchCandidate(
  candidate: Candidate,
  role: KernelRole,
  suite: Suite,
  source: PackageSource,
  cache: string,
): Promise<{ reason: string; download: boolean } | undefined> {
  const path = join(cache, KERNELS, directoryName(candidate));
  if (await isDirectory(path)) {
    const whole = await readKernel(cache, directoryName(candidate)).catch(() => undefined);
    if (whole !== undefined) return undefined;
    // Somebody has removed a part of it, or a crash of the machine has.
    const removed = join(cache, KERNELS, `.temporary-${randomUUID()}`);
    await rename(path, removed).catch(() => undefined);
    await rm(removed, { recursive: true, force: true });
  }
  const { release, version } = candidate;
  const wanted = [`linux-image-${release}=${version}`, `linux-headers-${release}=${version}`];
  const resolution = await resolvePackages(wanted, source);
  if ("conflict" in resolution) return { reason: resolution.conflict, download: false };
  const parts = resolution.packages.filter(({ name }) => KERNEL_PACKAGE.test(name));
  const hasBuildRoot = suite.codename === undefined || suite.codename !== (await hostCodename());
  try {
    await cachedDirectory(path, async (root) => {
      if (hasBuildRoot) {
        const packages = [...wanted, ...TOOLS, ...ESSENTIALS];
        await downloadAndUnpackWithDependencies(packages, root, source);
        await completeBuildRoot(root);
      } else {
        const exactly = parts.map(({ name, version }) => `${name}=${version}`);
        await downloadAndUnpack(exactly, root, source);
        await relocateHeaders(root, release);
      }
      const description = await describeUnpacked(root, candidate, role, hasBuildRoot);
      await writeFile(join(root, DESCRIPTION), JSON.stringify(description, undefined, 2));
    });
  } catch (error) {
    return { reason: oneLine(error), download: error instanceof DownloadError };
  }
  return undefined;
}

async function hostCodename(): Promise<string | undefined> {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  return /^VERSION_CODENAME=(.*)$/m.exec(text)?.[1];
}

/** Finds the parts of an unpacked kernel: where Debian puts them has changed, and will again. */
async function describeUnpacked(
  root: string,
  { release, version }: Candidate,
  role: KernelRole,
  hasBuildRoot: boolean,
): Promise<CachedKernel> {
  const find = (what: string, ...candidates: string[]) => {
    const found = candidates.find((path) => existsSync(join(root, path)));
    if (found !== undefined) return found;
    throw new Error(`Debian's ${release} has its ${what} in none of ${candidates.join(", ")}`);
  };
  const modulesDirectory = find(
    "modules",
    ...["lib", "usr/lib"].map((directory) => join(directory, "modules", release)),
  );
  const headersDirectory = find("headers", join("usr/src", `linux-headers-${release}`));
  const image = find(
    "image",
    join("boot", `vmlinuz-${release}`),
    join(modulesDirectory, "vmlinuz"),
  );
  const vmlinux = await decompress(root, image, join(root, headersDirectory, ".config"));
  return {
    role,
    release,
    version,
    image,
    ...(vmlinux === undefined ? {} : { vmlinux }),
    modulesDirectory,
    headersDirectory,
    compiler: await compilerOf(join(root, headersDirectory, ".config")),
    hasBuildRoot,
  };
}

/** Decompresses a kernel that can be booted so, and returns the file's path below `root`. */
async function decompress(
  root: string,
  image: string,
  configuration: string,
): Promise<string | undefined> {
  if (!/^CONFIG_PVH=y$/m.test(await readFile(configuration, "utf8"))) return undefined;
  try {
    await writeFile(join(root, VMLINUX), await extractVmlinux(join(root, image)));
  } catch {
    // QEMU boots the image as it is, too: a kernel that is compressed in a new way is merely slower.
    await rm(join(root, VMLINUX), { force: true });
    return undefined;
  }
  return VMLINUX;
}

/** The compiler that a kernel was built with, by its name as a command. */
async function compilerOf(configuration: string): Promise<string> {
  const text = await readFile(configuration, "utf8");
  const compiler = /^CONFIG_CC_VERSION_TEXT="(\S+)/m.exec(text)?.[1];
  if (compiler === undefined) throw new Error(`${configuration}: no CONFIG_CC_VERSION_TEXT`);
  return compiler;
}

function directoryName({ release, version }: Candidate): string {
  return `${release}_${version}`;
}

function describeRole(role: KernelRole): string {
  return ROLE_SOURCES[role].series ?? role;
}

/** Which kernel a role has, and since when. */
interface Settled {
  directory: string;
  time: string;
  notice?: string;
}

function settledPath(cache: string, role: KernelRole): string {
  return join(cache, KERNELS, `${role}.json`);
}

/** Remembers which kernel a role has, so that runs to come need not ask apt. */
async function settle(
  cache: string,
  role: KernelRole,
  directory: string,
  problems: readonly string[],
  how: string,
): Promise<Kernel> {
  const kernel = await readKernel(cache, directory, role);
  const settled: Settled = { directory, time: new Date().toISOString() };
  if (problems.length > 0) {
    settled.notice =
      `the newest ${describeRole(role)} kernel can't be had (${problems.join("; ")}); ` +
      `${kernel.release} (${kernel.version}) is ${how}`;
  }
  const path = settledPath(cache, role);
  // Not the process's id: one process asks twice at once, and containers may share a cache.
  const fresh = `${path}.${randomUUID()}`;
  try {
    await writeFile(fresh, JSON.stringify(settled));
    // In one step: another run may be reading the one that is there.
    await rename(fresh, path);
  } catch {
    // A full or read-only disk: the kernel is there all the same.
    await rm(fresh, { force: true }).catch(() => undefined);
  }
  return settled.notice === undefined ? kernel : { ...kernel, notice: settled.notice };
}

async function readSettled(
  cache: string,
  role: KernelRole,
  { maxAgeHours = 24, maxAgeHoursOfNotice = maxAgeHours }: FetchKernelOptions,
): Promise<Kernel | undefined> {
  try {
    const settled: Settled = JSON.parse(await readFile(settledPath(cache, role), "utf8"));
    const age = Date.now() - Date.parse(settled.time);
    // Neither one that has no time nor one of a clock that was ahead.
    const limit = settled.notice === undefined ? maxAgeHours : maxAgeHoursOfNotice;
    if (!(age >= 0 && age <= limit * HOUR_MS)) return undefined;
    const kernel = await readKernel(cache, settled.directory, role);
    return settled.notice === undefined ? kernel : { ...kernel, notice: settled.notice };
  } catch {
    // Nothing is settled, or the kernel was removed since.
    return undefined;
  }
}

/** Reads an unpacked kernel; `role` is the one that it has now, if not the one it was fetched for. */
async function readKernel(cache: string, directory: string, role?: KernelRole): Promise<Kernel> {
  const root = join(cache, KERNELS, directory);
  const found: CachedKernel = JSON.parse(await readFile(join(root, DESCRIPTION), "utf8"));
  const parts = [found.image, found.modulesDirectory, found.headersDirectory, found.vmlinux ?? ""];
  const missing = parts.find((path) => !existsSync(join(root, path)));
  if (missing !== undefined) throw new Error(`${root} lacks ${missing}`);
  return {
    role: role ?? found.role,
    series: seriesOf(found.release),
    release: found.release,
    version: found.version,
    image: join(root, found.image),
    ...(found.vmlinux === undefined ? {} : { vmlinux: join(root, found.vmlinux) }),
    modulesDirectory: join(root, found.modulesDirectory),
    headersDirectory: join(root, found.headersDirectory),
    compiler: found.compiler,
    ...(found.hasBuildRoot ? { buildRoot: root } : {}),
    cacheDirectory: cache,
  };
}

/** The newest kernel of a role in the cache, by its directory's name. */
async function newestCached(
  cache: string,
  role: KernelRole,
): Promise<{ directory: string; version: string } | undefined> {
  let newest: { directory: string; version: string } | undefined;
  for (const directory of await readdir(join(cache, KERNELS)).catch(() => [])) {
    const kernel = await readKernel(cache, directory).catch(() => undefined);
    if (kernel?.role !== role) continue;
    const { version } = kernel;
    if (newest === undefined || (await isNewerVersion(version, newest.version))) {
      newest = { directory, version };
    }
  }
  return newest;
}

/** What the scripts of the packages would have done, had they been installed, and mount points. */
async function completeBuildRoot(root: string): Promise<void> {
  await symlink("mawk", join(root, "usr/bin/awk"));
  await mkdir(join(root, BUILD_ROOT_MODULE));
}

/** Where in a buildRoot the directory of a module that is built appears. */
export const BUILD_ROOT_MODULE = "/module";

/**
 * Makes unpacked headers usable in another place: Debian's packages refer to each other by absolute
 * paths under /usr/src. The new paths are relative, because the directory is renamed when it is
 * complete. (The links between the packages are relative already.)
 */
async function relocateHeaders(root: string, release: string): Promise<void> {
  const makefile = join(root, "usr/src", `linux-headers-${release}`, "Makefile");
  const text = await readFile(makefile, "utf8");
  const absolute = /^include \/usr\/src\/(linux-headers-\S+-common\/Makefile)$/m;
  if (!absolute.test(text)) {
    throw new Error(`${makefile}: expected "include /usr/src/linux-headers-…-common/Makefile"`);
  }
  const beside = (_: string, path: string) =>
    `include $(dir $(lastword $(MAKEFILE_LIST)))../${path}`;
  await writeFile(makefile, text.replace(absolute, beside));
  // They point at the host's /usr/src, which has other headers or none.
  for (const link of ["build", "source"]) {
    await rm(join(root, "lib/modules", release, link), { force: true });
  }
}
