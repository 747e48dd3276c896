// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages about corrupt images.
 */
#include <linux/fs_context.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>

#include "daxfs.h"

/* Room for the longest description. */
#define DAXFS_DESCRIPTION_MAX 160

static void daxfs_describe(const struct daxfs_corruption *corruption,
			   char text[DAXFS_DESCRIPTION_MAX])
{
	char place[sizeof("inode 4294967295")] = "superblock";

	if (corruption->ino)
		snprintf(place, sizeof(place), "inode %u", corruption->ino);
	snprintf(text, DAXFS_DESCRIPTION_MAX, "%s: %s is %#llx, expected %s",
		 place, corruption->field,
		 (unsigned long long)corruption->found, corruption->expected);
}

/**
 * daxfs_report() - log a corruption that an operation on a mount has met
 * @sb: the mount
 * @err: what a function of image.h returned
 * @corruption: what it filled in
 *
 * Rate-limited. Logs nothing unless @err is -EUCLEAN.
 *
 * Return: @err.
 */
int daxfs_report(const struct super_block *sb, int err,
		 const struct daxfs_corruption *corruption)
{
	char text[DAXFS_DESCRIPTION_MAX];

	if (err != -EUCLEAN)
		return err;
	daxfs_describe(corruption, text);
	pr_err_ratelimited("daxfs (%s): corrupt image: %s; run mkdaxfs check on it\n",
			   sb->s_id, text);
	return err;
}

/**
 * daxfs_refuse() - log a corruption for which an image is not mounted
 * @fc: context of the mount
 * @err: what a function of image.h returned
 * @corruption: what it filled in
 *
 * Logs nothing unless @err is -EUCLEAN.
 *
 * Return: -EINVAL for -EUCLEAN, else @err.
 */
int daxfs_refuse(struct fs_context *fc, int err,
		 const struct daxfs_corruption *corruption)
{
	char text[DAXFS_DESCRIPTION_MAX];

	if (err != -EUCLEAN)
		return err;
	daxfs_describe(corruption, text);
	return invalfc(fc, "not a valid image: %s", text);
}
