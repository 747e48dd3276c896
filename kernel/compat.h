/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All differences between kernel versions.
 */
#ifndef _DAXFS_COMPAT_H
#define _DAXFS_COMPAT_H

#include <linux/dma-buf.h>
#include <linux/exportfs.h>
#include <linux/fs.h>
#include <linux/huge_mm.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uio.h>
#include <linux/uuid.h>
#include <linux/version.h>

/* The newest series that the tests ran on; explain-failure.sh reads it. */
#define DAXFS_NEWEST_TESTED "7.2"

#define DAXFS_KERNEL_BEFORE(major, minor) \
	(KERNEL_VERSION(major, minor, 0) > LINUX_VERSION_CODE)

/* 6.2 renamed the operation that reads an ACL without a dentry. */
#if DAXFS_KERNEL_BEFORE(6, 2)
#define DAXFS_GET_INODE_ACL get_acl
#else
#define DAXFS_GET_INODE_ACL get_inode_acl
#endif

/* 6.2 moved the ACL xattrs out of the handlers of a filesystem. */
#if DAXFS_KERNEL_BEFORE(6, 2)
#define DAXFS_ACL_XATTR_HANDLERS \
	&posix_acl_access_xattr_handler, &posix_acl_default_xattr_handler,
#else
#define DAXFS_ACL_XATTR_HANDLERS
#endif

/* 6.2 renamed the functions for callers that don't hold the reservation lock. */
#if DAXFS_KERNEL_BEFORE(6, 2)
#define dma_buf_map_attachment_unlocked dma_buf_map_attachment
#define dma_buf_unmap_attachment_unlocked dma_buf_unmap_attachment
#define dma_buf_vmap_unlocked dma_buf_vmap
#define dma_buf_vunmap_unlocked dma_buf_vunmap
#endif

/* 6.3 made vm_flags private. */
#if DAXFS_KERNEL_BEFORE(6, 3)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

/* 6.3 moved leases to their own header. */
#if !DAXFS_KERNEL_BEFORE(6, 3)
#include <linux/filelock.h>
#endif

/* 6.3 gave the idmapping of a mount its own type. */
#if DAXFS_KERNEL_BEFORE(6, 3)
#define mnt_idmap user_namespace
#endif

/*
 * Before 6.4 mremap() grows a mapping in place by merging it with a new one after it,
 * which is impossible with VM_MIXEDMAP, unless there is a .close. Since then a .close
 * only prevents merging.
 */
#define DAXFS_MREMAP_WANTS_CLOSE DAXFS_KERNEL_BEFORE(6, 4)

/* 6.5 added a splice_read for files that don't use the page cache. */
#if DAXFS_KERNEL_BEFORE(6, 5)
#define DAXFS_SPLICE_READ generic_file_splice_read
#else
#define DAXFS_SPLICE_READ copy_splice_read
#endif

/* Before 6.5 a splice reads into a pipe, which allocates pages as it is filled. */
static inline bool daxfs_iter_is_pipe(const struct iov_iter *iter)
{
#if DAXFS_KERNEL_BEFORE(6, 5)
	return iov_iter_is_pipe(iter);
#else
	return false;
#endif
}

/*
 * Before 6.5 what walks page tables without their lock may take a huge DAX entry for a
 * damaged one (pmd_none_or_trans_huge_or_clear_bad()), as MADV_COLD and MADV_PAGEOUT
 * do for any user. It logs "bad pmd" and then clears the entry, whatever that is by
 * then. A page table that a fault has put there meanwhile is lost, and the references
 * of its entries stay for ever. So there no 2 MiB may have a huge entry at one time
 * and a page table at another: private mappings, where writes make page tables, have
 * no huge entries, and in others no fault makes a page table where a huge entry is
 * possible.
 */
#define DAXFS_CLEARS_BAD_PMD DAXFS_KERNEL_BEFORE(6, 5)

