// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/fs/daxfs/features: a file for each thing that this module can do.
 */
#include <linux/fs.h>
#include <linux/kobject.h>
#include <linux/sysfs.h>

#include "daxfs.h"

static struct kobject *daxfs_kobject;

static ssize_t daxfs_feature_show(struct kobject *kobject,
				  struct kobj_attribute *attribute, char *buffer)
{
	return sysfs_emit(buffer, "supported\n");
}

#define DAXFS_FEATURE(feature)					\
	static struct kobj_attribute daxfs_feature_##feature =	\
		__ATTR(feature, 0444, daxfs_feature_show, NULL)

/* Of the format. */
DAXFS_FEATURE(mtime);
DAXFS_FEATURE(sorted);
DAXFS_FEATURE(links);
DAXFS_FEATURE(xattrs);
DAXFS_FEATURE(checksums);
/* Of mounts. */
DAXFS_FEATURE(phys);
DAXFS_FEATURE(dmabuf);
DAXFS_FEATURE(pages);
DAXFS_FEATURE(validate);

static struct attribute *daxfs_features[] = {
	&daxfs_feature_mtime.attr,
	&daxfs_feature_sorted.attr,
	&daxfs_feature_links.attr,
	&daxfs_feature_xattrs.attr,
	&daxfs_feature_checksums.attr,
	&daxfs_feature_phys.attr,
	&daxfs_feature_dmabuf.attr,
	&daxfs_feature_pages.attr,
	&daxfs_feature_validate.attr,
	NULL
};

static const struct attribute_group daxfs_feature_group = {
	.name = "features",
	.attrs = daxfs_features,
};

/**
 * daxfs_sysfs_init() - make /sys/fs/daxfs
 *
 * Return: 0, or a negative errno.
 */
int daxfs_sysfs_init(void)
{
	int err;

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
