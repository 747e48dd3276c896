// SPDX-License-Identifier: MIT
// A thousand mounts and unmounts by four processes, and as many that are refused: nothing stays.
import { type GuestResult, runGuest } from "@daxfs/qemu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  buildDaxfs,
  guestValue,
  type HelperCheck,
  reasonToSkip,
  removeDirectory,
  workDirectory,
} from "../support/environment.js";
import { cycleChecks, cyclesScript, prepareCycles } from "../support/mount-cycles.js";

const reason = await reasonToSkip();
if (reason !== undefined) console.warn(`tests/guest/lifetime is left out: ${reason}`);

const SCRIPT = `
mappings() { grep -c memremap /proc/vmallocinfo; }
value "mappings before" "$(mappings)"
CYCLES
value "mappings after" "$(mappings)"
value "module users" "$(cat /sys/module/daxfs/refcnt)"
rmmod daxfs || exit 1
`;

describe.skipIf(reason !== undefined)("a thousand mounts", () => {
  let directory: string;
  let result: GuestResult;
  let checks: HelperCheck[];
  let complaints: string[];

  afterAll(() => removeDirectory(directory));

  beforeAll(async () => {
    directory = await workDirectory("lifetime");
    const { kernel, module } = await buildDaxfs();
    const setup = await prepareCycles(directory, kernel);
    result = await runGuest({
      kernel,
      modules: [module],
      images: setup.images,
      programs: setup.programs,
      name: "lifetime",
      script: SCRIPT.replace("CYCLES", cyclesScript(setup, "cycles", 250)),
    });
    console.info(`the guest took ${Math.round(result.durationSeconds)} s`);
    ({ checks, complaints } = cycleChecks(result, "cycles"));
  });

  it("come and go while others come and go, lazily or not, over every kind of memory", () => {
    expect(complaints).toEqual([]);
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(checks.map(({ name }) => name)).toContain("the mounts have given the dma-buf back");
  });

  it("leave no mapping of the kernel and a module that can be removed", () => {
    expect(guestValue(result, "mappings after")).toBe(guestValue(result, "mappings before"));
    expect(guestValue(result, "module users")).toBe("0");
    expect(result.exitStatus).toBe(0);
  });
});
