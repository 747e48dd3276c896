// SPDX-License-Identifier: MIT
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { execa } from "execa";
import { download, errorLine, type PackageSource } from "./apt.js";
import { cachedDirectory, isDirectory } from "./cache.js";

/** The keys of Debian's archive, those of coming releases too; of debian-archive-keyring. */
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const HOUR_MS = 60 * 60 * 1000;
/** Lists are fetched once a day, those that lack a pocket sooner; old ones stay for who reads them. */
const FRESH_HOURS = 24;
const FRESH_HOURS_INCOMPLETE = 1;
const KEPT_HOURS = 48;
/** Beside the lists: what could not be reached when they were fetched, as JSON. */
const PROBLEMS = "problems.json";

/** A suite of Debian with the pockets that complete it. */
export interface Suite {
  name: string;
  /** Name of the release that runs packages of this suite; a testing release has none yet. */
  codename?: string;
  /** Suites of the main archive, without which there is nothing. */
  base: readonly string[];
  /** Its security updates. The suite is usable without, with older packages. */
  security?: string;
}

/** The suites that kernels come from. */
export const SUITES = {
  bookworm: {
    name: "bookworm",
    codename: "bookworm",
    base: ["bookworm", "bookworm-updates"],
    security: "bookworm-security",
  },
  "bookworm-backports": {
    name: "bookworm-backports",
    codename: "bookworm",
    base: ["bookworm", "bookworm-backports"],
  },
  trixie: {
    name: "trixie",
    codename: "trixie",
    base: ["trixie", "trixie-updates"],
    security: "trixie-security",
  },
  testing: { name: "testing", base: ["testing"] },
  unstable: { name: "unstable", base: ["unstable"] },
} as const satisfies Record<string, Suite>;

/** Where Debian's packages come from. */
export interface Archives {
  /** Addresses of the main archive, the first to try first. */
  main: readonly string[];
  /** Addresses of the archive of security updates; may be empty. */
  security: readonly string[];
  /** Options for every line of sources.list. */
  options: readonly string[];
}

/** The archives of the machine's own apt configuration. Throws if that names no Debian mirror. */
async function hostArchives(): Promise<Archives> {
  const main = await hostAddresses("Debian");
  if (main.length === 0) {
    throw new Error("apt has no package lists of a Debian mirror: run apt-get update as root");
  }
  const security = await hostAddresses("Debian-Security");
  return { main, security, options: [`signed-by=${KEYRING}`] };
}

async function hostAddresses(label: string): Promise<string[]> {
  const filters = ["Created-By: Packages", "Origin: Debian", `Label: ${label}`];
  const { stdout, code } = await execa(
    "apt-get",
    ["indextargets", "--format", "$(REPO_URI)", ...filters],
    { env: { LC_ALL: "C" }, reject: false },
  );
  if (code === "ENOENT") throw new Error("apt-get is missing: this needs a Debian system");
  return [...new Set(stdout.split("\n").filter((line) => line !== ""))];
}

/** Choices for `openSuite`. */
export interface OpenSuiteOptions {
  /** Those of the machine, unless given. */
  archives?: Archives;
  /** Fetch the lists even if those of today are here. */
  fresh?: boolean;
}

/**
 * Opens a suite of Debian, whether the machine uses it or not: from the mirrors of the machine's own
 * apt configuration, with package lists of its own in the cache directory, and with nothing taken
 * as installed. Neither the machine's configuration nor its lists change. Lists are fetched once a
 * day. Pockets that can't be reached are left out and named in `problems`; throws if the suite itself
 * can't be.
 */
export async function openSuite(
  suite: Suite,
  cacheDirectory: string,
  options: OpenSuiteOptions = {},
): Promise<PackageSource> {
  const parent = join(resolve(cacheDirectory), "apt");
  const today = options.fresh === true ? undefined : await newestLists(parent, suite);
  if (today !== undefined) return packageSource(suite, today.path, today.problems);
  const archives = options.archives ?? (await hostArchives());
  const failures: string[] = [];
  const unreachable = new Set<string>();
  for (const { sources, main, whole } of sourcesOf(suite, archives)) {
    if (unreachable.has(main)) continue;
    // Another mirror's copy lacks nothing: that the first could not be reached is of no interest.
    const problems = whole ? [] : failures;
    // The time is in the name, so that lists never change under a run that reads them.
    const path = join(parent, `${suite.name}_${new Date().toISOString().replaceAll(/[:.]/g, "-")}`);
    try {
      await cachedDirectory(path, async (temporary) => {
        await fetchLists(temporary, sources);
        await writeFile(join(temporary, PROBLEMS), JSON.stringify(problems));
      });
      await removeOldLists(parent, suite);
      return packageSource(suite, path, problems);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (!failures.includes(message)) failures.push(message);
      // Without the suite itself its pockets are of no use, and each try may wait for minutes.
      const first = `${main.replace(/\/$/, "")}/dists/${suite.base[0]}/`;
      if (message.includes(first)) unreachable.add(main);
    }
  }
  throw new Error(
    `the package lists of Debian ${suite.name} can't be fetched: ${failures.at(-1)}; check the ` +
      "network and the mirrors of apt",
  );
}

