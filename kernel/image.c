// SPDX-License-Identifier: GPL-2.0-only
/*
 * The inode table of an image.
 */
#include "image.h"

#ifdef __KERNEL__
#include <linux/align.h>
#include <linux/limits.h>
#include <linux/stat.h>
#endif

/**
 * daxfs_corrupt() - describe a corruption
 * @corruption: filled in
 * @ino: inode number that the field belongs to, 0 for the superblock
 * @field: name of the field
 * @expected: what a valid image has there, in words
 * @found: value of the field
 *
 * Return: -EUCLEAN.
 */
int daxfs_corrupt(struct daxfs_corruption *corruption, u32 ino, const char *field,
		  const char *expected, u64 found)
{
	corruption->ino = ino;
	corruption->field = field;
	corruption->expected = expected;
	corruption->found = found;
	return -EUCLEAN;
}

static void daxfs_decode_inode(const struct daxfs_image *image,
			       const struct daxfs_inode *raw,
			       struct daxfs_node *node)
{
	const u32 mode = le32_to_cpu(raw->mode);
	const u32 first_child = le32_to_cpu(raw->first_child);
	const bool is_dir = S_ISDIR(mode);

	*node = (struct daxfs_node) {
		.ino = le32_to_cpu(raw->ino),
		.mode = mode,
		.uid = le32_to_cpu(raw->uid),
		.gid = le32_to_cpu(raw->gid),
		.size = le64_to_cpu(raw->size),
		.data_offset = le64_to_cpu(raw->data_offset),
		.name_offset = le32_to_cpu(raw->name_offset),
		.name_len = le32_to_cpu(raw->name_len),
		.parent_ino = le32_to_cpu(raw->parent_ino),
		.nlink = le32_to_cpu(raw->nlink),
		.next_sibling = le32_to_cpu(raw->next_sibling),
		.first_child = is_dir ? first_child : 0,
		.link_ino = !is_dir && daxfs_image_has(image, DAXFS_FLAG_LINKS) ?
			    first_child : 0,
		.mtime_ns = daxfs_image_has(image, DAXFS_FLAG_MTIME) ?
			    (s64)le64_to_cpu(raw->mtime_ns) : 0,
		.major = 0,
		.minor = 0,
	};
}

/* The fields that lookup and readdir use. */
static int daxfs_check_entry(const struct daxfs_image *image, u32 ino,
			     const struct daxfs_node *node,
			     struct daxfs_corruption *corruption)
{
	const bool root = ino == image->root_ino;

	if (node->ino != ino)
		return daxfs_corrupt(corruption, ino, "ino", "its own number",
				     node->ino);
	switch (node->mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		if (node->mode <= (S_IFMT | 07777))
			break;
		fallthrough;
	default:
		return daxfs_corrupt(corruption, ino, "mode", "a known file type",
				     node->mode);
	}
	if (root ? node->name_len != 0 :
	    node->name_len == 0 || node->name_len > DAXFS_NAME_MAX)
		return daxfs_corrupt(corruption, ino, "name_len",
				     "1 to 255, for the root 0", node->name_len);
	if (!root && !daxfs_is_inside(node->name_offset, node->name_len, 0,
				      image->strtab_size))
		return daxfs_corrupt(corruption, ino, "name_offset",
				     "a name inside the string table",
				     node->name_offset);
	if (root ? node->parent_ino != 0 :
	    node->parent_ino == 0 || node->parent_ino > image->inode_count)
		return daxfs_corrupt(corruption, ino, "parent_ino",
				     "a number in the table, for the root 0",
				     node->parent_ino);
	if (node->next_sibling > image->inode_count)
		return daxfs_corrupt(corruption, ino, "next_sibling",
				     "0 or a number in the table",
				     node->next_sibling);
	if (node->link_ino >= ino)
		return daxfs_corrupt(corruption, ino, "link_ino",
				     "0 or a lower number", node->link_ino);
	return 0;
}

static int daxfs_check_directory(const struct daxfs_image *image,
				 const struct daxfs_node *node,
				 struct daxfs_corruption *corruption)
{
	u64 children;

	if (node->first_child > image->inode_count)
		return daxfs_corrupt(corruption, node->ino, "first_child",
				     "0 or a number in the table",
				     node->first_child);
	if (!daxfs_image_has(image, DAXFS_FLAG_SORTED))
		return 0;
	children = node->size / sizeof(struct daxfs_inode);
	if (node->size % sizeof(struct daxfs_inode) ||
	    children > image->inode_count)
		return daxfs_corrupt(corruption, node->ino, "size",
				     "64 x the number of children", node->size);
	if (children == 0 ? node->first_child != 0 :
	    node->first_child == 0 ||
	    children > image->inode_count - (node->first_child - 1))
		return daxfs_corrupt(corruption, node->ino, "first_child",
				     "children inside the table",
				     node->first_child);
	return 0;
}

