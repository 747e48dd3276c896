// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies of file content out of an image, by the machine-check-safe functions of the
 * kernel: they stop at memory that the hardware reports as poisoned, where others
 * panic.
 */
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "compat.h"
#include "daxfs.h"

/*
 * Bytes copied between two calls of cond_resched() and checks for a fatal signal: the
 * memory of a device may be slow.
 */
#define DAXFS_READ_SLICE SZ_64K

/*
 * Why nothing was copied: the destination can't be written, a pipe got no page, or the
 * source is poisoned.
 */
static int daxfs_content_error(const u8 *source, struct iov_iter *to)
{
	u8 byte;

	if (daxfs_iter_is_pipe(to))
		return copy_mc_to_kernel(&byte, source, 1) ? -EIO : -ENOMEM;
	return iov_iter_count(to) && !fault_in_iov_iter_writeable(to, 1) ?
		-EIO : -EFAULT;
}

/**
 * daxfs_content_to_iter() - copy content to where a read wants it
 * @image: the image
 * @node: a regular file
 * @position: in the file
 * @count: bytes, inside the file; not 0
 * @to: destination
 *
 * Calls _copy_mc_to_iter(), which unlike copy_mc_to_iter() does without the check of
 * hardened usercopy: the source is inside the image, as image.c has checked.
 *
 * Return: number of bytes copied, which may be less than @count, or a negative errno.
 */
ssize_t daxfs_content_to_iter(const struct daxfs_image *image,
			      const struct daxfs_node *node, u64 position,
			      size_t count, struct iov_iter *to)
{
	const u8 *source = image->base + node->data_offset + position;
	size_t copied = 0;

	while (copied < count) {
		const size_t slice = min_t(size_t, count - copied, DAXFS_READ_SLICE);
		const size_t done = _copy_mc_to_iter(source + copied, slice, to);

		copied += done;
		if (done < slice || fatal_signal_pending(current))
			break;
		cond_resched();
	}
	if (copied == 0)
		return daxfs_content_error(source, to);
	return copied;
}

/**
 * daxfs_content_copy() - copy content to kernel memory
 * @image: the image
 * @node: a regular file
 * @position: in the file
 * @to: destination
 * @count: bytes; may reach past the end of the file to the end of its last page
 *
 * Return: 0, or -EIO if the memory is poisoned.
 */
int daxfs_content_copy(const struct daxfs_image *image,
		       const struct daxfs_node *node, u64 position, void *to,
		       size_t count)
{
	return copy_mc_to_kernel(to, image->base + node->data_offset + position,
				 count) ? -EIO : 0;
}
