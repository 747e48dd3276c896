/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checked access to the metadata of a daxfs image.
 *
 * Plain C over a mapped range of memory. It is compiled into the module, and into
 * user-space tests with the headers of the C library. It does not use the VFS. The
 * memory may change at any time, so each function copies a field once, checks the
 * copy and uses the copy.
 *
 *   image_super.c        superblock
 *   image.c              inode table, symlinks
 *   image_dir.c          directories
 *   image_xattr.c        extended attributes
 *   image_validate*.c    check of a whole image
 */
#ifndef _DAXFS_IMAGE_H
#define _DAXFS_IMAGE_H

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include "image_user.h"
#endif

#include "daxfs_format.h"

/*
 * Incompatible features that this code can read. Not generated from the schema of the
 * format: the builder may learn a feature before this code does.
 */
#define DAXFS_SUPPORTED_INCOMPATIBLE 0

/**
 * struct daxfs_corruption - why a check failed
 * @ino: inode number that the field belongs to, 0 for the superblock
 * @field: name of the field in the format
 * @expected: what a valid image has there, in words
 * @found: value of the field
 */
struct daxfs_corruption {
	u32 ino;
	const char *field;
	const char *expected;
	u64 found;
};

/**
 * struct daxfs_image - a mapped image with a valid superblock
 * @base: first byte of the mapping
 * @total_size: bytes of the image; all other ranges are inside
 * @inode_offset: of the inode table
 * @strtab_offset: of the string table
 * @strtab_size: bytes of the string table
 * @xattr_offset: of the xattr area, with the XATTRS flag
 * @xattr_size: bytes of the xattr area
 * @data_offset: of the data area, which ends at @total_size
 * @flags: feature bits
 * @inode_count: entries in the inode table
 * @root_ino: number of the root directory
 * @xattr_rows: rows of the xattr index
 * @uuid: UUID of the image, zero if the builder set none
 * @label: label of the image, padded with NUL bytes
 */
struct daxfs_image {
	const u8 *base;
	u64 total_size;
	u64 inode_offset;
	u64 strtab_offset;
	u64 strtab_size;
	u64 xattr_offset;
	u64 xattr_size;
	u64 data_offset;
	u32 flags;
	u32 inode_count;
	u32 root_ino;
	u32 xattr_rows;
	u8 uuid[16];
	char label[32];
};

/**
 * struct daxfs_node - a checked copy of an entry of the inode table
 * @size: bytes
 * @data_offset: content or symlink target, from the start of the image
 * @mtime_ns: nanoseconds since 1970; 0 if the image has no times
 * @ino: number of the entry
 * @mode: file type and permissions
 * @uid: owner
 * @gid: group
 * @major: device number
 * @minor: device number
 * @name_offset: in the string table
 * @name_len: bytes of the name, 0 for the root only
 * @parent_ino: number of the directory that holds the entry
 * @nlink: link count
 * @first_child: first entry of a directory, or 0
 * @link_ino: for other types: the entry of the first name of a hard-linked file, or 0
 * @next_sibling: next entry of the same directory, or 0
 */
struct daxfs_node {
	u64 size;
	u64 data_offset;
	s64 mtime_ns;
	u32 ino;
	u32 mode;
	u32 uid;
	u32 gid;
	u32 major;
	u32 minor;
	u32 name_offset;
	u32 name_len;
	u32 parent_ino;
	u32 nlink;
	u32 first_child;
	u32 link_ino;
	u32 next_sibling;
};

/**
 * struct daxfs_dir_cursor - a position in a directory
 * @index: number of entries before it
 * @ino: the entry at it, 0 at the end
 */
struct daxfs_dir_cursor {
	u64 index;
	u32 ino;
};

/**
 * struct daxfs_xattr - one extended attribute
 * @name: copy of the whole name, NUL-terminated
 * @name_len: bytes of the name
 * @value_offset: of the value, from the start of the image
 * @value_len: bytes of the value
 */
struct daxfs_xattr {
	char name[DAXFS_XATTR_NAME_MAX + 1];
	u32 name_len;
	u64 value_offset;
	u32 value_len;
};

