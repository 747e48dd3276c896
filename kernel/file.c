// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regular files: read.
 */
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/uio.h>

#include "compat.h"
#include "daxfs.h"

/*
 * Copied between two chances for others to run, and for a signal to end it: a
 * device's memory may be slow.
 */
#define DAXFS_READ_SLICE SZ_64K

/*
 * _copy_to_iter() and not copy_to_iter(): what the latter's hardened-usercopy
 * check would look up for every piece, the checks of image.c have settled.
 */
static ssize_t daxfs_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	const u8 *content = daxfs_image_of(inode)->base +
			    DAXFS_I(inode)->node.data_offset;
	const loff_t size = i_size_read(inode);
	const loff_t position = iocb->ki_pos;
	size_t count = iov_iter_count(to);
	size_t copied = 0;

	if (count == 0 || position >= size)
		return 0;
	count = min_t(u64, count, size - position);
	while (copied < count) {
		const size_t piece = min_t(size_t, count - copied, DAXFS_READ_SLICE);
		const size_t now = _copy_to_iter(content + position + copied,
						 piece, to);

		copied += now;
		if (now < piece || fatal_signal_pending(current))
			break;
		cond_resched();
	}
	if (copied == 0)
		return -EFAULT;
	iocb->ki_pos += copied;
	return copied;
}

const struct file_operations daxfs_file_fops = {
	.llseek = generic_file_llseek,
	.read_iter = daxfs_read_iter,
	.splice_read = DAXFS_SPLICE_READ,
	.mmap = daxfs_mmap,
};

const struct inode_operations daxfs_file_iops = {
	.listxattr = daxfs_listxattr,
	.DAXFS_GET_INODE_ACL = daxfs_get_acl,
};
