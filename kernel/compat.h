/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between kernel versions, and nothing else.
 */
#ifndef _DAXFS_COMPAT_H
#define _DAXFS_COMPAT_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pfn_t.h>
#include <linux/version.h>

/* 6.2 renamed the operation that reads an ACL from an inode alone. */
#if KERNEL_VERSION(6, 2, 0) > LINUX_VERSION_CODE
#define DAXFS_GET_INODE_ACL get_acl
#else
#define DAXFS_GET_INODE_ACL get_inode_acl
#endif

/* 6.2 moved the ACL xattrs out of the handlers of a filesystem. */
#if KERNEL_VERSION(6, 2, 0) > LINUX_VERSION_CODE
#define DAXFS_ACL_XATTR_HANDLERS \
	&posix_acl_access_xattr_handler, &posix_acl_default_xattr_handler,
#else
#define DAXFS_ACL_XATTR_HANDLERS
#endif

/* 6.3 made vm_flags private. */
#if KERNEL_VERSION(6, 3, 0) > LINUX_VERSION_CODE
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

/* 6.5 gave files that don't use the page cache a splice of their own. */
#if KERNEL_VERSION(6, 5, 0) > LINUX_VERSION_CODE
#define DAXFS_SPLICE_READ generic_file_splice_read
#else
#define DAXFS_SPLICE_READ copy_splice_read
#endif

/* 6.6 made the change time of an inode private, 6.7 the others. */
static inline void daxfs_inode_set_times(struct inode *inode,
					 struct timespec64 time)
{
#if KERNEL_VERSION(6, 6, 0) > LINUX_VERSION_CODE
	inode->i_ctime = time;
#else
	inode_set_ctime_to_ts(inode, time);
#endif
#if KERNEL_VERSION(6, 7, 0) > LINUX_VERSION_CODE
	inode->i_mtime = time;
	inode->i_atime = time;
#else
	inode_set_mtime_to_ts(inode, time);
	inode_set_atime_to_ts(inode, time);
#endif
}

static inline vm_fault_t daxfs_insert_pfn(struct vm_area_struct *vma,
					  unsigned long address,
					  unsigned long pfn)
{
	return vmf_insert_mixed(vma, address, __pfn_to_pfn_t(pfn, PFN_DEV));
}

#endif /* _DAXFS_COMPAT_H */
