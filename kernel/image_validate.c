// SPDX-License-Identifier: GPL-2.0-only
/*
 * The check of a whole image: every entry, the tree that they form, the
 * extended attributes, the checksum over all of it.
 *
 * A mount is safe without it, since all is checked when it is used. What is
 * found here is found before anybody uses it, and what only the whole can show:
 * an entry that two directories list, or none.
 */
#include "image.h"

#ifdef __KERNEL__
#include <linux/align.h>
#include <linux/crc32.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#endif

/* Steps between two chances for others to run, and for a signal to end it. */
#define DAXFS_VALIDATE_SLICE 1024

/* Bytes of a checksum between the same. */
#define DAXFS_CRC_SLICE SZ_1M

/*
 * The memory that a check takes does not depend on the image: it is this bitmap, and
 * struct daxfs_validation, 9 KiB. The bitmap covers 16 MiB of the xattr area. Each
 * further 16 MiB in which sets begin take one more look at every row: 10 instructions
 * a row, where the check of its inode takes a thousand.
 */
#define DAXFS_VALIDATE_BITMAP (SZ_1M / 4)

/* No place of the xattr area: those are numbers of 32 bits. */
#define DAXFS_NO_PLACE ((u64)U32_MAX + 1)

/* Ranges of inode numbers in which reached ones are counted; at most four walks. */
#define DAXFS_VALIDATE_RANGES 1024

/**
 * struct daxfs_validation - a check at work
 * @image: the image
 * @defect: says why, on failure
 * @first: lowest inode number of the first range
 * @width: inode numbers in each range
 * @reached: how many of each range the tree has come to
 * @set_end: where the last set of the xattr area ended, in bytes
 * @window: the place in the xattr area that the first bit of @starts is for
 * @starts: a bit for each place: whether a set starts there
 * @starts_size: bytes of @starts
 * @name: scratch
 * @previous: scratch
 * @target: scratch
 */
struct daxfs_validation {
	const struct daxfs_image *image;
	struct daxfs_defect *defect;
	u32 first;
	u32 width;
	u32 reached[DAXFS_VALIDATE_RANGES];
	u64 set_end;
	u64 window;
	u8 *starts;
	size_t starts_size;
	char name[DAXFS_NAME_MAX + 1];
	char previous[DAXFS_NAME_MAX + 1];
	char target[DAXFS_SYMLINK_MAX + 1];
};

static int daxfs_pause(void)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

static bool daxfs_bit(const u8 *bits, u64 at)
{
	return bits[at / 8] & (1 << (at % 8));
}

static void daxfs_set_bit(u8 *bits, u64 at)
{
	bits[at / 8] |= 1 << (at % 8);
}

static int daxfs_crc_part(const struct daxfs_image *image, u32 *crc, u64 offset,
			  u64 size)
{
	u64 done;

	for (done = 0; done < size; done += DAXFS_CRC_SLICE) {
		int err = daxfs_pause();

		if (err)
			return err;
		*crc = crc32_le(*crc, image->base + offset + done,
				min_t(u64, size - done, DAXFS_CRC_SLICE));
	}
	return 0;
}

static int daxfs_validate_crc(const struct daxfs_validation *check)
{
	const struct daxfs_image *image = check->image;
	struct daxfs_superblock raw;
	u32 crc = ~0U;
	int err;

	if (!daxfs_image_has(image, DAXFS_FLAG_CHECKSUMS))
		return 0;
	daxfs_image_copy(image, 0, &raw, sizeof(raw));
	err = daxfs_crc_part(image, &crc, image->inode_offset,
			     (u64)image->inode_count *
			     sizeof(struct daxfs_inode));
	if (!err)
		err = daxfs_crc_part(image, &crc, image->strtab_offset,
				     image->strtab_size);
	if (!err)
		err = daxfs_crc_part(image, &crc, image->xattr_offset,
				     image->xattr_size);
	if (err)
		return err;
	if (~crc != le32_to_cpu(raw.metadata_crc32))
		return daxfs_defect(check->defect, 0, "metadata_crc32",
				    "the CRC-32 of the metadata",
				    le32_to_cpu(raw.metadata_crc32));
	return 0;
}

static int daxfs_validate_entry(struct daxfs_validation *check, u32 ino)
{
	const struct daxfs_image *image = check->image;
	struct daxfs_node node, first;
	int err;

	err = daxfs_image_node(image, ino, &node, check->defect);
	if (err)
		return err;
	if (ino != image->root_ino) {
		err = daxfs_image_name(image, &node, check->name,
				       check->defect);
		if (err)
			return err;
	}
	first = node;
	err = daxfs_image_identity(image, &first, check->defect);
	if (err)
		return err;
	if (S_ISLNK(node.mode))
		err = daxfs_image_symlink(image, &node, check->target,
					  check->defect);
	return err;
}

static int daxfs_validate_entries(struct daxfs_validation *check)
{
	u32 ino;

	for (ino = 1; ino != 0 && ino <= check->image->inode_count; ino++) {
		int err = ino % DAXFS_VALIDATE_SLICE ? 0 : daxfs_pause();

		if (!err)
			err = daxfs_validate_entry(check, ino);
		if (err)
			return err;
	}
	return 0;
}

