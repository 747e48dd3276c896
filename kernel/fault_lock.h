/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What orders small and huge faults.
 */
#ifndef _DAXFS_FAULT_LOCK_H
#define _DAXFS_FAULT_LOCK_H

#include <linux/mm_types.h>
#include <linux/types.h>

struct rw_semaphore;

void daxfs_fault_locks_init(void);
struct rw_semaphore *daxfs_fault_lock_small(struct vm_fault *vmf);
void daxfs_fault_unlock_small(struct rw_semaphore *lock);
struct rw_semaphore *daxfs_fault_lock_huge(struct vm_fault *vmf);
void daxfs_fault_unlock_huge(struct rw_semaphore *lock);

#endif /* _DAXFS_FAULT_LOCK_H */