/**
 * daxfs_image_check_content() - check what lookup and readdir don't use of an entry
 * @image: the image
 * @node: what daxfs_image_entry() filled in; the device number is added
 * @corruption: filled in on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_check_content(const struct daxfs_image *image,
			      struct daxfs_node *node,
			      struct daxfs_corruption *corruption)
{
	const u64 end = image->total_size;
	const u32 ino = node->ino;

	if (node->nlink == 0)
		return daxfs_corrupt(corruption, ino, "nlink", "at least 1", 0);
	if (node->size > S64_MAX)
		return daxfs_corrupt(corruption, ino, "size", "at most 2^63 - 1",
				     node->size);
	switch (node->mode & S_IFMT) {
	case S_IFDIR:
		return daxfs_check_directory(image, node, corruption);
	case S_IFREG:
		if (node->size == 0) {
			if (node->data_offset > end)
				return daxfs_corrupt(corruption, ino, "data_offset",
						     "an offset inside the image",
						     node->data_offset);
			return 0;
		}
		if (!IS_ALIGNED(node->data_offset, DAXFS_BLOCK_SIZE) ||
		    !daxfs_is_inside(node->data_offset, node->size,
				     image->data_offset, end))
			return daxfs_corrupt(corruption, ino, "data_offset",
					     "aligned content inside the data area",
					     node->data_offset);
		return 0;
	case S_IFLNK:
		if (node->size == 0 || node->size > DAXFS_SYMLINK_MAX)
			return daxfs_corrupt(corruption, ino, "size", "1 to 4095",
					     node->size);
		/* A NUL follows the target. */
		if (!daxfs_is_inside(node->data_offset, node->size + 1,
				     image->data_offset, end))
			return daxfs_corrupt(corruption, ino, "data_offset",
					     "a target inside the data area",
					     node->data_offset);
		return 0;
	default:
		if (node->size != 0)
			return daxfs_corrupt(corruption, ino, "size", "0",
					     node->size);
		if (!S_ISCHR(node->mode) && !S_ISBLK(node->mode))
			return 0;
		node->major = node->data_offset >> 32;
		node->minor = (u32)node->data_offset;
		if (node->major > DAXFS_DEVICE_MAJOR_MAX ||
		    node->minor > DAXFS_DEVICE_MINOR_MAX)
			return daxfs_corrupt(corruption, ino, "data_offset",
					     "a device number",
					     node->data_offset);
		return 0;
	}
}

/**
 * daxfs_image_entry() - copy an entry and check the fields that a directory uses
 * @image: the image
 * @ino: number of the entry
 * @node: filled in; daxfs_image_check_content() checks the other fields
 * @corruption: filled in on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_entry(const struct daxfs_image *image, u32 ino,
		      struct daxfs_node *node,
		      struct daxfs_corruption *corruption)
{
	struct daxfs_inode raw;

	if (ino == 0 || ino > image->inode_count)
		return daxfs_corrupt(corruption, ino, "ino", "a number in the table",
				     ino);
	daxfs_image_copy(image,
			 image->inode_offset + (u64)(ino - 1) * sizeof(raw),
			 &raw, sizeof(raw));
	daxfs_decode_inode(image, &raw, node);
	return daxfs_check_entry(image, ino, node, corruption);
}

/**
 * daxfs_image_node() - copy an entry of the inode table and check all of it
 * @image: the image
 * @ino: number of the entry
 * @node: filled in
 * @corruption: filled in on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_node(const struct daxfs_image *image, u32 ino,
		     struct daxfs_node *node, struct daxfs_corruption *corruption)
{
	int err = daxfs_image_entry(image, ino, node, corruption);

	return err ? err : daxfs_image_check_content(image, node, corruption);
}

/**
 * daxfs_image_resolve_link() - resolve a hard link
 * @image: the image
 * @node: a checked entry; if it is a further name of a hard-linked file, replaced by
 *	  the entry of the first name
 * @corruption: filled in on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_resolve_link(const struct daxfs_image *image,
			     struct daxfs_node *node, struct daxfs_corruption *corruption)
{
	struct daxfs_node first;
	int err;

	if (node->link_ino == 0)
		return 0;
	err = daxfs_image_node(image, node->link_ino, &first, corruption);
	if (err)
		return err;
	if (S_ISDIR(first.mode) || first.link_ino != 0 ||
	    first.mode != node->mode || first.size != node->size ||
	    first.data_offset != node->data_offset)
		return daxfs_corrupt(corruption, node->ino, "link_ino",
				     "the first name of the same file",
				     node->link_ino);
	*node = first;
	return 0;
}

/**
 * daxfs_image_symlink() - copy the target of a symlink
 * @image: the image
 * @node: the symlink, checked
 * @target: room for its size and a NUL
 * @corruption: filled in on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_symlink(const struct daxfs_image *image,
			const struct daxfs_node *node, char *target,
			struct daxfs_corruption *corruption)
{
	const size_t size = node->size;

	daxfs_image_copy(image, node->data_offset, target, size + 1);
	if (memchr(target, '\0', size + 1) != target + size) {
		target[size] = '\0';
		return daxfs_corrupt(corruption, node->ino, "size",
				     "the length of the target", size);
	}
	return 0;
}
