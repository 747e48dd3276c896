// SPDX-License-Identifier: GPL-2.0-only
/*
 * Directories: lookup and readdir.
 */
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "compat.h"
#include "daxfs.h"
#include "trace.h"

/* Positions 0 and 1 are "." and "..". */
#define DAXFS_DOTS 2

static struct dentry *daxfs_lookup(struct inode *dir, struct dentry *dentry,
				   unsigned int flags)
{
	struct inode *inode = NULL;
	struct daxfs_corruption corruption;
	struct daxfs_node entry;
	int err;

	if (dentry->d_name.len > DAXFS_NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	err = daxfs_image_lookup(daxfs_image_of(dir), &DAXFS_I(dir)->node,
				 dentry->d_name.name, dentry->d_name.len,
				 &entry, &corruption);
	trace_daxfs_lookup(dir, &dentry->d_name, err ? 0 : entry.ino, err);
	if (!err)
		inode = daxfs_iget(dir->i_sb, &entry);
	else if (err != -ENOENT)
		inode = ERR_PTR(daxfs_report(dir->i_sb, err, &corruption));
	return d_splice_alias(inode, dentry);
}

/*
 * An open directory keeps its position, so that the next readdir needs no seek, which
 * is a walk if directories are not sorted.
 */
static int daxfs_dir_open(struct inode *inode, struct file *file)
{
	struct daxfs_dir_cursor *cursor;

	cursor = kzalloc(sizeof(*cursor), GFP_KERNEL);
	if (!cursor)
		return -ENOMEM;
	cursor->ino = DAXFS_I(inode)->node.first_child;
	file->private_data = cursor;
	return 0;
}

static int daxfs_dir_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static int daxfs_readdir(struct file *file, struct dir_context *ctx)
{
	struct inode *dir = file_inode(file);
	const struct daxfs_image *image = daxfs_image_of(dir);
	const struct daxfs_node *node = &DAXFS_I(dir)->node;
	struct daxfs_dir_cursor *cursor = file->private_data;
	/* Outside the loop: CONFIG_INIT_STACK_ALL_ZERO clears them on entry to a scope. */
	char name[DAXFS_NAME_MAX + 1];
	struct daxfs_dir_cursor next;
	struct daxfs_corruption corruption;
	struct daxfs_node child;
	int err;

	if (!dir_emit_dots(file, ctx))
		return 0;
	if (cursor->index != ctx->pos - DAXFS_DOTS || cursor->index == 0) {
		err = daxfs_image_seek(image, node, ctx->pos - DAXFS_DOTS,
				       cursor, &corruption);
		if (err)
			return daxfs_report(dir->i_sb, err, &corruption);
	}
	for (;;) {
		next = *cursor;
		err = daxfs_image_next(image, node, &next, &child, name,
				       &corruption);
		if (err <= 0)
			return daxfs_report(dir->i_sb, err, &corruption);
		if (!dir_emit(ctx, name, child.name_len,
			      child.link_ino ?: child.ino,
			      fs_umode_to_dtype(child.mode)))
			return 0;
		*cursor = next;
		ctx->pos++;
		cond_resched();
	}
}

const struct file_operations daxfs_dir_fops = {
	.open = daxfs_dir_open,
	.release = daxfs_dir_release,
	.llseek = generic_file_llseek,
	.read = generic_read_dir,
	.iterate_shared = daxfs_readdir,
	.setlease = generic_setlease,
	.unlocked_ioctl = daxfs_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

const struct inode_operations daxfs_dir_iops = {
	.lookup = daxfs_lookup,
	.getattr = daxfs_getattr,
	.listxattr = daxfs_listxattr,
	.DAXFS_GET_INODE_ACL = daxfs_get_acl,
};
