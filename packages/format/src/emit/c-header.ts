// SPDX-License-Identifier: MIT
import { fieldSize } from "../codec.js";
import type { Field, RecordSchema } from "../schema.js";
import * as format from "../schema.js";

const C_TYPES = { u16: "__le16", u32: "__le32", u64: "__le64", i64: "__le64" } as const;

function comment(text: string): string {
  const plain = text.replaceAll("`", "").replaceAll("×", "x");
  const words = plain.split(/\s+/);
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    if (line !== "" && line.length + word.length + 1 > 68) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  if (lines.length === 1) return `\t/* ${lines[0]} */`;
  return ["\t/*", ...lines.map((text) => `\t * ${text}`), "\t */"].join("\n");
}

function member(field: Field): string {
  const note = comment(field.extension ? `${field.meaning} (extension)` : field.meaning);
  const declaration =
    field.type.kind === "bytes"
      ? `\t__u8 ${field.name}[${field.type.length}];`
      : `\t${C_TYPES[field.type.kind]} ${field.name};`;
  return `${note}\n${declaration}`;
}

function structure(record: RecordSchema): string {
  const tag = `struct daxfs_${record.name}`;
  const members = record.fields.map(member);
  const last = record.fields.at(-1)!;
  const end = last.offset + fieldSize(last);
  const asserts = record.fields.map(
    (field) =>
      `static_assert(offsetof(${tag}, ${field.name}) == ${field.offset},\n` +
      `\t      "${tag}: offset of ${field.name}");`,
  );
  // A struct that carried the reserved rest of a superblock would not fit a kernel stack.
  asserts.push(`static_assert(sizeof(${tag}) == ${end}, "${tag}: size");`);
  const rest = end < record.size ? `; bytes ${end} to ${record.size} are reserved, zero` : "";
  return `/* ${record.title}${rest} */\n${tag} {\n${members.join("\n")}\n};\n\n${asserts.join("\n")}\n`;
}

function define(name: string, value: string): string {
  return `#define ${name.padEnd(30)} ${value}`;
}

/** The C header that the kernel module and C programs include: constants, records, asserts. */
export function emitHeader(): string {
  const hex = (value: number) => `0x${(value >>> 0).toString(16).padStart(8, "0")}`;
  const constants = [
    define("DAXFS_SUPERBLOCK_SIZE", String(format.SUPERBLOCK.size)),
    define("DAXFS_MAGIC", hex(format.MAGIC)),
    define("DAXFS_VERSION", String(format.VERSION)),
    define("DAXFS_BLOCK_SIZE", String(format.BLOCK_SIZE)),
    define("DAXFS_BLOCK_SHIFT", String(Math.log2(format.BLOCK_SIZE))),
    define("DAXFS_HUGE_SIZE", hex(format.HUGE_SIZE)),
    define("DAXFS_ROOT_INODE", String(format.ROOT_INODE)),
    define("DAXFS_NAME_MAX", String(format.NAME_MAX)),
    define("DAXFS_SYMLINK_MAX", String(format.SYMLINK_MAX)),
    define("DAXFS_XATTR_NAME_MAX", String(format.XATTR_NAME_MAX)),
    define("DAXFS_XATTR_VALUE_MAX", String(format.XATTR_VALUE_MAX)),
    define("DAXFS_XATTR_COUNT_MAX", String(format.XATTR_COUNT_MAX)),
    define("DAXFS_XATTR_SET_ALIGN", String(format.XATTR_SET_ALIGN)),
    define("DAXFS_DIGEST_PIECE_SIZE", hex(format.DIGEST_CHUNK_SIZE)),
    define("DAXFS_DEVICE_MAJOR_MAX", hex(format.DEVICE_MAJOR_MAX)),
    define("DAXFS_DEVICE_MINOR_MAX", hex(format.DEVICE_MINOR_MAX)),
  ];
  const flags = format.FEATURES.map((feature) =>
    define(`DAXFS_FLAG_${feature.name}`, hex(format.FLAG[feature.name])),
  );
  flags.push(
    define("DAXFS_COMPATIBLE_MASK", hex(format.COMPATIBLE_MASK)),
    define("DAXFS_INCOMPATIBLE_MASK", hex(format.INCOMPATIBLE_MASK)),
  );
  const listed = format.FEATURES.filter(
    ({ name, module }) => module && (format.FLAG[name] & format.COMPATIBLE_MASK) !== 0,
  ).map(({ name }) => `"${name.toLowerCase()}"`);
  return `/* SPDX-License-Identifier: ((GPL-2.0-only WITH Linux-syscall-note) OR MIT) */
/*
 * The daxfs image format. Generated from packages/format/src/schema.ts: do not
 * edit, change the schema and run "npm run generate". docs/format.md has the
 * whole text. All integers are little-endian.
 */
#ifndef _DAXFS_FORMAT_H
#define _DAXFS_FORMAT_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#else
#include <assert.h>
#include <stddef.h>
#endif

${constants.join("\n")}

/* Feature bits in flags of the superblock */
${flags.join("\n")}

/* Names of the compatible features that the module uses, for an array of strings */
#define DAXFS_MODULE_FEATURES \\
\t{ ${listed.join(", ")} }

${format.RECORDS.map(structure).join("\n")}
#endif /* _DAXFS_FORMAT_H */
`;
}
