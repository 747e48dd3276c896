// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mounting, and the module.
 */
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include <linux/uuid.h>

#include "compat.h"
#include "daxfs.h"

static struct kmem_cache *daxfs_inode_cache;

/**
 * struct daxfs_options - what a mount asks for
 * @phys: physical address of the region
 * @size: its bytes
 * @has_phys: whether phys= was given
 * @has_size: whether size= was given
 */
struct daxfs_options {
	u64 phys;
	u64 size;
	bool has_phys;
	bool has_size;
};

enum {
	DAXFS_OPTION_PHYS,
	DAXFS_OPTION_SIZE,
};

static const struct fs_parameter_spec daxfs_parameters[] = {
	fsparam_u64("phys", DAXFS_OPTION_PHYS),
	fsparam_u64("size", DAXFS_OPTION_SIZE),
	{}
};

static int daxfs_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct daxfs_options *options = fc->fs_private;
	struct fs_parse_result result;
	int option = fs_parse(fc, daxfs_parameters, param, &result);

	switch (option) {
	case DAXFS_OPTION_PHYS:
		options->phys = result.uint_64;
		options->has_phys = true;
		return 0;
	case DAXFS_OPTION_SIZE:
		options->size = result.uint_64;
		options->has_size = true;
		return 0;
	default:
		return option;
	}
}

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
	/* Version 1 has no UUID, and some refuse a filesystem without an id. */
	buf->f_fsid = uuid_is_null(&sb->s_uuid) ?
		u64_to_fsid(huge_encode_dev(sb->s_dev)) :
		uuid_to_fsid(sb->s_uuid.b);
	return 0;
}

static int daxfs_show_options(struct seq_file *seq, struct dentry *root)
{
	const struct daxfs_backing *backing = &DAXFS_SB(root->d_sb)->backing;

	backing->operations->show_options(backing, seq);
	return 0;
}

static const struct super_operations daxfs_super_operations = {
	.alloc_inode = daxfs_alloc_inode,
	.free_inode = daxfs_free_inode,
	.statfs = daxfs_statfs,
	.show_options = daxfs_show_options,
};

static int daxfs_map_backing(struct daxfs_sb_info *info, struct fs_context *fc)
{
	const struct daxfs_options *options = fc->fs_private;

	if (!options->has_phys || !options->has_size)
		return invalfc(fc, "phys= and size= are needed to name the memory of the image");
	return daxfs_backing_map_phys(&info->backing, options->phys,
				      options->size, fc);
}

static int daxfs_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct daxfs_defect defect;
	struct daxfs_sb_info *info;
	struct inode *root;
	int err;

	info = kzalloc(sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;
	sb->s_fs_info = info;

	err = daxfs_map_backing(info, fc);
	if (err)
		return err;
	err = daxfs_image_open(&info->image, info->backing.address,
			       info->backing.size, &defect);
	if (err) {
		if (defect.ino == 0)
			errorfc(fc, "not a valid image: superblock: %s is %#llx, expected %s",
				defect.field, (unsigned long long)defect.found,
				defect.expected);
		else
			errorfc(fc, "not a valid image: inode %u: %s is %#llx, expected %s",
				defect.ino, defect.field,
				(unsigned long long)defect.found,
				defect.expected);
		return -EINVAL;
	}

	/* For the log: there may be several mounts. */
	snprintf(sb->s_id, sizeof(sb->s_id), "%u:%u", MAJOR(sb->s_dev),
		 MINOR(sb->s_dev));
	sb->s_magic = DAXFS_MAGIC;
	sb->s_blocksize = DAXFS_BLOCK_SIZE;
	sb->s_blocksize_bits = DAXFS_BLOCK_SHIFT;
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_flags |= SB_RDONLY | SB_NOATIME | SB_POSIXACL;
	sb->s_time_gran = 1;
	sb->s_op = &daxfs_super_operations;
	sb->s_xattr = daxfs_xattr_handlers;
	import_uuid(&sb->s_uuid, info->image.uuid);

	root = daxfs_iget(sb, info->image.root_ino);
	if (IS_ERR(root))
		return PTR_ERR(root);
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

static int daxfs_get_tree(struct fs_context *fc)
{
	return get_tree_nodev(fc, daxfs_fill_super);
}

/*
 * The image is never written, so that "remount,rw" leaves it read-only; and a
 * mount stays where it is: mount(8) repeats its options on remount.
 */
static int daxfs_reconfigure(struct fs_context *fc)
{
	const struct daxfs_backing *backing = &DAXFS_SB(fc->root->d_sb)->backing;
	const struct daxfs_options *options = fc->fs_private;

	if ((options->has_phys && options->phys != backing->phys) ||
	    (options->has_size && options->size != backing->size))
		return invalfc(fc, "phys and size can't change on remount");
	fc->sb_flags |= SB_RDONLY;
	return 0;
}

static void daxfs_free_fc(struct fs_context *fc)
{
	kfree(fc->fs_private);
}

static const struct fs_context_operations daxfs_context_operations = {
	.parse_param = daxfs_parse_param,
	.get_tree = daxfs_get_tree,
	.reconfigure = daxfs_reconfigure,
	.free = daxfs_free_fc,
};

static int daxfs_init_fs_context(struct fs_context *fc)
{
	struct daxfs_options *options = kzalloc(sizeof(*options), GFP_KERNEL);

	if (!options)
		return -ENOMEM;
	fc->fs_private = options;
	fc->log.prefix = "daxfs";
	fc->ops = &daxfs_context_operations;
	return 0;
}

static void daxfs_kill_sb(struct super_block *sb)
{
	struct daxfs_sb_info *info = DAXFS_SB(sb);

	kill_anon_super(sb);
	if (!info)
		return;
	if (info->backing.operations)
		info->backing.operations->unmap(&info->backing);
	kfree(info);
}

static struct file_system_type daxfs_type = {
	.owner = THIS_MODULE,
	.name = "daxfs",
	.init_fs_context = daxfs_init_fs_context,
	.parameters = daxfs_parameters,
	.kill_sb = daxfs_kill_sb,
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

	/* A page of a file is a page of memory. */
	BUILD_BUG_ON(PAGE_SIZE != DAXFS_BLOCK_SIZE);

	daxfs_inode_cache = kmem_cache_create("daxfs_inode_cache",
					      sizeof(struct daxfs_inode_info), 0,
					      SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT,
					      daxfs_init_inode_once);
	if (!daxfs_inode_cache)
		return -ENOMEM;
	err = register_filesystem(&daxfs_type);
	if (err)
		kmem_cache_destroy(daxfs_inode_cache);
	return err;
}

static void __exit daxfs_exit(void)
{
	unregister_filesystem(&daxfs_type);
	/* Inodes are freed after a grace period. */
	rcu_barrier();
	kmem_cache_destroy(daxfs_inode_cache);
}

module_init(daxfs_init);
module_exit(daxfs_exit);

MODULE_DESCRIPTION("Read-only filesystem that lies directly in memory");
MODULE_LICENSE("GPL");
