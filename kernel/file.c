// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regular files: read and fiemap.
 */
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/uio.h>

#include "compat.h"
#include "daxfs.h"

/*
 * Every read bypasses the page cache, as O_DIRECT asks for. And no read waits, so
 * io_uring needs no worker thread for it.
 */
static int daxfs_file_open(struct inode *inode, struct file *file)
{
	file->f_mode |= FMODE_CAN_ODIRECT | FMODE_NOWAIT;
	return generic_file_open(inode, file);
}

static ssize_t daxfs_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	const loff_t size = i_size_read(inode);
	const loff_t position = iocb->ki_pos;
	const size_t count = iov_iter_count(to);
	ssize_t copied;

	if (count == 0 || position >= size)
		return 0;
	copied = daxfs_content_to_iter(daxfs_image_of(inode),
				       &DAXFS_I(inode)->node, position,
				       min_t(u64, count, size - position), to);
	if (copied > 0)
		iocb->ki_pos += copied;
	return copied;
}

/* One extent; its physical offset is from the start of the image. */
static int daxfs_fiemap(struct inode *inode, struct fiemap_extent_info *info,
			u64 start, u64 length)
{
	const u64 size = i_size_read(inode);
	int err = fiemap_prep(inode, info, start, &length, 0);

	if (err || start >= size)
		return err;
	err = fiemap_fill_next_extent(info, 0, DAXFS_I(inode)->node.data_offset,
				      size, FIEMAP_EXTENT_LAST);
	return err < 0 ? err : 0;
}

const struct file_operations daxfs_file_fops = {
	.open = daxfs_file_open,
	.llseek = generic_file_llseek,
	.read_iter = daxfs_read_iter,
	.splice_read = DAXFS_SPLICE_READ,
	.mmap = daxfs_mmap,
	.get_unmapped_area = thp_get_unmapped_area,
	.setlease = generic_setlease,
	.unlocked_ioctl = daxfs_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

const struct inode_operations daxfs_file_iops = {
	.getattr = daxfs_getattr,
	.listxattr = daxfs_listxattr,
	.fiemap = daxfs_fiemap,
	.DAXFS_GET_INODE_ACL = daxfs_get_acl,
};