/* The number that comes after @node in @dir, or 0. */
static u32 daxfs_next_in(const struct daxfs_image *image,
			 const struct daxfs_node *dir,
			 const struct daxfs_node *node)
{
	const u64 children = dir->size / sizeof(struct daxfs_inode);

	if (!daxfs_image_has(image, DAXFS_FLAG_SORTED))
		return node->next_sibling;
	return node->ino - dir->first_child + 1 < children ? node->ino + 1 : 0;
}

/* Neighbours in a sorted directory, for readers that search and that walk. */
static int daxfs_validate_order(struct daxfs_validation *check,
				const struct daxfs_node *dir,
				const struct daxfs_node *node)
{
	const struct daxfs_image *image = check->image;
	struct daxfs_node previous;
	u32 shared;
	int err, order;

	if (!daxfs_image_has(image, DAXFS_FLAG_SORTED))
		return 0;
	if (node->next_sibling != daxfs_next_in(image, dir, node))
		return daxfs_defect(check->defect, node->ino, "next_sibling",
				    "its neighbour, or 0 at the end",
				    node->next_sibling);
	if (node->ino == dir->first_child)
		return 0;
	err = daxfs_image_node(image, node->ino - 1, &previous, check->defect);
	if (!err)
		err = daxfs_image_name(image, &previous, check->previous,
				       check->defect);
	if (!err)
		err = daxfs_image_name(image, node, check->name, check->defect);
	if (err)
		return err;
	shared = min_t(u32, previous.name_len, node->name_len);
	order = memcmp(check->previous, check->name, shared);
	if (order > 0 || (order == 0 && previous.name_len >= node->name_len))
		return daxfs_defect(check->defect, node->ino, "name",
				    "a name after that of its neighbour",
				    node->name_offset);
	return 0;
}

static void daxfs_count_reached(struct daxfs_validation *check, u32 ino)
{
	const u32 range = (ino - check->first) / check->width;

	if (ino >= check->first && range < DAXFS_VALIDATE_RANGES)
		check->reached[range]++;
}

/* Comes to an entry that a directory lists. */
static int daxfs_reach(struct daxfs_validation *check,
		       const struct daxfs_node *dir, u32 ino,
		       struct daxfs_node *node)
{
	int err = daxfs_image_node(check->image, ino, node, check->defect);

	if (err)
		return err;
	daxfs_count_reached(check, ino);
	if (node->parent_ino != dir->ino)
		return daxfs_defect(check->defect, ino, "parent_ino",
				    "the directory that lists it",
				    node->parent_ino);
	return daxfs_validate_order(check, dir, node);
}

/* The first directory whose list does not end. */
static int daxfs_find_endless(const struct daxfs_validation *check)
{
	const struct daxfs_image *image = check->image;
	struct daxfs_dir_cursor cursor;
	struct daxfs_node node;
	u32 ino;

	for (ino = 1; ino != 0 && ino <= image->inode_count; ino++) {
		int err = daxfs_image_node(image, ino, &node, check->defect);

		if (!err && S_ISDIR(node.mode))
			err = daxfs_image_seek(image, &node, S64_MAX, &cursor,
					       check->defect);
		if (!err && ino % DAXFS_VALIDATE_SLICE == 0)
			err = daxfs_pause();
		if (err)
			return err;
	}
	/* The image has changed meanwhile. */
	return daxfs_defect(check->defect, image->root_ino, "next_sibling",
			    "a list that ends", 0);
}

/*
 * From the root down and along, and by parent_ino back up. An entry names one parent
 * and one neighbour, and the root no parent. So this comes to an entry a second time
 * only in a list that does not end, and then it comes to more entries than there are.
 * There are no more steps up than down, so that this ends even if the image changes
 * meanwhile.
 */
static int daxfs_walk_tree(struct daxfs_validation *check, u64 *reached)
{
	const struct daxfs_image *image = check->image;
	struct daxfs_node dir, node;
	u64 depth = 0;
	u32 at;
	int err;

	memset(check->reached, 0, sizeof(check->reached));
	*reached = 1;
	daxfs_count_reached(check, image->root_ino);
	err = daxfs_image_node(image, image->root_ino, &dir, check->defect);
	at = err ? 0 : dir.first_child;
	while (!err) {
		if (at == 0) {
			if (depth-- == 0)
				return 0;
			node = dir;
			err = daxfs_image_node(image, node.parent_ino, &dir,
					       check->defect);
			at = err ? 0 : daxfs_next_in(image, &dir, &node);
			continue;
		}
		err = daxfs_reach(check, &dir, at, &node);
		if (err)
			break;
		if (++*reached > image->inode_count)
			return daxfs_find_endless(check);
		if (*reached % DAXFS_VALIDATE_SLICE == 0)
			err = daxfs_pause();
		if (S_ISDIR(node.mode)) {
			dir = node;
			at = node.first_child;
			depth++;
		} else {
			at = daxfs_next_in(image, &dir, &node);
		}
	}
	return err;
}

