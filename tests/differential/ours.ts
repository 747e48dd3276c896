// SPDX-License-Identifier: MIT
// What mkdaxfs makes of an archive: an image is built in this process and read back.
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { checkImageFile, describeFinding, FILE_TYPE, ImageReader, type Inode } from "@daxfs/format";
import { BuildError, buildImage } from "mkdaxfs";
import type { Facts, Tree } from "./facts.js";
import { xattrText } from "./peers.js";

export interface OurAnswer {
  readonly tree?: Tree;
  /** The message for the user. */
  readonly refused?: string;
  /** What must never be: anything but an image or a message of one line. */
  readonly crashed?: string;
  readonly warnings: readonly string[];
}

/**
 * @param archive path of an archive or an OCI layout
 * @param image file that is made, and removed again
 */
export async function ourAnswer(archive: string, image: string): Promise<OurAnswer> {
  const warnings: string[] = [];
  try {
    await buildImage({
      sources: [archive],
      output: image,
      jobs: 1,
      onWarning: (text) => warnings.push(text),
    });
  } catch (error) {
    if (error instanceof BuildError && !/[\n\0]/.test(error.message)) {
      return { refused: error.message, warnings };
    }
    return { crashed: error instanceof Error ? String(error.stack) : String(error), warnings };
  }
  try {
    const finding = checkImageFile(image)[0];
    if (finding !== undefined) return { crashed: describeFinding(finding), warnings };
    return { tree: imageTree(image), warnings };
  } catch (error) {
    return { crashed: error instanceof Error ? String(error.stack) : String(error), warnings };
  } finally {
    rmSync(image, { force: true });
  }
}

function imageTree(path: string): Tree {
  const reader = ImageReader.open(path);
  try {
    const names = new Map<number, string[]>();
    const walked = [...reader.walk()].map((found) => {
      const name = found.path === "/" ? "." : found.path.slice(1);
      names.set(found.identity, [...(names.get(found.identity) ?? []), name]);
      return { ...found, name };
    });
    return new Map(
      walked.map(({ name, inode, identity }) => [
        name,
        factsOf(reader, inode, identity, names.get(identity)!),
      ]),
    );
  } finally {
    reader.close();
  }
}

function factsOf(
  reader: ImageReader,
  inode: Inode,
  identity: number,
  names: readonly string[],
): Facts {
  const type = inode.mode & FILE_TYPE.MASK;
  const octal = (number: number) => `0${number.toString(8)}`;
  const facts = new Map([
    ["type", octal(type)],
    ["mode", octal(inode.mode & 0o7777)],
    ["uid", String(inode.uid)],
    ["gid", String(inode.gid)],
    ["mtime", String(inode.mtime_ns)],
  ]);
  const xattrs = reader.xattrs(identity);
  const hex = xattrs.map(({ name, value }) => [name, Buffer.from(value).toString("hex")]);
  facts.set("xattrs", xattrText(Object.fromEntries(hex)));
  if (type !== FILE_TYPE.DIRECTORY) facts.set("names", JSON.stringify([...names].sort()));
  if (type === FILE_TYPE.REGULAR) {
    const content = reader.read(inode, 0, Number(inode.size));
    facts.set("size", String(inode.size));
    facts.set("content", createHash("sha1").update(content).digest("hex"));
  }
  if (type === FILE_TYPE.SYMLINK) facts.set("target", reader.target(inode));
  if (type === FILE_TYPE.CHARACTER_DEVICE || type === FILE_TYPE.BLOCK_DEVICE) {
    facts.set("device", `${inode.data_offset >> 32n}:${inode.data_offset & 0xffffffffn}`);
  }
  return facts;
}
