// SPDX-License-Identifier: MIT
import { lstatSync, readdirSync, realpathSync, type Stats, statSync } from "node:fs";
import { type ByteString, byteStringOf } from "@daxfs/format";
import { BuildError, described, describing, isSystemError } from "../../../errors.js";
import { fsPath, type HostPath, joined, shown } from "../../../host/path.js";
import type { ByteInput } from "../../byte-input.js";
import { indexTar } from "../../tar/index-tar.js";

/** A file, or a range of one. */
export type FileInput = Extract<ByteInput, { kind: "file" }>;

/** The files of an image that lies in a directory or in an archive. */
export interface ImageFiles {
  /** For messages: the path of the directory or archive. */
  readonly description: string;
  /** Names in its root. */
  readonly rootNames: readonly ByteString[];
  /**
   * The regular file at a clean path, or that a symlink there leads to; undefined where there is
   * none.
   * @throws BuildError when it can't be found out.
   */
  find(path: ByteString): FileInput | undefined;
  /** The files in a directory of the root; none where the name is not that of a directory. */
  within(name: ByteString): ImageFiles;
}

/**
 * The files of an image in a directory. Symlinks of blobs are followed wherever they lead, since
 * shared stores are made of them, and what is found is checked against a digest. All else has to lie in
 * the directory: layers of old archives have no digest, and could be any file of this machine.
 * @throws BuildError when the directory can't be read.
 */
export function filesOfDirectory(root: HostPath): ImageFiles {
  const description = shown(root);
  return {
    description,
    get rootNames() {
      return describing(
        () => `cannot read directory ${description}`,
        () => readdirSync(fsPath(root), "latin1"),
      );
    },
    find: (path) => {
      const whole = joined(root, path);
      const stats = statIfThere(whole);
      if (stats !== undefined && !path.startsWith("blobs/")) checkInside(root, whole);
      return stats?.isFile()
        ? { kind: "file", path: whole, offset: 0, size: stats.size }
        : undefined;
    },
    within: (name) => {
      const whole = joined(root, name);
      return lstatSync(fsPath(whole), { throwIfNoEntry: false })?.isDirectory()
        ? filesOfDirectory(whole)
        : filesOfMembers(new Map(), shown(whole));
    },
  };
}

/** @throws BuildError for a path that symlinks lead out of a directory. */
function checkInside(root: HostPath, path: HostPath): void {
  const [directory, place] = [root, path].map((each) =>
    describing(
      () => `cannot read ${shown(each)}`,
      () => byteStringOf(realpathSync(fsPath(each), "buffer")),
    ),
  );
  if (place?.startsWith(directory === "/" ? "/" : `${directory}/`)) return;
  throw new BuildError(`${shown(path)} is a symlink out of the image (copy the file there)`);
}

/** What stat(2) says of a path where nothing is, or where nothing can be. */
const LEADS_NOWHERE: readonly string[] = ["ENOENT", "ENOTDIR", "ENAMETOOLONG", "ELOOP"];

/** What a path leads to, undefined where it leads to nothing. @throws BuildError */
export function statIfThere(path: HostPath): Stats | undefined {
  try {
    return statSync(fsPath(path));
  } catch (error) {
    if (isSystemError(error) && LEADS_NOWHERE.includes(error.code)) return undefined;
    throw described(() => `cannot read ${shown(path)}`, error);
  }
}

/**
 * The files of an image in an uncompressed tar archive.
 * @param description of the archive, for messages
 * @throws BuildError when the archive is damaged.
 */
export async function filesOfTar(archive: FileInput, description: string): Promise<ImageFiles> {
  const { path, offset, size } = archive;
  const members = await indexTar(path, offset, size, description);
  return filesOfMembers(
    new Map(Array.from(members, ([name, place]) => [name, { kind: "file", path, ...place }])),
    description,
  );
}

/**
 * The files of an image in an archive.
 * @param members clean path -> where the content lies
 * @param description of the archive, for messages
 */
export function filesOfMembers(
  members: ReadonlyMap<ByteString, FileInput>,
  description: string,
): ImageFiles {
  return {
    description,
    get rootNames() {
      return rootNamesOf(members);
    },
    find: (path) => members.get(path),
    within: (name) => {
      const inside = new Map<ByteString, FileInput>();
      for (const [path, member] of members) {
        if (path.startsWith(`${name}/`)) inside.set(path.slice(name.length + 1), member);
      }
      return filesOfMembers(inside, `${description}: ${shown(name)}`);
    },
  };
}

function rootNamesOf(members: ReadonlyMap<ByteString, FileInput>): ByteString[] {
  const names = new Set<ByteString>();
  for (const path of members.keys()) names.add(path.split("/", 1)[0] ?? "");
  return [...names];
}
