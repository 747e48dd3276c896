/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the check of a whole image share.
 */
#ifndef _DAXFS_IMAGE_VALIDATE_H
#define _DAXFS_IMAGE_VALIDATE_H

#include "image.h"

#ifdef __KERNEL__
#include <linux/sched/signal.h>
#endif

/* Steps between two calls of daxfs_validate_pause(). */
#define DAXFS_VALIDATE_SLICE 1024

/* Ranges of inode numbers in which reached ones are counted; at most four walks. */
#define DAXFS_VALIDATE_RANGES 1024

/**
 * struct daxfs_validation - state of a check
 * @image: the image
 * @corruption: filled in on failure
 * @first: lowest inode number of the first range
 * @width: inode numbers in each range
 * @reached: inodes of each range that the tree has reached
 * @set_end: end of the last set checked, in bytes of the xattr area
 * @window: first place in the xattr area that @starts covers
 * @starts: bitmap of the places at which sets start
 * @starts_size: bytes of @starts
 * @name: scratch
 * @previous: scratch
 * @target: scratch
 */
struct daxfs_validation {
	const struct daxfs_image *image;
	struct daxfs_corruption *corruption;
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

/* Lets others run. Return: 0, or -EINTR if a signal kills the process. */
static inline int daxfs_validate_pause(void)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

int daxfs_validate_xattrs(struct daxfs_validation *check);

#endif /* _DAXFS_IMAGE_VALIDATE_H */
