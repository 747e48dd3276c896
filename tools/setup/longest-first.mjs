// SPDX-License-Identifier: MIT
// @ts-check
// The order in which test files start: the longest first, so that no processor is idle at the end
// while a long file that started late still runs.
import { BaseSequencer } from "vitest/node";

/**
 * Run time of files in seconds on two processors, as `npm test` lists the longest. Only the order
 * matters. Files that are not listed count as OTHERS.
 * @type {Readonly<Record<string, number>>}
 */
const SECONDS = {
  "tests/guest/corpus.test.ts": 147,
  "tools/qemu/test/vm.test.ts": 129,
  "tests/system/archives.test.ts": 111,
  "tests/system/kernel.test.ts": 107,
  "tests/guest/systemd.test.ts": 100,
  "tests/guest/overlay.test.ts": 93,
  "tests/system/image.test.ts": 90,
  "tests/guest/backings.test.ts": 89,
  "tests/guest/thirdparty.test.ts": 80,
  "tests/guest/page-cache.test.ts": 60,
  "tests/guest/rootfs.test.ts": 60,
  "tests/system/differential.test.ts": 50,
};
const OTHERS = 20;

/** Sorts test files by their run time, the longest first. */
export class LongestFirst extends BaseSequencer {
  /**
   * @param {import("vitest/node").TestSpecification[]} files
   * @returns {Promise<import("vitest/node").TestSpecification[]>}
   */
  async sort(files) {
    const root = `${this.ctx.config.root}/`;
    const seconds = (/** @type {string} */ path) => SECONDS[path.replace(root, "")] ?? OTHERS;
    return [...files].sort((a, b) => seconds(b.moduleId) - seconds(a.moduleId));
  }
}
