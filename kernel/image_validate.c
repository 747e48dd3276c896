// SPDX-License-Identifier: GPL-2.0-only
/*
 * The check of a whole image: each entry, the tree, the extended attributes, and the
 * checksum of the metadata.
 *
 * A mount is safe without it, since each field is checked when it is used. The check
 * finds corruption before anybody uses the image, and such that only the whole shows:
 * an entry that no directory lists, or more than one.
 */
#include "image_validate.h"

#ifdef __KERNEL__
#include <linux/crc32.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/sizes.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#endif

/* Bytes of a checksum between two calls of daxfs_validate_pause(). */
#define DAXFS_CRC_SLICE SZ_1M

/*
 * A check takes the same memory for any image: this bitmap and struct
 * daxfs_validation, 9 KiB. The bitmap covers 16 MiB of the xattr area. Each further
 * 16 MiB in which sets start takes one more pass over the rows: 10 instructions a row,
 * against a thousand for the check of its inode.
 */
#define DAXFS_VALIDATE_BITMAP (SZ_1M / 4)

static int daxfs_crc_part(const struct daxfs_image *image, u32 *crc, u64 offset,
			  u64 size)
{
	u64 done;

	for (done = 0; done < size; done += DAXFS_CRC_SLICE) {
		int err = daxfs_validate_pause();

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
		return daxfs_corrupt(check->corruption, 0, "metadata_crc32",
				     "the CRC-32 of the metadata",
				     le32_to_cpu(raw.metadata_crc32));
	return 0;
}

static int daxfs_validate_entry(struct daxfs_validation *check, u32 ino)
{
	const struct daxfs_image *image = check->image;
	struct daxfs_node node, first;
	int err;

	err = daxfs_image_node(image, ino, &node, check->corruption);
	if (err)
		return err;
	if (ino != image->root_ino) {
		err = daxfs_image_name(image, &node, check->name,
				       check->corruption);
		if (err)
			return err;
	}
	first = node;
	err = daxfs_image_resolve_link(image, &first, check->corruption);
	if (err)
		return err;
	if (S_ISLNK(node.mode))
		err = daxfs_image_symlink(image, &node, check->target,
					  check->corruption);
	return err;
}

static int daxfs_validate_entries(struct daxfs_validation *check)
{
	u32 ino;

	for (ino = 1; ino != 0 && ino <= check->image->inode_count; ino++) {
		int err = ino % DAXFS_VALIDATE_SLICE ? 0 : daxfs_validate_pause();

		if (!err)
			err = daxfs_validate_entry(check, ino);
		if (err)
			return err;
	}
	return 0;
}

/* The number of the entry after @node in @dir, or 0. */
static u32 daxfs_next_in(const struct daxfs_image *image,
			 const struct daxfs_node *dir,
			 const struct daxfs_node *node)
{
	const u64 children = dir->size / sizeof(struct daxfs_inode);

	if (!daxfs_image_has(image, DAXFS_FLAG_SORTED))
		return node->next_sibling;
	return node->ino - dir->first_child + 1 < children ? node->ino + 1 : 0;
}

/* The order and the list of a sorted directory must agree. */
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
		return daxfs_corrupt(check->corruption, node->ino, "next_sibling",
				     "the next entry, or 0 at the end",
				     node->next_sibling);
	if (node->ino == dir->first_child)
		return 0;
	err = daxfs_image_node(image, node->ino - 1, &previous, check->corruption);
	if (!err)
		err = daxfs_image_name(image, &previous, check->previous,
				       check->corruption);
	if (!err)
		err = daxfs_image_name(image, node, check->name, check->corruption);
	if (err)
		return err;
	shared = min_t(u32, previous.name_len, node->name_len);
	order = memcmp(check->previous, check->name, shared);
	if (order > 0 || (order == 0 && previous.name_len >= node->name_len))
		return daxfs_corrupt(check->corruption, node->ino, "name",
				     "a name after that of the entry before",
				     node->name_offset);
	return 0;
}

