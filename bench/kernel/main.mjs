// SPDX-License-Identifier: MIT
// npm run bench -- kernel [--kernel middle] [--rounds N] [--directory DIR]
//
// Mounts one tree from daxfs and its peers in a virtual machine that counts instructions, and prints
// what reading, mapping and looking up take: see bench/README.md for what that says and what not.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cacheDirectory, fail, root, say } from "../../tools/setup/steps.mjs";
import { makeImages } from "./images.mjs";

const COLUMNS = [
  ["read4k", "read 64 MiB by 4 KiB, ms", 1],
  ["read64k", "by 64 KiB", 1],
  ["read1m", "by 1 MiB", 1],
  ["warm1m", "again", 1],
  ["cache", "page cache, MiB", 1],
  ["faults", "mmap 64 MiB, faults", 0],
  ["mmap", "ns a page", 0],
  ["scattered", "256 of its pages here and there, ns each", 0],
  ["stat", "100,000 stats, µs each", 2],
  ["warmstat", "again", 2],
  ["big", "of 20,000 in one directory", 2],
  ["readdir", "readdir, ns an entry", 0],
];

/** Ratios of nothing, or to what is nothing, say nothing. */
const WITHOUT_RATIO = new Set(["cache", "faults"]);

const OWN = "daxfs";

/** What EROFS and ext4 ask the kernel for when they are loaded, and not by a dependency. */
const CHECKSUMS_BEFORE_615 = ["crc32c_generic"];

const PMEM_UNIT = 2 * 1024 * 1024;
const MODULES = ["nd_e820", "nd_pmem", "erofs", "ext4", "squashfs"];

/** What is in /dev/pmem0, 1 and so on. */
const PEERS = ["erofs", "ext4", "ext4data", "squashfs"];

/** Where the images lie: each begins a section of memory, of 128 MiB. */
const ADDRESSES = {
  daxfs: 0x48000000,
  erofs: 0x50000000,
  ext4: 0x58000000,
  ext4data: 0x68000000,
  squashfs: 0x70000000,
};

/**
 * Parameters that make /dev/pmem0 and so on of the peers' images. QEMU's own pmem devices wait for the
 * host to write its files, for hours of a guest whose clock counts instructions.
 */
function pmemParameters(images) {
  return PEERS.map((name) => {
    const size = Math.ceil(statSync(images[name]).size / PMEM_UNIT) * PMEM_UNIT;
    return `memmap=${size}!${ADDRESSES[name]}`;
  });
}

/** How each filesystem is mounted at /fs. */
const MOUNTS = {
  [OWN]: "mount_image 0 /fs",
  "daxfs, nopages": "mount_image 0 /fs nopages",
  "EROFS, dax": "mount -t erofs -o ro,dax=always /dev/pmem0 /fs && must_be_dax /fs",
  "EROFS, page cache": "mount -t erofs -o ro,dax=never /dev/pmem0 /fs",
  "ext4, dax":
    "mount -t ext4 -o ro,dax /dev/pmem1 /fs && mount -t ext4 -o ro,dax /dev/pmem2 /data && " +
    "must_be_dax /fs && must_be_dax /data && mount --bind /data/data /fs/data",
  "squashfs, page cache": "mount -t squashfs -o ro /dev/pmem3 /fs",
  tmpfs: "mount -t tmpfs -o size=1g,nr_inodes=0 tmpfs /fs && cp -a /source/. /fs",
};

/** Ways to mount daxfs, of which the mount and the unmount are measured. */
const OWN_MOUNTS = ["default", "nopages", "validate", "nopages,validate"];

const SCRIPT = `
mkdir /fs /source /data
# A filesystem that can't do what is asked goes on without it.
must_be_dax() { grep " $1 " /proc/mounts | grep -q dax; }
tries=0
until [ "$(ls /dev | grep -c '^pmem')" -eq ${PEERS.length} ]; do
  tries=$((tries + 1)); [ $tries -lt 100 ] || exit 2; usleep 100000
done
measure_as() {
  value "$1" "$(measure /fs 2>&1)"
  # ext4 has these two.
  umount /fs/data /data 2>/dev/null
  umount /fs || exit 6
}
region=phys=$IMAGE0_PHYS,size=$IMAGE0_SIZE
value region "$IMAGE0_SIZE"
${OWN_MOUNTS.map((options) => `value "mount ${options}" "$(measure mount /fs $region,${options.replace("default", "")} 2>&1)"`).join("\n")}
${Object.entries(MOUNTS)
  .map(([name, command]) =>
    name === "tmpfs"
      ? `mount_image 0 /source && ${command} && umount /source || exit 5\nmeasure_as "${name}"`
      : `${command} || exit 5\nmeasure_as "${name}"`,
  )
  .join("\n")}
`;

