// SPDX-License-Identifier: GPL-2.0-only
/*
 * File handles: for NFS, name_to_handle_at(2) and overlayfs.
 */
#include <linux/exportfs.h>
#include <linux/fs.h>

#include "compat.h"
#include "daxfs.h"

/* A handle comes from user space: it may hold any number. */
static struct inode *daxfs_handle_inode(struct super_block *sb, u64 ino,
					u32 generation)
{
	struct inode *inode;

	if (ino == 0 || ino > DAXFS_SB(sb)->image.inode_count)
		return ERR_PTR(-ESTALE);
	inode = daxfs_iget_by_number(sb, ino);
	if (IS_ERR(inode))
		return inode;
	if (inode->i_generation != generation) {
		iput(inode);
		return ERR_PTR(-ESTALE);
	}
	return inode;
}

static struct dentry *daxfs_fh_to_dentry(struct super_block *sb,
					 struct fid *fid, int length, int type)
{
	return generic_fh_to_dentry(sb, fid, length, type, daxfs_handle_inode);
}

static struct dentry *daxfs_fh_to_parent(struct super_block *sb,
					 struct fid *fid, int length, int type)
{
	return generic_fh_to_parent(sb, fid, length, type, daxfs_handle_inode);
}

static struct dentry *daxfs_get_parent(struct dentry *child)
{
	const struct daxfs_node *node = &DAXFS_I(d_inode(child))->node;
	struct super_block *sb = child->d_sb;
	struct inode *parent;

	/* Of the root. */
	if (node->parent_ino == 0)
		return ERR_PTR(-ENOENT);
	parent = daxfs_iget_by_number(sb, node->parent_ino);
	if (!IS_ERR(parent) && !S_ISDIR(parent->i_mode)) {
		struct daxfs_corruption corruption;
		int err = daxfs_corrupt(&corruption, node->ino, "parent_ino",
					"a directory", node->parent_ino);

		iput(parent);
		return ERR_PTR(daxfs_report(sb, err, &corruption));
	}
	return d_obtain_alias(parent);
}

const struct export_operations daxfs_export_operations = {
	.encode_fh = DAXFS_ENCODE_FH,
	.fh_to_dentry = daxfs_fh_to_dentry,
	.fh_to_parent = daxfs_fh_to_parent,
	.get_parent = daxfs_get_parent,
};
