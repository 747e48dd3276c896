// SPDX-License-Identifier: MIT
// Every allocation of every operation fails once: the operation gives ENOMEM, and nothing is lost.
import { type GuestResult, runGuest } from "@daxfs/qemu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type HelperCheck,
  helperChecks,
  reasonToSkip,
  removeDirectory,
  workDirectory,
} from "../support/environment.js";
import { prepareCycles } from "../support/mount-cycles.js";
import { buildDebugDaxfs, LEAK_FUNCTIONS, leaksOf } from "./support.js";

const reason = await reasonToSkip();
if (reason !== undefined) console.warn(`tests/debug/allocation-failures is left out: ${reason}`);

/** Without it, failures spare allocations that may sleep, and user pages; and each is a message. */
const FAIL_EVERYTHING = `
cd /sys/kernel/debug
for kind in failslab fail_page_alloc; do
  echo N >$kind/ignore-gfp-wait && echo 0 >$kind/verbose || exit 2
done
echo N >fail_page_alloc/ignore-gfp-highmem && echo 0 >fail_page_alloc/min-order || exit 2
cd /
`;

describe.skipIf(reason !== undefined)("an allocation that fails", () => {
  let directory: string;
  let result: GuestResult;
  let checks: HelperCheck[];

  afterAll(() => removeDirectory(directory));

  beforeAll(async () => {
    directory = await workDirectory("allocation-failures");
    const { kernel, module } = await buildDebugDaxfs();
    const setup = await prepareCycles(directory, kernel);
    result = await runGuest({
      kernel,
      modules: [module],
      images: setup.images,
      programs: setup.programs,
      name: "allocation-failures",
      timeoutSeconds: 600,
      script: `${LEAK_FUNCTIONS}${FAIL_EVERYTHING}
allocation_failures "${setup.first}" "${setup.none}" >/tmp/failures 2>&1
attach failures /tmp/failures
leaks leaks
rmmod daxfs || exit 3
`,
    });
    console.info(`the guest took ${Math.round(result.durationSeconds)} s`);
    checks = helperChecks(result, "failures");
    for (const { name, detail } of checks) console.info(`${name}: ${detail}`);
  });

  it("is ENOMEM for whoever met it, and no more", () => {
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(checks.length).toBeGreaterThan(20);
  });

  it("loses no memory, and leaves a module that can be removed", () => {
    expect(leaksOf(result, "leaks")).toBe("");
    expect(result.exitStatus).toBe(0);
  });
});
