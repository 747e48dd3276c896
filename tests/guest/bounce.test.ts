// SPDX-License-Identifier: MIT
// A kernel that has devices read through bounce buffers, as with memory encryption: a mount of a dma-buf
// does not need them, and they are smaller than this image.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { runGuest } from "@daxfs/qemu";
import { expect, it } from "vitest";
import { buildImage, compileHelper, hostScript } from "../support/environment.js";
import { describeGuest } from "../support/guest-suite.js";

/** The kernel has bounce buffers of 64 MiB. */
const SIZE = 96 * 1024 * 1024;

await describeGuest("a dma-buf with swiotlb=force", "bounce", { run: runGuest }, (guest) => {
  let sum: string;

  guest.boot(async ({ directory }) => {
    const tree = join(directory, "tree");
    await mkdir(tree);
    const pattern = await compileHelper("pattern", directory);
    await hostScript('"$1" "$2" >"$3"', pattern, String(SIZE), join(tree, "large"));
    sum = await hostScript('sha256sum <"$1"', join(tree, "large"));
    return {
      images: [{ path: await buildImage(tree, join(directory, "tree.daxfs")), backing: "vgem" }],
      commandLine: ["swiotlb=force"],
      script: `
value kernel "$(dmesg | grep -ci 'software IO TLB')"
for round in first second; do
  mount_image 0 /mnt || exit 1
  value "$round" "$(sha256sum </mnt/large)"
  umount /mnt || exit 2
done
`,
    };
  });

  it("is mounted and read", () => {
    expect(guest.result.exitStatus).toBe(0);
    expect(Number(guest.value("kernel"))).toBeGreaterThan(0);
    expect(guest.value("first")).toBe(sum);
    expect(guest.value("second")).toBe(sum);
  });
});
