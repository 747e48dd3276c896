// SPDX-License-Identifier: GPL-2.0-only
/*
 * The directories of an image: lookup and readdir.
 */
#include "image.h"

#ifdef __KERNEL__
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/sched/signal.h>
#endif

/* Steps of a list walk between two calls of cond_resched(). */
#define DAXFS_WALK_SLICE 1024

static int daxfs_check_parent(const struct daxfs_node *dir,
			      const struct daxfs_node *child,
			      struct daxfs_corruption *corruption)
{
	if (child->parent_ino != dir->ino)
		return daxfs_corrupt(corruption, child->ino, "parent_ino",
				     "the directory that lists it",
				     child->parent_ino);
	return 0;
}

/* Byte order; a prefix sorts before longer names. */
static int daxfs_compare(const struct daxfs_image *image,
			 const struct daxfs_node *node, const char *name,
			 u32 name_len)
{
	const u8 *own = image->base + image->strtab_offset + node->name_offset;
	int order = memcmp(name, own, min_t(u32, name_len, node->name_len));

	if (order != 0)
		return order;
	return name_len < node->name_len ? -1 : name_len > node->name_len;
}

static int daxfs_lookup_sorted(const struct daxfs_image *image,
			       const struct daxfs_node *dir, const char *name,
			       u32 name_len, struct daxfs_node *node,
			       struct daxfs_corruption *corruption)
{
	u32 low = 0;
	u32 high = dir->size / sizeof(struct daxfs_inode);

	while (low < high) {
		const u32 middle = low + (high - low) / 2;
		int order, err;

		err = daxfs_image_entry(image, dir->first_child + middle, node,
					corruption);
		if (!err)
			err = daxfs_check_parent(dir, node, corruption);
		if (err)
			return err;
		order = daxfs_compare(image, node, name, name_len);
		if (order == 0)
			return 0;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -ENOENT;
}

/*
 * Walks the list of children for @steps entries, or to the entry with @name if that
 * is given, which is then in @node. Brent's algorithm finds a loop long before the
 * bound on the number of steps does. Return: 0 with the number of the entry in @ino,
 * which is 0 at the end of the list.
 */
static int daxfs_walk(const struct daxfs_image *image,
		      const struct daxfs_node *dir, u64 steps, const char *name,
		      u32 name_len, u32 *ino, struct daxfs_node *node,
		      struct daxfs_corruption *corruption)
{
	u32 at = dir->first_child;
	u32 landmark = 0;
	u64 next_landmark = 1;
	u64 step;

	for (step = 0; at != 0 && step < steps; step++) {
		int err;

		if (at == landmark || step >= image->inode_count)
			return daxfs_corrupt(corruption, at, "next_sibling",
					     "a list without a loop", at);
		if (step == next_landmark) {
			landmark = at;
			next_landmark *= 2;
		}
		err = daxfs_image_entry(image, at, node, corruption);
		if (!err)
			err = daxfs_check_parent(dir, node, corruption);
		if (err)
			return err;
		if (name && daxfs_compare(image, node, name, name_len) == 0)
			break;
		at = node->next_sibling;
		if (step % DAXFS_WALK_SLICE == DAXFS_WALK_SLICE - 1) {
			cond_resched();
			if (fatal_signal_pending(current))
				return -EINTR;
		}
	}
	*ino = at;
	return 0;
}

/**
 * daxfs_image_lookup() - find a name in a directory
 * @image: the image
 * @dir: the directory, checked
 * @name: the name, without '/' and NUL
 * @name_len: its bytes
 * @node: filled in with the entry of that name, all of it checked
 * @corruption: filled in on -EUCLEAN
 *
 * Return: 0, -ENOENT, -EUCLEAN, or -EINTR if a signal kills the process.
 */
int daxfs_image_lookup(const struct daxfs_image *image,
		       const struct daxfs_node *dir, const char *name,
		       u32 name_len, struct daxfs_node *node,
		       struct daxfs_corruption *corruption)
{
	u32 ino;
	int err;

