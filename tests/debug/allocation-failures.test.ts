// SPDX-License-Identifier: MIT
// Every allocation of every operation fails once: the operation gives ENOMEM, and nothing is lost.
import { expect, it } from "vitest";
import { describeGuest } from "../support/guest-suite.js";
import { prepareCycles } from "../support/mount-cycles.js";
import { DEBUG_OPTIONS, LEAK_FUNCTIONS, leaksOf } from "./support.js";

const MEMORIES = ["a range", "a range with struct pages", "a dma-buf"] as const;
/** Operations that are swept. Four are mounts while nothing is mounted: not of a dma-buf. */
const CHECKS = { "a range": 26, "a range with struct pages": 26, "a dma-buf": 22 };

/** Without it, failures spare allocations that may sleep, and user pages; and each is a message. */
const FAIL_EVERYTHING = `
cd /sys/kernel/debug
for kind in failslab fail_page_alloc; do
  echo N >$kind/ignore-gfp-wait && echo 0 >$kind/verbose || exit 2
done
echo N >fail_page_alloc/ignore-gfp-highmem && echo 0 >fail_page_alloc/min-order || exit 2
cd /
`;

await describeGuest("an allocation that fails", "allocation-failures", DEBUG_OPTIONS, (guest) => {
  guest.boot(async ({ directory, kernel }) => {
    const setup = await prepareCycles(directory, kernel);
    const memories = [
      { name: MEMORIES[0], words: `"${setup.first}" "${setup.none}"` },
      { name: MEMORIES[1], words: `"${setup.firstWithPages}" "${setup.none}"` },
      { name: MEMORIES[2], words: `"${setup.buffers[0]?.image}" "${setup.buffers[0]?.none}"` },
    ];
    return {
      cpus: 2,
      images: setup.images,
      programs: setup.programs,
      timeoutSeconds: 600,
      // KASAN of 6.1 does not notice when it gets no page table for the shadow of struct pages, and
      // the kernel falls over it later. What is mounted next to the range keeps the table there.
      script: `${LEAK_FUNCTIONS}${FAIL_EVERYTHING}
mkdir /neighbour && mount -t daxfs -o ${setup.second} none /neighbour || exit 4
${memories.map(({ name, words }) => `allocation_failures ${words} >/tmp/failures 2>&1; attach "${name}" /tmp/failures`).join("\n")}
umount /neighbour || exit 5
leaks leaks
rmmod daxfs || exit 3
`,
    };
  });

  it.each(MEMORIES)("is ENOMEM for whoever met it, and no more, with %s", (name) => {
    const checks = guest.checks(name);
    for (const { name: operation, detail } of checks) console.info(`${operation}: ${detail}`);
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(checks).toHaveLength(CHECKS[name]);
  });

  it("loses no memory, and leaves a module that can be removed", () => {
    expect(leaksOf(guest.result, "leaks")).toBe("");
    expect(guest.result.exitStatus).toBe(0);
  });
});
