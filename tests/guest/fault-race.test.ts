// SPDX-License-Identifier: MIT
// Small and huge page faults of the same 2 MiB at the same time, with the windows between them made
// wide by a module of the tests (race/). DAXFS_RACE_SECONDS is how long it takes in all, 15 by default.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { cachedModule, runGuest } from "@daxfs/qemu";
import { expect, it } from "vitest";
import { buildImage, compileHelper, hostScript } from "../support/environment.js";
import { describeGuest } from "../support/guest-suite.js";

/** By how a mount is asked for struct pages. Without them nothing can be pinned. */
const MODES: Readonly<Record<string, readonly string[]>> = {
  default: [
    "shared",
    "private",
    "zaps",
    "pins",
    "pageout",
    "advice",
    "mremap",
    "fork",
    "writes",
    "mprotect",
  ],
  nopages: ["shared", "mremap", "writes"],
  pages: ["shared", "pins", "writes"],
};
const CASES = Object.values(MODES).flat().length;

const seconds = Number(process.env.DAXFS_RACE_SECONDS ?? 15);
if (!(seconds > 0)) throw new Error("DAXFS_RACE_SECONDS is not a number of seconds");
const each = Math.max(1, Math.round(seconds / CASES));

const race = (mode: string, names: readonly string[]) => `
mount -t daxfs -o phys=$IMAGE0_PHYS,size=$SIZE${mode === "default" ? "" : `,${mode}`} none /mnt || exit 1
fault_race /mnt/large ${each} ${names.join(" ")} >/tmp/race
cat /tmp/race
attach "${mode}" /tmp/race
umount /mnt || exit 2
dmesg | grep "still pinned" && exit 3
`;

const script = `
mkdir -p /mnt
# In whole 2 MiB, which struct pages take.
SIZE=$((($IMAGE0_SIZE + 0x1fffff) / 0x200000 * 0x200000))
insmod /vm/modules/test_race.ko || exit 4
${Object.entries(MODES)
  .map(([mode, names]) => race(mode, names))
  .join("\n")}
cd /sys/module/test_race/parameters
value forced "$(cat forced)"
value delayed "$(cat delayed)"
cd /
rmmod test_race || exit 5
rmmod daxfs || exit 6
`;

const OPTIONS = { run: runGuest };

await describeGuest("a small fault and a huge one", "fault-race", OPTIONS, (guest) => {
  guest.boot(
    async ({ directory, kernel }) => {
      const tree = join(directory, "tree");
      await mkdir(tree);
      const helper = await compileHelper("fault_race", directory);
      await hostScript('"$1" make >"$2"', helper, join(tree, "large"));
      const image = await buildImage(tree, join(directory, "tree.daxfs"));
      const probes = await cachedModule(kernel, join(import.meta.dirname, "race"));
      return {
        images: [{ path: image }],
        programs: [helper],
        files: [{ guestPath: "/vm/modules/test_race.ko", hostPath: probes }],
        cpus: 3,
        timeoutSeconds: 300 + 4 * each * CASES,
        script,
      };
    },
    600 + 4 * each * CASES,
  );

  it.each(Object.keys(MODES))("map the right content, and nothing fails, with %s", (mode) => {
    const checks = guest.checks(mode);
    console.info(checks.map(({ name, detail }) => `${mode}: ${name}: ${detail}`).join("\n"));
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(checks).toHaveLength(1 + (MODES[mode]?.length ?? 0));
  });

  it("leave no page pinned, and a module that can be removed", () => {
    expect(guest.result.exitStatus).toBe(0);
  });

  it("have met: the probes were hit", () => {
    expect(Number(guest.value("forced"))).toBeGreaterThan(each * CASES);
    expect(Number(guest.value("delayed"))).toBeGreaterThan(each * CASES);
  });
});
