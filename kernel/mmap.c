// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regular files: mmap of the memory itself.
 */
#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "compat.h"
#include "daxfs.h"
#include "fault_lock.h"
#include "trace.h"

/*
 * Pages that a fault maps at once, around the faulting one: a fault costs far more than
 * a page table entry. Measured in instructions on 6.12, without struct pages: windows
 * of 16, 64 and 512 pages take 300, 140 and 90 for each page of a file that is read to
 * its end, and 5,500, 8,000 and 16,000 for a single page. A shell that forks takes
 * 1.5 % more with 64 than with 16, and dynamic programs up to 1 % less. With struct
 * pages an entry costs ten times as much, since its page is counted when it is mapped
 * and unmapped, and large files have huge entries there.
 */
#define DAXFS_FAULT_AROUND_PAGES DAXFS_INSERT_PAGES_MAX
#define DAXFS_FAULT_AROUND_PFNS 64

static const struct daxfs_backing *daxfs_backing_of(const struct inode *inode)
{
	return DAXFS_SB(inode->i_sb)->backing;
}

/* Offset of a page of a file from the start of the image. */
static u64 daxfs_page_offset(const struct inode *inode, pgoff_t page)
{
	return DAXFS_I(inode)->node.data_offset + ((u64)page << PAGE_SHIFT);
}

static pgoff_t daxfs_page_count(const struct inode *inode)
{
	return DIV_ROUND_UP_ULL(i_size_read(inode), PAGE_SIZE);
}

/*
 * The first write to a page of a private mapping. The kernel itself would map the page
 * and then copy it through the faulting address in the current address space, which is
 * the wrong one for ptrace(2) and process_vm_writev(2).
 */
static vm_fault_t daxfs_fault_copy(struct vm_fault *vmf,
				   const struct inode *inode)
{
	struct page *page = alloc_page(GFP_HIGHUSER);
	void *address;
	int err;

	if (!page)
		return VM_FAULT_OOM;
	address = kmap_local_page(page);
	err = daxfs_content_copy(daxfs_image_of(inode), &DAXFS_I(inode)->node,
				 (u64)vmf->pgoff << PAGE_SHIFT, address,
				 PAGE_SIZE);
	kunmap_local(address);
	if (err) {
		__free_page(page);
		return VM_FAULT_HWPOISON;
	}
	lock_page(page);
	vmf->page = page;
	return VM_FAULT_LOCKED;
}

/*
 * With CONFIG_PT_RECLAIM, MADV_DONTNEED may free the page table that a fault has just
 * found or allocated, before the fault locks it. The kernel reports that as a lack
 * of memory; if there is memory, the access must be retried instead.
 */
static bool daxfs_lost_page_table(void)
{
	struct page *page;

	if (!IS_ENABLED(CONFIG_PT_RECLAIM))
		return false;
	page = alloc_page(GFP_KERNEL_ACCOUNT);
	if (!page)
		return false;
	__free_page(page);
	return true;
}

static vm_fault_t daxfs_insert(const struct daxfs_backing *backing,
			       struct vm_area_struct *vma,
			       unsigned long address, unsigned long pfn)
{
	vm_fault_t result;

	if (backing->pagemap)
		result = daxfs_insert_page(vma, address, pfn);
	else
		result = daxfs_insert_pfn(vma, address, pfn);
	if (result == VM_FAULT_OOM && daxfs_lost_page_table())
		return VM_FAULT_NOPAGE;
	return result;
}

#if defined(CONFIG_ARCH_HAS_PTE_SPECIAL) && defined(CONFIG_HAVE_IOREMAP_PROT)
struct daxfs_pfn_window {
	const struct daxfs_backing *backing;
	struct vm_area_struct *vma;
	unsigned long start;	/* first address */
	unsigned long wanted;	/* address that the fault has mapped */
	unsigned long pfn;	/* page frame mapped there */
	u64 offset;		/* of the next page, in the image */
	pgprot_t prot;
};

/*
 * Called with the lock of the page table, which covers the whole window. The entry that
 * the fault has inserted is in it, with the caching attributes that the kernel has
 * chosen for this memory. By now it may be gone, or map a private copy that can be
 * written: it is the model for others only if it still maps the page of the image.
 */
static int daxfs_map_pfn(pte_t *pte, unsigned long address, void *data)
{
	struct daxfs_pfn_window *window = data;
	const struct daxfs_backing *backing = window->backing;
	unsigned long pfn;

	if (address == window->start) {
		const pte_t model = ptep_get(pte + PHYS_PFN(window->wanted -
							    address));

		if (!pte_present(model) || !pte_special(model) ||
		    pte_write(model) || pte_pfn(model) != window->pfn)
			return -EAGAIN;
		window->prot = pte_pgprot(model);
	}
	if (pte_none(ptep_get(pte))) {
		pfn = backing->operations->pfn(backing, window->offset);
		if (pfn != DAXFS_NO_PFN)
			set_pte_at(window->vma->vm_mm, address, pte,
				   pte_mkspecial(pfn_pte(pfn, window->prot)));
	}
	window->offset += PAGE_SIZE;
	return 0;
}

