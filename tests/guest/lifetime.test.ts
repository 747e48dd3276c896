// SPDX-License-Identifier: MIT
// A thousand mounts and unmounts by four processes, and as many that are refused: nothing stays.
import { runGuest } from "@daxfs/qemu";
import { beforeAll, expect, it } from "vitest";
import type { HelperCheck } from "../support/environment.js";
import { describeGuest } from "../support/guest-suite.js";
import { cycleChecks, cyclesScript, prepareCycles } from "../support/mount-cycles.js";

const SCRIPT = `
mappings() { grep -c memremap /proc/vmallocinfo; }
value "mappings before" "$(mappings)"
CYCLES
value "mappings after" "$(mappings)"
value "module users" "$(cat /sys/module/daxfs/refcnt)"
rmmod daxfs || exit 1
`;

await describeGuest("a thousand mounts", "lifetime", { run: runGuest }, (guest) => {
  let checks: HelperCheck[];
  let complaints: string[];

  guest.boot(async ({ directory, kernel }) => {
    const setup = await prepareCycles(directory, kernel);
    return {
      cpus: 2,
      images: setup.images,
      programs: setup.programs,
      script: SCRIPT.replace("CYCLES", cyclesScript(setup, "cycles", 250)),
    };
  });
  beforeAll(() => {
    ({ checks, complaints } = cycleChecks(guest.result, "cycles"));
  });

  it("come and go while others come and go, lazily or not, over every kind of memory", () => {
    expect(complaints).toEqual([]);
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(checks.map(({ name }) => name)).toContain("the mounts have given the dma-buf back");
  });

  it("leave no mapping of the kernel and a module that can be removed", () => {
    expect(guest.value("mappings after")).toBe(guest.value("mappings before"));
    expect(guest.value("module users")).toBe("0");
    expect(guest.result.exitStatus).toBe(0);
  });
});
