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

/** ext4 aligns large files with clusters of 2 MiB, which small ones don't fit: two images. */
function makeExt4(tree, files, data) {
  const only = (name, what) => {
    run("sh", "-c", 'mkdir "$1" && shift && cp -a "$@"', "sh", name, ...what, name);
    return name;
  };
  const make = (image, size, from, ...options) => {
    writeFileSync(image, "");
    truncateSync(image, size);
    run("mke2fs", "-q", "-t", "ext4", "-b", "4096", ...options, "-d", from, image);
  };
  const many = only(`${tree}.files`, [`${tree}/big`, `${tree}/many`]);
  // What the data is mounted on.
  empty(`${many}/data`);
  make(files, 256 * MIB, many, "-N", "140000");
  // mke2fs leaves large directories without an index.
  run("e2fsck", "-fyD", files);
  const clusters = ["-O", "bigalloc,^has_journal", "-C", String(HUGE)];
  make(data, 128 * MIB, only(`${tree}.data`, [`${tree}/data`]), ...clusters);
}

/**
 * Makes the tree and its images in a directory.
 * @returns {Record<string, string>} the path of each, by name
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
  makeExt4(tree, path("ext4"), path("ext4data"));
  const plain = ["-noI", "-noD", "-noF", "-noX", "-no-progress", "-quiet"];
  run("mksquashfs", tree, path("squashfs"), ...plain);
  makeErofs(tree, path("erofs"));
  return Object.fromEntries(
    ["daxfs", "erofs", "ext4", "ext4data", "squashfs"].map((name) => [name, path(name)]),
  );
}
