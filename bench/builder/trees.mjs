// SPDX-License-Identifier: MIT
// The trees that builders are measured on.
import { mkdirSync, writeFileSync } from "node:fs";
import { run } from "../../tools/setup/steps.mjs";

/** A small generator of pseudo-random numbers, so that every run has the same tree (xorshift32). */
function random(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/**
 * 100,000 files of 1 to 8 KiB in 2,000 directories, no two alike.
 * @param {string} directory made by this
 */
export function makeSmallFiles(directory) {
  const next = random(1);
  const noise = Buffer.alloc(64 * 1024);
  for (let at = 0; at < noise.length; at += 4) noise.writeUInt32LE(next(), at);
  for (let d = 0; d < 2000; d++) {
    const path = `${directory}/directory-${String(d).padStart(4, "0")}`;
    mkdirSync(path, { recursive: true });
    for (let f = 0; f < 50; f++) {
      const size = 1024 + (next() % 7168);
      const from = next() % (noise.length - size);
      writeFileSync(`${path}/file-${f}`, noise.subarray(from, from + size));
    }
  }
}

/** A copy of a tree in the place where all builders work. */
export function copyTree(from, to) {
  run(["cp", "-a", from, to]);
}
