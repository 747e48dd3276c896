// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mounting, and the module.
 */
#include <linux/fs_context.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include <linux/string.h>
#include <linux/uuid.h>

#include "compat.h"
#include "daxfs.h"
#include "fault_lock.h"

static struct kmem_cache *daxfs_inode_cache;

static struct inode *daxfs_alloc_inode(struct super_block *sb)
{
	struct daxfs_inode_info *info;

	info = alloc_inode_sb(sb, daxfs_inode_cache, GFP_KERNEL);
	return info ? &info->vfs_inode : NULL;
}

static void daxfs_free_inode(struct inode *inode)
{
	if (S_ISLNK(inode->i_mode))
		kfree(inode->i_link);
	kmem_cache_free(daxfs_inode_cache, DAXFS_I(inode));
}

static int daxfs_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	struct super_block *sb = dentry->d_sb;
	const struct daxfs_image *image = &DAXFS_SB(sb)->image;

	buf->f_type = sb->s_magic;
	buf->f_bsize = sb->s_blocksize;
	buf->f_blocks = image->total_size >> sb->s_blocksize_bits;
	buf->f_files = image->inode_count;
	buf->f_namelen = DAXFS_NAME_MAX;
	/* Images without a UUID need an id as well: some programs require one. */
	buf->f_fsid = uuid_is_null(&sb->s_uuid) ?
		u64_to_fsid(huge_encode_dev(sb->s_dev)) :
		uuid_to_fsid(sb->s_uuid.b);
	return 0;
}

static int daxfs_show_options(struct seq_file *seq, struct dentry *root)
{
	const struct daxfs_backing *backing = DAXFS_SB(root->d_sb)->backing;

	if (backing->operations->show_options)
		backing->operations->show_options(backing, seq);
	return 0;
}

/*
 * Not in daxfs_kill_sb(): a new mount of the same memory waits for this one, but on 6.1
 * only until kill_anon_super() has returned.
 */
static void daxfs_put_super(struct super_block *sb)
{
	daxfs_backing_unmap(DAXFS_SB(sb)->backing);
}

const struct super_operations daxfs_super_operations = {
	.alloc_inode = daxfs_alloc_inode,
	.free_inode = daxfs_free_inode,
	.put_super = daxfs_put_super,
	.statfs = daxfs_statfs,
	.show_options = daxfs_show_options,
};

/**
 * daxfs_validate() - check a whole image, and log the time that it took
 * @sb: of the mount
 * @fc: logs a message on failure
 *
 * Return: 0, -EINVAL for a corrupt image, -ENOMEM, or -EINTR.
 */
int daxfs_validate(struct super_block *sb, struct fs_context *fc)
{
	struct daxfs_sb_info *info = DAXFS_SB(sb);
	const ktime_t start = ktime_get();
	struct daxfs_corruption corruption;
	int err;

	err = daxfs_image_validate(&info->image, &corruption);
	if (err)
		return daxfs_refuse(fc, err, &corruption);
	info->validated = true;
	pr_info("daxfs (%s): validated %u inodes in %lld us\n", sb->s_id,
		info->image.inode_count,
		ktime_us_delta(ktime_get(), start));
	return 0;
}

/* Maps the memory: of a region of unknown size, as much as the image needs. */
static int daxfs_map(struct daxfs_backing *backing, struct fs_context *fc)
{
	struct daxfs_corruption corruption;
	struct daxfs_superblock raw;
	u64 needed = 0;
	int err;

	if (!backing->size && backing->operations->peek) {
		err = backing->operations->peek(backing, &raw, sizeof(raw), fc);
		if (err)
			return err;
		err = daxfs_image_find_size(&raw, &needed, &corruption);
		if (err)
			return daxfs_refuse(fc, err, &corruption);
	}
	return backing->operations->map(backing, needed, fc);
}

/**
 * daxfs_fill_super() - map the memory of a new superblock and open its image
 * @sb: the superblock
 * @validate: whether to check the whole image
 * @fc: logs a message on failure
 *
 * Return: 0, or a negative errno.
 */
