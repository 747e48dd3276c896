// SPDX-License-Identifier: MIT
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

/** One version of a package that apt could fetch. */
export interface AptPackage {
  name: string;
  version: string;
  depends: string[];
}

/** Versions of a package that apt knows, newest first; empty if it knows none. */
export async function availableVersions(name: string): Promise<AptPackage[]> {
  const { stdout, failed, code } = await execa("apt-cache", ["show", name], {
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
 * Downloads packages ("name=version") with apt's own configuration and keys, and unpacks them into
 * `directory`. Nothing is installed, so an ordinary user can do it.
 */
export async function downloadAndUnpack(packages: string[], directory: string): Promise<void> {
  const download = await execa("apt-get", ["download", ...packages], {
    cwd: directory,
    env: { LC_ALL: "C" },
    reject: false,
    all: true,
  });
  if (download.failed) {
    // Debian keeps only the newest versions, so that lists some weeks old name vanished files.
    throw new Error(
      `apt-get download ${packages.join(" ")} failed; run apt-get update and try again:\n${download.all}`,
    );
  }
  const archives = (await readdir(directory)).filter((file) => file.endsWith(".deb"));
  for (const archive of archives) {
    await execa("dpkg-deb", ["--extract", archive, "."], { cwd: directory });
    await rm(join(directory, archive));
  }
}