/* Whether a mapping can have huge entries, by its kind. */
static inline bool daxfs_vma_can_be_huge(const struct vm_area_struct *vma)
{
	return !DAXFS_CLEARS_BAD_PMD || vma->vm_flags & VM_MAYSHARE;
}

/* Whether a fault that the kernel wants to be small must make a huge entry. */
static inline bool daxfs_small_fault_is_huge(const struct vm_area_struct *vma)
{
#if DAXFS_CLEARS_BAD_PMD
	/* MADV_NOHUGEPAGE as well: huge entries from before it are still there. */
	return vma_is_dax(vma) && has_transparent_hugepage();
#else
	return false;
#endif
}

/* 6.6 made the change time of an inode private, 6.7 the others. */
static inline void daxfs_inode_set_times(struct inode *inode,
					 struct timespec64 time)
{
#if DAXFS_KERNEL_BEFORE(6, 6)
	inode->i_ctime = time;
#else
	inode_set_ctime_to_ts(inode, time);
#endif
#if DAXFS_KERNEL_BEFORE(6, 7)
	inode->i_mtime = time;
	inode->i_atime = time;
#else
	inode_set_mtime_to_ts(inode, time);
	inode_set_atime_to_ts(inode, time);
#endif
}

/* 6.6 added the request mask to generic_fillattr(). */
static inline void daxfs_fillattr(struct mnt_idmap *idmap, u32 request_mask,
				  struct inode *inode, struct kstat *stat)
{
#if DAXFS_KERNEL_BEFORE(6, 6)
	generic_fillattr(idmap, inode, stat);
#else
	generic_fillattr(idmap, request_mask, inode, stat);
#endif
}

/* 6.6 replaced the size of a huge fault by its order. */
#if DAXFS_KERNEL_BEFORE(6, 6)
#define DAXFS_FAULT_SIZE enum page_entry_size
#define DAXFS_FAULT_PMD PE_SIZE_PMD
#else
#define DAXFS_FAULT_SIZE unsigned int
#define DAXFS_FAULT_PMD PMD_ORDER
#endif

/*
 * Since 6.7 a fault runs with only the lock of its mapping; but without .map_pages it is
 * repeated with mmap_lock.
 */
#define DAXFS_FAULT_WANTS_MAP_PAGES (!DAXFS_KERNEL_BEFORE(6, 7))

/* 6.7 removed the default of encode_fh. */
#if DAXFS_KERNEL_BEFORE(6, 7)
#define DAXFS_ENCODE_FH NULL
#else
#define DAXFS_ENCODE_FH generic_encode_ino32_fh
#endif

/* 6.9 added FS_IOC_GETFSUUID, which returns the UUID that was set this way. */
#if DAXFS_KERNEL_BEFORE(6, 9)
static inline void super_set_uuid(struct super_block *sb, const u8 *uuid,
				  unsigned int len)
{
	memcpy(&sb->s_uuid, uuid, len);
}
#endif

/* 6.10 dropped the source argument of __assign_str(). */
#if DAXFS_KERNEL_BEFORE(6, 10)
#define DAXFS_ASSIGN_STR(field, source, len) \
	__assign_str_len(field, source, len)
#else
#define DAXFS_ASSIGN_STR(field, source, len) __assign_str(field)
#endif

/*
 * Before 6.12 only anonymous memory and files with S_DAX get huge faults. S_DAX has a
 * price: pages can't be pinned for long, and core dumps leave out private ones.
 */
#define DAXFS_HUGE_NEEDS_S_DAX DAXFS_KERNEL_BEFORE(6, 12)

/* 6.13 made the namespace of symbols a string. */
#if DAXFS_KERNEL_BEFORE(6, 13)
#define DAXFS_IMPORT_DMA_BUF MODULE_IMPORT_NS(DMA_BUF)
#else
#define DAXFS_IMPORT_DMA_BUF MODULE_IMPORT_NS("DMA_BUF")
#endif

/* 6.17 dropped pfn_t. */
#if DAXFS_KERNEL_BEFORE(6, 17)
#include <linux/pfn_t.h>
#endif

