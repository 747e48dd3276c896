// SPDX-License-Identifier: MIT
// npm run test:debug: the tests on a kernel that finds faults, which is built first. For an hour
// at night, not for every change: everything is several times slower there.
import { build, ensurePackages, PACKAGES, run } from "./steps.mjs";

ensurePackages(PACKAGES.vm, PACKAGES.rootfs, PACKAGES.test, PACKAGES.debug);
build();
run([
  process.execPath,
  "node_modules/vitest/vitest.mjs",
  "run",
  ...["--project", "debug"],
  "--reporter=verbose",
  ...process.argv.slice(2),
]);
