// SPDX-License-Identifier: MIT
// Mounts that come and go by the thousand under kmemleak, KASAN and lockdep: nothing is lost.
import { type GuestResult, runGuest } from "@daxfs/qemu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  guestValue,
  type HelperCheck,
  reasonToSkip,
  removeDirectory,
  workDirectory,
} from "../support/environment.js";
import { cycleChecks, cyclesScript, prepareCycles } from "../support/mount-cycles.js";
import { buildDebugDaxfs, LEAK_FUNCTIONS, leaksOf } from "./support.js";

const reason = await reasonToSkip();
if (reason !== undefined) console.warn(`tests/debug/lifetime is left out: ${reason}`);

describe.skipIf(reason !== undefined)("a thousand mounts on the debug kernel", () => {
  let directory: string;
  let result: GuestResult;
  let checks: HelperCheck[];
  let complaints: string[];

  afterAll(() => removeDirectory(directory));

  beforeAll(async () => {
    directory = await workDirectory("debug-lifetime");
    const { kernel, module } = await buildDebugDaxfs();
    const setup = await prepareCycles(directory, kernel);
    result = await runGuest({
      kernel,
      modules: [module],
      images: setup.images,
      programs: setup.programs,
      name: "debug-lifetime",
      timeoutSeconds: 600,
      script: `${LEAK_FUNCTIONS}
${cyclesScript(setup, "cycles", 250)}
value "module users" "$(cat /sys/module/daxfs/refcnt)"
leaks "leaks of mounts"
rmmod daxfs || exit 1
insmod /vm/modules/daxfs.ko && rmmod daxfs || exit 1
leaks "leaks of the module"
`,
    });
    console.info(`the guest took ${Math.round(result.durationSeconds)} s`);
    ({ checks, complaints } = cycleChecks(result, "cycles"));
  });

  it("come and go while others come and go, lazily or not, over every kind of memory", () => {
    expect(complaints).toEqual([]);
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(checks.map(({ name }) => name)).toContain("the mounts have given the dma-buf back");
    expect(guestValue(result, "module users")).toBe("0");
  });

  it("lose no memory", () => {
    expect(leaksOf(result, "leaks of mounts")).toBe("");
  });

  it("leave a module that can be removed, and loses no memory either", () => {
    expect(result.exitStatus).toBe(0);
    expect(leaksOf(result, "leaks of the module")).toBe("");
  });
});
