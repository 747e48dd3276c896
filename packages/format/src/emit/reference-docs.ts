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
  if (end < record.size) rows.push([String(end), "", "", `reserved to ${record.size}, zero`]);
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

Version 1, with the extensions that this project writes. Every extension lies in bytes that version
1 leaves unused and is announced by a bit in \`flags\`, so a version-1 reader sees the same tree and
the same contents of files, and an image without any of the bits is a valid version-1 image. All
integers are little-endian; offsets count from the first byte of the image unless the text says
otherwise.

| start | part | content |
| --- | --- | --- |
| 0 | superblock | 4096 bytes |
| \`inode_offset\` | inode table | \`inode_count\` entries of 64 bytes; entry i holds inode i + 1 |
| \`strtab_offset\` | string table | names, each followed by one NUL |
| \`xattr_offset\` | xattr area | with XATTRS: index, then sets |
| \`data_offset\` | data area | 4096-aligned, to the end of the image |

\`inode_offset\` is 4096 in images that this project writes; readers trust the field.

${RECORDS.map(recordSection).join("\n")}
## Feature bits

Bits 0 to 15 are compatible: a reader that does not know one ignores it. Bits 16 to 31 are
incompatible: a reader that does not know one refuses the image and names the bit.

${table(["bit", "name", "meaning"], features)}

## Directories and links

The children of a directory are the list that begins at \`first_child\` and follows
\`next_sibling\`. With SORTED they also have consecutive numbers, so child i is \`first_child\` + i.
Every name of a hard-linked file has an inode entry of its own with the same mode, owner, size and
\`data_offset\`. With LINKS the entry with the lowest number is the file's identity and the others
hold its number in the place of \`first_child\`.

Names are bytes, in no particular encoding.

## Extended attributes

The area begins with \`xattr_rows\` index rows; the sets follow. A set is a header and its entries.
An entry is a header, the name and the value, in this order and without NUL, padded to 4 bytes; sets
are padded to 8 bytes. Names are whole (\`security.capability\`, \`user.x\`,
\`system.posix_acl_access\`) and values are the bytes that getxattr(2) returns. Equal sets are
stored once. The row of a hard-linked file is that of its first name.

## Data

- A regular file begins on a 4096-byte boundary, and the rest of its last page is zero.
- Files of 2 MiB and more begin on a 2 MiB boundary in images built for huge mappings (the default);
  smaller files fill the room between them.
- Equal contents are stored once.
- Symlink targets lie together, each followed by a NUL; equal targets are stored once.
- A zero page is a hole in the image file.

## What readers accept from other version-1 builders

\`flags\` 0; children in any order; any directory size; any \`nlink\` of at least 1; empty files with
any \`data_offset\` up to \`total_size\`; devices with \`data_offset\` 0; each symlink on a block of
its own; no deduplication; a string table at any alignment.

## Rules

Arithmetic is overflow-safe throughout. The memory under a mount may change, so the module copies a
field once, checks the copy and uses the copy.

${table(["rule", "text", "applied by"], rules)}
`;
}
