// SPDX-License-Identifier: MIT
// What a directory holds as Debian's own tools tell it, and what an image holds, in one shape.
// Names, targets and attribute names are byte strings.
import { closeSync, openSync, readSync } from "node:fs";
import { type ByteString, FILE_TYPE, type ImageReader, isDirectory } from "@daxfs/format";
import { bash } from "./builder.js";

/** Everything about a name but its content. */
export interface Facts {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  /** Bytes of a regular file. */
  readonly size: number | undefined;
  readonly target: ByteString | undefined;
  /** major:minor of a device. */
  readonly device: string | undefined;
  /** All names of the file, this one too; only its own for a directory. */
  readonly names: readonly ByteString[];
  readonly nlink: number;
  /** Name -> value in hex. */
  readonly xattrs: Readonly<Record<ByteString, string>>;
}

/** Paths from the root, which is ".", in ascending order. */
export type Manifest = Readonly<Record<ByteString, Facts>>;

/** Output of a tool that ends every field with a NUL, as rows of `width` fields. */
function rows(output: string, width: number): string[][] {
  const fields = output.split("\0");
  if (fields.pop() !== "" || fields.length % width !== 0) throw new Error("fields are missing");
  const result: string[][] = [];
  for (let at = 0; at < fields.length; at += width) result.push(fields.slice(at, at + width));
  return result;
}

/** "-631151999.500000000" in nanoseconds. */
function nanoseconds(text: string): bigint {
  const [, sign, seconds, fraction] = /^(-?)(\d+)\.(\d{9})$/.exec(text) ?? [];
  if (seconds === undefined) throw new Error(`no time: ${text}`);
  const value = BigInt(seconds) * 1_000_000_000n + BigInt(fraction!);
  return sign === "-" ? -value : value;
}

