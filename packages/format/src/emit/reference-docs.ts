// SPDX-License-Identifier: MIT
import { fieldSize } from "../codec.js";
import { RULES, type Rule } from "../rules.js";
import { FEATURES, type Field, PLANNED_FEATURES, RECORDS, type RecordSchema } from "../schema.js";

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");
}

function typeName(field: Field): string {
  return field.type.kind === "bytes" ? `${field.type.length} B` : field.type.kind;
}

function recordSection(record: RecordSchema): string {
  const rows = record.fields.map((field) => [
    String(field.offset),
    typeName(field),
    `\`${field.name}\``,
    field.extension ? `extension; ${field.meaning}` : field.meaning,
  ]);
  const last = record.fields.at(-1)!;
  const end = last.offset + fieldSize(last);
  if (end < record.size) rows.push([String(end), "", "", `reserved up to ${record.size}, zero`]);
  return `## ${record.title}, ${record.size} bytes\n\n${table(["offset", "type", "field", "meaning"], rows)}\n`;
}

const KEEPERS: Readonly<Record<Rule["kernel"], string>> = {
  always: "checker, module",
  validate: "checker, module with `validate`",
  never: "checker",
};

/** The reference page of the format, as Markdown. */
export function emitReference(): string {
  const planned = PLANNED_FEATURES.map((feature) => ({ ...feature, name: "" }));
  const features = [...FEATURES, ...planned]
    .sort((a, b) => a.bit - b.bit)
    .map(({ bit, name, meaning }) => [String(bit), name, meaning]);
  const rules = Object.entries<Rule>(RULES).map(([name, rule]) => [
    `\`${name}\``,
    rule.text,
    KEEPERS[rule.kernel],
  ]);
  return `<!-- Generated from packages/format/src by "npm run generate": do not edit. -->
# The daxfs image format

This page describes version 1 with the extensions of this project. Every extension is stored in bytes
that version 1 does not use, and is announced by a bit in \`flags\`. A version-1 reader therefore sees
the same tree and the same file contents, and an image without any of these bits is a valid version-1
image. All integers are little-endian. Offsets are in bytes from the start of the image unless stated
otherwise.

| offset | part | content |
| --- | --- | --- |
| 0 | superblock | 4096 bytes |
| \`inode_offset\` | inode table | \`inode_count\` entries of 64 bytes; entry i is inode i + 1 |
| \`strtab_offset\` | string table | names, each followed by one NUL |
| \`xattr_offset\` | xattr area | with XATTRS: index, then sets |
| \`data_offset\` | data area | 4096-aligned, extends to the end of the image |

mkdaxfs writes 4096 to \`inode_offset\`; readers use the value of the field.

${RECORDS.map(recordSection).join("\n")}
## Feature bits

Bits 0 to 15 are compatible: a reader ignores bits that it does not support. Bits 16 to 31 are
incompatible: a reader refuses an image with a bit that it does not support, and names the bit.

${table(["bit", "name", "meaning"], features)}

## Directories and links

The children of a directory form a list that starts at \`first_child\` and continues with
\`next_sibling\`. With SORTED they also have consecutive inode numbers: child i is \`first_child\` + i.

Every name of a hard-linked file has an inode entry with the same mode, owner, size and
\`data_offset\`. With LINKS the entry with the lowest inode number is the identity of the file. The
other entries store its number as \`link_ino\`, in the field \`first_child\`.

Names are bytes without a defined encoding.

## Extended attributes

The area starts with \`xattr_rows\` index rows, followed by the sets. A set is a header and its
entries. An entry is a header, the name and the value, in this order and without NULs, padded to
4 bytes. Sets are padded to 8 bytes. Names are stored in full (\`security.capability\`, \`user.x\`,
\`system.posix_acl_access\`). Values are the bytes that getxattr(2) returns. Equal sets are stored
once. A hard-linked file has one row, with the inode number of its first name.

## Data

- A regular file starts on a 4096-byte boundary. The rest of its last page is zero.
- In images built for huge mappings (the default), files of 2 MiB and more start on a 2 MiB boundary.
  Smaller files fill the gaps.
- Equal contents are stored once.
- Symlink targets are stored together, each followed by a NUL. Equal targets are stored once.
- A zero page is a hole in the image file.

## What readers accept from other version-1 builders

- \`flags\` 0
- children in any order, and any directory size
- any \`nlink\` of at least 1
- empty files with any \`data_offset\` up to \`total_size\`
- devices with \`data_offset\` 0
- each symlink target in a block of its own
- no deduplication
- a string table at any alignment

## Rules

All arithmetic is checked for overflow. The memory of a mount may change at any time, so the module
copies a field once, checks the copy and uses the copy.

${table(["rule", "text", "applied by"], rules)}
`;
}
