// SPDX-License-Identifier: MIT
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const alias = {
  "@daxfs/format": source("packages/format/src/index.ts"),
  "@daxfs/qemu": source("tools/qemu/src/index.ts"),
};

// Three projects, so that each can be run alone: `unit` needs Node only, `system` needs Debian's
// tools and root, `guest` boots virtual machines.
export default defineConfig({
  resolve: { alias },
  test: {
    projects: [
      {
        extends: true,
        test: { name: "unit", include: ["packages/*/test/**/*.test.ts"], testTimeout: 60_000 },
      },
      {
        extends: true,
        test: { name: "system", include: ["tests/system/**/*.test.ts"], testTimeout: 300_000 },
      },
      {
        extends: true,
        test: {
          name: "guest",
          include: ["tools/qemu/test/**/*.test.ts", "tests/guest/**/*.test.ts"],
          testTimeout: 900_000,
          hookTimeout: 900_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
