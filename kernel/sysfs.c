// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/fs/daxfs/features: a file for each feature of this module.
 */
#include <linux/fs.h>
#include <linux/kobject.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "daxfs.h"

/* Compatible features of the format. */
static const char *const daxfs_format_features[] = DAXFS_MODULE_FEATURES;

/* Features of mounts. Each kind of memory is one as well, by its name. */
static const char *const daxfs_mount_features[] = {
	"pages",
	"validate",
};

static struct kobject *daxfs_kobject;
static struct kobject *daxfs_features;
static struct kobj_attribute *daxfs_attributes;

static ssize_t daxfs_feature_show(struct kobject *kobject,
				  struct kobj_attribute *attribute, char *buffer)
{
	return sysfs_emit(buffer, "supported\n");
}

static int daxfs_add_feature(struct kobj_attribute *attribute, const char *name)
{
	sysfs_attr_init(&attribute->attr);
	attribute->attr.name = name;
	attribute->attr.mode = 0444;
	attribute->show = daxfs_feature_show;
	return sysfs_create_file(daxfs_features, &attribute->attr);
}

static int daxfs_add_features(void)
{
	const struct daxfs_backing_operations *const *kind;
	struct kobj_attribute *attribute;
	size_t count = ARRAY_SIZE(daxfs_format_features) +
		       ARRAY_SIZE(daxfs_mount_features);
	size_t i;
	int err = 0;

	for (kind = daxfs_backing_kinds; *kind; kind++)
		count++;
	daxfs_attributes = kcalloc(count, sizeof(*daxfs_attributes), GFP_KERNEL);
	if (!daxfs_attributes)
		return -ENOMEM;
	attribute = daxfs_attributes;
	for (i = 0; !err && i < ARRAY_SIZE(daxfs_format_features); i++)
		err = daxfs_add_feature(attribute++, daxfs_format_features[i]);
	for (i = 0; !err && i < ARRAY_SIZE(daxfs_mount_features); i++)
		err = daxfs_add_feature(attribute++, daxfs_mount_features[i]);
	for (kind = daxfs_backing_kinds; !err && *kind; kind++)
		err = daxfs_add_feature(attribute++, (*kind)->name);
	return err;
}

/**
 * daxfs_sysfs_init() - make /sys/fs/daxfs
 *
 * Return: 0, or a negative errno.
 */
int daxfs_sysfs_init(void)
{
	int err = -ENOMEM;

	daxfs_kobject = kobject_create_and_add("daxfs", fs_kobj);
	if (!daxfs_kobject)
		return -ENOMEM;
	daxfs_features = kobject_create_and_add("features", daxfs_kobject);
	if (daxfs_features)
		err = daxfs_add_features();
	if (err)
		daxfs_sysfs_exit();
	return err;
}

/**
 * daxfs_sysfs_exit() - remove /sys/fs/daxfs
 */
void daxfs_sysfs_exit(void)
{
	/* Now, with the files, and not when the last reference goes. */
	kobject_del(daxfs_features);
	kobject_del(daxfs_kobject);
	kobject_put(daxfs_features);
	kobject_put(daxfs_kobject);
	kfree(daxfs_attributes);
}
