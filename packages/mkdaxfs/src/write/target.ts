// SPDX-License-Identifier: MIT
import { openSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { isatty } from "node:tty";
import { byteStringOf, byteStringOfText } from "@daxfs/format";
import { BuildError, described, isSystemError } from "../errors.js";

/** Where an image is to go. */
export type Target =
  | { readonly kind: "file"; readonly directory: string; readonly name: string }
  | { readonly kind: "stream"; readonly descriptor: number; readonly shown: string };

/**
 * Finds out what the output is. A regular file, or none yet, is written aside and renamed; anything
 * else, such as a pipe or a block device, takes the bytes as they come.
 * @throws BuildError when nothing can be written there.
 */
export function openTarget(output: string): Target {
  if (output === "-") {
    if (isatty(1)) {
      throw new BuildError("standard output is a terminal (redirect it, or give -o FILE)");
    }
    return { kind: "stream", descriptor: 1, shown: "standard output" };
  }
  const existing = statIfThere(output);
  if (existing?.isDirectory()) throw new BuildError(`${output}: is a directory (name a file)`);
  if (existing !== undefined && !existing.isFile()) {
    try {
      return { kind: "stream", descriptor: openSync(output, "w"), shown: output };
    } catch (error) {
      throw described(() => `cannot write ${output}`, error);
    }
  }
  // A symlink to an image stays one: what it leads to is replaced, or made.
  const path = existing === undefined ? throughSymlinks(output) : realpathSync(output);
  const directory = directoryOf(path, output);
  return { kind: "file", directory, name: byteStringOfText(basename(path)) };
}

/** Follows symlinks to a file that is not there. */
function throughSymlinks(output: string): string {
  let path = output;
  // As many as the kernel follows.
  for (let links = 0; links < 40; links++) {
    let target: string;
    try {
      target = readlinkSync(path);
    } catch {
      return path;
    }
    path = resolve(dirname(path), target);
  }
  return path;
}

function directoryOf(path: string, output: string): string {
  if (basename(path) === "") throw new BuildError(`'${output}' names no file`);
  try {
    return byteStringOf(realpathSync(dirname(path), "buffer"));
  } catch (error) {
    throw described(() => `cannot write ${output}`, error);
  }
}

function statIfThere(path: string | Buffer) {
  try {
    return statSync(path, { bigint: true });
  } catch (error) {
    if (isSystemError(error) && (error.code === "ENOENT" || error.code === "ENOTDIR")) {
      return undefined;
    }
    throw described(() => `cannot look at ${path.toString()}`, error);
  }
}
