// SPDX-License-Identifier: MIT
// What the commands of package.json need before a package of the workspace is installed or built:
// plain JavaScript, nothing but Node and npm.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
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
    "libc6-dev",
    "libdrm-dev",
    "libelf1",
    "make",
    "pahole",
    "qemu-system-x86",
    "xz-utils",
    "zstd",
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
    "xz-utils",
    "zip",
    "zlib1g-dev",
    "zstd",
  ],
  debug: ["bc", "bison", "flex", "gcc-12", "libelf-dev", "make", "xz-utils"],
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
 * @param {string} [hint] a last line for the one who reads what the program printed
 */
export function run(command, options = {}, hint) {
  const done = spawnSync(command[0], command.slice(1), { cwd: root, stdio: "inherit", ...options });
  if (done.error) fail(`${command[0]}: ${done.error.message}`);
  if (done.status === 0) return;
  if (hint !== undefined) process.stderr.write(`${hint}\n`);
  process.exit(done.status ?? 1);
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
  // What npm has downloaded before serves without a question to the registry.
  const options = ["--yes", "--prefer-offline", "--no-update-notifier", `--package=${PNPM}`];
  const pnpm = ["npm", "exec", ...options, "--", "pnpm"];
  say("installing the workspace");
  const install = ["install", "--frozen-lockfile", "--prefer-offline", "--reporter=append-only"];
  const hint = "installing the workspace failed: check the network and npm's registry (npm ping)";
  run([...pnpm, ...install], {}, hint);
  say("building the packages");
  run([...pnpm, "--recursive", "--reporter=append-only", "run", "build"]);
}

/** Names of what is installed, with what those packages provide: some are renamed between releases. */
function installedPackages() {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query fills it in.
  const format = "${db:Status-Status}\t${Package}\t${Provides}\n";
  const query = spawnSync("dpkg-query", ["--show", "--showformat", format], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (query.error) return undefined;
  const names = new Set();
  for (const line of query.stdout.split("\n")) {
    const [status, name, provides = ""] = line.split("\t");
    if (status !== "installed") continue;
    names.add(name);
    for (const provided of provides.split(",")) names.add(provided.trim().split(" ")[0]);
  }
  return names;
}

/** The packages that apt does not know, also by what others provide, or can't install. */
function unknownPackages(names) {
  const tried = spawnSync("apt-get", ["install", "--simulate", ...names], {
    env: { ...process.env, LC_ALL: "C" },
    encoding: "utf8",
  });
  const errors = /^E: (?:Unable to locate package|Package) '?([^'\s]+)'?(?: has no |$)/gm;
  return [...tried.stderr.matchAll(errors)].map(([, name]) => name);
}

/**
 * Sees to Debian packages: root gets them installed, anyone else is told the one line to run.
 * @param {...string[]} lists
 */
export function ensurePackages(...lists) {
  const wanted = [...new Set(lists.flat())];
  const installed = installedPackages();
  if (installed === undefined) fail(`this needs Debian 12 or 13, with ${wanted.join(" ")}`);
  const missing = wanted.filter((name) => !installed.has(name)).sort();
  // Kernels are downloaded by apt-get too, as any user, from mirrors that these lists name.
  const index = "/var/lib/apt/lists";
  const listed = existsSync(index) && readdirSync(index).some((name) => name.includes("_Packages"));
  if (missing.length === 0 && listed) return;
  const install = `apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  const line = missing.length === 0 ? "apt-get update" : `apt-get update && ${install}`;
  if (process.getuid?.() !== 0) fail(`run as root first: ${line}`);
  say("apt-get update");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const update = spawnSync("apt-get", ["update", "--error-on=any"], {
    cwd: root,
    env,
    encoding: "utf8",
  });
  if (update.status !== 0) {
    const error = `${update.stdout}${update.stderr}`.split("\n").find((text) => /^E: /.test(text));
    const message = `apt-get update failed: ${error ?? update.error?.message ?? "no reason given"}`;
    if (!listed) fail(`${message}; check the network and the mirrors of apt`);
    process.stderr.write(`${message}; going on with the package lists that are here\n`);
  }
  if (missing.length === 0) return;
  const unknown = unknownPackages(missing);
  if (unknown.length > 0) {
    fail(
      `apt has no ${unknown.join(" ")}: Debian 12 and 13 are supported, this is ${systemName()}`,
    );
  }
  say(install);
  run(["sh", "-c", install], { env });
}

/** The system's name for people. */
function systemName() {
  const file = "/etc/os-release";
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return /^PRETTY_NAME="(.*)"$/m.exec(text)?.[1] ?? "another system";
}

/**
 * Fetches the kernel of a role, and says so where it is not the newest there is. The packages must
 * be built.
 * @param {import("../qemu/src/index.js").KernelRole} role
 */
export async function kernelOf(role) {
  const { fetchKernel } = await import("../qemu/dist/index.js");
  // What was settled on hours ago may not last for a long run.
  const age = { maxAgeHours: 12, maxAgeHoursOfNotice: 1 };
  const kernel = await fetchKernel(role, cacheDirectory, age).catch((error) => fail(error.message));
  if (kernel.notice !== undefined) say(kernel.notice);
  return kernel;
}
