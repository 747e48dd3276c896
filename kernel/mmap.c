// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regular files: mappings of the memory itself.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "compat.h"
#include "daxfs.h"

/*
 * Pages that a fault maps at once, around the one that is wanted: a fault
 * costs far more than a page table entry.
 */
#define DAXFS_FAULT_AROUND 16

/*
 * The first write to a page of a private mapping. Left to itself the kernel
 * would map the page and then copy it through the address of whoever runs this,
 * which is somebody else's for ptrace(2) and process_vm_writev(2).
 */
static vm_fault_t daxfs_fault_copy(struct vm_fault *vmf, const void *content)
{
	struct page *page = alloc_page(GFP_HIGHUSER);

	if (!page)
		return VM_FAULT_OOM;
	memcpy_to_page(page, 0, content, PAGE_SIZE);
	lock_page(page);
	vmf->page = page;
	return VM_FAULT_LOCKED;
}

static vm_fault_t daxfs_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct inode *inode = file_inode(vma->vm_file);
	const struct daxfs_backing *backing = &DAXFS_SB(inode->i_sb)->backing;
	const u64 content = DAXFS_I(inode)->node.data_offset;
	const pgoff_t pages = DIV_ROUND_UP_ULL(i_size_read(inode), PAGE_SIZE);
	const pgoff_t first = round_down(vmf->pgoff, DAXFS_FAULT_AROUND);
	vm_fault_t result;
	pgoff_t at;

	if (vmf->pgoff >= pages)
		return VM_FAULT_SIGBUS;
	if (vmf->cow_page)
		return daxfs_fault_copy(vmf, DAXFS_SB(inode->i_sb)->image.base +
					content + ((u64)vmf->pgoff << PAGE_SHIFT));
	result = daxfs_insert_pfn(vma, vmf->address & PAGE_MASK,
				  backing->operations->pfn(backing, content +
							   ((u64)vmf->pgoff << PAGE_SHIFT)));
	if (result != VM_FAULT_NOPAGE)
		return result;

	for (at = first; at < first + DAXFS_FAULT_AROUND && at < pages; at++) {
		unsigned long address;

		if (at == vmf->pgoff || at < vma->vm_pgoff ||
		    at >= vma->vm_pgoff + vma_pages(vma))
			continue;
		address = vma->vm_start + ((at - vma->vm_pgoff) << PAGE_SHIFT);
		/* Leaves what is mapped already, as a private copy, alone. */
		if (daxfs_insert_pfn(vma, address,
				     backing->operations->pfn(backing, content +
							      ((u64)at << PAGE_SHIFT))) !=
		    VM_FAULT_NOPAGE)
			break;
	}
	return result;
}

/*
 * There is nothing to do. But without it mremap() grows a mapping in place by
 * merging it with one that it makes behind it, and VM_MIXEDMAP never merges.
 */
static void daxfs_vma_close(struct vm_area_struct *vma)
{
}

static const struct vm_operations_struct daxfs_vm_operations = {
	.close = daxfs_vma_close,
	.fault = daxfs_fault,
};

/**
 * daxfs_mmap() - map a file
 * @file: the file
 * @vma: the mapping
 *
 * VM_MIXEDMAP for private mappings as well: their pages come from the image
 * until they are written.
 *
 * Return: 0, or -EACCES for a shared writable mapping.
 */
int daxfs_mmap(struct file *file, struct vm_area_struct *vma)
{
	if ((vma->vm_flags & VM_SHARED) && (vma->vm_flags & VM_MAYWRITE))
		return -EACCES;
	vm_flags_set(vma, VM_MIXEDMAP);
	vma->vm_ops = &daxfs_vm_operations;
	return 0;
}