/*
 * vmf_insert_mixed() would walk the page tables and look up the caching attributes for
 * each page, which costs 20 times as much.
 */
static void daxfs_map_pfns(const struct vm_fault *vmf, unsigned long pfn,
			   unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma = vmf->vma;
	const struct inode *inode = file_inode(vma->vm_file);
	struct daxfs_pfn_window window = {
		.backing = daxfs_backing_of(inode),
		.vma = vma,
		.offset = daxfs_page_offset(inode,
					    linear_page_index(vma, start)),
		.start = start,
		.wanted = vmf->address & PAGE_MASK,
		.pfn = pfn,
	};

	apply_to_page_range(vma->vm_mm, start, end - start, daxfs_map_pfn,
			    &window);
}
#else
/* Entries can't be copied on this architecture: a fault maps only its own page. */
static void daxfs_map_pfns(const struct vm_fault *vmf, unsigned long pfn,
			   unsigned long start, unsigned long end)
{
}
#endif

/*
 * Does not change pages that are already mapped, such as private copies. The window is
 * aligned by address, so that it never reaches into the next page table: there may be a
 * huge entry instead, which 6.1 would take for a table, and write to the image.
 */
static void daxfs_fault_around(const struct vm_fault *vmf, unsigned long pfn)
{
	struct vm_area_struct *vma = vmf->vma;
	const struct inode *inode = file_inode(vma->vm_file);
	const struct daxfs_backing *backing = daxfs_backing_of(inode);
	const unsigned long window = PAGE_SIZE * (backing->pagemap ?
						  DAXFS_FAULT_AROUND_PAGES :
						  DAXFS_FAULT_AROUND_PFNS);
	const unsigned long wanted = vmf->address & PAGE_MASK;
	const unsigned long first = ALIGN_DOWN(wanted, window);
	const unsigned long start = max(first, vma->vm_start);
	const u64 rest = (u64)(daxfs_page_count(inode) - vmf->pgoff)
			 << PAGE_SHIFT;
	unsigned long end = first + min(window, vma->vm_end - first);

	end = wanted + min_t(u64, end - wanted, rest);
	if (!backing->pagemap) {
		daxfs_map_pfns(vmf, pfn, start, end);
		return;
	}
	/* Memory with struct pages is contiguous. */
	daxfs_insert_pages(vma, start, pfn - PHYS_PFN(wanted - start),
			   PHYS_PFN(wanted - start));
	daxfs_insert_pages(vma, wanted + PAGE_SIZE, pfn + 1,
			   PHYS_PFN(end - wanted) - 1);
}

/*
 * The kernel goes from a huge entry to its struct page for pins, smaps and clear_refs,
 * and for a pin takes all 512 pages as one folio. Memory without struct pages has none,
 * and the pages of a dma-buf belong to many folios. Both are mapped in small pages.
 */
static bool daxfs_can_map_huge(const struct daxfs_backing *backing,
			       unsigned long pfn)
{
	return backing->pagemap && IS_ALIGNED(pfn, PHYS_PFN(PMD_SIZE));
}

/*
 * Finds the first page frame of a huge entry around a fault. All concurrent faults in
 * these 2 MiB get the same answer: it depends on the bounds of the mapping, which don't
 * change while a fault runs, and on constants. Return: whether there can be such an
 * entry.
 */
static bool daxfs_find_huge(const struct vm_fault *vmf, unsigned long *pfn)
{
	const struct vm_area_struct *vma = vmf->vma;
	const struct inode *inode = file_inode(vma->vm_file);
	const struct daxfs_backing *backing = daxfs_backing_of(inode);
	const unsigned long address = vmf->address & PMD_MASK;
	pgoff_t first;

	if (!daxfs_vma_can_be_huge(vma) || address < vma->vm_start ||
	    vma->vm_end - address < PMD_SIZE)
		return false;
	first = vma->vm_pgoff + PHYS_PFN(address - vma->vm_start);
	if (first + PHYS_PFN(PMD_SIZE) > daxfs_page_count(inode))
		return false;
	*pfn = backing->operations->pfn(backing, daxfs_page_offset(inode, first));
	return daxfs_can_map_huge(backing, *pfn);
}

/*
 * Inserts a huge entry, unless there is one by now, or a page table. Return:
 * VM_FAULT_NOPAGE, also where it has inserted nothing: the access is retried.
 */
static vm_fault_t daxfs_map_huge(struct vm_fault *vmf, unsigned long pfn)
{
	struct rw_semaphore *lock = daxfs_fault_lock_huge(vmf);
	const vm_fault_t result = daxfs_insert_page_pmd(vmf, pfn);

	daxfs_fault_unlock_huge(lock);
	return result;
}

