// SPDX-License-Identifier: MIT
import { createRequire } from "node:module";
import { byteStringOfText, isShownByMount, printable, type Xattr } from "@daxfs/format";
import { BuildError } from "../errors.js";
import { withFile } from "./file.js";
import { fsPath, type HostPath, shown } from "./path.js";

// Its two calls are those of lgetxattr(2) and llistxattr(2): they never follow a symlink.
interface XattrModule {
  listAttributesSync(path: string): string[];
  getAttributeSync(path: string, name: string): Uint8Array | null;
}

const requireHere = createRequire(import.meta.url);
let loaded: XattrModule | undefined;

/** Loaded when first used: it costs a run that needs no attributes some milliseconds. */
function xattrModule(): XattrModule {
  loaded ??= requireHere("@napi-rs/xattr") as XattrModule;
  return loaded;
}

const UNSUPPORTED = /\(os error (?:95|38)\)/;

/**
 * Reads the extended attributes of files of this machine; symlinks are not followed.
 * @returns a row [index, attributes] for each path that has any
 * @throws BuildError naming the file whose attributes can't be read.
 */
export function readXattrs(paths: readonly HostPath[]): [number, Xattr[]][] {
  const rows: [number, Xattr[]][] = [];
  for (const [index, path] of paths.entries()) {
    const xattrs = readXattrsOf(path);
    if (xattrs.length > 0) rows.push([index, [...xattrs]]);
  }
  return rows;
}

function readXattrsOf(path: HostPath): readonly Xattr[] {
  const text = textOf(path);
  if (text !== undefined) return readByText(text, path);
  const slash = path.lastIndexOf("/");
  const name = textOf(path.slice(slash + 1));
  if (name === undefined) return readWithGetfattr(path);
  // The kernel's name for an open directory stands in for one whose path is not UTF-8.
  return withFile(path.slice(0, slash + 1), (descriptor) =>
    readByText(`/proc/self/fd/${descriptor}/${name}`, path),
  );
}

/** @param path what `text` stands for, for messages */
function readByText(text: string, path: HostPath): readonly Xattr[] {
  const { listAttributesSync } = xattrModule();
  let names: readonly string[];
  try {
    names = listAttributesSync(text);
  } catch (error) {
    if (!(error instanceof Error) || error instanceof BuildError) throw error;
    // What the module says of an attribute whose name is not UTF-8.
    if (error.message.startsWith("Invalid attribute")) return readWithGetfattr(path);
    // A filesystem without attributes has none.
    if (UNSUPPORTED.test(error.message)) return [];
    throw new BuildError(`cannot read extended attributes of ${shown(path)}: ${error.message}`);
  }
  return names.map((name) => ({
    name: byteStringOfText(name),
    value: readValue(text, name, path),
  }));
}

/** @param path what `text` stands for, for messages */
function readValue(text: string, name: string, path: HostPath): Uint8Array {
  const bytes = byteStringOfText(name);
  const { getAttributeSync } = xattrModule();
  try {
    const value = getAttributeSync(text, name);
    if (value === null) throw new Error("it went away while it was read");
    return Uint8Array.from(value);
  } catch (error) {
    if (!(error instanceof Error) || error instanceof BuildError) throw error;
    // Some filesystems list attributes of their own that can't be read; no mount shows them.
    if (!isShownByMount(bytes)) return new Uint8Array(0);
    throw new BuildError(
      `cannot read extended attributes of ${shown(path)}: ${printable(bytes)}: ${error.message}`,
    );
  }
}

/** The path as text, undefined where it is not UTF-8 and the module can't take it. */
function textOf(path: HostPath): string | undefined {
  const bytes = fsPath(path);
  if (typeof bytes === "string") return bytes;
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? text : undefined;
}

/**
 * For names that are not UTF-8, which neither the module nor an argument list made by Node can
 * carry: getfattr(1), its path spelled for the shell in octal.
 */
function readWithGetfattr(path: HostPath): Xattr[] {
  const octal = [...path].map((byte) => `\\0${byte.charCodeAt(0).toString(8).padStart(3, "0")}`);
  // The dot keeps the shell from dropping a newline at the end of the name.
  const script =
    'path=$(printf "%b." "$1"); exec getfattr -h -d -m - -e hex --absolute-names -- "${' +
    'path%.}"';
  // Loading it takes each thread some milliseconds, and such names are rare.
  const { spawnSync } = requireHere("node:child_process") as typeof import("node:child_process");
  const run = spawnSync("/bin/sh", ["-c", script, "sh", octal.join("")], {
    encoding: "latin1",
    env: { ...process.env, LC_ALL: "C" },
    maxBuffer: 64 * 1024 * 1024,
  });
  if (run.status === 127) {
    throw new BuildError(
      `cannot read extended attributes of ${shown(path)}: its name is not UTF-8, for which ` +
        "getfattr is needed (install the package attr)",
    );
  }
  if (run.status !== 0) {
    const reason = run.error?.message ?? run.stderr.trim();
    throw new BuildError(`cannot read extended attributes of ${shown(path)}: ${reason}`);
  }
  return parseGetfattr(run.stdout);
}

/** Reads the output of `getfattr -d -e hex`: name=0xHEX, odd bytes of names in octal. */
function parseGetfattr(output: string): Xattr[] {
  const xattrs: Xattr[] = [];
  for (const line of output.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const split = line.lastIndexOf("=");
    const encoded = split < 0 ? line : line.slice(0, split);
    const name = encoded.replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const hex = split < 0 ? "" : line.slice(split + 3);
    xattrs.push({ name, value: Uint8Array.from(Buffer.from(hex, "hex")) });
  }
  return xattrs;
}