function parse(text) {
  const numbers = Object.fromEntries(
    text.split("\n").map((line) => {
      const [name, number] = line.split("=");
      return [name, Number(number)];
    }),
  );
  const missing = COLUMNS.find(([key]) => !Number.isFinite(numbers[key]));
  if (missing !== undefined) throw new Error(`no figure for ${missing[0]}:\n${text}`);
  return numbers;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Medians, a column a filesystem, and in brackets the share of it that daxfs takes. */
function table(rounds) {
  const names = Object.keys(MOUNTS);
  const figure = (name, key) => median(rounds.map((round) => round[name][key]));
  const rows = COLUMNS.map(([key, title, digits]) => [
    title,
    ...names.map((name) => {
      const own = figure(OWN, key);
      const value = figure(name, key);
      const ratio =
        name === OWN || WITHOUT_RATIO.has(key) ? "" : ` (×${Number((own / value).toPrecision(2))})`;
      return `${value.toFixed(digits)}${ratio}`;
    }),
  ]);
  const head = ["", ...names];
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return `${lines.join("\n")}\n`;
}

/** What mounting daxfs takes, a line for each way, as milliseconds of the mount and the unmount. */
function mountTable(rounds) {
  const rows = OWN_MOUNTS.map((options) => {
    const pairs = rounds.map(({ mounts }) => mounts[options].split(" ").map(Number));
    if (!pairs.every((pair) => pair.length === 2 && pair.every(Number.isFinite))) {
      throw new Error(`mounting with ${options}: ${rounds.map(({ mounts }) => mounts[options])}`);
    }
    const [mount, unmount] = [0, 1].map((at) => median(pairs.map((pair) => pair[at])).toFixed(2));
    return `| ${options} | ${mount} | ${unmount} |`;
  });
  const mib = rounds[0].region / 1024 / 1024;
  return [
    `| a region of ${mib} MiB | mount, ms | unmount, ms |`,
    "| --- | --- | --- |",
    ...rows,
  ].join("\n");
}

/** @param {readonly string[]} argv */
export async function main(argv) {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      kernel: { type: "string", default: "middle" },
      rounds: { type: "string", default: "1" },
      directory: { type: "string", default: "/dev/shm" },
    },
  });
  // Built by now, which it was not when this file was loaded.
  const { buildModule, fetchKernel, isSince, kernelRole, ROLE_WORDS, runGuest } = await import(
    "../../tools/qemu/dist/index.js"
  );
  const role = kernelRole(values.kernel);
  if (role === undefined) fail(`--kernel ${values.kernel}: not one of ${ROLE_WORDS}`);
  const work = mkdtempSync(`${values.directory}/daxfs-bench-`);
  try {
    say("building the module and the images");
    const kernel = await fetchKernel(role, cacheDirectory);
    if (kernel.notice !== undefined) say(kernel.notice);
    const module = await buildModule(
      kernel,
      `${root}/kernel`,
      `${cacheDirectory}/modules/${kernel.release}`,
    );
    const source = fileURLToPath(new URL("measure.c", import.meta.url));
    const flags = ["-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-static"];
    const compiled = spawnSync("gcc", [...flags, source, "-o", `${work}/measure`]);
    if (compiled.status !== 0) throw new Error(`gcc: ${compiled.error ?? compiled.stderr}`);
    const images = makeImages(work);
    const rounds = [];
    for (let round = 1; round <= Number(values.rounds); round++) {
      say(`round ${round}: a virtual machine that counts instructions takes some minutes`);
      const result = await runGuest({
        kernel,
        modules: [module],
        kernelModules: [...(isSince(kernel, "6.15") ? [] : CHECKSUMS_BEFORE_615), ...MODULES],
        images: Object.entries(ADDRESSES).map(([name, physicalAddress]) => ({
          path: images[name],
          physicalAddress,
        })),
        programs: [`${work}/measure`],
        cpus: 1,
        commandLine: ["mitigations=off", ...pmemParameters(images)],
        qemuArguments: ["-icount", "shift=0,sleep=off", "-cpu", "max,-erms"],
        script: SCRIPT,
        name: "bench-kernel",
        timeoutSeconds: 3600,
      });
      if (result.exitStatus !== 0) {
        const lines = result.consoleLog.trimEnd().split("\n").slice(-10).join("\n");
        throw new Error(`the guest's script ended with ${result.exitStatus}:\n${lines}`);
      }
      rounds.push({
        ...Object.fromEntries(
          Object.keys(MOUNTS).map((name) => [name, parse(result.values[name])]),
        ),
        region: Number(result.values.region),
        mounts: Object.fromEntries(
          OWN_MOUNTS.map((options) => [options, result.values[`mount ${options}`] ?? ""]),
        ),
      });
    }
    process.stdout.write(
      `\nLinux ${kernel.release}, ${rounds.length} round(s) (×: daxfs to it)\n\n` +
        `${table(rounds)}\n${mountTable(rounds)}\n`,
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
