// SPDX-License-Identifier: MIT
// npm run test:matrix -- [--kernel middle] [--backing vgem] [--jobs 2] [--list]
//
// The guest tests that look at DAXFS_BACKING, on every kernel and in every kind of memory; options
// that are given (several times, if need be) choose among them. Closes with a table. It takes hours,
// so that npm test does not run it.
import { spawn } from "node:child_process";
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { parseArgs } from "node:util";
import {
  build,
  cacheDirectory,
  ensurePackages,
  fail,
  kernelOf,
  PACKAGES,
  root,
  say,
} from "./steps.mjs";

const results = `${cacheDirectory}/matrix`;
const TESTS = "tests/guest";

/** @typedef {{ kernel: string, backing: string, files: string[] }} Cell */
/** @typedef {{ passed: number, failed: string[], skipped: number, seconds: number }} Outcome */

const { values } = parseArgs({
  options: {
    kernel: { type: "string", multiple: true, default: [] },
    backing: { type: "string", multiple: true, default: [] },
    jobs: { type: "string", default: "2" },
    list: { type: "boolean", default: false },
  },
});
const jobs = Number(values.jobs);
if (!Number.isInteger(jobs) || jobs < 1) fail(`--jobs ${values.jobs}: expected 1 or more`);

ensurePackages(PACKAGES.vm, PACKAGES.rootfs, PACKAGES.test);
build();
const { BACKINGS, KERNEL_ROLES, kernelRole, reasonUnavailable } = await import(
  "../qemu/dist/index.js"
);

/** What the command line chose of `all`, or all. */
function choose(option, all) {
  const chosen = values[option];
  const unknown = chosen.find((word) => !all.includes(word));
  if (unknown !== undefined) fail(`--${option} ${unknown}: not one of ${all.join(", ")}`);
  return chosen.length === 0 ? all : chosen;
}

/**
 * Test files whose guests have their images in the backing that DAXFS_BACKING names. That is what
 * `describeGuest` does; files that run their guests in another way import `runGuest`.
 */
function testFiles() {
  return readdirSync(`${root}/${TESTS}`)
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `${TESTS}/${name}`)
    .filter((path) => {
      const text = readFileSync(`${root}/${path}`, "utf8");
      return text.includes("support/guest-suite.js") && !text.includes("runGuest");
    });
}

/**
 * Runs the tests of a cell; what they print goes to a file beside the results.
 * @param {Cell} cell
 * @returns {Promise<Outcome>}
 */
async function runCell({ kernel, backing, files }) {
  const name = `${results}/${kernel}-${backing}`;
  const log = createWriteStream(`${name}.log`);
  const begin = Date.now();
  const words = ["node_modules/vitest/vitest.mjs", "run", "--project", "guest", ...files];
  const child = spawn(
    process.execPath,
    [...words, "--reporter=verbose", "--reporter=json", `--outputFile.json=${name}.json`],
    {
      cwd: root,
      env: { ...process.env, DAXFS_KERNEL: kernel, DAXFS_BACKING: backing },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  for (const output of [child.stdout, child.stderr]) output.pipe(log, { end: false });
  const status = await new Promise((done) => child.on("close", done));
  log.end();
  const seconds = Math.round((Date.now() - begin) / 1000);
  if (!existsSync(`${name}.json`)) {
    return { passed: 0, failed: [`vitest ended with ${status}`], skipped: 0, seconds };
  }
  const report = JSON.parse(readFileSync(`${name}.json`, "utf8"));
  const failed = report.testResults.flatMap((file) => {
    const tests = file.assertionResults.filter((test) => test.status === "failed");
    // A file that fails before its first test has a message of its own, and no failed test.
    if (tests.length === 0 && file.status === "failed") return [file.message.split("\n")[0]];
    return tests.map((test) => test.fullName);
  });
  if (status !== 0 && failed.length === 0) failed.push(`vitest ended with ${status}`);
  const skipped = report.numPendingTests + report.numTodoTests;
  return { passed: report.numPassedTests, failed, skipped, seconds };
}

/** @param {Outcome} outcome */
function describe({ passed, failed, skipped, seconds }) {
  return `${passed} passed, ${failed.length} failed, ${skipped} skipped in ${seconds} s`;
}

// A kernel may be named by its series, too.
values.kernel = values.kernel.map((word) => kernelRole(word) ?? word);
const kernels = choose("kernel", KERNEL_ROLES);
const backings = choose("backing", BACKINGS);
const files = testFiles();
/** @type {Map<string, string>} */
const table = new Map();
/** @type {Cell[]} */
const cells = [];
for (const kernel of kernels) {
  const fetched = await kernelOf(kernel);
  for (const backing of backings) {
    const reason = await reasonUnavailable(fetched, backing);
    if (reason === undefined) cells.push({ kernel, backing, files });
    table.set(`${kernel} ${backing}`, reason === undefined ? "" : `not available: ${reason}`);
  }
}
say(`${cells.length} times ${files.join(" ")}`);
if (values.list) process.exit();

rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });
let failures = 0;
async function work() {
  for (let cell = cells.shift(); cell !== undefined; cell = cells.shift()) {
    const name = `${cell.kernel} ${cell.backing}`;
    const outcome = await runCell(cell);
    table.set(name, describe(outcome));
    failures += outcome.failed.length;
    say(`${name}: ${describe(outcome)}`);
    for (const test of outcome.failed) process.stdout.write(`    FAILED ${test}\n`);
  }
}
await Promise.all(Array.from({ length: jobs }, work));

process.stdout.write(`\n${"kernel".padEnd(8)}${"backing".padEnd(14)}result\n`);
for (const [name, outcome] of table) {
  const [kernel, backing] = name.split(" ");
  process.stdout.write(`${kernel.padEnd(8)}${backing.padEnd(14)}${outcome}\n`);
}
if (failures > 0) process.stdout.write(`\nWhat they printed is in ${results}\n`);
process.exitCode = failures === 0 ? 0 : 1;
