// SPDX-License-Identifier: MIT
import { type ByteString, printable } from "@daxfs/format";

/** A path of this machine as bytes. */
export type HostPath = ByteString;

const ASCII = /^[\0-\x7f]*$/;

/** A host path in the shape that `node:fs` takes: text where it can be, bytes elsewhere. */
export function fsPath(path: HostPath): string | Buffer {
  return ASCII.test(path) ? path : Buffer.from(path, "latin1");
}

/** A host path for a message. */
export function shown(path: HostPath): string {
  return printable(path);
}

/** A name below a directory. */
export function joined(directory: HostPath, name: ByteString): HostPath {
  return directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}