/** Downloads the packages of a suite, by name, into `directory`, and nothing that they depend on. */
export async function downloadPackages(
  names: readonly string[],
  suite: Suite,
  directory: string,
  cacheDirectory: string,
): Promise<void> {
  await download(names, directory, await openSuite(suite, cacheDirectory));
}

function packageSource(suite: Suite, path: string, problems: readonly string[]): PackageSource {
  return { name: `Debian ${suite.name}`, options: aptOptions(path), problems };
}

/** Texts for sources.list, the most complete of each mirror first; `whole` where no pocket lacks. */
function sourcesOf(
  suite: Suite,
  archives: Archives,
): { sources: string; main: string; whole: boolean }[] {
  const line = (address: string, name: string) =>
    `deb [${["arch=amd64", "target=Packages", ...archives.options].join(" ")}] ${address} ${name} main\n`;
  return archives.main.flatMap((main) => {
    const base = suite.base.map((name) => line(main, name)).join("");
    const first = line(main, suite.base[0] ?? suite.name);
    const name = suite.security;
    const security =
      name === undefined ? [] : archives.security.map((address) => line(address, name));
    // Without its pockets a suite still has the packages that it was released with.
    const parts = suite.base.at(-1) === suite.name ? [base] : [base, first];
    const all = [...parts.flatMap((part) => security.map((pocket) => part + pocket)), ...parts];
    const most = Math.max(security.length, 1);
    return all.map((sources, index) => ({ sources, main, whole: index < most }));
  });
}

/** A package that is as good as installed: unpacked kernels need no initramfs. */
const STATUS = `Package: daxfs-unpacks-kernels
Status: install ok installed
Architecture: all
Maintainer: nobody
Version: 1
Provides: linux-initramfs-tool
Description: stands for what an unpacked kernel can do without
`;

/** Hooks of the machine's: they are for its own lists, and may need root. */
const NO_HOOKS = `#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`;

async function fetchLists(directory: string, sources: string): Promise<void> {
  await writeFile(join(directory, "sources.list"), sources);
  await writeFile(join(directory, "status"), STATUS);
  await mkdir(join(directory, "lists/partial"), { recursive: true });
  await mkdir(join(directory, "cache"));
  // Without --error-on=any a mirror that can't be reached is a mere warning.
  const configuration = join(directory, "apt.conf");
  await writeFile(configuration, NO_HOOKS);
  const words = ["--config-file", configuration, ...aptOptions(directory)];
  const update = await execa("apt-get", [...words, "update", "--error-on=any"], {
    env: { LC_ALL: "C" },
    reject: false,
    all: true,
  });
  if (update.code === "ENOENT") throw new Error("apt-get is missing: this needs a Debian system");
  if (update.failed) throw new Error(errorLine(update.all ?? ""));
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
    // Three tries before a passing fault of the network counts. apt's own 30 s for each, of each
    // file, one after the other, add up to a quarter of an hour where nothing answers.
    "Acquire::Retries=2",
    "Acquire::http::Timeout=10",
    "Acquire::https::Timeout=10",
  ].flatMap((option) => ["-o", option]);
}

/** Directory of the newest lists, if they are fresh. */
async function newestLists(
  parent: string,
  suite: Suite,
): Promise<{ path: string; problems: string[] } | undefined> {
  const newest = (await listsOf(parent, suite)).at(-1);
  if (newest === undefined) return undefined;
  const path = join(parent, newest.name);
  let problems: string[];
  try {
    problems = JSON.parse(await readFile(join(path, PROBLEMS), "utf8"));
  } catch {
    // Of an older version of this program, damaged, or just being removed by another run.
    return undefined;
  }
  const limit = problems.length === 0 ? FRESH_HOURS : FRESH_HOURS_INCOMPLETE;
  return newest.hours < limit ? { path, problems } : undefined;
}

async function removeOldLists(parent: string, suite: Suite): Promise<void> {
  for (const { name, hours } of await listsOf(parent, suite)) {
    if (hours > KEPT_HOURS) await rm(join(parent, name), { recursive: true, force: true });
  }
}

/** Directories of a suite's lists with their ages, the oldest first. */
async function listsOf(parent: string, suite: Suite): Promise<{ name: string; hours: number }[]> {
  if (!(await isDirectory(parent))) return [];
  const stamp = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z$/;
  return (await readdir(parent))
    .filter((name) => name.startsWith(`${suite.name}_`))
    .sort()
    .flatMap((name) => {
      const iso = name
        .slice(suite.name.length + 1)
        .replace(stamp, (_, day, h, m, s, ms) => `${day}T${h}:${m}:${s}.${ms}Z`);
      const time = Date.parse(iso);
      const hours = (Date.now() - time) / HOUR_MS;
      // Those of a clock that was ahead would be fresh until it has come there.
      return hours >= 0 ? [{ name, hours }] : [];
    });
}
