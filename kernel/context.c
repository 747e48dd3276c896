// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a mount asks for: options, and the superblock that answers them.
 */
#include <linux/ctype.h>
#include <linux/file.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat.h"
#include "daxfs.h"

/**
 * struct daxfs_options - what a mount asks for
 * @request: the memory
 * @validate: whether to check the whole image first
 */
struct daxfs_options {
	struct daxfs_request request;
	bool validate;
};

enum {
	DAXFS_OPTION_PHYS,
	DAXFS_OPTION_SIZE,
	DAXFS_OPTION_DMABUF,
	DAXFS_OPTION_PAGES,
	DAXFS_OPTION_VALIDATE,
};

static const struct fs_parameter_spec daxfs_parameters[] = {
	fsparam_string("phys", DAXFS_OPTION_PHYS),
	fsparam_string("size", DAXFS_OPTION_SIZE),
	fsparam_fd("dmabuf", DAXFS_OPTION_DMABUF),
	fsparam_flag_no("pages", DAXFS_OPTION_PAGES),
	fsparam_flag("validate", DAXFS_OPTION_VALIDATE),
	{}
};

/* A number in any base of C, and K, M, G or T for a power of 1024. */
static int daxfs_parse_bytes(struct fs_context *fc,
			     const struct fs_parameter *param, u64 *bytes)
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
	return invalfc(fc, "Bad value for '%s': expected bytes, as 4096, 0x10000 or 256M",
		       param->key);
}

/*
 * The file and not its number, which on 6.1 does not get here; and no number
 * out of a string, which would name a file of whoever runs this.
 */
static int daxfs_take_dmabuf(struct fs_context *fc,
			     struct daxfs_request *request,
			     struct fs_parameter *param)
{
	if (param->type != fs_value_is_file)
		return invalfc(fc, "dmabuf takes a file descriptor by FSCONFIG_SET_FD, no string");
	if (request->dmabuf)
		return invalfc(fc, "dmabuf was given twice");
	request->dmabuf = param->file;
	param->file = NULL;
	return 0;
}

static int daxfs_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct daxfs_options *options = fc->fs_private;
	struct fs_parse_result result;
	int option = fs_parse(fc, daxfs_parameters, param, &result);

	switch (option) {
	case DAXFS_OPTION_PHYS:
		options->request.has_phys = true;
		return daxfs_parse_bytes(fc, param, &options->request.phys);
	case DAXFS_OPTION_SIZE:
		options->request.has_size = true;
		return daxfs_parse_bytes(fc, param, &options->request.size);
	case DAXFS_OPTION_DMABUF:
		return daxfs_take_dmabuf(fc, &options->request, param);
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
	const struct daxfs_sb_info *wanted = fc->s_fs_info;

	return daxfs_backing_same(&DAXFS_SB(sb)->backing, &wanted->backing);
}

/* What an option asks for that a mount can't change any more. */
static const char *daxfs_conflict(const struct daxfs_backing *backing,
				  const struct daxfs_request *request)
{
	const bool size = request->has_size && request->size != backing->size;

	if (request->pages == DAXFS_PAGES_ALWAYS && !backing->pinnable)
		return size ? "size and pages" : "pages";
	if (request->pages == DAXFS_PAGES_NEVER && backing->pagemap)
		return size ? "size and nopages" : "nopages";
	return size ? "size" : NULL;
}

/*
 * The memory is mounted already: one superblock serves all, so that its files
 * are the same everywhere and its memory is mapped once.
 */
static int daxfs_share_super(struct super_block *sb,
			     const struct daxfs_options *options,
			     struct fs_context *fc)
{
	struct daxfs_sb_info *info = DAXFS_SB(sb);
	const char *conflict = daxfs_conflict(&info->backing,
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
	err = daxfs_backing_init(&info->backing, &options->request, fc);
	if (err)
		return err;

	fc->sb_flags |= SB_RDONLY;
	sb = sget_fc(fc, daxfs_test_super, set_anon_super_fc);
	if (IS_ERR(sb))
		return PTR_ERR(sb);
	if (sb->s_root) {
		err = daxfs_share_super(sb, options, fc);
	} else {
		err = daxfs_fill_super(sb, &options->request, options->validate,
				       fc);
		/* While a mount that waits for this one still does. */
		if (err)
			daxfs_backing_unmap(&DAXFS_SB(sb)->backing);
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
 * The image is never written, so that "remount,rw" leaves it read-only; and a
 * mount stays where it is: mount(8) repeats its options on remount.
 */
static int daxfs_reconfigure(struct fs_context *fc)
{
	struct super_block *sb = fc->root->d_sb;
	struct daxfs_sb_info *info = DAXFS_SB(sb);
	const struct daxfs_options *options = fc->fs_private;
	const struct daxfs_request *request = &options->request;
	const char *conflict = daxfs_conflict(&info->backing, request);

	if (request->has_phys &&
	    (info->backing.dmabuf || request->phys != info->backing.phys))
		conflict = "phys";
	if (request->dmabuf &&
	    (!info->backing.dmabuf || request->dmabuf != info->backing.dmabuf->file))
		conflict = "dmabuf";
	if (conflict)
		return invalfc(fc, "%s can't change on remount", conflict);
	fc->sb_flags |= SB_RDONLY;
	return options->validate && !info->validated ? daxfs_validate(sb, fc) : 0;
}

static void daxfs_free_fc(struct fs_context *fc)
{
	struct daxfs_options *options = fc->fs_private;
	struct daxfs_sb_info *info = fc->s_fs_info;

	/* It is the superblock's where that is new. */
	if (info)
		daxfs_backing_exit(&info->backing);
	kfree(info);
	if (options->request.dmabuf)
		fput(options->request.dmabuf);
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
 * @fc: of the mount
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
