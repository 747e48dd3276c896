// SPDX-License-Identifier: GPL-2.0-only
/*
 * What orders small and huge faults.
 *
 * A pmd entry is empty, points to a page table, or maps 2 MiB at once. Whoever
 * inserts small entries must find one of the first two. The functions that insert
 * for a driver (vmf_insert_mixed(), vmf_insert_page(), vm_insert_pages(),
 * apply_to_page_range()) don't look, or look too early: before 6.5 they take a huge
 * entry that another thread made meanwhile for a page table, and write page table
 * entries into the image; since then they fail with -ENOMEM, which would be EFAULT
 * for a system call. This is what may change a pmd entry of a mapping while one
 * of its faults runs, and what orders it:
 *
 * empty -> table: faults, and the kernel's finish_fault() for private copies.
 *	pmd_lock(), inside the kernel. Harmless to both kinds of fault: a huge one
 *	that finds a table inserts nothing, and the access comes back as a small one.
 *
 * empty -> huge: daxfs_huge_fault(), and nothing else. khugepaged and
 *	MADV_COLLAPSE collapse what is in the page cache, where nothing of a file
 *	is; the huge zero page is for anonymous memory. The write lock here.
 *
 * huge -> empty: zaps of MADV_DONTNEED and the like, splits for a private write,
 *	truncation (which there is none of). pmd_lock(), inside the kernel, with no
 *	lock that a fault would wait for. Harmless: empty is what a small fault
 *	wants, and a huge one that finds an entry leaves it.
 *
 * table -> empty: before 6.14 only where no fault can run, see below. Since then
 *	(CONFIG_PT_RECLAIM) MADV_DONTNEED frees a page table that it has emptied,
 *	under pmd_lock() and the lock of the table. Functions that insert notice,
 *	and fail: daxfs_insert() in mmap.c tells this from a lack of memory.
 *
 * So a small fault looks at the pmd entry and inserts, what it maps around itself
 * included, with the read lock, and a huge one inserts with the write lock. Small
 * faults don't wait for each other.
 *
 * What is not ordered here, because it is outside:
 *
 * - mmap(), munmap(), mremap(), mprotect(), fork(), exec() and exit hold mmap_lock
 *   for writing, and since 6.4 mark the mapping as written (vma_start_write()). A
 *   fault holds mmap_lock for reading or, since 6.7, the lock of its mapping, so
 *   that its bounds, and the page tables above the pmd entry, stay. munmap() gives
 *   mmap_lock back for reading before it frees page tables, but the mapping is in
 *   no tree then, and a table that is shared with a neighbour is not freed.
 * - Mappings that share a pmd entry: a huge entry wants a mapping that covers all
 *   of its 2 MiB, so that a small fault of one that doesn't never meets one. Faults
 *   of other processes have pmd entries of their own.
 * - The end of a mount: put_super() gives the memory back when no file is open,
 *   and a mapping keeps its file open. There is no mapping left, and nothing calls
 *   unmap_mapping_range().
 * - Private copies: the fault hands a page to the kernel, which copies it, and
 *   finish_fault() looks at the pmd entry for itself, on every kernel.
 * - 6.1 looks at a pmd entry twice before it calls the small fault, with
 *   pmd_devmap_trans_unstable(). If another thread empties a huge entry and makes
 *   it again between the two, it says "bad pmd" and empties it. That is in the
 *   kernel, for all that map devices in huge pages.
 *
 * A lock is for the address of the pmd entry, by its hash: unrelated ones may
 * share it, which costs time and no more. It is held over the allocation of a page
 * table. Reclaim takes none of these locks, as it neither faults nor waits for
 * mmap_lock; nothing is copied to or from user space under it, and no second one is
 * taken. Inside are pmd_lock() and page table locks, outside mmap_lock or the
 * lock of the mapping.
 */
#include <linux/cache.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/rwsem.h>

#include "fault_lock.h"

#define DAXFS_FAULT_LOCK_BITS 8

static struct {
	struct rw_semaphore lock;
} ____cacheline_aligned_in_smp daxfs_fault_locks[1 << DAXFS_FAULT_LOCK_BITS];

static struct rw_semaphore *daxfs_fault_lock_of(const struct vm_fault *vmf)
{
	return &daxfs_fault_locks[hash_ptr(vmf->pmd, DAXFS_FAULT_LOCK_BITS)].lock;
}

/**
 * daxfs_fault_locks_init() - once, before the first mount
 */
void daxfs_fault_locks_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(daxfs_fault_locks); i++)
		init_rwsem(&daxfs_fault_locks[i].lock);
}

/**
 * daxfs_fault_lock_small() - keep huge entries out while small ones are made
 * @vmf: the fault
 *
 * Return: what to unlock, or NULL where another fault has mapped the 2 MiB
 * meanwhile: there is nothing to do, and the access is to be tried again.
 */
struct rw_semaphore *daxfs_fault_lock_small(struct vm_fault *vmf)
{
	struct rw_semaphore *lock = daxfs_fault_lock_of(vmf);
	pmd_t entry;

	down_read(lock);
	entry = READ_ONCE(*vmf->pmd);
	if (pmd_none(entry) || (pmd_present(entry) && !pmd_leaf(entry)))
		return lock;
	up_read(lock);
	return NULL;
}

/**
 * daxfs_fault_unlock_small() - the counterpart
 * @lock: what daxfs_fault_lock_small() has returned
 */
void daxfs_fault_unlock_small(struct rw_semaphore *lock)
{
	up_read(lock);
}

/**
 * daxfs_fault_lock_huge() - keep small faults out while a huge entry is made
 * @vmf: the fault
 *
 * Return: what to unlock.
 */
struct rw_semaphore *daxfs_fault_lock_huge(struct vm_fault *vmf)
{
	struct rw_semaphore *lock = daxfs_fault_lock_of(vmf);

	down_write(lock);
	return lock;
}

/**
 * daxfs_fault_unlock_huge() - the counterpart
 * @lock: what daxfs_fault_lock_huge() has returned
 */
void daxfs_fault_unlock_huge(struct rw_semaphore *lock)
{
	up_write(lock);
}
