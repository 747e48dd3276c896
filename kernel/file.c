// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regular files: read, and where their content lies.
 */
#include <linux/fiemap.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "compat.h"
#include "daxfs.h"

/*
 * Copied between two chances for others to run, and for a signal to end it: a
 * device's memory may be slow.
 */
#define DAXFS_READ_SLICE SZ_64K

/*
 * Nothing is cached, so that O_DIRECT asks for what there is; and nothing
 * waits, so that io_uring need not send a read to a thread.
 */
static int daxfs_file_open(struct inode *inode, struct file *file)
{
	file->f_mode |= FMODE_CAN_ODIRECT | FMODE_NOWAIT;
	return generic_file_open(inode, file);
}

/*
 * Why not a byte was copied: the destination is not there, has no page for it, or
 * the source is damaged.
 */
static int daxfs_read_error(const u8 *source, struct iov_iter *to)
{
	u8 byte;

	if (daxfs_iter_is_pipe(to))
		return copy_mc_to_kernel(&byte, source, 1) ? -EIO : -ENOMEM;
	return iov_iter_count(to) && !fault_in_iov_iter_writeable(to, 1) ?
		-EIO : -EFAULT;
}

/*
 * _copy_mc_to_iter() and not copy_to_iter(): it stops at a line of memory that
 * the hardware reports as poisoned, where the other would end in a panic. And
 * what the hardened-usercopy check would look up for every piece, the checks of
 * image.c have settled.
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
		const size_t now = _copy_mc_to_iter(content + position + copied,
						    piece, to);

		copied += now;
		if (now < piece || fatal_signal_pending(current))
			break;
		cond_resched();
	}
	if (copied == 0)
		return daxfs_read_error(content + position, to);
	iocb->ki_pos += copied;
	return copied;
}

/* One extent, whose place is counted from the start of the image. */
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
