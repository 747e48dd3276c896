// SPDX-License-Identifier: MIT
// What archives lose of a tree, and archives that no program would make of one.
import { type ByteString, FILE_TYPE } from "@daxfs/format";
import { execa } from "execa";
import type { TestContext } from "vitest";
import type { Tree } from "./umoci.js";

/** What makes archives and is not on every machine. */
const PROGRAMS = ["bsdtar", "bzip2", "xz", "zip", "zstd"];

/** Ends a test whose script wants a program that is not installed, and says which. */
export async function needsProgramsOf(script: string, context: TestContext): Promise<void> {
  for (const program of PROGRAMS.filter((name) => new RegExp(`\\b${name}\\b`).test(script))) {
    const { failed } = await execa("which", [program], { reject: false });
    if (failed) context.skip(`needs ${program}`);
  }
}

/** What becomes of a tree when it goes through an archive. */
export type Loss = (tree: Tree) => Tree;

type Fields = ReadonlyMap<string, string>;

const typeOf = (fields: Fields) => Number.parseInt(fields.get("type")!, 8);

const SPECIAL: readonly number[] = [
  FILE_TYPE.CHARACTER_DEVICE,
  FILE_TYPE.BLOCK_DEVICE,
  FILE_TYPE.FIFO,
  FILE_TYPE.SOCKET,
];

function changed(tree: Tree, change: (fields: Fields, path: ByteString) => Fields): Tree {
  return new Map([...tree].map(([path, fields]) => [path, change(fields, path)]));
}

/** Files that are neither regular nor directories or symlinks, of some types or of all. */
export const specialPaths = (tree: Tree, types = SPECIAL): ByteString[] =>
  [...tree].filter(([, fields]) => types.includes(typeOf(fields))).map(([path]) => path);

/** The archive has no such file types. */
export const withoutTypes =
  (...types: readonly number[]): Loss =>
  (tree) =>
    withoutPaths(...specialPaths(tree, types))(tree);

export const withoutSpecialFiles: Loss = withoutTypes(...SPECIAL);

/** The archive can't have these, or was told to leave them out. */
export const withoutPaths =
  (...left: readonly ByteString[]): Loss =>
  (tree) =>
    new Map([...tree].filter(([path]) => !left.includes(path)));

/** Times are whole seconds, those before 1970 too. */
export const wholeSeconds: Loss = (tree) =>
  changed(tree, (fields) => {
    const time = BigInt(fields.get("mtime")!);
    const second = 1_000_000_000n;
    const floor = (time - (((time % second) + second) % second)).toString();
    return new Map([...fields, ["mtime", floor]]);
  });

/** Attributes, ACLs among them, are not kept; permissions are. */
export const withoutXattrs: Loss = (tree) =>
  changed(tree, (fields) => new Map([...fields].filter(([field]) => !field.startsWith("xattr "))));

/** Each name of a file is a file of its own; of these, or of all. */
export const withoutHardLinks =
  (...paths: readonly ByteString[]): Loss =>
  (tree) =>
    changed(tree, (fields, path) => {
      const linked = paths.length === 0 || paths.includes(path);
      if (!linked || typeOf(fields) === FILE_TYPE.DIRECTORY) return fields;
      return new Map([...fields, ["names", JSON.stringify([path])], ["nlink", "1"]]);
    });

/** The archive says nothing of the root: it is as directories are that have to be made. */
export const withoutRoot: Loss = (tree) =>
  changed(tree, (fields, path) => {
    if (path !== ".") return fields;
    const kept = ["type", "names", "nlink"].map((field) => [field, fields.get(field)!] as const);
    return new Map([...kept, ["mode", "0755"], ["uid", "0"], ["gid", "0"], ["mtime", ""]]);
  });

/** A field that a program gets wrong when it makes the archive. */
export const otherField =
  (path: ByteString, field: string, value: string): Loss =>
  (tree) =>
    changed(tree, (fields, at) => (at === path ? new Map([...fields, [field, value]]) : fields));

/** What becomes of a tree with all of its losses. */
export const through = (tree: Tree, ...losses: readonly Loss[]): Tree =>
  losses.reduce((before, loss) => loss(before), tree);

const BLOCK = 512;

/**
 * A tar archive of many empty files, as its blocks come: more than anyone would want to have on a
 * disk.
 * @param nameOf at most 99 bytes
 */
export function* tarOfCrowd(count: number, nameOf: (index: number) => string): Generator<Buffer> {
  const header = Buffer.alloc(BLOCK);
  const fields = { 100: "0000644", 108: "0001750", 116: "0001750", 124: "00000000000" };
  for (const [at, text] of Object.entries(fields)) header.write(text, Number(at));
  header.write("14500000000", 136);
  header.write("0ustar\x0000", 156);
  const perChunk = 2048;
  for (let start = 0; start < count; start += perChunk) {
    const chunk = Buffer.alloc(Math.min(perChunk, count - start) * BLOCK);
    for (let index = 0; index * BLOCK < chunk.length; index++) {
      const block = chunk.subarray(index * BLOCK, (index + 1) * BLOCK);
      block.set(header);
      block.write(nameOf(start + index), 0, "latin1");
      block.write("        ", 148, "latin1");
      let sum = 0;
      for (const byte of block) sum += byte;
      block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    }
    yield chunk;
  }
  yield Buffer.alloc(2 * BLOCK);
}
