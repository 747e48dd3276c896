// SPDX-License-Identifier: MIT
// One image in every kind of memory that the kernel has, all mounted at once in one machine.
import { join } from "node:path";
import {
  BACKINGS,
  type Backing,
  cachedModule,
  type GuestResult,
  isDmaBuf,
  isSince,
  reasonUnavailable,
  runGuest,
  sharedLibraries,
} from "@daxfs/qemu";
import { beforeAll, describe, expect, it } from "vitest";
import {
  buildImage,
  compileHelper,
  failedChecks,
  fetchKernelUnderTest,
  hostScript,
} from "../support/environment.js";
import { describeGuest } from "../support/guest-suite.js";

/**
 * Page faults that touching 64 MiB may take: 32 with 2 MiB mappings, 256 with small pages and what
 * a fault maps around it, and some of the program's own. The pieces of a dma-buf may be small.
 */
const MOST_FAULTS = { huge: 40, small: 300, counted: (64 << 20) / 4096 / 16 };

/** Of exporter_checks. */
const EXPORTER_CHECKS = 119;

// Here already, for the names of the tests.
const kernelUnderTest = await fetchKernelUnderTest();
const backings = await Promise.all(
  BACKINGS.map(async (backing) => ({
    backing,
    missing: await reasonUnavailable(kernelUnderTest, backing),
  })),
);
const available = backings.filter(({ missing }) => missing === undefined);
const present = available.map(({ backing }) => backing);

/** In $1; parameters: the directory of the compiled programs, and the libraries they load. */
const MAKE_TREE = `
cd "$1"; programs=$2; shift 2
mkdir programs empty
cp "$programs/identity" "$programs/identity-dynamic" programs
cp --parents -L "$@" .
cp -r /usr/include/linux/netfilter headers
ln -s headers/nf_tables.h link
"$programs/pattern" 1000003 >odd
"$programs/pattern" $((64 << 20)) >large
`;
const SUMS = "find . -type f ! -name large | sort | xargs sha256sum";

/** All that is done with the image of one backing, while all are mounted. */
function useScript(backing: Backing): string {
  // The memory of a device has struct pages only where they are asked for.
  const small = isDmaBuf(backing) || backing === "ivshmem";
  const most = small ? MOST_FAULTS.small : MOST_FAULTS.huge;
  // Before 6.5 private mappings have no huge pages, and struct pages make windows smaller.
  const counted = !small && !isSince(kernelUnderTest, "6.5");
  const privately = counted ? MOST_FAULTS.counted : most;
  return `
(cd /mnt/${backing} && ${SUMS}) >/tmp/sums
attach "${backing} sums" /tmp/sums
value "${backing} names" "$(cd /mnt/${backing} && find . | sort | sha256sum)"
value "${backing} static" "$(/mnt/${backing}/programs/identity one two 2>&1)"
value "${backing} dynamic" "$(chroot /mnt/${backing} /programs/identity-dynamic three 2>&1)"
backing_checks use /mnt/${backing} ${most} ${privately} >/tmp/use 2>&1
attach "${backing} use" /tmp/use
`;
}

/** The end of its mount, and another one with small pages where the option for that is taken. */
function endScript(backing: Backing, index: number): string {
  const end = `
backing_checks end /mnt/${backing} >/tmp/end 2>&1
attach "${backing} end" /tmp/end
`;
  if (isDmaBuf(backing)) return end;
  return `${end}
mount_image ${index} /mnt/${backing} nopages
backing_checks faults /mnt/${backing} ${MOST_FAULTS.small} >/tmp/faults 2>&1
attach "${backing} nopages" /tmp/faults
umount /mnt/${backing}
`;
}

function guestScript(small: number): string {
  return `
mount -t debugfs debugfs /sys/kernel/debug || exit 1
value "dma-bufs before" "$(tail -n 1 /sys/kernel/debug/dma_buf/bufinfo)"
cd /mnt && mkdir ${present.join(" ")}; cd /
${present.map((backing, index) => `mount_image ${index} /mnt/${backing} 2>/tmp/error; value "${backing} mount" "$? $(cat /tmp/error)"`).join("\n")}
value mounts "$(grep daxfs /proc/mounts)"
${present.map(useScript).join("\n")}
${present.map(endScript).join("\n")}
value "dma-bufs after" "$(tail -n 1 /sys/kernel/debug/dma_buf/bufinfo)"
value users "$(cat /sys/module/daxfs/refcnt)"
${present
  .filter(isDmaBuf)
  .map(
    (backing) =>
      `dmabuf_checks ${backing} $IMAGE${small}_PHYS $IMAGE${small}_SIZE >/tmp/misuse 2>&1; attach "${backing} misuse" /tmp/misuse`,
  )
  .join("\n")}
insmod /vm/modules/test_exporter.ko || exit 4
exporter_checks $IMAGE${small}_PHYS $IMAGE${small}_SIZE >/tmp/exporter 2>&1
attach exporter /tmp/exporter
rmmod test_exporter || exit 5
# A module that exports dma-bufs can go when the last one has gone.
${present.includes("vgem") ? "rmmod vgem || exit 2" : ""}
rmmod daxfs || exit 3
`;
}

const OPTIONS = { run: runGuest };

