// SPDX-License-Identifier: GPL-2.0-only
/*
 * The check of all extended attributes of an image.
 */
#include "image_validate.h"

#ifdef __KERNEL__
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/string.h>
#endif

/* More than any place in the xattr area, which is a number of 32 bits. */
#define DAXFS_NO_PLACE ((u64)U32_MAX + 1)

static bool daxfs_bit(const u8 *bits, u64 at)
{
	return bits[at / 8] & (1 << (at % 8));
}

static void daxfs_set_bit(u8 *bits, u64 at)
{
	bits[at / 8] |= 1 << (at % 8);
}

static void daxfs_copy_row(const struct daxfs_image *image, u32 row,
			   struct daxfs_xattr_row *raw)
{
	daxfs_image_copy(image, image->xattr_offset + (u64)row * sizeof(*raw),
			 raw, sizeof(*raw));
}

static int daxfs_validate_rows(const struct daxfs_validation *check)
{
	const struct daxfs_image *image = check->image;
	u32 before = 0;
	u32 row;

	for (row = 0; row < image->xattr_rows; row++) {
		struct daxfs_xattr_cursor cursor;
		struct daxfs_xattr_row raw;
		struct daxfs_node node;
		u32 ino;
		int err;

		daxfs_copy_row(image, row, &raw);
		ino = le32_to_cpu(raw.ino);
		if (ino <= before || ino > image->inode_count)
			return daxfs_corrupt(check->corruption, ino, "ino",
					     "rows in ascending order, numbers in the table",
					     ino);
		before = ino;
		err = row % DAXFS_VALIDATE_SLICE ? 0 : daxfs_validate_pause();
		if (!err)
			err = daxfs_image_node(image, ino, &node,
					       check->corruption);
		if (!err && node.link_ino != 0)
			err = daxfs_corrupt(check->corruption, ino, "link_ino",
					    "attributes of the first name only",
					    node.link_ino);
		if (!err)
			err = daxfs_image_xattr_set(image, ino,
						    le32_to_cpu(raw.set),
						    &cursor, check->corruption);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Marks the places at which sets start in a window. @next is the first place after the
 * window at which one starts, or DAXFS_NO_PLACE.
 */
static int daxfs_find_sets(struct daxfs_validation *check, u64 *next)
{
	const struct daxfs_image *image = check->image;
	const u64 places = (u64)check->starts_size * 8;
	u32 row;

	memset(check->starts, 0, check->starts_size);
	*next = DAXFS_NO_PLACE;
	for (row = 0; row < image->xattr_rows; row++) {
		struct daxfs_xattr_row raw;
		u64 place;
		int err = row % DAXFS_VALIDATE_SLICE ? 0 : daxfs_validate_pause();

		if (err)
			return err;
		daxfs_copy_row(image, row, &raw);
		place = le32_to_cpu(raw.set);
		if (place < check->window)
			continue;
		if (place - check->window < places)
			daxfs_set_bit(check->starts, place - check->window);
		else
			*next = min_t(u64, *next, place);
	}
	return 0;
}

/* The first inode with a set. */
static u32 daxfs_owner(const struct daxfs_image *image, u64 place)
{
	u32 row;

	for (row = 0; row < image->xattr_rows; row++) {
		struct daxfs_xattr_row raw;

		daxfs_copy_row(image, row, &raw);
		if (le32_to_cpu(raw.set) == place)
			return le32_to_cpu(raw.ino);
		if (row % DAXFS_VALIDATE_SLICE == 0)
			cond_resched();
	}
	return 0;
}

/*
 * Sets may be shared, but must not overlap: else a small area could have so many
 * entries that a walk would take too long. Called for each set once, in order of place.
 */
static int daxfs_validate_set(struct daxfs_validation *check, u64 place)
{
	const struct daxfs_image *image = check->image;
	struct daxfs_xattr_cursor cursor;
	struct daxfs_xattr xattr;
	int err;

	if (place * DAXFS_XATTR_SET_ALIGN < check->set_end)
		return daxfs_corrupt(check->corruption, 0, "set",
				     "a set that overlaps no other", place);
	err = daxfs_image_xattr_set(image, 0, place, &cursor, check->corruption);
	if (err)
		return err;
	check->previous[0] = '\0';
	for (;;) {
		err = daxfs_image_next_xattr(image, &cursor, &xattr,
					     check->corruption);
		if (err < 0)
			return err;
		if (err == 0)
			break;
		if (strcmp(check->previous, xattr.name) >= 0)
			return daxfs_corrupt(check->corruption, 0, "name",
					     "xattr names in ascending order",
					     xattr.name_len);
		memcpy(check->previous, xattr.name, xattr.name_len + 1);
	}
	check->set_end = cursor.offset - image->xattr_offset;
	return daxfs_validate_pause();
}

/**
 * daxfs_validate_xattrs() - check the xattr index and all sets
 * @check: the check
 *
 * Return: 0, -EUCLEAN, or -EINTR if a signal kills the process.
 */
int daxfs_validate_xattrs(struct daxfs_validation *check)
{
	u64 next = 0;
	int err;

	err = check->image->xattr_rows ? daxfs_validate_rows(check) : 0;
	while (!err && check->image->xattr_rows && next != DAXFS_NO_PLACE) {
		u64 at;

		check->window = next;
		err = daxfs_find_sets(check, &next);
		for (at = 0; !err && at < (u64)check->starts_size * 8; at++) {
			if (!daxfs_bit(check->starts, at))
				continue;
			err = daxfs_validate_set(check, check->window + at);
			if (err == -EUCLEAN)
				check->corruption->ino =
					daxfs_owner(check->image,
						    check->window + at);
		}
	}
	return err;
}
