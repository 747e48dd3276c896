// SPDX-License-Identifier: MIT
// A file past 2 and 4 GiB, where numbers of 31 and 32 bits end: read, mapped and described.
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { runGuest } from "@daxfs/qemu";
import { expect, it } from "vitest";
import { buildImage, compileHelper } from "../support/environment.js";
import { describeGuest } from "../support/guest-suite.js";

const GIB = 2 ** 30;
const SIZE = 5 * GIB;
/** Where the file is not zero: at its ends, across each limit, and some MiB behind it. */
const MARKS = [0, 2 * GIB - 8, 2 * GIB + 7e6, 4 * GIB - 8, 4 * GIB + 7654321, SIZE - 16];

await describeGuest("a file of 5 GiB", "large-file", { run: runGuest }, (guest) => {
  guest.boot(async ({ directory }) => {
    const tree = join(directory, "tree");
    await mkdir(tree);
    const file = await open(join(tree, "large"), "w");
    for (const mark of MARKS) await file.write(String(mark).padStart(16, "0"), mark);
    await file.close();
    const image = await buildImage(tree, join(directory, "large.daxfs"));
    const words = `/mnt/large ${SIZE} ${MARKS.join(" ")}`;
    return {
      // In a file that QEMU maps, so that holes take no memory.
      images: [{ path: image, backing: "nvdimm" }],
      programs: [await compileHelper("large_file_checks", directory)],
      script: `
for mode in default nopages; do
  mount_image 0 /mnt $([ $mode = default ] || echo $mode) || exit 1
  value "$mode options" "$(grep ' /mnt daxfs ' /proc/mounts | cut -d' ' -f4)"
  large_file_checks ${words} >/tmp/out 2>&1; attach $mode /tmp/out
  umount /mnt || exit 2
done
`,
    };
  });

  it.each(["default", "nopages"])("is what it was, mounted with %s", (mode) => {
    expect(guest.failures(mode)).toEqual([]);
    expect(guest.checks(mode)).toHaveLength(4 + 4 * MARKS.length);
    expect(guest.value(`${mode} options`).endsWith(",nopages")).toBe(mode === "nopages");
    expect(guest.result.exitStatus).toBe(0);
  });
});
