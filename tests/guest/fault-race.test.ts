// SPDX-License-Identifier: MIT
// Small and huge page faults of the same 2 MiB at the same time, with the windows between them made
// wide by a module of the tests (race/). DAXFS_RACE_SECONDS is how long it takes in all, 30 by default.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { cachedModule, type GuestResult, runGuest } from "@daxfs/qemu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  buildDaxfs,
  buildImage,
  compileHelper,
  guestValue,
  helperChecks,
  hostScript,
  reasonToSkip,
  removeDirectory,
  workDirectory,
} from "../support/environment.js";

const reason = await reasonToSkip();
if (reason !== undefined) console.warn(`tests/guest/fault-race is left out: ${reason}`);

/** By how a mount is asked for struct pages. Without them nothing can be pinned. */
const MODES: Readonly<Record<string, readonly string[]>> = {
  default: ["shared", "private", "zaps", "pins", "pageout", "mremap", "fork", "writes", "mprotect"],
  nopages: ["shared", "mremap", "writes"],
  pages: ["shared", "pins", "writes"],
};
const CASES = Object.values(MODES).flat().length;

const seconds = Number(process.env.DAXFS_RACE_SECONDS ?? 30);
if (!(seconds > 0)) throw new Error("DAXFS_RACE_SECONDS is not a number of seconds");
const each = Math.max(1, Math.round(seconds / CASES));

const race = (mode: string, names: readonly string[]) => `
mount -t daxfs -o phys=$IMAGE0_PHYS${mode === "default" ? "" : `,${mode}`} none /mnt || exit 1
fault_race /mnt/large ${each} ${names.join(" ")} >/tmp/race
cat /tmp/race
attach "${mode}" /tmp/race
umount /mnt || exit 2
dmesg | grep "still pinned" && exit 3
`;

const script = `
mkdir -p /mnt
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

describe.skipIf(reason !== undefined)("a small fault and a huge one", () => {
  let directory: string;
  let result: GuestResult;

  afterAll(() => removeDirectory(directory));

  beforeAll(
    async () => {
      directory = await workDirectory("fault-race");
      const tree = join(directory, "tree");
      await mkdir(tree);
      const helper = await compileHelper("fault_race", directory);
      await hostScript('"$1" make >"$2"', helper, join(tree, "large"));
      const image = await buildImage(tree, join(directory, "tree.daxfs"));
      const { kernel, module } = await buildDaxfs();
      const probes = await cachedModule(kernel, join(import.meta.dirname, "race"));
      result = await runGuest({
        kernel,
        modules: [module],
        images: [{ path: image }],
        programs: [helper],
        files: [{ guestPath: "/vm/modules/test_race.ko", hostPath: probes }],
        cpus: 3,
        name: "fault-race",
        timeoutSeconds: 300 + 4 * each * CASES,
        script,
      });
      console.info(`the guest took ${Math.round(result.durationSeconds)} s`);
    },
    (600 + 4 * each * CASES) * 1000,
  );

  it.each(Object.keys(MODES))("map the right content, and nothing fails, with %s", (mode) => {
    const checks = helperChecks(result, mode);
    console.info(checks.map(({ name, detail }) => `${mode}: ${name}: ${detail}`).join("\n"));
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(checks).toHaveLength(1 + (MODES[mode]?.length ?? 0));
  });

  it("leave no page pinned, and a module that can be removed", () => {
    expect(result.exitStatus).toBe(0);
  });

  it("have met: the probes were hit", () => {
    expect(Number(guestValue(result, "forced"))).toBeGreaterThan(each * CASES);
    expect(Number(guestValue(result, "delayed"))).toBeGreaterThan(each * CASES);
  });
});
