// SPDX-License-Identifier: MIT
// What umoci makes of an image and what is in ours, in one shape, and how the two differ.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ByteString, FILE_TYPE, ImageReader, printable } from "@daxfs/format";
import { execa } from "execa";
import { expect, type TestContext } from "vitest";
import { type Outcome, outcome, start } from "./builder.js";
import { type Facts, imageManifest, type Manifest, manifestOf } from "./manifest.js";
import { needsRoot } from "./workspace.js";

/** Path -> field -> value, all as text; an extended attribute is a field of its own. */
export type Tree = ReadonlyMap<ByteString, ReadonlyMap<string, string>>;

/** A field that umoci and we see in different ways; "absent" where one doesn't have it at all. */
export interface Difference {
  readonly path: ByteString;
  readonly field: string;
  readonly umoci: string;
  readonly ours: string;
}

/** In an exception: a time after the test began. */
export const NOW = "the time of unpacking";

/** A difference that has to be, both of its sides known. */
export interface Exception extends Difference {
  readonly why: string;
}

const ABSENT = "absent";

function fieldsOf(facts: Facts, content: () => Uint8Array): Map<string, string> {
  const type = facts.mode & FILE_TYPE.MASK;
  const fields = new Map([
    ["type", `0${type.toString(8)}`],
    ["mode", (facts.mode & 0o7777).toString(8).padStart(4, "0")],
    ["uid", String(facts.uid)],
    ["gid", String(facts.gid)],
    ["mtime", String(facts.mtimeNs)],
    ["names", JSON.stringify(facts.names)],
    ["nlink", String(facts.nlink)],
  ]);
  if (facts.target !== undefined) fields.set("target", facts.target);
  if (facts.device !== undefined) fields.set("device", facts.device);
  if (type === FILE_TYPE.REGULAR) {
    fields.set("size", String(facts.size));
    fields.set("content", createHash("sha256").update(content()).digest("hex"));
  }
  for (const [name, value] of Object.entries(facts.xattrs)) fields.set(`xattr ${name}`, value);
  return fields;
}

const treeOf = (manifest: Manifest, content: (path: ByteString) => Uint8Array): Tree =>
  new Map(
    Object.entries(manifest).map(([path, facts]) => [path, fieldsOf(facts, () => content(path))]),
  );

/** The tree in a directory, as Debian's tools see it. */
export async function directoryTree(root: string): Promise<Tree> {
  const prefix = Buffer.from(`${root}/`);
  return treeOf(await manifestOf(root), (path) =>
    readFileSync(Buffer.concat([prefix, Buffer.from(path, "latin1")])),
  );
}

/** The tree in an image. */
export function imageTree(image: string): Tree {
  const reader = ImageReader.open(image);
  try {
    return treeOf(imageManifest(reader), (path) => {
      const inode = reader.resolve(`/${path}`);
      if (inode === undefined)
        throw new Error(`the walk gave ${printable(path)}, which is nowhere`);
      return reader.read(inode, 0, Number(inode.size));
    });
  } finally {
    reader.close();
  }
}

/** Ends a test that this machine can't run, and says why. umoci needs root to set owners. */
export async function needsUmoci(context: TestContext, ...others: string[]): Promise<void> {
  needsRoot(context);
  for (const program of ["umoci", ...others]) {
    const { exitCode } = await execa("which", [program], { reject: false });
    if (exitCode !== 0) context.skip(`needs ${program}`);
  }
}

/**
 * Unpacks an image of a layout with umoci; that this fails is not an error.
 * @param bundle directory to be made, which will have the root filesystem in `rootfs`
 */
export const umociUnpack = (layout: string, tag: string, bundle: string): Promise<Outcome> =>
  outcome(start("umoci", ["unpack", "--image", `${layout}:${tag}`, bundle]));

/** The tree that umoci makes of an image. */
export async function umociTree(layout: string, tag: string, bundle: string): Promise<Tree> {
  const { status, stderr } = await umociUnpack(layout, tag, bundle);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  return directoryTree(join(bundle, "rootfs"));
}

/** Every path and field in which two trees are not the same. */
export function differences(umoci: Tree, ours: Tree): Difference[] {
  const found: Difference[] = [];
  for (const path of [...new Set([...umoci.keys(), ...ours.keys()])].sort()) {
    const theirFields = umoci.get(path);
    const ourFields = ours.get(path);
    if (theirFields === undefined || ourFields === undefined) {
      const presence = (fields: unknown) => (fields === undefined ? ABSENT : "there");
      found.push({
        path,
        field: "path",
        umoci: presence(theirFields),
        ours: presence(ourFields),
      });
      continue;
    }
    for (const field of new Set([...theirFields.keys(), ...ourFields.keys()])) {
      const [umoci, ours] = [theirFields.get(field) ?? ABSENT, ourFields.get(field) ?? ABSENT];
      if (umoci !== ours) found.push({ path, field, umoci, ours });
    }
  }
  return found;
}

/**
 * Expects two trees to be the same but for the exceptions, each of which must be there.
 * @param began nanoseconds since 1970 before umoci was started
 */
export function expectAgreement(
  umoci: Tree,
  ours: Tree,
  exceptions: readonly Exception[],
  began: bigint,
): void {
  const expected = exceptions.map(({ why: _, ...difference }) => difference);
  const expectedNow = new Set(
    exceptions.filter(({ umoci }) => umoci === NOW).map(({ path, field }) => `${field} ${path}`),
  );
  const found = differences(umoci, ours).map((difference) => {
    const isNow =
      expectedNow.has(`${difference.field} ${difference.path}`) &&
      BigInt(difference.umoci) >= began;
    return isNow ? { ...difference, umoci: NOW } : difference;
  });
  const key = ({ path, field }: Difference) => `${path}\0${field}`;
  const inOrder = (list: readonly Difference[]) =>
    [...list].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  expect(inOrder(found)).toEqual(inOrder(expected));
}
