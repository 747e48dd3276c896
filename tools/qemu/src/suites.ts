// SPDX-License-Identifier: MIT
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { execa } from "execa";
import type { PackageSource } from "./apt.js";
import { cachedDirectory } from "./cache.js";

/** The keys of Debian's archive, those of coming releases too; of debian-archive-keyring. */
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Opens a suite of Debian beside those that the machine uses: from the mirror of the machine's own
 * apt configuration, with package lists of its own in the cache directory, and with nothing taken
 * as installed. Neither the machine's configuration nor its lists change. Lists are fetched once a
 * day. Throws if they can't be.
 */
export async function openSuite(suite: string, cacheDirectory: string): Promise<PackageSource> {
  const parent = join(resolve(cacheDirectory), "apt");
  const path = join(parent, listsName(suite, new Date()));
  // The day is in the name, so that lists never change under a run that reads them.
  await cachedDirectory(path, async (temporary) => {
    const mirror = await hostMirror();
    const options = `arch=amd64 signed-by=${KEYRING} target=Packages`;
    await writeFile(join(temporary, "sources.list"), `deb [${options}] ${mirror} ${suite} main\n`);
    await writeFile(join(temporary, "status"), "");
    await mkdir(join(temporary, "lists/partial"), { recursive: true });
    await mkdir(join(temporary, "cache"));
    // Without --error-on=any a mirror that can't be reached is a mere warning.
    const update = await execa("apt-get", [...aptOptions(temporary), "update", "--error-on=any"], {
      env: { LC_ALL: "C" },
      reject: false,
      all: true,
    });
    if (update.failed) throw new Error(`the package lists of ${suite}: ${update.all ?? ""}`);
    await removeOldLists(parent, suite);
  });
  return { name: `Debian ${suite}`, options: aptOptions(path), remedy: `remove ${path}` };
}

function listsName(suite: string, day: Date): string {
  return `${suite}_${day.toISOString().slice(0, 10)}`;
}

/** What turns apt from the machine's configuration to that in `directory`. */
function aptOptions(directory: string): string[] {
  return [
    `Dir::Etc::sourcelist=${join(directory, "sources.list")}`,
    "Dir::Etc::sourceparts=/dev/null",
    // Pins and a default release of the machine name suites that are not here.
    "Dir::Etc::preferences=/dev/null",
    "Dir::Etc::preferencesparts=/dev/null",
    "APT::Default-Release=",
    `Dir::State::lists=${join(directory, "lists")}`,
    `Dir::State::status=${join(directory, "status")}`,
    `Dir::Cache=${join(directory, "cache")}`,
  ].flatMap((option) => ["-o", option]);
}

/** Address of the mirror from which the machine gets Debian itself. */
async function hostMirror(): Promise<string> {
  // The labels of Debian's security updates and of others' repositories are different ones.
  const filters = ["Created-By: Packages", "Origin: Debian", "Label: Debian"];
  const { stdout } = await execa(
    "apt-get",
    ["indextargets", "--format", "$(REPO_URI)", ...filters],
    { env: { LC_ALL: "C" } },
  );
  const mirror = stdout.split("\n")[0];
  if (!mirror) throw new Error("apt has no lists of a Debian mirror: run apt-get update");
  return mirror;
}

/** Yesterday's stay: a run that began before midnight may still read them. */
async function removeOldLists(parent: string, suite: string): Promise<void> {
  const yesterday = listsName(suite, new Date(Date.now() - DAY_MS));
  for (const name of await readdir(parent)) {
    if (name.startsWith(`${suite}_`) && name < yesterday) {
      await rm(join(parent, name), { recursive: true, force: true });
    }
  }
}
