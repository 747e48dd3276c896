// SPDX-License-Identifier: MIT
/**
 * What a valid image obeys. The checker reports every breach by the rule's name. The kernel module
 * applies some of the rules before it believes a field, those of the superblock at mount and the
 * others on each use; and some more when it mounts with `validate`.
 */
export interface Rule {
  readonly text: string;
  /** When the kernel module refuses what breaks the rule. */
  readonly kernel: "always" | "validate" | "never";
}

const both = (text: string): Rule => ({ text, kernel: "always" });
const validated = (text: string): Rule => ({ text, kernel: "validate" });
const checker = (text: string): Rule => ({ text, kernel: "never" });

export const RULES = {
  "superblock.magic": both("the magic number is 0x64646178"),
  "superblock.version": both("the version is 1"),
  "superblock.features": both("no incompatible feature bit is set that the reader does not know"),
  "superblock.block-size": both("block_size is 4096"),
  "superblock.total-size": both(
    "total_size is a multiple of 4096, at least 4096, and inside the file or memory region",
  ),
  "superblock.inode-table": both(
    "the inode table lies behind the superblock and inside total_size",
  ),
  "superblock.inode-count": both("there is at least one inode"),
  "superblock.root": both("root_inode is in the table and is a directory"),
  "superblock.string-table": both(
    "the string table lies behind the superblock and inside total_size",
  ),
  "superblock.xattr-area": both(
    "with XATTRS: the xattr area is 8-aligned, lies inside total_size and holds its index",
  ),
  "superblock.data-area": both("data_offset is 4096-aligned and lies inside total_size"),
  "superblock.overlap": both("superblock, inode table, strings, xattrs and data do not overlap"),
  "superblock.alignment": checker(
    "data_align_log2 is 12 or 21, or 0 in an image without extensions",
  ),
  "superblock.label": checker("the label is UTF-8, NUL-padded"),
  "superblock.reserved": checker("reserved bytes are zero"),
  "superblock.crc": both("with CHECKSUMS: super_crc32 matches the superblock"),
  "metadata.crc": validated("with CHECKSUMS: metadata_crc32 matches inodes, strings and xattrs"),
  "data.digest": checker("with DIGEST: data_digest matches the data area"),
  "inode.ino": both("ino is the entry's index + 1"),
  "inode.file-type": both("mode has one of the seven file types and no bit past 0o177777"),
  "inode.size": both("size is at most 2^63 - 1; devices, fifos and sockets have 0"),
  "inode.name-range": both(
    "the name lies in the string table and has 1 to 255 bytes; that of the root has none",
  ),
  "inode.name-characters": both("the name has no '/', no NUL, and is neither '.' nor '..'"),
  "inode.name-end": checker("the name is followed by a NUL inside the string table"),
  "inode.content-range": both(
    "content lies inside the data area; an empty file's offset is at most total_size",
  ),
  "inode.content-alignment": both("the content of a regular file is 4096-aligned"),
  "inode.symlink-length": both("a symlink's target has 1 to 4095 bytes"),
  "inode.symlink-end": both("a symlink's target has no NUL inside and one right behind it"),
  "inode.device": both("a device number has at most 12 bits of major and 20 of minor"),
  "inode.child-range": both("first_child is 0 or in the table"),
  "inode.sibling-range": both("next_sibling is 0 or in the table"),
  "inode.parent-range": both("parent_ino is in the table; that of the root is 0"),
  "inode.nlink": both("nlink is at least 1"),
  "inode.nlink-count": checker(
    "with LINKS: nlink is the number of names, for a directory 2 + its subdirectories",
  ),
  "inode.link": both(
    "with LINKS: link_ino is 0, or leads to a lower-numbered entry of the same type, mode, size " +
      "and data_offset that has no link_ino itself",
  ),
  "inode.link-attributes": checker(
    "with LINKS: all names of a file have the same owner and, with MTIME, the same mtime",
  ),
  "tree.reached": validated("every inode but the root is reached exactly once"),
  "tree.parent": both("parent_ino of an entry is the directory it is reached from"),
  "tree.walk": both("a walk of a directory takes no more steps than there are inodes"),
  "tree.duplicate-name": checker("no two entries of a directory have the same name"),
  "tree.order": validated(
    "with SORTED: the children of a directory are consecutive inodes in ascending order of names",
  ),
  "tree.directory-size": both(
    "with SORTED: a directory's size is 64 × its number of children (the module sees that it is a " +
      "multiple of 64, for children inside the table)",
  ),
  "xattr.rows": validated("index rows ascend by inode number"),
  "xattr.inode": validated("an index row names an inode in the table that is not a further link"),
  "xattr.set": both(
    "a set lies inside the xattr area, behind the index, and has at most 32768 entries",
  ),
  "xattr.overlap": validated("no two sets share a byte"),
  "xattr.entry": both(
    "an entry lies inside the area; its name has 1 to 255 bytes and no NUL, its value at most 65536",
  ),
  "xattr.order": validated("the names of a set ascend in byte order"),
  "data.tail": checker("the rest of a regular file's last page is zero"),
} as const satisfies Readonly<Record<string, Rule>>;

export type RuleId = keyof typeof RULES;
