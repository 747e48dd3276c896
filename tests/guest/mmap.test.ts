// SPDX-License-Identifier: MIT
// Mappings of files: content, copies on write, ends, faults, threads, and the end of the mount.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isSince } from "@daxfs/qemu";
import { beforeAll, expect, it } from "vitest";
import { MOUNTED_BY_ADDRESS } from "../support/backing.js";
import {
  buildImage,
  compileHelper,
  failedChecks,
  type HelperCheck,
  hostScript,
} from "../support/environment.js";
import { describeGuest } from "../support/guest-suite.js";

/** Around the page, what a fault maps at once, and the huge page. */
const SIZES = [
  0, 1, 4095, 4096, 4097, 8191, 65535, 65536, 65537, 1000003, 2097151, 2097152, 2097153, 6291457,
  16777216,
];
const DUMPED = SIZES.filter((size) => size > 0);
const KINDS = ["shared", "private", "written"];

/**
 * Since 6.4, mremap(2) grows a mapping into the room behind it only by merging, which it never does
 * with VM_MIXEDMAP, and it fails then instead of moving it. Since 6.17 pages can be mapped without, if
 * there are struct pages, which dma-bufs keep to themselves.
 */
const NO_GROWTH_IN_PLACE = ["shared", "private"].map(
  (kind) => `mremap grows a ${kind} mapping in its place: ENOMEM, expected 0`,
);

/** VM_MIXEDMAP keeps mappings apart: what was split stays so. */
const STAYS_SPLIT = "a mapping that was split is one again: 3 parts, expected 1";

await describeGuest("a mapping", "mmap", {}, (guest) => {
  const digests = new Map<number, string>();
  let checks: HelperCheck[];
  /** What fails because of the kernel. */
  let differences: string[];

  guest.boot(async ({ directory, kernel }) => {
    const tree = join(directory, "tree");
    await mkdir(tree);
    const pattern = await compileHelper("pattern", directory);
    const helper = await compileHelper("mmap_checks", directory);
    for (const size of SIZES) {
      await hostScript('"$1" "$2" >"$3/$2"', pattern, String(size), tree);
      const sum = await hostScript('sha256sum <"$1" | cut -d" " -f1', join(tree, String(size)));
      digests.set(size, sum);
    }
    // Not huge-page alignment: files begin at odd pages, and share the pages around them.
    const image = await buildImage(tree, join(directory, "tree.daxfs"), ["--align", "4k"]);
    const aligned = await buildImage(tree, join(directory, "aligned.daxfs"));

    const mixedmap = !(isSince(kernel, "6.17") && MOUNTED_BY_ADDRESS);
    const grows = !(isSince(kernel, "6.4") && mixedmap);
    differences = [...(mixedmap ? [STAYS_SPLIT] : []), ...(grows ? [] : NO_GROWTH_IN_PLACE)];
    const dumps = DUMPED.flatMap((size) =>
      KINDS.map(
        (kind) =>
          `value "${kind} ${size}" "$(mmap_checks dump ${kind} /mnt/${size} | sha256sum | cut -d' ' -f1)"`,
      ),
    ).join("\n");
    const onImage = (index: number) => `
mount_image ${index} /mnt || exit 1
${index === 0 ? dumps : ""}
mmap_checks >/tmp/checks 2>&1
attach "checks ${index}" /tmp/checks
# It has unmounted the image at its end.
grep -q ' /mnt ' /proc/mounts && exit 2 || :`;
    return {
      cpus: 2,
      images: [{ path: image }, { path: aligned }],
      programs: [helper],
      timeoutSeconds: 700,
      script: `
${onImage(0)}
${onImage(1)}
rmmod daxfs || exit 3
`,
    };
  });
  beforeAll(() => {
    checks = guest.checks("checks 0");
  });

  it("comes to its end, and the module can go then", () => {
    expect(guest.result.exitStatus).toBe(0);
  });

  it.each(DUMPED)("of %i bytes has the bytes of the host's file", (size) => {
    const digest = digests.get(size) ?? "";
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    const found = KINDS.map((kind) => guest.value(`${kind} ${size}`));
    expect(found).toEqual(KINDS.map(() => digest));
  });

  it("keeps to what mmap(2) promises", () => {
    expect(failedChecks(checks)).toEqual(differences);
    expect(checks.length).toBeGreaterThan(130);
  });

  it("does so in an image for huge mappings, too", () => {
    const aligned = guest.checks("checks 1");
    expect(failedChecks(aligned)).toEqual(differences);
    expect(aligned.map(({ name }) => name)).toEqual(checks.map(({ name }) => name));
  });

  it("takes far fewer faults than pages", () => {
    const counts = checks
      .filter(({ name }) => name.startsWith("faults of"))
      .map(({ name, detail }) => ({ name, faults: Number(/^(\d+) faults$/.exec(detail)?.[1]) }));
    console.info(counts.map(({ name, faults }) => `${name}: ${faults}`).join("\n"));
    expect(counts).toHaveLength(4);
    for (const { faults } of counts) {
      expect(faults).toBeGreaterThan(0);
      expect(faults).toBeLessThanOrEqual(16777216 / 4096 / 8);
    }
  });
});