	if (daxfs_image_has(image, DAXFS_FLAG_SORTED)) {
		err = daxfs_lookup_sorted(image, dir, name, name_len, node,
					  corruption);
	} else {
		err = daxfs_walk(image, dir, S64_MAX, name, name_len, &ino,
				 node, corruption);
		if (!err && ino == 0)
			err = -ENOENT;
	}
	return err ? err : daxfs_image_check_content(image, node, corruption);
}

/* The n-th child of a sorted directory, 0 past the end. */
static u32 daxfs_sorted_child(const struct daxfs_node *dir, u64 index)
{
	if (index >= dir->size / sizeof(struct daxfs_inode))
		return 0;
	return dir->first_child + index;
}

/**
 * daxfs_image_seek() - go to the n-th entry of a directory
 * @image: the image
 * @dir: the directory, checked
 * @index: number of entries to skip; past the end is the end
 * @cursor: filled in; unchanged on failure
 * @corruption: filled in on -EUCLEAN
 *
 * Arithmetic if directories are sorted, a walk otherwise.
 *
 * Return: 0, -EUCLEAN, or -EINTR if a signal kills the process.
 */
int daxfs_image_seek(const struct daxfs_image *image,
		     const struct daxfs_node *dir, u64 index,
		     struct daxfs_dir_cursor *cursor,
		     struct daxfs_corruption *corruption)
{
	struct daxfs_node scratch;
	u32 ino;
	int err;

	if (!daxfs_image_has(image, DAXFS_FLAG_SORTED)) {
		err = daxfs_walk(image, dir, index, NULL, 0, &ino, &scratch,
				 corruption);
		if (err)
			return err;
	} else {
		ino = daxfs_sorted_child(dir, index);
	}
	cursor->index = index;
	cursor->ino = ino;
	return 0;
}

/* A word in which each byte is 1. */
#define DAXFS_EACH_BYTE 0x0101010101010101ULL

/* Whether any byte of a word is zero. */
static bool daxfs_has_zero(u64 word)
{
	return (word - DAXFS_EACH_BYTE) & ~word & (DAXFS_EACH_BYTE << 7);
}

/**
 * daxfs_image_name() - copy the name of an entry and check it
 * @image: the image
 * @node: the entry, checked
 * @name: filled in, NUL-terminated
 * @corruption: filled in on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_name(const struct daxfs_image *image,
		     const struct daxfs_node *node,
		     char name[DAXFS_NAME_MAX + 1], struct daxfs_corruption *corruption)
{
	const u32 len = node->name_len;
	u32 i;

	daxfs_image_copy(image, image->strtab_offset + node->name_offset, name,
			 len);
	name[len] = '\0';
	for (i = 0; i + sizeof(u64) <= len; i += sizeof(u64)) {
		u64 word;

		memcpy(&word, name + i, sizeof(word));
		if (daxfs_has_zero(word) ||
		    daxfs_has_zero(word ^ DAXFS_EACH_BYTE * '/'))
			break;
	}
	while (i < len && name[i] != '/' && name[i] != '\0')
		i++;
	if (i < len || (name[0] == '.' &&
			(len == 1 || (len == 2 && name[1] == '.'))))
		return daxfs_corrupt(corruption, node->ino, "name",
				     "a name without '/' and NUL, other than '.' and '..'",
				     node->name_offset);
	return 0;
}

/**
 * daxfs_image_next() - read the next entry of a directory
 * @image: the image
 * @dir: the directory, checked
 * @cursor: position of the entry; moved to the next one
 * @child: filled in, as by daxfs_image_entry()
 * @name: filled in, NUL-terminated
 * @corruption: filled in on failure
 *
 * Return: 1, 0 at the end, or -EUCLEAN.
 */
int daxfs_image_next(const struct daxfs_image *image,
		     const struct daxfs_node *dir,
		     struct daxfs_dir_cursor *cursor, struct daxfs_node *child,
		     char name[DAXFS_NAME_MAX + 1], struct daxfs_corruption *corruption)
{
	int err;

	if (cursor->ino == 0)
		return 0;
	if (cursor->index >= image->inode_count)
		return daxfs_corrupt(corruption, cursor->ino, "next_sibling",
				     "a list without a loop", cursor->ino);
	err = daxfs_image_entry(image, cursor->ino, child, corruption);
	if (!err)
		err = daxfs_check_parent(dir, child, corruption);
	if (!err)
		err = daxfs_image_name(image, child, name, corruption);
	if (err)
		return err;

	cursor->index++;
	if (daxfs_image_has(image, DAXFS_FLAG_SORTED))
		cursor->ino = daxfs_sorted_child(dir, cursor->index);
	else
		cursor->ino = child->next_sibling;
	return 1;
}
