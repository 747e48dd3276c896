// SPDX-License-Identifier: MIT
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

/**
 * Where packages come from: the machine's own apt, or a suite of Debian that it doesn't use
 * (`openSuite`).
 */
export interface PackageSource {
  /** For error messages. */
  name: string;
  /** Options for every apt command. */
  options: readonly string[];
  /** What to do when apt doesn't know a package, or can't get it any more. */
  remedy: string;
}

/** The machine's own apt, with its configuration, package lists and keys. */
export const HOST_PACKAGES: PackageSource = {
  name: "apt",
  options: [],
  remedy: "run apt-get update",
};

/** One version of a package that apt could fetch. */
export interface AptPackage {
  name: string;
  version: string;
  depends: string[];
}

/** Versions of a package that apt knows, newest first; empty if it knows none. */
export async function availableVersions(
  name: string,
  source: PackageSource = HOST_PACKAGES,
): Promise<AptPackage[]> {
  const { stdout, failed, code } = await execa("apt-cache", [...source.options, "show", name], {
    env: { LC_ALL: "C" },
    reject: false,
  });
  if (code === "ENOENT") throw new Error("apt-cache is missing: this needs a Debian system");
  return failed ? [] : parsePackages(stdout);
}

/** Parses the paragraphs that `apt-cache show` prints. */
export function parsePackages(text: string): AptPackage[] {
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
 * Downloads packages ("name=version") and unpacks them into `directory`. Nothing is installed, so
 * an ordinary user can do it.
 */
export async function downloadAndUnpack(
  packages: readonly string[],
  directory: string,
  source: PackageSource = HOST_PACKAGES,
): Promise<void> {
  await aptGet(source, directory, ["download", ...packages]);
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
  // Nothing of the machine's is touched, so no lock is needed, which only root could take.
  const options = ["Debug::NoLocking=true", `Dir::Cache::archives=${archives}`];
  await aptGet(source, directory, [
    ...options.flatMap((option) => ["-o", option]),
    ...["install", "--download-only", "--yes", "--no-install-recommends", ...packages],
  ]);
  await unpackAll(archives, directory);
  await rm(archives, { recursive: true });
}

async function aptGet(source: PackageSource, cwd: string, words: string[]): Promise<void> {
  const { failed, all } = await execa("apt-get", [...source.options, ...words], {
    cwd,
    env: { LC_ALL: "C" },
    reject: false,
    all: true,
  });
  if (failed) {
    // Debian keeps only the newest versions, so that lists some weeks old name vanished files.
    throw new Error(
      `apt-get ${words.join(" ")} failed; ${source.remedy} and try again:\n${all ?? ""}`,
    );
  }
}

async function unpackAll(archives: string, directory: string): Promise<void> {
  for (const archive of (await readdir(archives)).filter((file) => file.endsWith(".deb"))) {
    await execa("dpkg-deb", ["--extract", join(archives, archive), directory]);
    await rm(join(archives, archive));
  }
}
