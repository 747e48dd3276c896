// SPDX-License-Identifier: MIT
// @ts-check
// A Debian system as a directory tree: what the tests and the demonstration make images of.
import { execFile } from "node:child_process";
import { access, mkdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const SUITE = "bookworm";
const PACKAGE_NAME = /^[a-z0-9][a-z0-9+.-]+$/;

/** debootstrap and chroot are in the directories for administrators, which a user's PATH lacks. */
const PATH = `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`;

/** Makes an ordinary user root over the ids that /etc/subuid and /etc/subgid grant. */
const NAMESPACE = ["unshare", "--map-root-user", "--map-auto"];
/** In addition for what mounts: debootstrap mounts /proc, and binds devices that it can't make. */
const MOUNTS = ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child"];

/**
 * Builds the tree in a directory of its own and renames it when it is complete. All in one shell,
 * so that one namespace serves and the cleaning up can remove what belongs to other ids.
 */
const BUILD = `
set -e
target=$1 suite=$2 include=$3 mirror=$4
temporary=$(mktemp -d "$(dirname "$target")/.temporary-XXXXXX")
trap 'rm -rf --one-file-system "$temporary"' EXIT
trap 'exit 1' HUP INT TERM
if ! debootstrap --variant=minbase $include "$suite" "$temporary/tree" $mirror >"$temporary/log" 2>&1; then
  tail -n 15 "$temporary/log" >&2
  exit 1
fi
# Where devices can't be made, a package's script has written a file in their place.
if [ -f "$temporary/tree/dev/null" ]; then rm "$temporary/tree/dev/null"; fi
# Fails, which is fine, if another run was faster.
mv -T "$temporary/tree" "$target" 2>/dev/null || [ -d "$target/usr" ]
`;

function isRoot() {
  return process.getuid?.() === 0;
}

/**
 * The words to put before a command that has to see the tree of debianRootfs as root sees it, with
 * the right owners and every file readable: none for root, a user namespace for anybody else.
 *
 * @returns {string[]}
 */
export function rootCommand() {
  return isRoot() ? [] : [...NAMESPACE];
}

/**
 * A Debian system made by `debootstrap --variant=minbase`, about 6,800 entries and 200 MB. It is
 * built once and then found in the cache, complete or not at all. It lies in `rootfs/` of the cache
 * directory, which has to be on a disk: tmpfs keeps neither user attributes nor that much room.
 *
 * An ordinary user gets one as well, from a user namespace: it has no device nodes, and only
 * rootCommand() sees its owners right.
 *
 * @param {string} cacheDirectory
 * @param {object} [options]
 * @param {readonly string[]} [options.packages] packages to add to the minimum
 * @param {(message: string) => void} [options.log] is told before a build, which takes half a minute
 * @returns {Promise<string>} the directory of the tree; not to be changed by the caller
 */
export async function debianRootfs(cacheDirectory, { packages = [], log = () => {} } = {}) {
  const wrong = packages.find((name) => !PACKAGE_NAME.test(name));
  if (wrong !== undefined) throw new Error(`"${wrong}" is not the name of a Debian package`);
  const names = [...new Set(packages)].sort();
  const parent = join(resolve(cacheDirectory), "rootfs");
  // Root and a user see each other's trees with the wrong owners, so that each has its own.
  const owner = isRoot() ? [] : [`uid${process.getuid?.()}`];
  const target = join(parent, [SUITE, "minbase", ...owner, ...names].join("_"));
  if (await isDirectory(target)) return target;

  const prefix = await buildPrefix();
  await mkdir(parent, { recursive: true });
  log(`building a Debian ${SUITE} system with debootstrap in ${target}`);
  const include = names.length > 0 ? `--include=${names.join(",")}` : "";
  const [command = "sh", ...words] = [
    ...prefix,
    ...["sh", "-c", BUILD, "sh", target, SUITE, include, await hostMirror()],
  ];
  try {
    await run(command, words, {
      // The name of a container in which debootstrap takes a failing mknod for no reason to stop.
      env: { ...process.env, LC_ALL: "C", PATH, ...(isRoot() ? {} : { container: "lxc" }) },
      maxBuffer: 64 * 1024 * 1024,
    });
  } catch (error) {
    const lines = errorOutput(error).split("\n");
    const reason = lines.find((line) => /^E: /.test(line)) ?? lines.at(-1);
    throw new Error(
      `debootstrap of Debian ${SUITE} failed: ${reason}; check the network and the mirrors of apt`,
    );
  }
  return target;
}

/** The mirror from which the machine gets Debian itself; empty for debootstrap's own choice. */
async function hostMirror() {
  const filters = ["Created-By: Packages", "Origin: Debian", "Label: Debian"];
  const listing = run("apt-get", ["indextargets", "--format", "$(REPO_URI)", ...filters]);
  const { stdout } = await listing.catch(() => ({ stdout: "" }));
  return stdout.split("\n")[0] ?? "";
}

/** @returns {Promise<string[]>} what to put before the build; throws where it can't work */
async function buildPrefix() {
  const directories = PATH.split(":").filter((directory) => directory.startsWith("/"));
  if (!(await anyExists(directories.map((directory) => join(directory, "debootstrap"))))) {
    throw new Error("debootstrap is missing: run apt-get install debootstrap");
  }
  if (isRoot()) return [];
  const prefix = [...NAMESPACE, ...MOUNTS];
  const [command, ...words] = [...prefix, "true"];
  try {
    await run(command, words, { env: { ...process.env, LC_ALL: "C", PATH } });
  } catch (error) {
    const reason = errorOutput(error).split("\n")[0];
    throw new Error(
      "building a Debian system takes root, or for an ordinary user the package uidmap, a range in " +
        `/etc/subuid and /etc/subgid, and user namespaces (${reason})`,
    );
  }
  return prefix;
}

/** @param {unknown} error */
function errorOutput(error) {
  if (!(error instanceof Error)) return String(error);
  const output = "stderr" in error ? String(error.stderr).trim() : "";
  return output || error.message;
}

/** @param {string} path */
async function isDirectory(path) {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/** @param {string[]} paths */
async function anyExists(paths) {
  for (const path of paths) {
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return true;
  }
  return false;
}
