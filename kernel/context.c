// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mount options, and the superblock for them.
 */
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat.h"
#include "daxfs.h"

/**
 * struct daxfs_options - options of a mount
 * @request: the memory
 * @validate: whether to check the whole image first
 */
struct daxfs_options {
	struct daxfs_request request;
	bool validate;
};

enum {
	DAXFS_OPTION_SIZE,
	DAXFS_OPTION_PAGES,
	DAXFS_OPTION_VALIDATE,
};

/* Each kind of memory has an option of its own. */
static const struct fs_parameter_spec daxfs_parameters[] = {
	fsparam_string("size", DAXFS_OPTION_SIZE),
	fsparam_flag_no("pages", DAXFS_OPTION_PAGES),
	fsparam_flag("validate", DAXFS_OPTION_VALIDATE),
	{}
};

/**
 * daxfs_parse_bytes() - parse an option whose value is a number of bytes
 * @fc: logs a message on failure
 * @param: the option, a string
 * @bytes: set to the value
 *
 * Takes any base of C, and the suffixes K, M, G and T for powers of 1024.
 *
 * Return: 0, or -EINVAL.
 */
int daxfs_parse_bytes(struct fs_context *fc, const struct fs_parameter *param,
		      u64 *bytes)
{
	static const char units[] = "KMGT";
	const size_t length = strlen(param->string);
	const char *unit = NULL;
	unsigned int shift = 0;
	char digits[32];
	u64 number;

	if (length > 0)
		unit = strchr(units, toupper(param->string[length - 1]));
	if (unit)
		shift = (unit - units + 1) * 10;
	if (length > 0 && length < sizeof(digits)) {
		memcpy(digits, param->string, length + 1);
		if (unit)
			digits[length - 1] = '\0';
		if (kstrtou64(digits, 0, &number) == 0 &&
		    number <= U64_MAX >> shift) {
			*bytes = number << shift;
			return 0;
		}
	}
	return invalfc(fc, "Bad value for '%s': give bytes, such as 4096, 0x10000 or 256M",
		       param->key);
}

/*
 * Parses the option that names the memory. Return: 0, -ENOPARAM if this is another
 * option, or an errno.
 */
static int daxfs_parse_memory(struct fs_context *fc,
			      struct daxfs_request *request,
			      struct fs_parameter *param)
{
	const struct daxfs_backing_operations *const *kind;
	struct fs_parse_result result;
	int err = -ENOPARAM;

	for (kind = daxfs_backing_kinds; *kind && err == -ENOPARAM; kind++) {
		err = fs_parse(fc, (*kind)->parameters, param, &result);
		if (err < 0)
			continue;
		if (request->operations && request->operations != *kind)
			return invalfc(fc, "%s and %s exclude each other: name the memory by one",
				       request->operations->name, (*kind)->name);
		err = (*kind)->parse(request, param, fc);
		if (!err)
			request->operations = *kind;
	}
	return err;
}

static int daxfs_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct daxfs_options *options = fc->fs_private;
	struct fs_parse_result result;
	int option = daxfs_parse_memory(fc, &options->request, param);

	if (option != -ENOPARAM)
		return option;
	option = fs_parse(fc, daxfs_parameters, param, &result);
	switch (option) {
	case DAXFS_OPTION_SIZE:
		options->request.has_size = true;
		return daxfs_parse_bytes(fc, param, &options->request.size);
	case DAXFS_OPTION_PAGES:
		options->request.pages = result.negated ? DAXFS_PAGES_NEVER :
							  DAXFS_PAGES_ALWAYS;
		return 0;
	case DAXFS_OPTION_VALIDATE:
		options->validate = true;
		return 0;
	default:
		return option;
	}
}

static int daxfs_test_super(struct super_block *sb, struct fs_context *fc)
{
	const struct daxfs_options *options = fc->fs_private;

	return daxfs_backing_same(DAXFS_SB(sb)->backing, &options->request);
}

/*
 * The memory is already mounted: all mounts share the superblock, so that files have
 * the same identity everywhere and the memory is mapped once.
 */
static int daxfs_share_super(struct super_block *sb,
			     const struct daxfs_options *options,
			     struct fs_context *fc)
{
	struct daxfs_sb_info *info = DAXFS_SB(sb);
	const char *conflict = daxfs_backing_conflict(info->backing,
						      &options->request);

	if (conflict)
		warnfc(fc, "already mounted, %s ignored: the first mount's options stay in force",
		       conflict);
	return options->validate && !info->validated ? daxfs_validate(sb, fc) : 0;
}

static int daxfs_get_tree(struct fs_context *fc)
{
	const struct daxfs_options *options = fc->fs_private;
	struct daxfs_sb_info *info;
	struct super_block *sb;
	int err;

	info = kzalloc(sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;
	fc->s_fs_info = info;
	info->backing = daxfs_backing_create(&options->request, fc);
	if (IS_ERR(info->backing)) {
		err = PTR_ERR(info->backing);
		info->backing = NULL;
		return err;
	}

	fc->sb_flags |= SB_RDONLY;
	sb = sget_fc(fc, daxfs_test_super, set_anon_super_fc);
	if (IS_ERR(sb))
		return PTR_ERR(sb);
	if (sb->s_root) {
		err = daxfs_share_super(sb, options, fc);
	} else {
		err = daxfs_fill_super(sb, options->validate, fc);
		/* Before a mount of the same memory, which waits for this one, goes on. */
		if (err)
			daxfs_backing_unmap(DAXFS_SB(sb)->backing);
		else
			sb->s_flags |= SB_ACTIVE;
	}
	if (err) {
		deactivate_locked_super(sb);
		return err;
	}
	fc->root = dget(sb->s_root);
	return 0;
}

/*
 * "remount,rw" leaves the mount read-only. The memory can't change; options that
 * repeat the present ones are accepted, since mount(8) passes them on remount.
 */
static int daxfs_reconfigure(struct fs_context *fc)
{
	struct super_block *sb = fc->root->d_sb;
	struct daxfs_sb_info *info = DAXFS_SB(sb);
	const struct daxfs_options *options = fc->fs_private;
	const char *conflict = daxfs_backing_conflict(info->backing,
						      &options->request);

	if (conflict)
		return invalfc(fc, "%s can't change on remount: unmount it first", conflict);
	fc->sb_flags |= SB_RDONLY;
	return options->validate && !info->validated ? daxfs_validate(sb, fc) : 0;
}

static void daxfs_free_fc(struct fs_context *fc)
{
	struct daxfs_options *options = fc->fs_private;
	struct daxfs_sb_info *info = fc->s_fs_info;

	/* NULL if a new superblock has taken it. */
	if (info)
		daxfs_backing_release(info->backing);
	kfree(info);
	if (options->request.file)
		fput(options->request.file);
	kfree(options);
}

static const struct fs_context_operations daxfs_context_operations = {
	.parse_param = daxfs_parse_param,
	.get_tree = daxfs_get_tree,
	.reconfigure = daxfs_reconfigure,
	.free = daxfs_free_fc,
};

/**
 * daxfs_init_fs_context() - begin a mount or a remount
 * @fc: context of the mount
 *
 * Return: 0, or -ENOMEM.
 */
int daxfs_init_fs_context(struct fs_context *fc)
{
	struct daxfs_options *options = kzalloc(sizeof(*options), GFP_KERNEL);

	if (!options)
		return -ENOMEM;
	fc->fs_private = options;
	fc->log.prefix = "daxfs";
	fc->ops = &daxfs_context_operations;
	return 0;
}
