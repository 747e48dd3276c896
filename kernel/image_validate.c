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

/**
 * struct daxfs_validation - a check at work
 * @image: the image
 * @defect: says why, on failure
 * @reached: a bit for each inode number: whether the tree has come to it
 * @sets: a bit for each place of the xattr area: whether a set starts there
 * @covered: the same: whether it is part of a set
 * @name: scratch
 * @previous: scratch
 * @target: scratch
 */
struct daxfs_validation {
	const struct daxfs_image *image;
	struct daxfs_defect *defect;
	u8 *reached;
	u8 *sets;
	u8 *covered;
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

/* Comes to an entry, which must be the first time. */
static int daxfs_reach(struct daxfs_validation *check,
		       const struct daxfs_node *dir, u32 ino,
		       struct daxfs_node *node)
{
	int err = daxfs_image_node(check->image, ino, node, check->defect);

	if (err)
		return err;
	if (daxfs_bit(check->reached, ino))
		return daxfs_defect(check->defect, ino, "next_sibling",
				    "an entry that one directory lists, once",
				    ino);
	daxfs_set_bit(check->reached, ino);
	if (!dir)
		return 0;
	if (node->parent_ino != dir->ino)
		return daxfs_defect(check->defect, ino, "parent_ino",
				    "the directory that lists it",
				    node->parent_ino);
	return daxfs_validate_order(check, dir, node);
}

/*
 * From the root down and along, and by parent_ino back up. Each step down or
 * along reaches an entry for the first time, and there are no more steps up
 * than down, so that this ends even if the image changes meanwhile.
 */
static int daxfs_validate_tree(struct daxfs_validation *check, u64 *reached)
{
	const struct daxfs_image *image = check->image;
	struct daxfs_node dir, node;
	u64 depth = 0;
	u32 at;
	int err;

	*reached = 1;
	err = daxfs_reach(check, NULL, image->root_ino, &dir);
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
		if (++*reached % DAXFS_VALIDATE_SLICE == 0)
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

static int daxfs_validate_reached(const struct daxfs_validation *check,
				  u64 reached)
{
	u32 ino = 1;

	if (reached == check->image->inode_count)
		return 0;
	while (daxfs_bit(check->reached, ino))
		ino++;
	return daxfs_defect(check->defect, ino, "parent_ino",
			    "a directory that lists it", 0);
}

/*
 * Sets may be shared, but not overlap: else a small area could hold so many
 * that walking them would not end.
 */
static int daxfs_validate_set(struct daxfs_validation *check, u32 ino)
{
	const struct daxfs_image *image = check->image;
	struct daxfs_xattr_cursor cursor;
	struct daxfs_xattr xattr;
	u64 start, end;
	int err;

	err = daxfs_image_xattrs(image, ino, &cursor, check->defect);
	/* Nothing, where the image changes meanwhile. */
	if (err || cursor.offset == 0)
		return err;
	start = cursor.offset - sizeof(struct daxfs_xattr_set) -
		image->xattr_offset;
	if (daxfs_bit(check->sets, start / DAXFS_XATTR_SET_ALIGN))
		return 0;
	check->previous[0] = '\0';
	for (;;) {
		err = daxfs_image_next_xattr(image, &cursor, &xattr,
					     check->defect);
		if (err < 0)
			return err;
		if (err == 0)
			break;
		if (strcmp(check->previous, xattr.name) >= 0)
			return daxfs_defect(check->defect, ino, "name",
					    "xattr names in ascending order",
					    xattr.name_len);
		memcpy(check->previous, xattr.name, xattr.name_len + 1);
	}
	daxfs_set_bit(check->sets, start / DAXFS_XATTR_SET_ALIGN);
	end = min_t(u64, cursor.offset - image->xattr_offset,
		    image->xattr_size);
	for (; start < end; start += DAXFS_XATTR_SET_ALIGN) {
		if (daxfs_bit(check->covered, start / DAXFS_XATTR_SET_ALIGN))
			return daxfs_defect(check->defect, ino, "set",
					    "a set of its own, or a whole one",
					    start / DAXFS_XATTR_SET_ALIGN);
		daxfs_set_bit(check->covered, start / DAXFS_XATTR_SET_ALIGN);
	}
	return 0;
}

static int daxfs_validate_xattrs(struct daxfs_validation *check)
{
	const struct daxfs_image *image = check->image;
	u32 before = 0;
	u32 row;

	for (row = 0; row < image->xattr_rows; row++) {
		struct daxfs_xattr_row raw;
		struct daxfs_node node;
		u32 ino;
		int err;

		daxfs_image_copy(image,
				 image->xattr_offset + (u64)row * sizeof(raw),
				 &raw, sizeof(raw));
		ino = le32_to_cpu(raw.ino);
		if (ino <= before || ino > image->inode_count)
			return daxfs_defect(check->defect, ino, "ino",
					    "rows in ascending order, of numbers in the table",
					    ino);
		before = ino;
		err = daxfs_pause();
		if (!err)
			err = daxfs_image_node(image, ino, &node,
					       check->defect);
		if (!err && node.link_ino != 0)
			err = daxfs_defect(check->defect, ino, "link_ino",
					   "attributes at the first name alone",
					   node.link_ino);
		if (!err)
			err = daxfs_validate_set(check, ino);
		if (err)
			return err;
	}
	return 0;
}

static int daxfs_validate_all(struct daxfs_validation *check)
{
	u64 reached = 0;
	int err;

	err = daxfs_validate_crc(check);
	if (!err)
		err = daxfs_validate_entries(check);
	if (!err)
		err = daxfs_validate_tree(check, &reached);
	if (!err)
		err = daxfs_validate_reached(check, reached);
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
	const size_t inode_bytes = (size_t)image->inode_count / 8 + 1;
	const size_t xattr_bytes =
		image->xattr_size / DAXFS_XATTR_SET_ALIGN / 8 + 1;
	struct daxfs_validation *check;
	int err = -ENOMEM;

	check = vzalloc(sizeof(*check));
	if (!check)
		return -ENOMEM;
	check->image = image;
	check->defect = defect;
	check->reached = vzalloc(inode_bytes);
	check->sets = vzalloc(xattr_bytes);
	check->covered = vzalloc(xattr_bytes);
	if (check->reached && check->sets && check->covered)
		err = daxfs_validate_all(check);
	vfree(check->covered);
	vfree(check->sets);
	vfree(check->reached);
	vfree(check);
	return err;
}
