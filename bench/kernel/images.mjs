// SPDX-License-Identifier: MIT
// One tree, as an image of each filesystem. bench/kernel/measure.c knows its sizes.
import { spawnSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { root } from "../../tools/setup/steps.mjs";

const MIB = 1024 * 1024;
const HUGE = 2 * MIB;
const SECTION = 128 * MIB;
const DATA_SIZE = 64 * MIB;
const DIRECTORIES = 1000;
const FILES = 100;
const BIG = 20_000;

function run(program, ...words) {
  const done = spawnSync(program, words, { encoding: "utf8" });
  // e2fsck says with 1 that it changed something.
  if (done.error || done.status > (program === "e2fsck" ? 1 : 0)) {
    throw new Error(`${program}: ${done.error?.message ?? done.stderr}`);
  }
}

function empty(path) {
  closeSync(openSync(path, "w"));
}

/** A file of 64 MiB, 100,000 empty files in 1,000 directories, and 20,000 in one. */
function makeTree(tree) {
  mkdirSync(`${tree}/big`, { recursive: true });
  writeFileSync(`${tree}/data`, randomFillSync(Buffer.allocUnsafe(DATA_SIZE)));
  for (let i = 0; i < DIRECTORIES; i++) {
    const directory = `${tree}/many/d${String(i).padStart(3, "0")}`;
    mkdirSync(directory, { recursive: true });
    for (let j = 0; j < FILES; j++) empty(`${directory}/f${String(j).padStart(2, "0")}`);
  }
  for (let i = 0; i < BIG; i++) empty(`${tree}/big/entry-${String(i).padStart(5, "0")}`);
}

/** Where the content of `data` begins in an image. */
function dataOffset(image, tree) {
  const start = readFileSync(`${tree}/data`).subarray(0, 4096);
  const offset = readFileSync(image).indexOf(start);
  if (offset < 0) throw new Error(`${image} does not hold the data in one piece`);
  return offset;
}

/**
 * EROFS puts files one behind the other. With a file of the right size before it, the data begins at
 * a multiple of 2 MiB, where it can be mapped with huge pages.
 */
function makeErofs(tree, image) {
  const padding = `${tree}/.padding`;
  let size = 0;
  for (let tries = 0; tries < 8; tries++) {
    run("mkfs.erofs", "--quiet", "-T0", image, tree);
    const beyond = dataOffset(image, tree) % HUGE;
    if (beyond === 0) return;
    size = (size + HUGE - beyond) % HUGE;
    writeFileSync(padding, randomFillSync(Buffer.allocUnsafe(size)));
  }
  throw new Error("mkfs.erofs does not put the data at a multiple of 2 MiB");
}

/** Without the data, which the guest copies into it: the kernel aligns large files, mke2fs does not. */
function makeExt4(tree, image) {
  run("sh", "-c", 'mkdir "$2" && cp -a "$1/big" "$1/many" "$2"', "sh", tree, `${tree}.ext4`);
  writeFileSync(image, "");
  truncateSync(image, 256 * MIB);
  // A stripe of 2 MiB makes the kernel begin large files at multiples of it.
  const options = ["-b", "4096", "-N", "140000", "-E", "stripe_width=512"];
  run("mke2fs", "-q", "-t", "ext4", ...options, "-d", `${tree}.ext4`, image);
  // mke2fs leaves large directories without an index.
  run("e2fsck", "-fyD", image);
}

/**
 * Makes the tree and its images in a directory.
 * @returns {{ daxfs: string, erofs: string, ext4: string, squashfs: string }} their paths
 */
export function makeImages(directory) {
  const tree = `${directory}/tree`;
  const path = (name) => `${directory}/${name}.image`;
  makeTree(tree);
  run(
    process.execPath,
    `${root}/packages/mkdaxfs/bin/mkdaxfs.cjs`,
    "-q",
    tree,
    "-o",
    path("daxfs"),
  );
  // Struct pages come for whole 2 MiB; in a whole section of memory, no RAM is beside them.
  truncateSync(path("daxfs"), Math.ceil(statSync(path("daxfs")).size / SECTION) * SECTION);
  makeExt4(tree, path("ext4"));
  const plain = ["-noI", "-noD", "-noF", "-noX", "-no-progress", "-quiet"];
  run("mksquashfs", tree, path("squashfs"), ...plain);
  makeErofs(tree, path("erofs"));
  return Object.fromEntries(
    ["daxfs", "erofs", "ext4", "squashfs"].map((name) => [name, path(name)]),
  );
}
