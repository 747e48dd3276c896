// SPDX-License-Identifier: MIT
// What the commands of package.json need before a package of the workspace is installed or built:
// plain JavaScript, nothing but Node and npm.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Root of the repository, without a slash at the end. */
export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
/** What is fetched or made once: kernels, root filesystems, logs. */
export const cacheDirectory = `${root}/.cache`;

const PNPM = "pnpm@10.34.8";
const OLDEST_NODE = [20, 18];

/** Debian packages by what they are for. */
export const PACKAGES = {
  vm: [
    "bubblewrap",
    "busybox-static",
    "gcc",
    "gcc-12",
    "libc6-dev",
    "libdrm-dev",
    "libelf1",
    "make",
    "pahole",
    "qemu-system-x86",
    "xz-utils",
  ],
  rootfs: ["debootstrap"],
  test: [
    "acl",
    "apache2-utils",
    "attr",
    "bzip2",
    "cpio",
    "docker-registry",
    "dpkg-dev",
    "e2fsprogs",
    "fio",
    "fuse-overlayfs",
    "g++",
    "gcc",
    "git",
    "kmod",
    "libarchive-tools",
    "libcap2-bin",
    "openssl",
    "p7zip-full",
    "podman",
    "python3",
    "skopeo",
    "sparse",
    "sqlite3",
    "squashfs-tools",
    "stress-ng",
    "time",
    "umoci",
    "unzip",
    "vmtouch",
    "zip",
    "zlib1g-dev",
    "zstd",
  ],
  debug: ["bc", "bison", "flex", "libelf-dev", "make", "xz-utils"],
  bench: ["e2fsprogs", "erofs-utils", "gcc", "squashfs-tools", "tar", "time"],
};

/** Ends the command with one line that says what to do. */
export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** Says what is being done. */
export function say(message) {
  process.stdout.write(`==> ${message}\n`);
}

/**
 * Runs a program in the repository and ends with its status when it fails.
 * @param {string[]} command
 * @param {import("node:child_process").SpawnSyncOptions} [options]
 */
export function run(command, options = {}) {
  const done = spawnSync(command[0], command.slice(1), { cwd: root, stdio: "inherit", ...options });
  if (done.error) fail(`${command[0]}: ${done.error.message}`);
  if (done.status !== 0) process.exit(done.status ?? 1);
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    fail(`Node ${OLDEST_NODE.join(".")} or newer is needed, this is ${process.versions.node}`);
  }
}

/** Installs the packages of the workspace and builds them. */
export function build() {
  checkNode();
  const pnpm = ["npm", "exec", "--yes", `--package=${PNPM}`, "--", "pnpm"];
  say("installing the workspace");
  run([...pnpm, "install", "--frozen-lockfile", "--reporter=append-only"]);
  say("building the packages");
  run([...pnpm, "--recursive", "--reporter=append-only", "run", "build"]);
}

/**
 * Sees to Debian packages: root gets them installed, anyone else is told the one line to run.
 * @param {...string[]} lists
 */
export function ensurePackages(...lists) {
  const wanted = [...new Set(lists.flat())];
  const query = spawnSync(
    "dpkg-query",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query fills it in.
    ["-W", "-f", "${Package} ${db:Status-Status}\n", ...wanted],
    {
      encoding: "utf8",
    },
  );
  if (query.error) fail(`Debian packages are needed: ${wanted.join(" ")} (this is no Debian)`);
  const installed = new Set(
    query.stdout
      .split("\n")
      .filter((line) => line.endsWith(" installed"))
      .map((line) => line.split(" ")[0]),
  );
  const missing = wanted.filter((name) => !installed.has(name)).sort();
  // Kernels are downloaded by apt-get too, as any user, but from lists that root has to fetch.
  const index = "/var/lib/apt/lists";
  const listed = existsSync(index) && readdirSync(index).some((name) => name.includes("_Packages"));
  if (missing.length === 0 && listed) return;
  const install =
    missing.length === 0
      ? ""
      : ` && apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  const line = `apt-get update${install}`;
  if (process.getuid?.() !== 0) fail(`run as root first: ${line}`);
  say(line);
  run(["sh", "-c", line], { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
}