/* Maps a page of memory without struct pages. */
static inline vm_fault_t daxfs_insert_pfn(struct vm_area_struct *vma,
					  unsigned long address,
					  unsigned long pfn)
{
#if DAXFS_KERNEL_BEFORE(6, 17)
	return vmf_insert_mixed(vma, address, __pfn_to_pfn_t(pfn, PFN_DEV));
#else
	return vmf_insert_mixed(vma, address, pfn);
#endif
}

/*
 * 6.17 maps pages of devices like any others, which needs a mapping without VM_MIXEDMAP:
 * with it, a huge page loses its reference when it is split.
 */
#define DAXFS_PAGES_WANT_MIXEDMAP DAXFS_KERNEL_BEFORE(6, 17)

/*
 * The order of the folios that memremap_pages() makes. Since 6.17 a huge entry needs a
 * whole folio. Before, single pages are enough, and folios would stay incomplete in a
 * section that also has System RAM: "Bad page map" on 6.12.
 */
#if DAXFS_KERNEL_BEFORE(6, 17)
#define DAXFS_PAGEMAP_ORDER 0
#else
#define DAXFS_PAGEMAP_ORDER (PMD_SHIFT - PAGE_SHIFT)
#endif

/* Maps a page for which memremap_pages() has made a struct page. */
static inline vm_fault_t daxfs_insert_page(struct vm_area_struct *vma,
					   unsigned long address,
					   unsigned long pfn)
{
#if DAXFS_KERNEL_BEFORE(6, 17)
	return vmf_insert_page(vma, address, pfn_to_page(pfn));
#else
	/* Only these two are used. */
	struct vm_fault vmf = { .vma = vma, .address = address };

	return vmf_insert_page_mkwrite(&vmf, pfn_to_page(pfn), false);
#endif
}

/*
 * Maps those of several contiguous pages that are not mapped yet. Since 6.17
 * vm_insert_pages() would set VM_MIXEDMAP.
 */
#define DAXFS_INSERT_PAGES_MAX 16
static inline void daxfs_insert_pages(struct vm_area_struct *vma,
				      unsigned long address, unsigned long pfn,
				      unsigned long count)
{
#if DAXFS_KERNEL_BEFORE(6, 17)
	struct page *pages[DAXFS_INSERT_PAGES_MAX];
	unsigned long done, left, i;

	for (i = 0; i < count; i++)
		pages[i] = pfn_to_page(pfn + i);
	for (done = 0; done < count; done = count - left + 1) {
		left = count - done;
		if (vm_insert_pages(vma, address + done * PAGE_SIZE,
				    pages + done, &left) != -EBUSY)
			break;
	}
#else
	for (; count; count--, pfn++, address += PAGE_SIZE)
		if (daxfs_insert_page(vma, address, pfn) != VM_FAULT_NOPAGE)
			break;
#endif
}

/* Maps the huge page around a fault, as daxfs_insert_page() does a small one. */
static inline vm_fault_t daxfs_insert_page_pmd(struct vm_fault *vmf,
					       unsigned long pfn)
{
#if DAXFS_KERNEL_BEFORE(6, 17)
	return vmf_insert_pfn_pmd(vmf, __pfn_to_pfn_t(pfn, PFN_DEV | PFN_MAP),
				  false);
#else
	return vmf_insert_folio_pmd(vmf, page_folio(pfn_to_page(pfn)), false);
#endif
}

/* 6.18 dropped the second argument. */
static inline struct dev_pagemap *daxfs_get_dev_pagemap(unsigned long pfn)
{
#if DAXFS_KERNEL_BEFORE(6, 18)
	return get_dev_pagemap(pfn, NULL);
#else
	return get_dev_pagemap(pfn);
#endif
}

/* 6.19 made the state of an inode a structure. */
#if DAXFS_KERNEL_BEFORE(6, 19)
static inline unsigned long inode_state_read_once(struct inode *inode)
{
	return READ_ONCE(inode->i_state);
}
#endif

#endif /* _DAXFS_COMPAT_H */
