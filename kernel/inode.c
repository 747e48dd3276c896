// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inodes: from an entry of the image to a struct inode.
 */
#include <linux/blk_types.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/time64.h>

#include "compat.h"
#include "daxfs.h"

const struct inode_operations daxfs_symlink_iops = {
	.get_link = simple_get_link,
	.getattr = daxfs_getattr,
	.listxattr = daxfs_listxattr,
};

const struct inode_operations daxfs_special_iops = {
	.getattr = daxfs_getattr,
	.listxattr = daxfs_listxattr,
	.DAXFS_GET_INODE_ACL = daxfs_get_acl,
};

/**
 * daxfs_getattr() - get the attributes of a file for statx(2)
 * @idmap: idmapping of the mount
 * @path: the file
 * @stat: filled in
 * @request_mask: mask of statx(2)
 * @flags: flags of statx(2)
 *
 * Return: 0.
 */
int daxfs_getattr(struct mnt_idmap *idmap, const struct path *path,
		  struct kstat *stat, u32 request_mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);

	daxfs_fillattr(idmap, request_mask, inode, stat);
	/* Whether S_DAX is set or not. */
	if (S_ISREG(inode->i_mode)) {
		stat->attributes |= STATX_ATTR_DAX;
		stat->attributes_mask |= STATX_ATTR_DAX;
	}
	return 0;
}

/*
 * The target is copied once, here: the VFS reads it as a string, and the NUL in the
 * image may go away.
 */
static int daxfs_fill_symlink(struct inode *inode, struct daxfs_corruption *corruption)
{
	const struct daxfs_node *node = &DAXFS_I(inode)->node;
	char *target = kmalloc(node->size + 1, GFP_KERNEL);
	int err;

	if (!target)
		return -ENOMEM;
	err = daxfs_image_symlink(daxfs_image_of(inode), node, target, corruption);
	if (err) {
		kfree(target);
		return err;
	}
	inode->i_link = target;
	inode->i_op = &daxfs_symlink_iops;
	return 0;
}

static int daxfs_fill_inode(struct inode *inode, struct daxfs_corruption *corruption)
{
	const struct daxfs_backing *backing = DAXFS_SB(inode->i_sb)->backing;
	const struct daxfs_node *node = &DAXFS_I(inode)->node;
	s32 nsec;
	s64 sec = div_s64_rem(node->mtime_ns, NSEC_PER_SEC, &nsec);

	if (nsec < 0) {
		sec--;
		nsec += NSEC_PER_SEC;
	}
	daxfs_inode_set_times(inode, (struct timespec64){ sec, nsec });
	inode->i_mode = node->mode;
	i_uid_write(inode, node->uid);
	i_gid_write(inode, node->gid);
	set_nlink(inode, node->nlink);
	inode->i_size = node->size;
	/* A file handle of another image must be stale. */
	memcpy(&inode->i_generation, daxfs_image_of(inode)->uuid,
	       sizeof(inode->i_generation));

	switch (node->mode & S_IFMT) {
	case S_IFDIR:
		inode->i_op = &daxfs_dir_iops;
		inode->i_fop = &daxfs_dir_fops;
		return 0;
	case S_IFREG:
		inode->i_blocks = (u64)DIV_ROUND_UP_ULL(node->size, PAGE_SIZE)
				  << (PAGE_SHIFT - SECTOR_SHIFT);
		inode->i_op = &daxfs_file_iops;
		inode->i_fop = &daxfs_file_fops;
		if (DAXFS_HUGE_NEEDS_S_DAX && backing->pagemap &&
		    !backing->pinnable)
			inode->i_flags |= S_DAX;
		return 0;
	case S_IFLNK:
		return daxfs_fill_symlink(inode, corruption);
	default:
		inode->i_op = &daxfs_special_iops;
		init_special_inode(inode, node->mode,
				   MKDEV(node->major, node->minor));
		return 0;
	}
}

/**
 * daxfs_iget() - get the inode of an entry of the image
 * @sb: the mount
 * @entry: the entry, checked. If it is a further name of a hard-linked file, replaced by
 *	   that of the first name, so that all names have the same inode
 *
 * Return: the inode with a reference, or an ERR_PTR.
 */
struct inode *daxfs_iget(struct super_block *sb, struct daxfs_node *entry)
{
	struct daxfs_corruption corruption;
	struct inode *inode;
	int err;

	err = daxfs_image_resolve_link(&DAXFS_SB(sb)->image, entry, &corruption);
	if (err)
		return ERR_PTR(daxfs_report(sb, err, &corruption));

	inode = iget_locked(sb, entry->ino);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	if (!(inode_state_read_once(inode) & I_NEW))
		return inode;
	DAXFS_I(inode)->node = *entry;
	err = daxfs_fill_inode(inode, &corruption);
	if (err) {
		iget_failed(inode);
		return ERR_PTR(daxfs_report(sb, err, &corruption));
	}
	unlock_new_inode(inode);
	return inode;
}

/**
 * daxfs_iget_by_number() - get the inode of an entry that is known by its number only
 * @sb: the mount
 * @ino: number of the entry
 *
 * Return: as daxfs_iget().
 */
struct inode *daxfs_iget_by_number(struct super_block *sb, u32 ino)
{
	struct daxfs_corruption corruption;
	struct daxfs_node entry;
	int err;

	err = daxfs_image_node(&DAXFS_SB(sb)->image, ino, &entry, &corruption);
	if (err)
		return ERR_PTR(daxfs_report(sb, err, &corruption));
	return daxfs_iget(sb, &entry);
}
