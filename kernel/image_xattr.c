// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extended attributes of an image.
 */
#include "image.h"

#ifdef __KERNEL__
#include <linux/align.h>
#include <linux/kernel.h>
#endif

/**
 * daxfs_image_xattr_set() - go to a set of extended attributes
 * @image: the image
 * @ino: number of an inode with this set
 * @place: start of the set in the xattr area, in units of 8 bytes
 * @cursor: filled in
 * @corruption: filled in on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_xattr_set(const struct daxfs_image *image, u32 ino, u32 place,
			  struct daxfs_xattr_cursor *cursor,
			  struct daxfs_corruption *corruption)
{
	const u64 end = image->xattr_offset + image->xattr_size;
	const u64 index_end = image->xattr_offset +
		(u64)image->xattr_rows * sizeof(struct daxfs_xattr_row);
	const u64 offset = image->xattr_offset +
		(u64)place * DAXFS_XATTR_SET_ALIGN;
	struct daxfs_xattr_set set;

	if (!daxfs_is_inside(offset, sizeof(set), index_end, end))
		return daxfs_corrupt(corruption, ino, "set",
				     "a set inside the xattr area", place);
	daxfs_image_copy(image, offset, &set, sizeof(set));
	/* Bounds the time of a walk; the builder writes no more. */
	if (le32_to_cpu(set.count) > DAXFS_XATTR_COUNT_MAX)
		return daxfs_corrupt(corruption, ino, "count", "at most 32768",
				     le32_to_cpu(set.count));
	cursor->offset = offset + sizeof(set);
	cursor->left = le32_to_cpu(set.count);
	cursor->ino = ino;
	return 0;
}

/**
 * daxfs_image_xattrs() - find the extended attributes of an inode
 * @image: the image
 * @ino: its number; that of the first name of a hard-linked file
 * @cursor: filled in; no entries are left if the inode has no attributes
 * @corruption: filled in on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_xattrs(const struct daxfs_image *image, u32 ino,
		       struct daxfs_xattr_cursor *cursor,
		       struct daxfs_corruption *corruption)
{
	u32 low = 0;
	u32 high = image->xattr_rows;

	cursor->offset = 0;
	cursor->left = 0;
	cursor->ino = ino;
	while (low < high) {
		const u32 middle = low + (high - low) / 2;
		struct daxfs_xattr_row row;

		daxfs_image_copy(image,
				 image->xattr_offset + (u64)middle * sizeof(row),
				 &row, sizeof(row));
		if (le32_to_cpu(row.ino) < ino)
			low = middle + 1;
		else if (le32_to_cpu(row.ino) > ino)
			high = middle;
		else
			return daxfs_image_xattr_set(image, ino,
						     le32_to_cpu(row.set),
						     cursor, corruption);
	}
	return 0;
}

/**
 * daxfs_image_next_xattr() - read the next attribute of a set
 * @image: the image
 * @cursor: position of the attribute; moved to the next one
 * @xattr: filled in; the value is not copied
 * @corruption: filled in on failure
 *
 * Return: 1, 0 at the end, or -EUCLEAN.
 */
int daxfs_image_next_xattr(const struct daxfs_image *image,
			   struct daxfs_xattr_cursor *cursor,
			   struct daxfs_xattr *xattr,
			   struct daxfs_corruption *corruption)
{
	const u64 end = image->xattr_offset + image->xattr_size;
	struct daxfs_xattr_entry header;
	u64 offset = cursor->offset;
	u64 room;

	if (cursor->left == 0)
		return 0;
	if (!daxfs_is_inside(offset, sizeof(header), image->xattr_offset, end))
		return daxfs_corrupt(corruption, cursor->ino, "count",
				     "entries inside the xattr area",
				     cursor->left);
	daxfs_image_copy(image, offset, &header, sizeof(header));
	offset += sizeof(header);
	room = end - offset;
	xattr->name_len = le16_to_cpu(header.name_len);
	xattr->value_len = le32_to_cpu(header.value_len);
	if (xattr->name_len == 0 || xattr->name_len > DAXFS_XATTR_NAME_MAX ||
	    xattr->name_len > room)
		return daxfs_corrupt(corruption, cursor->ino, "name_len",
				     "an xattr name of 1 to 255 bytes",
				     xattr->name_len);
	room -= xattr->name_len;
	if (xattr->value_len > DAXFS_XATTR_VALUE_MAX ||
	    xattr->value_len > room)
		return daxfs_corrupt(corruption, cursor->ino, "value_len",
				     "an xattr value inside the area",
				     xattr->value_len);
	daxfs_image_copy(image, offset, xattr->name, xattr->name_len);
	xattr->name[xattr->name_len] = '\0';
	if (memchr(xattr->name, '\0', xattr->name_len))
		return daxfs_corrupt(corruption, cursor->ino, "name",
				     "an xattr name without NUL", offset);
	xattr->value_offset = offset + xattr->name_len;
	cursor->offset = round_up(xattr->value_offset + xattr->value_len, 4);
	cursor->left--;
	return 1;
}
