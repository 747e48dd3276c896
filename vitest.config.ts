// SPDX-License-Identifier: MIT
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const alias = {
  "@daxfs/format": source("packages/format/src/index.ts"),
  "@daxfs/qemu": source("tools/qemu/src/index.ts"),
};

const guests = {
  testTimeout: 900_000,
  hookTimeout: 900_000,
  // A guest keeps one processor busy, and takes one or two GiB of memory.
  maxWorkers: 2,
  // Projects of different maxWorkers can't run together.
  sequence: { groupOrder: 1 },
};

// Projects, so that each can be run alone: `unit` needs Node only, `system` needs Debian's tools and
// root, `qemu` and `guest` boot virtual machines, `guest` with the kernel that DAXFS_KERNEL names,
// `debug` with one that finds faults.
export default defineConfig({
  resolve: { alias },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["packages/*/test/**/*.test.ts"],
          testTimeout: 60_000,
          // Vitest leaves one out, which is half of two.
          maxWorkers: availableParallelism(),
        },
      },
      {
        extends: true,
        test: {
          name: "system",
          include: ["tests/system/**/*.test.ts"],
          testTimeout: 300_000,
          // Builds of a GiB and more among them.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { name: "qemu", include: ["tools/qemu/test/**/*.test.ts"], ...guests },
      },
      {
        extends: true,
        test: { name: "guest", include: ["tests/guest/**/*.test.ts"], ...guests },
      },
      {
        extends: true,
        test: {
          name: "debug",
          include: ["tests/debug/**/*.test.ts"],
          ...guests,
          // Everything is several times slower on that kernel.
          testTimeout: 3_600_000,
          hookTimeout: 3_600_000,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
