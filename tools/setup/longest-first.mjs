// SPDX-License-Identifier: MIT
// @ts-check
// The order in which test files start. The longest come first, so that no processor waits at the
// end for one that began last; and what needs no kernel comes before what does, as kernels may
// still be on their way.
import { BaseSequencer } from "vitest/node";

/**
 * Seconds that files take, roughly, on two processors: only their order counts. Others take 20.
 * @type {Readonly<Record<string, number>>}
 */
const SECONDS = {
  "tests/guest/thirdparty.test.ts": 140,
  "tests/guest/corpus.test.ts": 130,
  "tests/guest/systemd.test.ts": 120,
  "tests/guest/overlay.test.ts": 110,
  "tests/guest/page-cache.test.ts": 90,
  "tests/guest/mmap.test.ts": 80,
  "tests/guest/mount.test.ts": 80,
  "tests/guest/rootfs.test.ts": 70,
  "tests/guest/backings.test.ts": 60,
};
const OTHERS = 20;

/** Sorts test files by what they take. */
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
