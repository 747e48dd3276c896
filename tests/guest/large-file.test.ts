// SPDX-License-Identifier: MIT
// A file past 2 and 4 GiB, where numbers of 31 and 32 bits end: read, mapped and described.
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { type GuestResult, runGuest } from "@daxfs/qemu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  buildDaxfs,
  buildImage,
  compileHelper,
  guestValue,
  helperChecks,
  reasonToSkip,
  removeDirectory,
  workDirectory,
} from "../support/environment.js";

const reason = await reasonToSkip();
if (reason !== undefined) console.warn(`tests/guest/large-file is left out: ${reason}`);

const GIB = 2 ** 30;
const SIZE = 5 * GIB;
/** Where the file is not zero: at its ends, across each limit, and some MiB behind it. */
const MARKS = [0, 2 * GIB - 8, 2 * GIB + 7e6, 4 * GIB - 8, 4 * GIB + 7654321, SIZE - 16];

describe.skipIf(reason !== undefined)("a file of 5 GiB", () => {
  let directory: string;
  let result: GuestResult;

  afterAll(() => removeDirectory(directory));

  beforeAll(async () => {
    directory = await workDirectory("large-file");
    const tree = join(directory, "tree");
    await mkdir(tree);
    const file = await open(join(tree, "large"), "w");
    for (const mark of MARKS) await file.write(String(mark).padStart(16, "0"), mark);
    await file.close();
    const image = await buildImage(tree, join(directory, "large.daxfs"));
    const { kernel, module } = await buildDaxfs();
    const words = `/mnt/large ${SIZE} ${MARKS.join(" ")}`;
    result = await runGuest({
      kernel,
      modules: [module],
      // In a file that QEMU maps, so that holes take no memory.
      images: [{ path: image, backing: "nvdimm" }],
      programs: [await compileHelper("large_file_checks", directory)],
      name: "large-file",
      script: `
for mode in default nopages; do
  mount_image 0 /mnt $([ $mode = default ] || echo $mode) || exit 1
  value "$mode options" "$(grep ' /mnt daxfs ' /proc/mounts | cut -d' ' -f4)"
  large_file_checks ${words} >/tmp/out 2>&1; attach $mode /tmp/out
  umount /mnt || exit 2
done
`,
    });
    console.info(`the guest took ${Math.round(result.durationSeconds)} s`);
  });

  it.each(["default", "nopages"])("is what it was, mounted with %s", (mode) => {
    const checks = helperChecks(result, mode);
    expect(checks.filter(({ passed }) => !passed)).toEqual([]);
    expect(checks).toHaveLength(4 + 4 * MARKS.length);
    expect(guestValue(result, `${mode} options`).endsWith(",nopages")).toBe(mode === "nopages");
    expect(result.exitStatus).toBe(0);
  });
});