static void daxfs_count_reached(struct daxfs_validation *check, u32 ino)
{
	const u32 range = (ino - check->first) / check->width;

	if (ino >= check->first && range < DAXFS_VALIDATE_RANGES)
		check->reached[range]++;
}

/* Reaches an entry that a directory lists. */
static int daxfs_reach(struct daxfs_validation *check,
		       const struct daxfs_node *dir, u32 ino,
		       struct daxfs_node *node)
{
	int err = daxfs_image_node(check->image, ino, node, check->corruption);

	if (err)
		return err;
	daxfs_count_reached(check, ino);
	if (node->parent_ino != dir->ino)
		return daxfs_corrupt(check->corruption, ino, "parent_ino",
				     "the directory that lists it",
				     node->parent_ino);
	return daxfs_validate_order(check, dir, node);
}

/* Finds the first directory whose list has a loop. */
static int daxfs_find_loop(const struct daxfs_validation *check)
{
	const struct daxfs_image *image = check->image;
	struct daxfs_dir_cursor cursor;
	struct daxfs_node node;
	u32 ino;

	for (ino = 1; ino != 0 && ino <= image->inode_count; ino++) {
		int err = daxfs_image_node(image, ino, &node, check->corruption);

		if (!err && S_ISDIR(node.mode))
			err = daxfs_image_seek(image, &node, S64_MAX, &cursor,
					       check->corruption);
		if (!err && ino % DAXFS_VALIDATE_SLICE == 0)
			err = daxfs_validate_pause();
		if (err)
			return err;
	}
	/* The image has changed in the meantime. */
	return daxfs_corrupt(check->corruption, image->root_ino, "next_sibling",
			     "a list without a loop", 0);
}

/*
 * Walks down and along from the root, and back up by parent_ino. An entry has one
 * parent and one next sibling, and the root has no parent. So the walk reaches an entry
 * twice only in a list with a loop, and then it reaches more entries than there are.
 * It never goes up more often than down, so it ends even if the image changes in the
 * meantime.
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
	err = daxfs_image_node(image, image->root_ino, &dir, check->corruption);
	at = err ? 0 : dir.first_child;
	while (!err) {
		if (at == 0) {
			if (depth-- == 0)
				return 0;
			node = dir;
			err = daxfs_image_node(image, node.parent_ino, &dir,
					       check->corruption);
			at = err ? 0 : daxfs_next_in(image, &dir, &node);
			continue;
		}
		err = daxfs_reach(check, &dir, at, &node);
		if (err)
			break;
		if (++*reached > image->inode_count)
			return daxfs_find_loop(check);
		if (*reached % DAXFS_VALIDATE_SLICE == 0)
			err = daxfs_validate_pause();
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

/* Moves to the first range with an entry that was not reached. */
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

/* Walks the tree once, and if an entry was not reached, again to find the first one. */
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
	return daxfs_corrupt(check->corruption, check->first, "parent_ino",
			     "a directory that lists it", 0);
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
 * @corruption: filled in on -EUCLEAN
 *
 * The digest of the data area is not checked.
 *
 * Return: 0, -EUCLEAN, -ENOMEM, or -EINTR if a signal kills the process.
 */
int daxfs_image_validate(const struct daxfs_image *image,
			 struct daxfs_corruption *corruption)
{
	const u64 places = image->xattr_size / DAXFS_XATTR_SET_ALIGN + 1;
	struct daxfs_validation *check;
	int err = -ENOMEM;

	check = vzalloc(sizeof(*check));
	if (!check)
		return -ENOMEM;
	check->image = image;
	check->corruption = corruption;
	check->starts_size = min_t(u64, places / 8 + 1, DAXFS_VALIDATE_BITMAP);
	check->starts = vzalloc(check->starts_size);
	if (check->starts)
		err = daxfs_validate_all(check);
	vfree(check->starts);
	vfree(check);
	return err;
}
