/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the VFS files of the module share.
 */
#ifndef _DAXFS_H
#define _DAXFS_H

#include <linux/fs.h>

#include "backing.h"
#include "image.h"

struct posix_acl;
struct xattr_handler;

/**
 * struct daxfs_sb_info - a mount
 * @backing: the memory
 * @image: the image in it
 */
struct daxfs_sb_info {
	struct daxfs_backing backing;
	struct daxfs_image image;
};

/**
 * struct daxfs_inode_info - an inode in memory
 * @node: the checked copy of its entry, which alone is used from then on
 * @vfs_inode: the VFS's part
 */
struct daxfs_inode_info {
	struct daxfs_node node;
	struct inode vfs_inode;
};

static inline struct daxfs_sb_info *DAXFS_SB(const struct super_block *sb)
{
	return sb->s_fs_info;
}

static inline struct daxfs_inode_info *DAXFS_I(const struct inode *inode)
{
	return container_of(inode, struct daxfs_inode_info, vfs_inode);
}

static inline const struct daxfs_image *daxfs_image_of(const struct inode *inode)
{
	return &DAXFS_SB(inode->i_sb)->image;
}

extern const struct file_operations daxfs_dir_fops;
extern const struct inode_operations daxfs_dir_iops;
extern const struct file_operations daxfs_file_fops;
extern const struct inode_operations daxfs_file_iops;
extern const struct inode_operations daxfs_symlink_iops;
extern const struct inode_operations daxfs_special_iops;
extern const struct xattr_handler *daxfs_xattr_handlers[];

int daxfs_report(const struct super_block *sb, int err,
		 const struct daxfs_defect *defect);
struct inode *daxfs_iget(struct super_block *sb, u32 ino);
int daxfs_mmap(struct file *file, struct vm_area_struct *vma);
ssize_t daxfs_listxattr(struct dentry *dentry, char *buffer, size_t size);
struct posix_acl *daxfs_get_acl(struct inode *inode, int type, bool rcu);

#endif /* _DAXFS_H */
