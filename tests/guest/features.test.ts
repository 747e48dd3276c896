// SPDX-License-Identifier: MIT
// What a mount can do beyond reading: options, shared superblocks, struct pages, validation, ioctls,
// tracepoints, lockdown.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isSince, runGuest } from "@daxfs/qemu";
import { expect, it } from "vitest";
import { buildImage, compileHelper, type HelperCheck, hostScript } from "../support/environment.js";
import { describeGuest } from "../support/guest-suite.js";

const SIZE = 64 * 1024 * 1024;
/**
 * Page faults that touching it may take: with huge pages, with small ones of memory without struct
 * pages, and with small ones that have them. 6.1 has these where its DAX mark is left away.
 */
const MOST_SMALL = 300;
const MOST_COUNTED = SIZE / 4096 / 16;
const MOST_HUGE = 40;

/**
 * What registering mappings of a file for RDMA gives. Before 6.2 the kernel asks for pages that it
 * can write to even if it only reads, which no shared mapping of a file that is read-only has; those
 * of a private one it copies first. And 6.1 pins nothing for long of files that carry its DAX mark.
 */
const RDMA = {
  default: {
    before62: "shared: EOPNOTSUPP, private: EOPNOTSUPP",
    since62: "shared: 0, private: 0",
  },
  nopages: { before62: "shared: EFAULT, private: 0", since62: "shared: EEXIST, private: EEXIST" },
  pages: { before62: "shared: EFAULT, private: 0", since62: "shared: 0, private: 0" },
};

/**
 * What the kernel does for processes with mappings. 6.1 dumps the private pages of files with its DAX
 * mark only where it is asked to. A futex for all processes is known by the file and the place in it
 * that its page belongs to, which no page here tells: equal contents share theirs.
 */
const PROCESSES = {
  default: { dumpMarked: "asked", futex: "EFAULT" },
  nopages: { dumpMarked: "always", futex: "EEXIST" },
  pages: { dumpMarked: "always", futex: "EFAULT" },
};

/** A device for RDMA made of software, and the checksum that it asks for by name up to 6.15. */
const RXE = { before615: ["crc32_generic", "rdma_rxe"], since615: ["rdma_rxe"] };

/** What the 32 touches of feature_checks may lock mmap_lock: two times each before 6.7. */
const MOST_LOCKS = { before67: 1000, since67: 8 };

/** Since 6.9 the kernel tells the UUID of every filesystem that has one. */
const UUID = "01234567-89ab-4def-8123-456789abcdef";
const UUID_SINCE69 = { before69: "ENOTTY", since69: `0 ${UUID.replaceAll("-", "")}` };

const FEATURES = "checksums dmabuf links mtime pages phys sorted validate xattrs";

/** Runs a mount that must fail, and sends the last message of the kernel. */
const REFUSALS: Readonly<Record<string, { options: string; message: RegExp }>> = {
  "size in a unit that there is not": { options: "phys=$P,size=1X", message: /'size'.*256M/ },
  "a unit alone": { options: "phys=$P,size=K", message: /'size'/ },
  "a size that overflows by its unit": {
    options: "phys=$P,size=0x100000000000000T",
    message: /'size'/,
  },
  "no size, and no image": { options: "phys=$(($IMAGE4_PHYS + 4096))", message: /magic/ },
  "no size, in System RAM": { options: "phys=0x10000000", message: /System RAM/ },
  "no size, in reserved RAM, which has no end that the kernel knows": {
    options: "phys=$P",
    message: /give size=/,
  },
  "no size, and an image that says it is larger than its device": {
    options: "phys=$IMAGE5_PHYS",
    message: /the image has 0x400000 bytes, the region at 0x[0-9a-f]+ only 0x200000$/,
  },
  "memory that the firmware has claimed": { options: "phys=0xf0000,size=64K", message: /in use/ },
  "pages for an odd size": {
    options: "phys=$P,size=$(($S + 4096)),pages",
    message: /pages.*2 MiB/,
  },
  "pages for an odd address": { options: "phys=$(($P + 4096)),size=2M,pages", message: /2 MiB/ },
  "pages that another mount has": {
    options: "phys=$(($P + 0x200000)),size=2M,pages",
    message: /another driver or mount/,
  },
  "a broken tree, validated": {
    options: "$I1,validate",
    message: /not a valid image.*inode \d+: .*expected/,
  },
};

