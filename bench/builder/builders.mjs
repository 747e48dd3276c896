// SPDX-License-Identifier: MIT
// The builders that are measured, and how.
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, statSync } from "node:fs";
import { fail, root } from "../../tools/setup/steps.mjs";

/**
 * @typedef {object} Measurement
 * @property {number} wall seconds
 * @property {number} cpu seconds, user and system
 * @property {number} memory peak resident set, MiB
 * @property {number} size of what was built, MiB
 */

/** Each gives the command that makes `output` from `tree`. */
export const BUILDERS = {
  mkdaxfs: (tree, output) => [
    process.execPath,
    `${root}/packages/mkdaxfs/bin/mkdaxfs.cjs`,
    tree,
    ...["-o", output, "--quiet"],
  ],
  "mkfs.erofs": (tree, output) => ["mkfs.erofs", "--quiet", output, tree],
  tar: (tree, output) => ["tar", "--xattrs", "-cf", output, "-C", tree, "."],
};

/**
 * Runs a builder once, into a file that does not exist before.
 * @returns {Measurement}
 */
export function measure(name, tree, output) {
  rmSync(output, { force: true });
  const usage = `${output}.usage`;
  const command = ["-o", usage, "-f", "%U %S %M", ...BUILDERS[name](tree, output)];
  const start = process.hrtime.bigint();
  const done = spawnSync("/usr/bin/time", command, {
    // Where it is set, Node 20 reads all certificates at every start: 45 ms that are no work of a
    // builder.
    env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined },
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
  });
  const wall = Number(process.hrtime.bigint() - start) / 1e9;
  if (done.status !== 0) fail(`${name} failed: ${done.stderr}`);
  const [user, system, memory] = readFileSync(usage, "utf8").trim().split(" ").map(Number);
  const size = statSync(output).blocks / 2048;
  rmSync(output);
  rmSync(usage);
  return { wall, cpu: user + system, memory: memory / 1024, size };
}