await describeGuest("an image in every kind of memory", "backings", OPTIONS, (guest) => {
  let sums: string;
  let names: string;

  guest.boot(async ({ directory, kernel }) => {
    const helpers = await Promise.all(
      ["backing_checks", "dmabuf_checks", "exporter_checks"].map((name) =>
        compileHelper(name, directory),
      ),
    );
    await compileHelper("pattern", directory);
    await compileHelper("identity", directory);
    const dynamic = await compileHelper("identity", directory, { dynamic: true });
    const tree = join(directory, "tree");
    await hostScript('mkdir "$1"', tree);
    await hostScript(MAKE_TREE, tree, directory, ...(await sharedLibraries(dynamic)));
    sums = await hostScript(`cd "$1"; ${SUMS}`, tree);
    names = await hostScript('cd "$1"; find . | sort | sha256sum', tree);
    const image = await buildImage(tree, join(directory, "tree.daxfs"));
    const little = join(directory, "little");
    await hostScript('mkdir "$1"; cp "$2/odd" "$1"', little, tree);
    const small = await buildImage(little, join(directory, "little.daxfs"));

    const exporter = await cachedModule(kernel, join(import.meta.dirname, "exporter"));
    return {
      images: [
        ...present.map((backing) => ({ path: image, backing })),
        { path: small, backing: "reserved" },
      ],
      programs: helpers,
      files: [{ guestPath: "/vm/modules/test_exporter.ko", hostPath: exporter }],
      timeoutSeconds: 700,
      script: guestScript(present.length),
    };
  });
  beforeAll(() => console.info(table(guest.result)));

  for (const { backing, missing } of backings) {
    if (missing !== undefined) {
      it.skip(`${backing}: ${missing}`);
      continue;
    }
    describe(backing, () => {
      it("is mounted", () => {
        expect(guest.value(`${backing} mount`)).toBe("0 ");
        expect(guest.value("mounts")).toMatch(new RegExp(`^none /mnt/${backing} daxfs ro,`, "m"));
      });

      it("has the tree, byte for byte", () => {
        expect(guest.value(`${backing} names`)).toBe(names);
        expect(guest.result.attachments[`${backing} sums`]?.toString().trimEnd()).toBe(sums);
        expect(sums.split("\n").length).toBeGreaterThan(50);
      });

      it("runs a static and a dynamic program", () => {
        const root = "uid=0 euid=0 gid=0 egid=0 caps=000001ffffffffff";
        expect(guest.value(`${backing} static`)).toBe(`${root} one two`);
        expect(guest.value(`${backing} dynamic`)).toBe(`${root} three`);
      });

      it("is read and mapped, with few faults and no page cache", () => {
        const checks = guest.checks(`${backing} use`);
        expect(failedChecks(checks)).toEqual([]);
        expect(checks).toHaveLength(16);
      });

      it("outlives its unmount in what is open and mapped, and no longer", () => {
        const checks = guest.checks(`${backing} end`);
        expect(failedChecks(checks)).toEqual([]);
        expect(checks).toHaveLength(7);
        const text = guest.result.attachments[`${backing} end`]?.toString() ?? "";
        const [, before, after] = /^dma-bufs (\d+) (\d+)$/m.exec(text) ?? [];
        expect(Number(before) - Number(after)).toBe(isDmaBuf(backing) ? 1 : 0);
      });

      if (!isDmaBuf(backing)) {
        it("takes few faults without struct pages, too", () => {
          const checks = guest.checks(`${backing} nopages`);
          expect(failedChecks(checks)).toEqual([]);
          expect(checks).toHaveLength(4);
        });
      }

      // Where there is no dma-buf there is none that could be wrong.
      if (!isDmaBuf(backing)) return;
      it("refuses what is wrong, and lets go of every dma-buf", () => {
        const checks = guest.checks(`${backing} misuse`);
        expect(failedChecks(checks)).toEqual([]);
        expect(checks.length).toBeGreaterThan(70);
      });
    });
  }

  it("is held as long as it is mounted, whatever its exporter does, and no longer", () => {
    const checks = guest.checks("exporter");
    expect(failedChecks(checks)).toEqual([]);
    expect(checks).toHaveLength(EXPORTER_CHECKS);
  });

  it("comes to its end, with no dma-buf and no user of the module left", () => {
    expect(guest.result.exitStatus).toBe(0);
    expect(guest.value("dma-bufs after")).toBe(guest.value("dma-bufs before"));
    expect(guest.value("users")).toBe("0");
  });
});

/** What the checks found, a line for each backing. */
function table(result: GuestResult): string {
  const output = (backing: Backing, part: string) =>
    result.attachments[`${backing} ${part}`]?.toString() ?? "";
  const count = (text: string) => {
    const all = text.match(/^(?:pass|FAIL) /gm)?.length ?? 0;
    return all === 0 ? "-" : `${text.match(/^pass /gm)?.length ?? 0} of ${all}`;
  };
  const faults = (text: string) =>
    [...text.matchAll(/^\w+ faults of .*: (\d+) faults/gm)].map(([, found]) => found).join(", ");
  const rows = backings.map(({ backing, missing }) => {
    if (missing !== undefined) return [backing, `not available: ${missing}`];
    return [
      backing,
      ...["use", "end", "misuse"].map((part) => count(output(backing, part))),
      faults(output(backing, "use")),
      faults(output(backing, "nopages")) || "-",
    ];
  });
  const head = ["backing", "use", "end", "misuse", "faults", "nopages"];
  return [head, ...rows].map((row) => row.map((cell) => cell.padEnd(12)).join(" ")).join("\n");
}
