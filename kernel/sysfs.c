// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/fs/daxfs/features: a file for each thing that this module can do.
 */
#include <linux/fs.h>
#include <linux/kobject.h>
#include <linux/sysfs.h>

#include "daxfs.h"

/* Compatible features of the format. */
static const char * const daxfs_format_features[] = DAXFS_MODULE_FEATURES;

/* Features of mounts. */
static const char * const daxfs_mount_features[] = {
	"phys", "dmabuf", "pages", "validate",
};

#define DAXFS_FEATURE_COUNT (ARRAY_SIZE(daxfs_format_features) + \
			     ARRAY_SIZE(daxfs_mount_features))

static struct kobject *daxfs_kobject;
static struct kobj_attribute daxfs_features[DAXFS_FEATURE_COUNT];
/* Ends with NULL. */
static struct attribute *daxfs_attributes[DAXFS_FEATURE_COUNT + 1];

static const struct attribute_group daxfs_feature_group = {
	.name = "features",
	.attrs = daxfs_attributes,
};

static ssize_t daxfs_feature_show(struct kobject *kobject,
				  struct kobj_attribute *attribute, char *buffer)
{
	return sysfs_emit(buffer, "supported\n");
}

static void __init daxfs_set_features(size_t first, const char * const *names,
				      size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		struct kobj_attribute *feature = &daxfs_features[first + i];

		feature->attr.name = names[i];
		feature->attr.mode = 0444;
		feature->show = daxfs_feature_show;
		sysfs_attr_init(&feature->attr);
		daxfs_attributes[first + i] = &feature->attr;
	}
}

/**
 * daxfs_sysfs_init() - make /sys/fs/daxfs
 *
 * Return: 0, or a negative errno.
 */
int __init daxfs_sysfs_init(void)
{
	const size_t count = ARRAY_SIZE(daxfs_format_features);
	int err;

	daxfs_set_features(0, daxfs_format_features, count);
	daxfs_set_features(count, daxfs_mount_features,
			   ARRAY_SIZE(daxfs_mount_features));

	daxfs_kobject = kobject_create_and_add("daxfs", fs_kobj);
	if (!daxfs_kobject)
		return -ENOMEM;
	err = sysfs_create_group(daxfs_kobject, &daxfs_feature_group);
	if (err)
		kobject_put(daxfs_kobject);
	return err;
}

/**
 * daxfs_sysfs_exit() - remove /sys/fs/daxfs
 */
void daxfs_sysfs_exit(void)
{
	sysfs_remove_group(daxfs_kobject, &daxfs_feature_group);
	kobject_put(daxfs_kobject);
}