/* If no huge entry is possible, there is nothing to order, so no lock is taken. */
static vm_fault_t daxfs_map_small(struct vm_fault *vmf,
				  const struct daxfs_backing *backing,
				  unsigned long pfn)
{
	struct rw_semaphore *lock = NULL;
	unsigned long first;
	vm_fault_t result;

	if (daxfs_find_huge(vmf, &first)) {
		const bool huge = daxfs_small_fault_is_huge(vmf->vma);

		if (huge && pmd_none(READ_ONCE(*vmf->pmd)))
			return daxfs_map_huge(vmf, first);
		lock = daxfs_fault_lock_small(vmf);
		if (!lock)
			return VM_FAULT_NOPAGE;
		/* A huge entry was zapped since; a page table would stay. */
		if (huge && pmd_none(READ_ONCE(*vmf->pmd))) {
			daxfs_fault_unlock_small(lock);
			return VM_FAULT_NOPAGE;
		}
	}
	result = daxfs_insert(backing, vmf->vma, vmf->address & PAGE_MASK, pfn);
	if (result == VM_FAULT_NOPAGE)
		daxfs_fault_around(vmf, pfn);
	if (lock)
		daxfs_fault_unlock_small(lock);
	return result;
}

static vm_fault_t daxfs_fault(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	const struct daxfs_backing *backing = daxfs_backing_of(inode);
	vm_fault_t result = VM_FAULT_SIGBUS;

	if (vmf->pgoff < daxfs_page_count(inode)) {
		const u64 offset = daxfs_page_offset(inode, vmf->pgoff);
		const unsigned long pfn =
			backing->operations->pfn(backing, offset);

		if (vmf->cow_page)
			result = daxfs_fault_copy(vmf, inode);
		else if (pfn != DAXFS_NO_PFN)
			result = daxfs_map_small(vmf, backing, pfn);
	}
	trace_daxfs_fault(inode, vmf, PAGE_SIZE, result);
	return result;
}

static vm_fault_t daxfs_huge_fault(struct vm_fault *vmf, DAXFS_FAULT_SIZE size)
{
	unsigned long pfn;
	vm_fault_t result;

	/* Private pages are copied one by one. */
	if (size != DAXFS_FAULT_PMD || vmf->flags & FAULT_FLAG_WRITE ||
	    !daxfs_find_huge(vmf, &pfn))
		return VM_FAULT_FALLBACK;
	result = daxfs_map_huge(vmf, pfn);
	trace_daxfs_fault(file_inode(vmf->vma->vm_file), vmf, PMD_SIZE, result);
	return result;
}

/*
 * Reads of debuggers from memory without struct pages, which the kernel can't access
 * itself. Before a write the kernel has made a private copy, which it can access.
 */
static int daxfs_vma_access(struct vm_area_struct *vma, unsigned long address,
			    void *buffer, int length, int write)
{
	const struct inode *inode = file_inode(vma->vm_file);
	const u64 start = ((u64)vma->vm_pgoff << PAGE_SHIFT) +
			  (address - vma->vm_start);
	const u64 end = (u64)daxfs_page_count(inode) << PAGE_SHIFT;
	u64 count = min_t(u64, length, vma->vm_end - address);
	int err;

	if (write || start >= end)
		return -EIO;
	count = min(count, end - start);
	err = daxfs_content_copy(daxfs_image_of(inode), &DAXFS_I(inode)->node,
				 start, buffer, count);
	return err ? err : count;
}

/* Does nothing; it only has to exist, see DAXFS_MREMAP_WANTS_CLOSE. */
static void daxfs_vma_close(struct vm_area_struct *vma)
{
}

/*
 * Does nothing either, see DAXFS_FAULT_WANTS_MAP_PAGES. daxfs_fault() maps the pages
 * around the faulting one: it may allocate page tables, which is not allowed here.
 */
static vm_fault_t daxfs_map_pages(struct vm_fault *vmf, pgoff_t first,
				  pgoff_t last)
{
	return 0;
}

static const struct vm_operations_struct daxfs_vm_operations = {
	.close = DAXFS_MREMAP_WANTS_CLOSE ? daxfs_vma_close : NULL,
	.fault = daxfs_fault,
	.huge_fault = daxfs_huge_fault,
	.map_pages = DAXFS_FAULT_WANTS_MAP_PAGES ? daxfs_map_pages : NULL,
	.access = daxfs_vma_access,
};

/**
 * daxfs_mmap() - map a file
 * @file: the file
 * @vma: the mapping
 *
 * VM_MIXEDMAP also for private mappings: they map pages of the image until they are
 * written.
 *
 * Return: 0, or -EACCES for a shared writable mapping.
 */
int daxfs_mmap(struct file *file, struct vm_area_struct *vma)
{
	if ((vma->vm_flags & VM_SHARED) && (vma->vm_flags & VM_MAYWRITE))
		return -EACCES;
	if (DAXFS_PAGES_WANT_MIXEDMAP ||
	    !daxfs_backing_of(file_inode(file))->pagemap)
		vm_flags_set(vma, VM_MIXEDMAP);
	vma->vm_ops = &daxfs_vm_operations;
	return 0;
}
