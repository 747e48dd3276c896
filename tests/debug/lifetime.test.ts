// SPDX-License-Identifier: MIT
// Mounts that come and go by the thousand under kmemleak, KASAN and lockdep: nothing is lost.
import { beforeAll, expect, it } from "vitest";
import type { HelperCheck } from "../support/environment.js";
import { describeGuest } from "../support/guest-suite.js";
import { cycleChecks, cyclesScript, prepareCycles } from "../support/mount-cycles.js";
import { DEBUG_OPTIONS, LEAK_FUNCTIONS, leaksOf } from "./support.js";

const TITLE = "a thousand mounts on the debug kernel";

await describeGuest(TITLE, "debug-lifetime", DEBUG_OPTIONS, (guest) => {
  let checks: HelperCheck[];
  let complaints: string[];

  guest.boot(async ({ directory, kernel }) => {
    const setup = await prepareCycles(directory, kernel);
    return {
      cpus: 2,
      images: setup.images,
      programs: setup.programs,
      timeoutSeconds: 600,
      script: `${LEAK_FUNCTIONS}
${cyclesScript(setup, "cycles", 250)}
value "module users" "$(cat /sys/module/daxfs/refcnt)"
leaks "leaks of mounts"
rmmod daxfs || exit 1
insmod /vm/modules/daxfs.ko && rmmod daxfs || exit 1
leaks "leaks of the module"
`,
    };
  });
  beforeAll(() => {
    ({ checks, complaints } = cycleChecks(guest.result, "cycles"));
  });

  it("come and go while others come and go, lazily or not, over every kind of memory", () => {
    expect(complaints).toEqual([]);
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(checks.map(({ name }) => name)).toContain("the mounts have given the dma-buf back");
    expect(guest.value("module users")).toBe("0");
  });

  it("lose no memory", () => {
    expect(leaksOf(guest.result, "leaks of mounts")).toBe("");
  });

  it("leave a module that can be removed, and loses no memory either", () => {
    expect(guest.result.exitStatus).toBe(0);
    expect(leaksOf(guest.result, "leaks of the module")).toBe("");
  });
});
