/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the VFS files of the module share.
 */
#ifndef _DAXFS_H
#define _DAXFS_H

#include <linux/fs.h>

#include "backing.h"
#include "image.h"

struct export_operations;
struct iov_iter;
struct kstat;
struct mnt_idmap;
struct path;
struct posix_acl;
struct xattr_handler;

/**
 * struct daxfs_sb_info - a superblock: a region of memory and the image in it
 * @backing: the memory
 * @image: the image
 * @validated: whether the whole image was checked
 */
struct daxfs_sb_info {
	struct daxfs_backing *backing;
	struct daxfs_image image;
	bool validated;
};

/**
 * struct daxfs_inode_info - an inode in memory
 * @node: the checked copy of its entry; the image is not read again for it
 * @vfs_inode: the inode of the VFS
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

extern const struct export_operations daxfs_export_operations;
extern const struct file_operations daxfs_dir_fops;
extern const struct inode_operations daxfs_dir_iops;
extern const struct file_operations daxfs_file_fops;
extern const struct inode_operations daxfs_file_iops;
extern const struct inode_operations daxfs_symlink_iops;
extern const struct inode_operations daxfs_special_iops;
extern const struct super_operations daxfs_super_operations;
extern const struct xattr_handler *daxfs_xattr_handlers[];

int daxfs_init_fs_context(struct fs_context *fc);
int daxfs_fill_super(struct super_block *sb, bool validate,
		     struct fs_context *fc);
int daxfs_validate(struct super_block *sb, struct fs_context *fc);
int daxfs_report(const struct super_block *sb, int err,
		 const struct daxfs_corruption *corruption);
int daxfs_refuse(struct fs_context *fc, int err,
		 const struct daxfs_corruption *corruption);
struct inode *daxfs_iget(struct super_block *sb, struct daxfs_node *entry);
struct inode *daxfs_iget_by_number(struct super_block *sb, u32 ino);
ssize_t daxfs_content_to_iter(const struct daxfs_image *image,
			      const struct daxfs_node *node, u64 position,
			      size_t count, struct iov_iter *to);
int daxfs_content_copy(const struct daxfs_image *image,
		       const struct daxfs_node *node, u64 position, void *to,
		       size_t count);
int daxfs_getattr(struct mnt_idmap *idmap, const struct path *path,
		  struct kstat *stat, u32 request_mask, unsigned int flags);
int daxfs_mmap(struct file *file, struct vm_area_struct *vma);
long daxfs_ioctl(struct file *file, unsigned int command, unsigned long argument);
ssize_t daxfs_listxattr(struct dentry *dentry, char *buffer, size_t size);
struct posix_acl *daxfs_get_acl(struct inode *inode, int type, bool rcu);
int daxfs_sysfs_init(void);
void daxfs_sysfs_exit(void);

#endif /* _DAXFS_H */
