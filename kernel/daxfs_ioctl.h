/* SPDX-License-Identifier: ((GPL-2.0-only WITH Linux-syscall-note) OR MIT) */
/*
 * ioctl(2) on any file or directory of a daxfs mount. Both need CAP_SYS_ADMIN:
 * they give away the memory itself.
 */
#ifndef _DAXFS_IOCTL_H
#define _DAXFS_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct daxfs_extent - where content lies in physical memory
 * @offset: into the file; in
 * @physical: address of that byte; out
 * @length: bytes from there on that lie one after the other, to the end of the
 *	file at most; out
 */
struct daxfs_extent {
	__u64 offset;
	__u64 physical;
	__u64 length;
};

/*
 * Returns a new descriptor, close-on-exec, of the dma-buf that the mount reads.
 * EOPNOTSUPP where the memory is named by a physical address.
 */
#define DAXFS_IOC_GET_DMABUF _IO('D', 0xa0)

/* Regular files. ENXIO at or past the end. */
#define DAXFS_IOC_GET_EXTENT _IOWR('D', 0xa1, struct daxfs_extent)

#endif /* _DAXFS_IOCTL_H */