/**
 * struct daxfs_xattr_cursor - a position in the attributes of one inode
 * @offset: of the next entry, from the start of the image
 * @left: number of remaining entries
 * @ino: the inode
 */
struct daxfs_xattr_cursor {
	u64 offset;
	u32 left;
	u32 ino;
};

int daxfs_corrupt(struct daxfs_corruption *corruption, u32 ino, const char *field,
		  const char *expected, u64 found);

int daxfs_image_find_size(const struct daxfs_superblock *raw, u64 *size,
			  struct daxfs_corruption *corruption);
int daxfs_image_open(struct daxfs_image *image, const void *base,
		     u64 region_size, struct daxfs_node *root,
		     struct daxfs_corruption *corruption);

int daxfs_image_entry(const struct daxfs_image *image, u32 ino,
		      struct daxfs_node *node,
		      struct daxfs_corruption *corruption);
int daxfs_image_check_content(const struct daxfs_image *image,
			      struct daxfs_node *node,
			      struct daxfs_corruption *corruption);
int daxfs_image_node(const struct daxfs_image *image, u32 ino,
		     struct daxfs_node *node,
		     struct daxfs_corruption *corruption);
int daxfs_image_resolve_link(const struct daxfs_image *image,
			     struct daxfs_node *node,
			     struct daxfs_corruption *corruption);
int daxfs_image_symlink(const struct daxfs_image *image,
			const struct daxfs_node *node, char *target,
			struct daxfs_corruption *corruption);

int daxfs_image_lookup(const struct daxfs_image *image,
		       const struct daxfs_node *dir, const char *name,
		       u32 name_len, struct daxfs_node *node,
		       struct daxfs_corruption *corruption);
int daxfs_image_seek(const struct daxfs_image *image,
		     const struct daxfs_node *dir, u64 index,
		     struct daxfs_dir_cursor *cursor,
		     struct daxfs_corruption *corruption);
int daxfs_image_next(const struct daxfs_image *image,
		     const struct daxfs_node *dir,
		     struct daxfs_dir_cursor *cursor, struct daxfs_node *child,
		     char name[DAXFS_NAME_MAX + 1],
		     struct daxfs_corruption *corruption);
int daxfs_image_name(const struct daxfs_image *image,
		     const struct daxfs_node *node,
		     char name[DAXFS_NAME_MAX + 1],
		     struct daxfs_corruption *corruption);

int daxfs_image_xattr_set(const struct daxfs_image *image, u32 ino, u32 place,
			  struct daxfs_xattr_cursor *cursor,
			  struct daxfs_corruption *corruption);
int daxfs_image_xattrs(const struct daxfs_image *image, u32 ino,
		       struct daxfs_xattr_cursor *cursor,
		       struct daxfs_corruption *corruption);
int daxfs_image_next_xattr(const struct daxfs_image *image,
			   struct daxfs_xattr_cursor *cursor,
			   struct daxfs_xattr *xattr,
			   struct daxfs_corruption *corruption);

int daxfs_image_validate(const struct daxfs_image *image,
			 struct daxfs_corruption *corruption);

/**
 * daxfs_image_copy() - copy metadata out of an image
 * @image: the image
 * @offset: from its first byte; the caller has checked the range
 * @to: destination
 * @size: bytes
 *
 * The barrier keeps the compiler from reading the image again instead of the copy:
 * the image may change. Inline, since a copy of constant size is a few loads and
 * stores.
 */
static inline void daxfs_image_copy(const struct daxfs_image *image, u64 offset,
				    void *to, size_t size)
{
	memcpy(to, image->base + offset, size);
	barrier();
}

static inline bool daxfs_image_has(const struct daxfs_image *image, u32 flag)
{
	return image->flags & flag;
}

/* Whether [offset, offset + size) is inside [start, end), without overflow. */
static inline bool daxfs_is_inside(u64 offset, u64 size, u64 start, u64 end)
{
	return offset >= start && offset <= end && size <= end - offset;
}

#endif /* _DAXFS_IMAGE_H */
