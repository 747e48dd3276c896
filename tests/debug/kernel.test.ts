// SPDX-License-Identifier: MIT
// The debug kernel itself: it finds the faults of a module that has some of each kind.
import { droppedOptions, GuestError, runGuest } from "@daxfs/qemu";
import { beforeAll, describe, expect, it } from "vitest";
import { buildDebugDaxfs, buildTestModule, LEAK_FUNCTIONS } from "./support.js";

/**
 * What the kernel says to each fault of faulty.c, in the order in which they are tried: lockdep ends
 * with the first report of another.
 */
const FAULTS: readonly (readonly [fault: string, message: RegExp])[] = [
  ["lock_order", /WARNING: possible circular locking dependency detected/],
  ["use_after_free", /BUG: KASAN: use-after-free in use_after_free/],
  ["out_of_bounds", /BUG: KASAN: slab-out-of-bounds in out_of_bounds/],
  ["vmalloc_out_of_bounds", /BUG: KASAN: vmalloc-out-of-bounds in vmalloc_out_of_bounds/],
  ["stack_out_of_bounds", /BUG: KASAN: stack-out-of-bounds in stack_out_of_bounds/],
  ["array_index", /UBSAN: array-index-out-of-bounds in .*faulty\.c/],
  ["shift", /UBSAN: shift-out-of-bounds in .*faulty\.c/],
  ["sleep_under_spinlock", /BUG: sleeping function called from invalid context at .*faulty\.c/],
  ["leak", /kmemleak: [1-9]\d* new suspected memory leaks/],
];

const SCRIPT = `${LEAK_FUNCTIONS}
cp /vm/modules/faulty.ko /tmp
for fault in ${FAULTS.map(([fault]) => fault).join(" ")}; do
  insmod /tmp/faulty.ko fault=$fault && rmmod faulty || exit 1
done
leaks leaks
`;

describe("options of the configuration that did not take effect", () => {
  const configuration = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\n";

  it("are none in a configuration that has all lines", () => {
    const fragment = "# About A\nCONFIG_A=y\n# CONFIG_B is not set\n# CONFIG_NEW is not set\n";
    expect(droppedOptions(fragment, configuration)).toEqual([]);
  });

  it("are found, whether they are missing, different or set against the fragment", () => {
    const lines = ["CONFIG_B=y", "CONFIG_C=y", "# CONFIG_A is not set", "CONFIG_NEW=y"];
    expect(droppedOptions(lines.join("\n"), configuration)).toEqual(lines);
  });
});

describe("the debug kernel", () => {
  let warnings: readonly string[];

  beforeAll(async () => {
    const { kernel } = await buildDebugDaxfs();
    const faulty = await buildTestModule(kernel, "faulty");
    const run = runGuest({
      kernel,
      // It reports one fault of a kind otherwise.
      commandLine: ["kasan_multi_shot"],
      files: [{ guestPath: "/vm/modules/faulty.ko", hostPath: faulty }],
      name: "faulty",
      script: SCRIPT,
    });
    const error = await run.then(
      () => new Error("the kernel found nothing"),
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof GuestError)) throw error;
    warnings = error.kernelWarnings;
  });

  it.each(FAULTS)("finds %s", (_, message) => {
    expect(warnings.filter((line) => message.test(line))).toHaveLength(1);
  });
});