function script(daxMark: boolean): string {
  const dump = (mode: keyof typeof PROCESSES) => (daxMark ? PROCESSES[mode].dumpMarked : "always");
  const refusals = Object.entries(REFUSALS)
    .filter(([name]) => name !== "pages that another mount has")
    .map(([name, { options }]) => `refused "${name}" "${options}"`)
    .join("\n");
  return `
P=$IMAGE0_PHYS S=$IMAGE0_SIZE
# Regions of whole 2 MiB, which struct pages take.
whole() { echo $((($1 + 0x1fffff) / 0x200000 * 0x200000)); }
W=$(whole $S) I1=phys=$IMAGE1_PHYS,size=$(whole $IMAGE1_SIZE) I2=phys=$IMAGE2_PHYS,size=$(whole $IMAGE2_SIZE)
I3=phys=$IMAGE3_PHYS,size=$(whole $IMAGE3_SIZE)
echo /tmp/core >/proc/sys/kernel/core_pattern
mkdir -p /mnt /second
options() { grep " $1 daxfs " /proc/mounts | cut -d' ' -f4; }
last() { dmesg | grep daxfs | tail -1; }
refused() {
  mount -t daxfs -o "$2" none /second 2>/dev/null && umount /second && { value "$1" mounted; return; }
  value "$1" "$(last)"
}
${refusals}
value features "$(echo $(ls /sys/fs/daxfs/features))"
value feature "$(cat /sys/fs/daxfs/features/dmabuf)"

mount -t daxfs -o phys=$P,size=$W none /mnt || exit 1
value "options without size" "$(options /mnt)"
value "node of the struct pages" "$(grep -E '^Node|spanned' /proc/zoneinfo | grep -A1 'zone *Device' | grep -B1 'spanned *[1-9]' | grep Node)"
value identity "$(feature_checks identity /mnt)"
feature_checks file $P >/tmp/file; attach file /tmp/file
value "handles by number" "$(handle_checks numbers /mnt 3)"
feature_checks pages default $1 $4 >/tmp/default; attach "pages default" /tmp/default
value "RDMA default" "$(rdma_register /mnt/large)"
process_checks ${dump("default")} ${PROCESSES.default.futex} >/tmp/processes; attach "processes default" /tmp/processes
refused "pages that another mount has" "${REFUSALS["pages that another mount has"]?.options}"
mount -t daxfs -o phys=$(($P + 0x200000)),size=2M none /second 2>/dev/null
value "no struct pages" "$(dmesg | grep 'no struct pages')"

# The same memory, named otherwise.
mount -t daxfs -o phys=$(($P)),size=1M,nopages,validate none /second || exit 2
value "message of the second mount" "$(dmesg | grep daxfs | grep 'already mounted' | tail -1)"
value "message of validation" "$(dmesg | grep validated)"
value "devices" "$(stat -c %d /mnt /second | uniq | wc -l)"
value "options of the second mount" "$(options /second)"
umount /second
mount -o remount,size=1M /mnt && exit 3
value "message of remount" "$(last)"
umount /mnt

mount -t daxfs -o $I1 none /mnt || exit 4
value "broken but mounted" "$(ls /mnt | wc -l)"
mount -o remount,validate /mnt && exit 5
value "message of validation on remount" "$(last)"
umount /mnt

mount -t daxfs -o $I3 none /mnt || exit 13
value "handles in a loop" "$(handle_checks numbers /mnt 3)"
value "identity of nothing" "$(feature_checks identity /mnt)"
umount /mnt || exit 14

mount -t daxfs -o phys=$IMAGE4_PHYS none /mnt || exit 15
value "options of a small image in a device" "$(options /mnt)"
umount /mnt || exit 16
mount -t daxfs -o phys=$IMAGE4_PHYS,pages none /mnt || exit 23
value "options of a small image, pages" "$(options /mnt)"
umount /mnt || exit 24
for pages in default pages; do
  mount -t daxfs -o phys=$IMAGE4_PHYS,size=2M$([ $pages = default ] || echo ,$pages) none /mnt || exit 20
  value "options of a device, $pages" "$(options /mnt)"
  umount /mnt || exit 21
done
value "message of a device" "$(dmesg | grep "no struct pages" | tail -1)"

mount -t daxfs -o $I2 none /mnt || exit 11
feature_checks edge /mnt/zeros >/tmp/edge; attach edge /tmp/edge
umount /mnt || exit 12

# An odd size, and units.
mount -t daxfs -o phys=$(($P / 1024))k,size=$(($S / 1024 + 4))K none /mnt || exit 6
value "options of an odd size" "$(options /mnt)"
umount /mnt

mount -t daxfs -o phys=$P,size=$W,nopages none /mnt || exit 7
value "options of nopages" "$(options /mnt)"
feature_checks pages nopages ${MOST_SMALL} ${MOST_SMALL} >/tmp/nopages; attach "pages nopages" /tmp/nopages
value "RDMA nopages" "$(rdma_register /mnt/large)"
process_checks ${dump("nopages")} ${PROCESSES.nopages.futex} >/tmp/processes; attach "processes nopages" /tmp/processes
mount -t tracefs tracefs /sys/kernel/tracing
feature_checks locks $3 >/tmp/locks; attach locks /tmp/locks
umount /mnt

mount -t daxfs -o phys=$P,size=$W,pages none /mnt || exit 8
value "options of pages" "$(options /mnt)"
feature_checks pages pages $2 $2 >/tmp/pages; attach "pages pages" /tmp/pages
value "RDMA pages" "$(rdma_register /mnt/large)"
process_checks ${dump("pages")} ${PROCESSES.pages.futex} >/tmp/processes; attach "processes pages" /tmp/processes

echo 1 >/sys/kernel/tracing/events/daxfs/enable
# A dentry that was used since goes the second time.
echo 2 >/proc/sys/vm/drop_caches
echo 2 >/proc/sys/vm/drop_caches
feature_checks pages default ${MOST_COUNTED} ${MOST_COUNTED} >/dev/null; ls /mnt/no-such-name 2>/dev/null
echo 0 >/sys/kernel/tracing/events/daxfs/enable
grep 'daxfs_' /sys/kernel/tracing/trace >/tmp/trace
value "a lookup" "$(grep 'daxfs_lookup.*name large' /tmp/trace | head -1)"
value "a failed lookup" "$(grep 'daxfs_lookup.*name no-such-name' /tmp/trace | head -1)"
value "a fault" "$(grep daxfs_fault /tmp/trace | head -1)"

feature_checks pin >/tmp/pin; attach pin /tmp/pin
mount -t daxfs -o phys=$P,size=$W,pages none /mnt && umount /mnt || exit 9

mount -t securityfs securityfs /sys/kernel/security
mount -t daxfs -o phys=$P,size=$W none /mnt || exit 17
echo "measure func=FILE_CHECK fsmagic=$(stat -f -c 0x%t /mnt)" >/sys/kernel/security/ima/policy || exit 18
cat /mnt/directory/inside
feature_checks poke /mnt/directory/inside C || exit 22
value "changed content" "$(cat /mnt/directory/inside)"
value measurements "$(grep /mnt/directory/inside /sys/kernel/security/ima/ascii_runtime_measurements | cut -d' ' -f4 | sort -u)"
umount /mnt || exit 19

echo integrity >/sys/kernel/security/lockdown || exit 10
refused lockdown "phys=$P,size=$W"
value "lockdown's errors" "$(mount_option lockdown phys=$P,size=$W /second)"
exit 0
`;
}

