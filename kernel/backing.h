/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the memory of a mount comes from.
 */
#ifndef _DAXFS_BACKING_H
#define _DAXFS_BACKING_H

#include <linux/types.h>

struct daxfs_backing;
struct fs_context;
struct seq_file;

/**
 * struct daxfs_backing_operations - what a kind of memory can do
 * @unmap: gives the mapping back
 * @pfn: page frame that holds the byte at an offset inside the region
 * @show_options: the mount options that name the region, for /proc/mounts
 */
struct daxfs_backing_operations {
	void (*unmap)(struct daxfs_backing *backing);
	unsigned long (*pfn)(const struct daxfs_backing *backing, u64 offset);
	void (*show_options)(const struct daxfs_backing *backing,
			     struct seq_file *seq);
};

/**
 * struct daxfs_backing - a mapped region of memory
 * @operations: of its kind; NULL while nothing is mapped
 * @address: kernel address of its first byte
 * @size: bytes
 * @phys: physical address, where the kind has one
 */
struct daxfs_backing {
	const struct daxfs_backing_operations *operations;
	void *address;
	u64 size;
	phys_addr_t phys;
};

int daxfs_backing_map_phys(struct daxfs_backing *backing, phys_addr_t phys,
			   u64 size, struct fs_context *fc);

#endif /* _DAXFS_BACKING_H */
