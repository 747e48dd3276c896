// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of daxfs_ioctl.h, and FS_IOC_GETFSLABEL.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "daxfs.h"
#include "daxfs_ioctl.h"

static long daxfs_get_fd(const struct daxfs_backing *backing)
{
	if (!backing->operations->get_fd)
		return -EOPNOTSUPP;
	return backing->operations->get_fd(backing);
}

static long daxfs_get_extent(const struct inode *inode, void __user *argument)
{
	const struct daxfs_backing *backing = DAXFS_SB(inode->i_sb)->backing;
	const u64 size = i_size_read(inode);
	struct daxfs_extent extent;
	u64 start, in_page;
	unsigned long pfn;

	if (!S_ISREG(inode->i_mode))
		return -EINVAL;
	if (copy_from_user(&extent, argument, sizeof(extent)))
		return -EFAULT;
	if (extent.offset >= size)
		return -ENXIO;
	in_page = offset_in_page(extent.offset);
	start = DAXFS_I(inode)->node.data_offset + extent.offset - in_page;
	pfn = backing->operations->pfn(backing, start);
	if (pfn == DAXFS_NO_PFN)
		return -EIO;
	extent.physical = PFN_PHYS(pfn) + in_page;
	extent.length = backing->operations->contiguous(backing, start,
		PAGE_ALIGN(size - (extent.offset - in_page))) - in_page;
	extent.length = min(extent.length, size - extent.offset);
	return copy_to_user(argument, &extent, sizeof(extent)) ? -EFAULT : 0;
}

static long daxfs_get_label(const struct daxfs_image *image,
			    void __user *argument)
{
	char label[FSLABEL_MAX] = { 0 };

	BUILD_BUG_ON(sizeof(image->label) >= sizeof(label));
	memcpy(label, image->label, sizeof(image->label));
	return copy_to_user(argument, label, sizeof(label)) ? -EFAULT : 0;
}

/**
 * daxfs_ioctl() - ioctl(2)
 * @file: any file or directory of a mount
 * @command: FS_IOC_GETFSLABEL, or a command of daxfs_ioctl.h
 * @argument: argument of the command
 *
 * Return: result of the command, or a negative errno.
 */
long daxfs_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	const struct inode *inode = file_inode(file);

	if (command == FS_IOC_GETFSLABEL)
		return daxfs_get_label(daxfs_image_of(inode),
				       (void __user *)argument);
	if (command != DAXFS_IOC_GET_DMABUF && command != DAXFS_IOC_GET_EXTENT)
		return -ENOTTY;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (command == DAXFS_IOC_GET_DMABUF)
		return daxfs_get_fd(DAXFS_SB(inode->i_sb)->backing);
	return daxfs_get_extent(inode, (void __user *)argument);
}
