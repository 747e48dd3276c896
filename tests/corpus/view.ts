// SPDX-License-Identifier: MIT
/** The output of image_walk and mount_walk (tests/image/walk_report.h), made with ImageReader. */
import { crc32 } from "node:zlib";
import { type ByteString, FILE_TYPE, FLAG, type ImageReader, type Inode } from "@daxfs/format";

/** Escapes a byte string as the C programs do. */
export function escapeBytes(text: ByteString): string {
  return text.replace(
    /[^!-~]|\\/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

function content(reader: ImageReader, inode: Inode): string {
  switch (inode.mode & FILE_TYPE.MASK) {
    case FILE_TYPE.REGULAR: {
      const bytes = reader.read(inode, 0, Number(inode.size));
      return crc32(bytes).toString(16).padStart(8, "0");
    }
    case FILE_TYPE.SYMLINK:
      return escapeBytes(reader.target(inode));
    default:
      return "-";
  }
}

function device(inode: Inode): string {
  const type = inode.mode & FILE_TYPE.MASK;
  if (type !== FILE_TYPE.CHARACTER_DEVICE && type !== FILE_TYPE.BLOCK_DEVICE) return "0:0";
  return `${inode.data_offset >> 32n}:${inode.data_offset & 0xffffffffn}`;
}

/** The lines of a valid image, in the order of the programs. */
export function describeTree(reader: ImageReader): string[] {
  const lines: string[] = [];
  for (const { path, inode: named, identity } of reader.walk()) {
    const inode = identity === named.ino ? named : reader.inode(identity);
    const mtime = reader.has(FLAG.MTIME) ? inode.mtime_ns : 0n;
    const shown = escapeBytes(path);
    lines.push(
      [
        "entry",
        shown,
        identity,
        inode.mode.toString(8),
        inode.nlink,
        inode.uid,
        inode.gid,
        inode.size,
        mtime,
        device(inode),
        content(reader, inode),
      ].join("\t"),
    );
    for (const { name, value } of reader.xattrs(identity)) {
      const hex = Buffer.from(value).toString("hex");
      lines.push(["xattr", shown, escapeBytes(name), hex].join("\t"));
    }
  }
  return lines;
}

/** An error line of one of the programs. */
export interface ReportedError {
  /** Escaped. */
  readonly path: string;
  readonly operation: string;
  readonly errno: string;
}

/** The error lines of a walk, without those of seeks, which only image_walk does. */
export function errorsOf(lines: readonly string[]): ReportedError[] {
  const errors: ReportedError[] = [];
  for (const line of lines) {
    const [kind, path = "", operation = "", errno = ""] = line.split("\t");
    if (kind === "error" && operation !== "seek") errors.push({ path, operation, errno });
  }
  return errors;
}

/** The lines that both programs print alike: without seeks, and errors without the corruption. */
export function comparable(lines: readonly string[]): string[] {
  const kept: string[] = [];
  for (const line of lines) {
    const fields = line.split("\t");
    if (fields[0] !== "error") kept.push(line);
    else if (fields[2] !== "seek") kept.push(fields.slice(0, 4).join("\t"));
  }
  return kept;
}