await describeGuest("a mount", "features", { run: runGuest }, (guest) => {
  let before62: boolean;
  let since69: boolean;
  const { value, failures: failed } = guest;

  guest.boot(async ({ directory, kernel }) => {
    const tree = join(directory, "tree");
    await mkdir(join(tree, "directory"), { recursive: true });
    const pattern = await compileHelper("pattern", directory);
    const helper = await compileHelper("feature_checks", directory);
    const others = await Promise.all(
      ["handle_checks", "mount_option", "process_checks", "rdma_register"].map((name) =>
        compileHelper(name, directory),
      ),
    );
    await hostScript('"$1" "$2" >"$3"', pattern, String(SIZE), join(tree, "large"));
    await writeFile(join(tree, "directory/inside"), "content");
    await writeFile(join(tree, "directory/lost"), "content");
    const image = await buildImage(tree, join(directory, "tree.daxfs"), [
      "--label",
      "features of daxfs",
      "--uuid",
      UUID,
    ]);
    const broken = join(directory, "broken.daxfs");
    await writeFile(broken, await withLostEntry(join(tree, "directory"), directory));

    const loop = join(directory, "loop.daxfs");
    await writeFile(loop, await withLoop(directory));

    const greedy = join(directory, "greedy.daxfs");
    await writeFile(greedy, await withLargerSize(loop, 4 * 1024 * 1024));

    const odd = join(directory, "odd");
    await mkdir(odd);
    await hostScript('echo small >"$1/a"; truncate -s 8M "$1/zeros"', odd);
    const unaligned = await buildImage(odd, join(directory, "odd.daxfs"), ["--align", "4k"]);

    before62 = !isSince(kernel, "6.2");
    since69 = isSince(kernel, "6.9");
    // Up to there, huge mappings take the kernel's DAX mark on the inode.
    const daxMark = !isSince(kernel, "6.12");
    const locks = isSince(kernel, "6.7") ? MOST_LOCKS.since67 : MOST_LOCKS.before67;
    const pages = daxMark ? MOST_COUNTED : MOST_HUGE;
    // Before, private mappings have no huge pages: see DAXFS_CLEARS_BAD_PMD in compat.h.
    const privately = isSince(kernel, "6.5") ? MOST_HUGE : MOST_COUNTED;
    return {
      kernelModules: [
        ...["brd", "ib_uverbs"],
        ...RXE[isSince(kernel, "6.15") ? "since615" : "before615"],
      ],
      images: [
        ...[image, broken, unaligned, loop].map((path) => ({ path })),
        { path: loop, backing: "ivshmem" },
        { path: greedy, backing: "ivshmem" },
      ],
      programs: [helper, ...others],
      // The images are in the second half of the memory, and all processors belong to the first.
      commandLine: ["numa=fake=2U"],
      // 6.1 warns of a node without a processor.
      cpus: 2,
      script: `set -- ${MOST_HUGE} ${pages} ${locks} ${privately}\n${script(daxMark)}`,
    };
  });

  it("comes to its end", () => {
    expect(guest.result.exitStatus).toBe(0);
  });

  it.each(Object.entries(REFUSALS))("is refused for %s", (name, { message }) => {
    expect(value(name)).toMatch(message);
    expect(value(name)).toMatch(/daxfs/);
  });

  it("finds the size, and takes units", () => {
    expect(value("options without size")).toMatch(/,phys=0x40000000,size=0x4[0-9a-f]00000$/);
    expect(value("options of an odd size")).toMatch(/,phys=0x40000000,size=0x4[0-9a-f]+,nopages$/);
  });

  it("finds the size in a device, with struct pages to the next 2 MiB", () => {
    expect(value("options of a small image in a device")).toMatch(/,size=0x[0-9a-f]{4,5},nopages$/);
    expect(value("options of a small image, pages")).toMatch(/,size=0x200000,pages$/);
  });

  it("gives the memory of a device struct pages where it is asked to", () => {
    expect(value("options of a device, default")).toMatch(/,size=0x200000,nopages$/);
    expect(value("options of a device, pages")).toMatch(/,size=0x200000,pages$/);
    expect(value("message of a device")).toMatch(/no struct pages for a device's memory/);
  });

  it("tells what the module can do", () => {
    expect(value("features")).toBe(FEATURES);
    expect(value("feature")).toBe("supported");
  });

  it("shares the superblock with others of the same memory, and says what stays", () => {
    expect(value("devices")).toBe("1");
    expect(value("message of the second mount")).toMatch(
      /already mounted, size and nopages ignored: the first mount's options stay in force/,
    );
    expect(value("options of the second mount")).toBe(value("options without size"));
    expect(value("message of validation")).toMatch(/validated \d+ inodes in \d+ us/);
    expect(value("message of remount")).toMatch(/size can't change on remount/);
  });

  it("works without validation where an entry is lost, and not with it", () => {
    expect(value("broken but mounted")).toBe("1");
    expect(value("message of validation on remount")).toMatch(/not a valid image.*inode/);
  });

  it("gives up on directories that are above each other", () => {
    // So that it is not the handles' fault.
    expect(value("handles by number").match(/opened/g)).toHaveLength(3);
    expect(value("handles in a loop").split("\n")).toEqual([
      "inode 1: opened",
      "inode 2: ESTALE",
      "inode 3: ESTALE",
      "done 0",
    ]);
  });

  it("reads and describes a file", () => {
    expect(failed("file")).toEqual([]);
  });

  it.each(["default", "nopages", "pages"])("gives mappings what %s promises", (mode) => {
    expect(failed(`pages ${mode}`)).toEqual([]);
    console.info(faultCounts(mode, guest.checks(`pages ${mode}`)));
  });

  it.each(Object.entries(RDMA))("registers mappings for RDMA as %s promises", (mode, results) => {
    expect(value(`RDMA ${mode}`)).toBe(before62 ? results.before62 : results.since62);
  });

  it.each(Object.keys(PROCESSES))("dumps core and waits for futexes as %s promises", (mode) => {
    expect(failed(`processes ${mode}`)).toEqual([]);
    expect(guest.checks(`processes ${mode}`)).toHaveLength(7);
  });

  it("faults small pages without mmap_lock, where the kernel can", () => {
    expect(failed("locks")).toEqual([]);
    expect(guest.checks("locks")).toHaveLength(1);
  });

  it("gives struct pages the node of the memory", () => {
    expect(value("node of the struct pages")).toMatch(/^Node 1, zone +Device$/);
  });

  it("tells its UUID and label, and has none where the image has none", () => {
    const uuid = since69 ? "since69" : "before69";
    expect(value("identity")).toBe(
      `uuid ${UUID_SINCE69[uuid]}${uuid === "before69" ? " " : ""} label 0 features of daxfs`,
    );
    expect(value("identity of nothing")).toBe("uuid ENOTTY  label 0 ");
  });

  it("is measured again by IMA when its memory has changed", () => {
    expect(value("changed content")).toBe("Content");
    expect(value("measurements").split("\n")).toHaveLength(2);
  });

  it("maps small pages beside huge ones without a touch on the image", () => {
    expect(failed("edge")).toEqual([]);
    expect(guest.checks("edge").length).toBeGreaterThan(18);
  });

  it("says whether it has struct pages", () => {
    expect(value("options of nopages")).toMatch(/,nopages$/);
    expect(value("options of pages")).toMatch(/,pages$/);
    expect(value("no struct pages")).toMatch(/daxfs.*\(error -16\), going on as with nopages$/);
  });

  it("keeps pages that are pinned when it ends", () => {
    expect(failed("pin")).toEqual([]);
  });

  it("traces lookups and faults", () => {
    expect(value("a lookup")).toMatch(/dev 0:\d+ dir 1 name large ino [1-9]\d* error 0/);
    expect(value("a failed lookup")).toMatch(/name no-such-name ino 0 error -2/);
    expect(value("a fault")).toMatch(
      /ino \d+ address 0x[0-9a-f]+ page \d+ size (4096|2097152) read/,
    );
  });

  it("is refused under lockdown", () => {
    expect(value("lockdown")).toMatch(/phys= is refused by the kernel's lockdown/);
    const errors = value("lockdown's errors")
      .split("\n")
      .map((line) => line.split("\t").slice(1, 3).join(" "));
    expect(errors).toEqual(["mount EPERM", "fsconfig EPERM"]);
  });
});

function faultCounts(mode: string, checks: readonly HelperCheck[]): string {
  const counts = checks.filter(({ name }) => name === "faults of 64 MiB");
  return `faults of 64 MiB, ${mode}: ${counts.map(({ detail }) => detail).join(", ")}`;
}

/** An image of a directory of two files of which the directory lists only the first. */
async function withLostEntry(tree: string, work: string): Promise<Buffer> {
  const path = await buildImage(tree, join(work, "whole.daxfs"));
  const image = await readFile(path);
  const root = 4096;
  leaveOutChecksums(image);
  expect(image.readBigUInt64LE(root + 16)).toBe(128n);
  image.writeBigUInt64LE(64n, root + 16);
  return image;
}

/** An image that says it has `size` bytes, in the file of a smaller one. */
async function withLargerSize(path: string, size: number): Promise<Buffer> {
  const image = await readFile(path);
  leaveOutChecksums(image);
  const totalSize = 16;
  expect(image.readBigUInt64LE(totalSize)).toBe(BigInt(image.length));
  image.writeBigUInt64LE(BigInt(size), totalSize);
  return image;
}

/** An image of two directories, of which each is the parent and the only child of the other. */
async function withLoop(work: string): Promise<Buffer> {
  await mkdir(join(work, "loop/outer/inner"), { recursive: true });
  const image = await readFile(await buildImage(join(work, "loop"), join(work, "tree-loop.daxfs")));
  const [outer, inner] = [4096 + 64, 4096 + 128];
  const at = { size: 16, parentIno: 40, nlink: 44, firstChild: 48 };
  leaveOutChecksums(image);
  expect(image.readUInt32LE(inner + at.parentIno)).toBe(2);
  image.writeUInt32LE(3, outer + at.parentIno);
  image.writeBigUInt64LE(64n, inner + at.size);
  image.writeUInt32LE(3, inner + at.nlink);
  image.writeUInt32LE(2, inner + at.firstChild);
  // No UUID, either.
  image.fill(0, 64, 80);
  return image;
}

/** Of an image that is changed its checksum would be what is found. */
function leaveOutChecksums(image: Buffer): void {
  image.writeUInt32LE(image.readUInt32LE(8) & ~16, 8);
}