int daxfs_fill_super(struct super_block *sb, bool validate,
		     struct fs_context *fc)
{
	struct daxfs_sb_info *info = DAXFS_SB(sb);
	struct daxfs_backing *backing = info->backing;
	struct daxfs_corruption corruption;
	struct daxfs_node entry;
	struct inode *root;
	int err;

	/* Messages name the mount by it. */
	snprintf(sb->s_id, sizeof(sb->s_id), "%u:%u", MAJOR(sb->s_dev),
		 MINOR(sb->s_dev));
	err = daxfs_map(backing, fc);
	if (err)
		return err;
	err = daxfs_image_open(&info->image, backing->address, backing->size,
			       &entry, &corruption);
	if (err)
		return daxfs_refuse(fc, err, &corruption);
	if (validate) {
		err = daxfs_validate(sb, fc);
		if (err)
			return err;
	}

	sb->s_magic = DAXFS_MAGIC;
	sb->s_blocksize = DAXFS_BLOCK_SIZE;
	sb->s_blocksize_bits = DAXFS_BLOCK_SHIFT;
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_flags |= SB_RDONLY | SB_NOATIME | SB_POSIXACL;
	sb->s_time_gran = 1;
	sb->s_op = &daxfs_super_operations;
	sb->s_export_op = &daxfs_export_operations;
	sb->s_xattr = daxfs_xattr_handlers;
	/* The kernel does not see writes of others to the memory. */
	sb->s_iflags |= SB_I_IMA_UNVERIFIABLE_SIGNATURE;
	if (memchr_inv(info->image.uuid, 0, sizeof(info->image.uuid)))
		super_set_uuid(sb, info->image.uuid, sizeof(info->image.uuid));

	root = daxfs_iget(sb, &entry);
	if (IS_ERR(root))
		return PTR_ERR(root);
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

/* Also for a mount that failed before it had a root: then there was no put_super(). */
static void daxfs_kill_sb(struct super_block *sb)
{
	struct daxfs_sb_info *info = DAXFS_SB(sb);

	kill_anon_super(sb);
	daxfs_backing_release(info->backing);
	kfree(info);
}

static struct file_system_type daxfs_type = {
	.owner = THIS_MODULE,
	.name = "daxfs",
	.init_fs_context = daxfs_init_fs_context,
	.kill_sb = daxfs_kill_sb,
	.fs_flags = FS_ALLOW_IDMAP,
};
MODULE_ALIAS_FS("daxfs");

static void daxfs_init_inode_once(void *object)
{
	struct daxfs_inode_info *info = object;

	inode_init_once(&info->vfs_inode);
}

static int __init daxfs_init(void)
{
	int err;

	/* Each page of a file is mapped from one page of memory. */
	BUILD_BUG_ON(PAGE_SIZE != DAXFS_BLOCK_SIZE);

	daxfs_fault_locks_init();
	daxfs_inode_cache = kmem_cache_create("daxfs_inode_cache",
					      sizeof(struct daxfs_inode_info), 0,
					      SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT,
					      daxfs_init_inode_once);
	if (!daxfs_inode_cache)
		return -ENOMEM;
	err = daxfs_backing_module_init();
	if (err)
		goto destroy_cache;
	err = daxfs_sysfs_init();
	if (err)
		goto exit_backing;
	err = register_filesystem(&daxfs_type);
	if (err)
		goto exit_sysfs;
	return 0;

exit_sysfs:
	daxfs_sysfs_exit();
exit_backing:
	daxfs_backing_module_exit();
destroy_cache:
	kmem_cache_destroy(daxfs_inode_cache);
	return err;
}

static void __exit daxfs_exit(void)
{
	unregister_filesystem(&daxfs_type);
	daxfs_sysfs_exit();
	daxfs_backing_module_exit();
	/* Inodes are freed after a grace period. */
	rcu_barrier();
	kmem_cache_destroy(daxfs_inode_cache);
}

module_init(daxfs_init);
module_exit(daxfs_exit);

MODULE_DESCRIPTION("Read-only filesystem in directly mapped memory");
MODULE_LICENSE("GPL");
