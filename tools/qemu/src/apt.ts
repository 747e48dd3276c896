// SPDX-License-Identifier: MIT
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

/** A set of package lists and the options that make apt use it (see `openSuite`). */
export interface PackageSource {
  /** For messages. */
  name: string;
  /** Options for every apt command. */
  options: readonly string[];
  /** What could not be reached when the lists were fetched, a line each. */
  problems: readonly string[];
}

/** One version of a package that apt could fetch. */
export interface AptPackage {
  name: string;
  version: string;
  depends: string[];
}

/** Packages with the versions that apt chose, or why apt can't install them together. */
export type Resolution = { packages: { name: string; version: string }[] } | { conflict: string };

/** Versions of a package that apt knows, newest first; empty if it knows none. */
export async function availableVersions(
  name: string,
  source: PackageSource,
): Promise<AptPackage[]> {
  const { stdout, failed, code } = await execa("apt-cache", [...source.options, "show", name], {
    env: { LC_ALL: "C" },
    reject: false,
  });
  if (code === "ENOENT") throw new Error("apt-cache is missing: this needs a Debian system");
  return failed ? [] : parsePackages(stdout);
}

/** Parses the paragraphs that `apt-cache show` prints. */
function parsePackages(text: string): AptPackage[] {
  const packages: AptPackage[] = [];
  for (const paragraph of text.split(/\n\s*\n/)) {
    const field = (key: string) => new RegExp(`^${key}: (.*)$`, "m").exec(paragraph)?.[1];
    const name = field("Package");
    const version = field("Version");
    if (name === undefined || version === undefined) continue;
    const depends = (field("Depends") ?? "")
      .split(/[,|]/)
      .map((dependency) => dependency.trim().split(" ")[0] ?? "")
      .filter((dependency) => dependency !== "");
    packages.push({ name, version, depends });
  }
  return packages;
}

/**
 * Has apt resolve packages ("name" or "name=version") together with all that they depend on, and
 * fetches nothing. The versions of the dependencies are apt's choice: Debian publishes packages of
 * one source at different times, so that only apt knows which versions go together.
 */
export async function resolvePackages(
  packages: readonly string[],
  source: PackageSource,
): Promise<Resolution> {
  const words = ["install", "--simulate", "--no-install-recommends", ...packages];
  const { failed, stdout, all } = await execa(
    "apt-get",
    // Nothing of the machine's is touched, so no lock is needed, which only root could take.
    [...source.options, "-o", "Debug::NoLocking=true", ...words],
    { env: { LC_ALL: "C" }, reject: false, all: true },
  );
  if (failed) return { conflict: parseConflict(all ?? "") };
  const lines = stdout.matchAll(/^Inst (\S+) (?:\[\S+\] )?\((\S+) /gm);
  return { packages: [...lines].map(([, name = "", version = ""]) => ({ name, version })) };
}

/** The reason in what apt-get printed when it could not resolve packages, in one line. */
function parseConflict(output: string): string {
  const lines = output.split("\n").map((line) => line.trim());
  const unmet = lines.indexOf("The following packages have unmet dependencies:");
  if (unmet >= 0) {
    const end = lines.findIndex((line, index) => index > unmet && /^[EW]: /.test(line));
    const reasons = lines.slice(unmet + 1, end < 0 ? undefined : end);
    return reasons
      .filter((line) => line !== "")
      .map((line) => line.replace(/ +/g, " "))
      .join("; ");
  }
  return errorLine(output);
}

/** Whether a version of a package is newer than another, as dpkg compares them. */
export async function isNewerVersion(version: string, than: string): Promise<boolean> {
  const { exitCode } = await execa("dpkg", ["--compare-versions", version, "gt", than], {
    reject: false,
  });
  return exitCode === 0;
}

/** Downloads packages ("name" or "name=version") into `directory`. Throws a `DownloadError`. */
export async function download(
  packages: readonly string[],
  directory: string,
  source: PackageSource,
): Promise<void> {
  await aptGet(source, directory, ["download", ...packages]);
}

/**
 * Downloads packages ("name=version") and unpacks them into `directory`. Nothing is installed, so
 * an ordinary user can do it.
 */
export async function downloadAndUnpack(
  packages: readonly string[],
  directory: string,
  source: PackageSource,
): Promise<void> {
  await download(packages, directory, source);
  await unpackAll(directory, directory);
}

/**
 * The same for packages with all that they depend on. The source must be one that takes nothing as
 * installed, as those of `openSuite`.
 */
export async function downloadAndUnpackWithDependencies(
  packages: readonly string[],
  directory: string,
  source: PackageSource,
): Promise<void> {
  const archives = join(directory, "archives");
  await mkdir(join(archives, "partial"), { recursive: true });
  const options = ["Debug::NoLocking=true", `Dir::Cache::archives=${archives}`];
  await aptGet(source, directory, [
    ...options.flatMap((option) => ["-o", option]),
    ...["install", "--download-only", "--yes", "--no-install-recommends", ...packages],
  ]);
  await unpackAll(archives, directory);
  await rm(archives, { recursive: true });
}

/** Packages that apt knows but could not get, in one line. */
export class DownloadError extends Error {
  override readonly name = "DownloadError";
}

async function aptGet(source: PackageSource, cwd: string, words: string[]): Promise<void> {
  const { failed, all } = await execa("apt-get", [...source.options, ...words], {
    cwd,
    env: { LC_ALL: "C" },
    reject: false,
    all: true,
  });
  // Debian keeps only the newest versions, so that lists some days old name vanished files.
  if (failed) throw new DownloadError(`${source.name}: ${errorLine(all ?? "")}`);
}

/** The first error in what an apt command printed, in one line. */
export function errorLine(output: string): string {
  const lines = output.split("\n").map((line) => line.trim());
  const error = lines.find((line) => line.startsWith("E: "))?.slice("E: ".length);
  return (error ?? lines.filter((line) => line !== "").at(-1) ?? "apt failed").replace(/ +/g, " ");
}

async function unpackAll(archives: string, directory: string): Promise<void> {
  for (const archive of (await readdir(archives)).filter((file) => file.endsWith(".deb"))) {
    await execa("dpkg-deb", ["--extract", join(archives, archive), directory]);
    await rm(join(archives, archive));
  }
}