/* Goes to the first range that lacks an entry. */
static void daxfs_go_to_unreached(struct daxfs_validation *check)
{
	const u64 end = (u64)check->image->inode_count + 1;
	u32 range;

	for (range = 0; range < DAXFS_VALIDATE_RANGES; range++) {
		const u64 rest = end - check->first;

		if (check->reached[range] < min_t(u64, check->width, rest) ||
		    check->width >= rest)
			break;
		check->first += check->width;
	}
}

/* The whole tree once, and if it lacks an entry, again to find the first one. */
static int daxfs_validate_tree(struct daxfs_validation *check)
{
	const u32 count = check->image->inode_count;
	u64 reached = 0;
	int err;

	check->first = 1;
	check->width = count / DAXFS_VALIDATE_RANGES + 1;
	err = daxfs_walk_tree(check, &reached);
	if (err || reached == count)
		return err;
	daxfs_go_to_unreached(check);
	while (check->width > 1) {
		check->width = (check->width - 1) / DAXFS_VALIDATE_RANGES + 1;
		err = daxfs_walk_tree(check, &reached);
		if (err)
			return err;
		daxfs_go_to_unreached(check);
	}
	return daxfs_defect(check->defect, check->first, "parent_ino",
			    "a directory that lists it", 0);
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
			return daxfs_defect(check->defect, ino, "ino",
					    "rows in ascending order, of numbers in the table",
					    ino);
		before = ino;
		err = row % DAXFS_VALIDATE_SLICE ? 0 : daxfs_pause();
		if (!err)
			err = daxfs_image_node(image, ino, &node,
					       check->defect);
		if (!err && node.link_ino != 0)
			err = daxfs_defect(check->defect, ino, "link_ino",
					   "attributes at the first name only",
					   node.link_ino);
		if (!err)
			err = daxfs_image_xattr_set(image, ino,
						    le32_to_cpu(raw.set),
						    &cursor, check->defect);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Marks where sets start in a window, and finds where the first one behind it starts,
 * or DAXFS_NO_PLACE.
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
		int err = row % DAXFS_VALIDATE_SLICE ? 0 : daxfs_pause();

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

/* The first inode that has a set. */
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
 * Sets may be shared, but not overlap: else a small area could hold so many that
 * walking them would not end. They come in the order of their places, each once.
 */
static int daxfs_validate_set(struct daxfs_validation *check, u64 place)
{
	const struct daxfs_image *image = check->image;
	struct daxfs_xattr_cursor cursor;
	struct daxfs_xattr xattr;
	int err;

	if (place * DAXFS_XATTR_SET_ALIGN < check->set_end)
		return daxfs_defect(check->defect, 0, "set",
				    "a set of its own, or a whole one", place);
	err = daxfs_image_xattr_set(image, 0, place, &cursor, check->defect);
	if (err)
		return err;
	check->previous[0] = '\0';
	for (;;) {
		err = daxfs_image_next_xattr(image, &cursor, &xattr,
					     check->defect);
		if (err < 0)
			return err;
		if (err == 0)
			break;
		if (strcmp(check->previous, xattr.name) >= 0)
			return daxfs_defect(check->defect, 0, "name",
					    "xattr names in ascending order",
					    xattr.name_len);
		memcpy(check->previous, xattr.name, xattr.name_len + 1);
	}
	check->set_end = cursor.offset - image->xattr_offset;
	return daxfs_pause();
}

static int daxfs_validate_xattrs(struct daxfs_validation *check)
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
				check->defect->ino =
					daxfs_owner(check->image,
						    check->window + at);
		}
	}
	return err;
}

static int daxfs_validate_all(struct daxfs_validation *check)
{
	int err;

	err = daxfs_validate_crc(check);
	if (!err)
		err = daxfs_validate_entries(check);
	if (!err)
		err = daxfs_validate_tree(check);
	return err ? err : daxfs_validate_xattrs(check);
}

/**
 * daxfs_image_validate() - check a whole image
 * @image: the image, opened
 * @defect: says why, on -EUCLEAN
 *
 * The digest over the data is not looked at.
 *
 * Return: 0, -EUCLEAN, -ENOMEM, or -EINTR where a signal ends it.
 */
int daxfs_image_validate(const struct daxfs_image *image,
			 struct daxfs_defect *defect)
{
	const u64 places = image->xattr_size / DAXFS_XATTR_SET_ALIGN + 1;
	struct daxfs_validation *check;
	int err = -ENOMEM;

	check = vzalloc(sizeof(*check));
	if (!check)
		return -ENOMEM;
	check->image = image;
	check->defect = defect;
	check->starts_size = min_t(u64, places / 8 + 1, DAXFS_VALIDATE_BITMAP);
	check->starts = vzalloc(check->starts_size);
	if (check->starts)
		err = daxfs_validate_all(check);
	vfree(check->starts);
	vfree(check);
	return err;
}
