// SPDX-License-Identifier: MIT
/**
 * The rules of a valid image. The checker reports every violation by the name of the rule. The kernel
 * module applies some of the rules before it uses a field: those of the superblock at mount, the
 * others on each use. With `validate` it applies some more at mount.
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
  "superblock.features": both(
    "no incompatible feature bit is set that the reader does not support",
  ),
  "superblock.block-size": both("block_size is 4096"),
  "superblock.total-size": both(
    "total_size is a multiple of 4096, at least 4096, and within the file or memory region",
  ),
  "superblock.inode-table": both("the inode table is after the superblock and within total_size"),
  "superblock.inode-count": both("there is at least one inode"),
  "superblock.root": both("root_inode is an entry of the inode table and a directory"),
  "superblock.string-table": both("the string table is after the superblock and within total_size"),
  "superblock.xattr-area": both(
    "with XATTRS: the xattr area is 8-aligned, within total_size and large enough for its index",
  ),
  "superblock.data-area": both("data_offset is 4096-aligned and within total_size"),
  "superblock.overlap": both(
    "superblock, inode table, string table, xattr area and data area do not overlap",
  ),
  "superblock.alignment": checker(
    "data_align_log2 is 12 or 21, or 0 in an image without extensions",
  ),
  "superblock.label": checker("the label is UTF-8, NUL-padded"),
  "superblock.reserved": checker("reserved bytes are zero"),
  "superblock.crc": both("with CHECKSUMS: super_crc32 matches the superblock"),
  "metadata.crc": validated(
    "with CHECKSUMS: metadata_crc32 matches the inode table, string table and xattr area",
  ),
  "data.digest": checker("with DIGEST: data_digest matches the data area"),
  "inode.ino": both("ino is the entry's index + 1"),
  "inode.file-type": both("mode has one of the seven file types and no bit above 0o177777"),
  "inode.size": both("size is at most 2^63 - 1, and 0 for devices, fifos and sockets"),
  "inode.name-range": both(
    "the name is within the string table and has 1 to 255 bytes; the root has no name",
  ),
  "inode.name-characters": both("the name contains no '/' and no NUL, and is neither '.' nor '..'"),
  "inode.name-end": checker("the name is followed by a NUL within the string table"),
  "inode.content-range": both(
    "the content is within the data area; the offset of an empty file is at most total_size",
  ),
  "inode.content-alignment": both("the content of a regular file is 4096-aligned"),
  "inode.symlink-length": both("a symlink's target has 1 to 4095 bytes"),
  "inode.symlink-end": both("a symlink's target contains no NUL and is followed by one"),
  "inode.device": both(
    "a device has a major number of at most 12 bits and a minor number of at most 20 bits",
  ),
  "inode.child-range": both("first_child is 0 or an entry of the inode table"),
  "inode.sibling-range": both("next_sibling is 0 or an entry of the inode table"),
  "inode.parent-range": both("parent_ino is an entry of the inode table, or 0 for the root"),
  "inode.nlink": both("nlink is at least 1"),
  "inode.nlink-count": checker(
    "with LINKS: nlink is the number of names, or for a directory 2 + number of subdirectories",
  ),
  "inode.link": both(
    "with LINKS: link_ino is 0, or a lower inode number whose entry has the same type, mode, size " +
      "and data_offset, and link_ino 0",
  ),
  "inode.link-attributes": checker(
    "with LINKS: all names of a file have the same owner and, with MTIME, the same mtime",
  ),
  "tree.reached": validated("every inode except the root is reached exactly once from the root"),
  "tree.parent": both("parent_ino of an entry is the directory from which it is reached"),
  "tree.walk": both("a walk of a directory takes at most inode_count steps"),
  "tree.duplicate-name": checker("no two entries of a directory have the same name"),
  "tree.order": validated(
    "with SORTED: the children of a directory are consecutive inodes in ascending byte order of names",
  ),
  "tree.directory-size": both(
    "with SORTED: the size of a directory is 64 × the number of children (the module checks that " +
      "it is a multiple of 64 and that the children are within the inode table)",
  ),
  "xattr.rows": validated("index rows are in ascending order of inode numbers"),
  "xattr.inode": validated(
    "an index row refers to an entry of the inode table that is not an additional name of a file",
  ),
  "xattr.set": both(
    "a set is within the xattr area, after the index, and has at most 32768 entries",
  ),
  "xattr.overlap": validated("no two sets share a byte"),
  "xattr.entry": both(
    "an entry is within the area; its name has 1 to 255 bytes and no NUL, its value at most 65536 bytes",
  ),
  "xattr.order": validated("the names of a set are in ascending byte order"),
  "data.tail": checker("the rest of a regular file's last page is zero"),
} as const satisfies Readonly<Record<string, Rule>>;

export type RuleId = keyof typeof RULES;
