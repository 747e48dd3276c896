// SPDX-License-Identifier: GPL-2.0-only
/*
 * What orders small and huge faults.
 *
 * A pmd entry is empty, points to a page table, or maps 2 MiB at once. A small fault
 * may insert its entries only in the first two cases. The functions that insert for
 * a driver (vmf_insert_mixed(), vmf_insert_page(), vm_insert_pages(),
 * apply_to_page_range()) don't check this, or check it too early. If another thread
 * makes the entry huge in between, kernels before 6.5 take the huge page for a page
 * table and write entries into the image. Later kernels fail with -ENOMEM, which a
 * system call that reads the mapping reports as EFAULT.
 *
 * While a fault of a mapping runs, its pmd entry can change in these ways:
 *
 * empty -> table: small faults, and finish_fault() for private copies, under
 *	pmd_lock(). Harmless to both kinds of fault: a huge one that finds a table
 *	inserts nothing, and the access faults again as a small one.
 *
 * empty -> huge: only daxfs_map_huge() in mmap.c, under the write lock of this file.
 *	khugepaged and MADV_COLLAPSE collapse what is in the page cache, where
 *	nothing of these files is; the huge zero page is for anonymous memory.
 *
 * huge -> empty: zaps (MADV_DONTNEED and others) and the split for a private
 *	write, under pmd_lock(). Files are never truncated. Harmless: a small fault
 *	may insert into an empty entry, and a huge one never replaces an entry.
 *
 * table -> empty: before 6.14 only where no fault can run, see below. Since 6.14
 *	(CONFIG_PT_RECLAIM) MADV_DONTNEED frees a page table that it has emptied,
 *	under pmd_lock() and the lock of the table. The functions that insert
 *	notice this and fail; daxfs_insert() in mmap.c tells it from a real lack of
 *	memory.
 *
 * So a small fault checks the pmd entry and inserts its entries, including those
 * around the faulting page, under the read lock. A huge fault inserts under the write
 * lock. Small faults don't exclude each other.
 *
 * The following needs no order from here:
 *
 * - mmap(), munmap(), mremap(), mprotect(), fork(), exec() and exit hold mmap_lock
 *   for writing and, since 6.4, write-lock the mapping (vma_start_write()). A fault
 *   holds mmap_lock for reading or, since 6.7, the read lock of its mapping. So the
 *   bounds of the mapping and the page tables above the pmd entry stay. munmap()
 *   downgrades mmap_lock before it frees page tables, but has detached the mapping
 *   by then, and keeps a table that is shared with a neighbour.
 * - Several mappings under one pmd entry: a huge entry requires one mapping that
 *   covers all of its 2 MiB, so there is none here. Faults of other processes have
 *   pmd entries of their own.
 * - Unmount: a mapping holds its file open, and put_super() runs after the last file
 *   was closed. No mapping is left then; nothing calls unmap_mapping_range().
 * - Private copies: the fault returns a page, the kernel copies it, and
 *   finish_fault() checks the pmd entry itself on every kernel.
 * - Kernels before 6.5 may take a huge entry for a damaged one, log "bad pmd" and
 *   clear it, or what has taken its place: MADV_COLD and MADV_PAGEOUT do, and
 *   pmd_devmap_trans_unstable(), which reads the entry twice before daxfs_fault() is
 *   called. Every filesystem with huge DAX mappings has this race there. Nothing is
 *   lost to it here, because no page table takes the place of a huge entry: see
 *   DAXFS_CLEARS_BAD_PMD in compat.h.
 *
 * The lock is chosen by a hash of the address of the pmd entry; that unrelated
 * entries may share one costs time only. It is held while a page table is allocated.
 * Reclaim neither faults nor waits for mmap_lock, so it never needs this lock. No user
 * memory is accessed under it, and no second one is taken. It nests inside mmap_lock
 * or the lock of the mapping, and outside pmd_lock() and the page table locks.
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
 * daxfs_fault_locks_init() - initialize the locks; once, before the first mount
 */
void daxfs_fault_locks_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(daxfs_fault_locks); i++)
		init_rwsem(&daxfs_fault_locks[i].lock);
}

/**
 * daxfs_fault_lock_small() - keep huge entries out while small ones are inserted
 * @vmf: the fault
 *
 * Return: the lock, or NULL if another fault has made the entry huge meanwhile. Then
 * nothing is left to do, and the access must be retried.
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
 * @lock: what daxfs_fault_lock_small() returned
 */
void daxfs_fault_unlock_small(struct rw_semaphore *lock)
{
	up_read(lock);
}

/**
 * daxfs_fault_lock_huge() - keep small faults out while a huge entry is inserted
 * @vmf: the fault
 *
 * Return: the lock.
 */
struct rw_semaphore *daxfs_fault_lock_huge(struct vm_fault *vmf)
{
	struct rw_semaphore *lock = daxfs_fault_lock_of(vmf);

	down_write(lock);
	return lock;
}

/**
 * daxfs_fault_unlock_huge() - the counterpart
 * @lock: what daxfs_fault_lock_huge() returned
 */
void daxfs_fault_unlock_huge(struct rw_semaphore *lock)
{
	up_write(lock);
}
