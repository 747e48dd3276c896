/* SPDX-License-Identifier: ((GPL-2.0-only WITH Linux-syscall-note) OR MIT) */
/*
 * ioctl(2) on any file or directory of a daxfs mount. Both commands need CAP_SYS_ADMIN,
 * since they give access to the memory itself.
 */
#ifndef _DAXFS_IOCTL_H
#define _DAXFS_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct daxfs_extent - physical memory of file content
 * @offset: in the file; set by the caller
 * @physical: physical address of that byte; set by the kernel
 * @length: number of bytes from there on that are contiguous in physical memory, at
 *	most to the end of the file; set by the kernel
 */
struct daxfs_extent {
	__u64 offset;
	__u64 physical;
	__u64 length;
};

/*
 * Returns a new file descriptor, close-on-exec, of the dma-buf of the mount. EOPNOTSUPP
 * if the memory is not that of a dma-buf.
 */
#define DAXFS_IOC_GET_DMABUF _IO('D', 0xa0)

/* Regular files only. ENXIO at or past the end. */
#define DAXFS_IOC_GET_EXTENT _IOWR('D', 0xa1, struct daxfs_extent)

#endif /* _DAXFS_IOCTL_H */
