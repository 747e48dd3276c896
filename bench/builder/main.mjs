// SPDX-License-Identifier: MIT
// npm run bench -- builder [--rounds N] [--directory DIR]
//
// Builds a Debian root filesystem and a tree of 100,000 small files with mkdaxfs and its peers, one
// after the other in every round, and prints medians, and medians of the ratio to mkdaxfs of the
// same round: machines are noisy, ratios of neighbours less so.
import { mkdtempSync, rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { debianRootfs } from "../../tools/setup/rootfs.mjs";
import { cacheDirectory, say } from "../../tools/setup/steps.mjs";
import { BUILDERS, measure } from "./builders.mjs";
import { copyTree, makeSmallFiles } from "./trees.mjs";

const COLUMNS = [
  ["wall", "wall s", 3],
  ["cpu", "CPU s", 3],
  ["memory", "peak MiB", 0],
  ["size", "on disk MiB", 0],
];

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** One row a builder: medians, and in brackets mkdaxfs's share of it, from pairs of one round. */
function table(rounds) {
  const head = ["", ...COLUMNS.map(([, title]) => title)];
  const rows = Object.keys(BUILDERS).map((name) => {
    const cells = COLUMNS.map(([key, , digits]) => {
      const value = median(rounds.map((round) => round[name][key])).toFixed(digits);
      if (name === "mkdaxfs") return value;
      const ratio = median(rounds.map((round) => round.mkdaxfs[key] / round[name][key]));
      return `${value} (×${ratio.toFixed(2)})`;
    });
    return [name, ...cells];
  });
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return `${lines.join("\n")}\n`;
}

/** @param {readonly string[]} argv */
export async function main(argv) {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: "string", default: "9" },
      directory: { type: "string", default: "/dev/shm" },
    },
  });
  const work = mkdtempSync(`${values.directory}/mkdaxfs-bench-`);
  try {
    say("making the trees");
    copyTree(await debianRootfs(cacheDirectory), `${work}/minbase`);
    const packages = ["perl", "python3"];
    copyTree(await debianRootfs(cacheDirectory, { packages }), `${work}/rootfs`);
    makeSmallFiles(`${work}/small-files`);
    for (const tree of ["minbase", "rootfs", "small-files"]) {
      const rounds = [];
      // The first round warms the caches and is thrown away.
      for (let round = 0; round <= Number(values.rounds); round++) {
        const results = {};
        for (const name of Object.keys(BUILDERS)) {
          results[name] = measure(name, `${work}/${tree}`, `${work}/output`);
        }
        if (round > 0) rounds.push(results);
      }
      process.stdout.write(
        `\n${tree}, ${rounds.length} rounds (×: mkdaxfs to it)\n\n${table(rounds)}`,
      );
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