/** Reads `getfattr -d -e hex`, which spells some bytes of names in octal. */
function parseXattrs(text: string): Record<ByteString, string> {
  const xattrs: Record<ByteString, string> = {};
  for (const line of text.split("\n")) {
    const match = /^([^#][^=]*)=0x([0-9a-f]*)$/.exec(line);
    if (match === null) {
      if (line !== "" && !line.startsWith("# file: ")) throw new Error(`not understood: ${line}`);
      continue;
    }
    const name = match[1]!.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    xattrs[name] = match[2]!;
  }
  return xattrs;
}

const relative = (path: string) => path.replace(/^\.\//, "");
const parentOf = (path: string) => (path.includes("/") ? path.replace(/\/[^/]*$/, "") : ".");

function grouped<T>(items: Iterable<readonly [T, ByteString]>): Map<T, ByteString[]> {
  const groups = new Map<T, ByteString[]>();
  for (const [key, path] of items) groups.set(key, [...(groups.get(key) ?? []), path]);
  for (const paths of groups.values()) paths.sort();
  return groups;
}

const sorted = (facts: Iterable<readonly [ByteString, Facts]>): Manifest =>
  Object.fromEntries([...facts].sort(([a], [b]) => (a < b ? -1 : 1)));

/** Asks find, stat and getfattr what is in a directory. */
export async function manifestOf(root: string): Promise<Manifest> {
  const stats = rows(
    await bash(
      'cd "$1"; find . -print0 | ' +
        "xargs -0 stat --printf '%n\\0%f\\0%u\\0%g\\0%s\\0%.9Y\\0%t\\0%T\\0%d:%i\\0'",
      root,
    ),
    9,
  );
  const targets = new Map(
    rows(await bash(`cd "$1"; find . -type l -printf '%p\\0%l\\0'`, root), 2).map(
      ([path, target]) => [path!, target!],
    ),
  );
  const xattrs = new Map(
    rows(
      await bash(
        `cd "$1"; find . -print0 | while IFS= read -r -d '' path; do
           printf '%s\\0' "$path"; getfattr -h -d -m - -e hex -- "$path"; printf '\\0'
         done`,
        root,
      ),
      2,
    ).map(([path, text]) => [path!, parseXattrs(text!)]),
  );

  const isDir = (row: readonly string[]) =>
    (Number.parseInt(row[1]!, 16) & FILE_TYPE.MASK) === FILE_TYPE.DIRECTORY;
  const files = grouped(
    stats.filter((row) => !isDir(row)).map((row) => [row[8]!, relative(row[0]!)] as const),
  );
  const subdirectories = grouped(
    stats
      .filter((row) => isDir(row) && row[0] !== ".")
      .map((row) => [parentOf(relative(row[0]!)), row[0]!] as const),
  );
  return sorted(
    stats.map((row) => {
      const [path, mode, uid, gid, size, mtime, major, minor, file] = row as [string, ...string[]];
      const type = Number.parseInt(mode!, 16) & FILE_TYPE.MASK;
      const directory = type === FILE_TYPE.DIRECTORY;
      const device = type === FILE_TYPE.CHARACTER_DEVICE || type === FILE_TYPE.BLOCK_DEVICE;
      const names = directory ? [relative(path)] : files.get(file!)!;
      const facts: Facts = {
        mode: Number.parseInt(mode!, 16),
        uid: Number(uid),
        gid: Number(gid),
        mtimeNs: nanoseconds(mtime!),
        size: type === FILE_TYPE.REGULAR ? Number(size) : undefined,
        target: targets.get(path),
        device: device
          ? `${Number.parseInt(major!, 16)}:${Number.parseInt(minor!, 16)}`
          : undefined,
        names,
        // Names outside the tree don't count, so this is not what stat says.
        nlink: directory ? 2 + (subdirectories.get(relative(path))?.length ?? 0) : names.length,
        xattrs: xattrs.get(path)!,
      };
      return [relative(path), facts] as const;
    }),
  );
}

/** What an image holds, read by way of its reader. */
export function imageManifest(reader: ImageReader): Manifest {
  const walked = [...reader.walk()].map(({ path, ...rest }) => ({
    path: path === "/" ? "." : path.slice(1),
    ...rest,
  }));
  const names = grouped(walked.map(({ path, identity }) => [identity, path] as const));
  return sorted(
    walked.map(({ path, inode, identity }) => {
      const type = inode.mode & FILE_TYPE.MASK;
      const device = type === FILE_TYPE.CHARACTER_DEVICE || type === FILE_TYPE.BLOCK_DEVICE;
      const facts: Facts = {
        mode: inode.mode,
        uid: inode.uid,
        gid: inode.gid,
        mtimeNs: inode.mtime_ns,
        size: type === FILE_TYPE.REGULAR ? Number(inode.size) : undefined,
        target: type === FILE_TYPE.SYMLINK ? reader.target(inode) : undefined,
        device: device
          ? `${inode.data_offset >> 32n}:${inode.data_offset & 0xffffffffn}`
          : undefined,
        names: names.get(identity)!,
        nlink: inode.nlink,
        xattrs: Object.fromEntries(
          reader
            .xattrs(identity)
            .map(({ name, value }) => [name, Buffer.from(value).toString("hex")]),
        ),
      };
      return [path, facts] as const;
    }),
  );
}

const CHUNK = 4 * 1024 * 1024;

/** Paths of the regular files whose content in an image is not that in a directory. */
export function differingContents(root: string, reader: ImageReader): ByteString[] {
  const differing: ByteString[] = [];
  const buffer = Buffer.alloc(CHUNK);
  for (const { path, inode } of reader.walk()) {
    if (isDirectory(inode) || (inode.mode & FILE_TYPE.MASK) !== FILE_TYPE.REGULAR) continue;
    const descriptor = openSync(
      Buffer.concat([Buffer.from(root), Buffer.from(path, "latin1")]),
      "r",
    );
    try {
      for (let at = 0; ; at += CHUNK) {
        const got = readSync(descriptor, buffer, 0, CHUNK, at);
        const stored = reader.read(inode, at, CHUNK);
        if (Buffer.compare(buffer.subarray(0, got), stored) !== 0) {
          differing.push(path);
          break;
        }
        if (got < CHUNK) break;
      }
    } finally {
      closeSync(descriptor);
    }
  }
  return differing;
}
