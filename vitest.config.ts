// SPDX-License-Identifier: MIT
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { LongestFirst } from "./tools/setup/longest-first.mjs";

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const alias = {
  "@daxfs/format": source("packages/format/src/index.ts"),
  "@daxfs/qemu": source("tools/qemu/src/index.ts"),
};

const guests = {
  include: ["tests/guest/**/*.test.ts"],
  testTimeout: 900_000,
  hookTimeout: 900_000,
};

/** `npm test` runs the guest tests on all of these kernels at once, between its other tests. */
const roles = process.env.DAXFS_KERNELS?.split(",");

function project(
  name: string,
  test: TestProjectInlineConfiguration["test"],
): TestProjectInlineConfiguration {
  return { extends: true, test: { name, ...test } };
}

// Projects, so that each can be run on its own: `unit` needs Node only, `system` needs Debian's tools and
// root, `qemu` and `guest` boot virtual machines, `guest` with the kernel that DAXFS_KERNEL names,
// `debug` with one that finds faults.
export default defineConfig({
  resolve: { alias },
  test: {
    // One file per processor, and at least two at a time. A guest keeps one processor busy, and takes
    // one or two GiB of memory.
    maxWorkers: Math.max(2, availableParallelism()),
    sequence: { sequencer: LongestFirst },
    projects: [
      project("unit", { include: ["packages/*/test/**/*.test.ts"], testTimeout: 60_000 }),
      project("system", {
        include: ["tests/system/**/*.test.ts"],
        testTimeout: 300_000,
        hookTimeout: 300_000,
      }),
      project("qemu", { ...guests, include: ["tools/qemu/test/**/*.test.ts"] }),
      ...(roles ?? []).map((role) =>
        project(`guest ${role}`, { ...guests, env: { DAXFS_KERNEL: role } }),
      ),
      ...(roles === undefined ? [project("guest", guests)] : []),
      project("debug", {
        include: ["tests/debug/**/*.test.ts"],
        // Everything is several times slower on that kernel.
        testTimeout: 3_600_000,
        hookTimeout: 3_600_000,
        maxWorkers: 1,
        sequence: { groupOrder: 1 },
      }),
    ],
  },
});
