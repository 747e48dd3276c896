/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the memory of a mount comes from.
 */
#ifndef _DAXFS_BACKING_H
#define _DAXFS_BACKING_H

#include <linux/iosys-map.h>
#include <linux/limits.h>
#include <linux/types.h>

struct daxfs_backing;
struct daxfs_pagemap;
struct dma_buf;
struct dma_buf_attachment;
struct file;
struct fs_context;
struct seq_file;
struct sg_table;

/**
 * enum daxfs_pages - whether a region gets struct pages
 * @DAXFS_PAGES_AUTO: if it can have them
 * @DAXFS_PAGES_ALWAYS: or the mount fails
 * @DAXFS_PAGES_NEVER: no
 */
enum daxfs_pages {
	DAXFS_PAGES_AUTO,
	DAXFS_PAGES_ALWAYS,
	DAXFS_PAGES_NEVER,
};

/**
 * struct daxfs_request - the memory that a mount asks for
 * @phys: physical address of the region, where @has_phys
 * @size: its bytes, where @has_size
 * @dmabuf: open file of a dma-buf, or NULL
 * @pages: whether it is to have struct pages
 * @has_phys: whether phys= was given
 * @has_size: whether size= was given
 */
struct daxfs_request {
	u64 phys;
	u64 size;
	struct file *dmabuf;
	enum daxfs_pages pages;
	bool has_phys;
	bool has_size;
};

/* No page frame: the mapping of the memory has a hole there. */
#define DAXFS_NO_PFN ULONG_MAX

/**
 * struct daxfs_backing_operations - what a kind of memory can do
 * @map: maps what the request names; on failure says why and maps nothing
 * @unmap: gives the mapping back
 * @pfn: page frame that holds the byte at an offset inside the region, or
 *	DAXFS_NO_PFN
 * @contiguous: how many bytes from an offset on, at most a limit, lie one
 *	after the other in physical memory; offset and limit in whole pages
 * @show_options: the mount options that name the region, for /proc/mounts
 */
struct daxfs_backing_operations {
	int (*map)(struct daxfs_backing *backing,
		   const struct daxfs_request *request, struct fs_context *fc);
	void (*unmap)(struct daxfs_backing *backing);
	unsigned long (*pfn)(const struct daxfs_backing *backing, u64 offset);
	u64 (*contiguous)(const struct daxfs_backing *backing, u64 offset,
			  u64 limit);
	void (*show_options)(const struct daxfs_backing *backing,
			     struct seq_file *seq);
};

/**
 * struct daxfs_backing - a region of memory
 * @operations: of its kind
 * @address: kernel address of its first byte; NULL while it is not mapped
 * @size: bytes
 * @phys: physical address; of memory named by one
 * @pagemap: its struct pages, or NULL; of memory named by an address
 * @pinnable: whether @pagemap was asked for by name, so that its pages must be
 *	fit for long pins
 * @dmabuf: the dma-buf, with a reference; of memory named by a dma-buf
 * @attachment: keeps its memory in place while it is mapped
 * @table: what the exporter has mapped for that
 * @map: its mapping into the kernel
 */
struct daxfs_backing {
	const struct daxfs_backing_operations *operations;
	void *address;
	u64 size;
	phys_addr_t phys;
	struct daxfs_pagemap *pagemap;
	bool pinnable;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attachment;
	struct sg_table *table;
	struct iosys_map map;
};

int daxfs_backing_init(struct daxfs_backing *backing,
		       const struct daxfs_request *request,
		       struct fs_context *fc);
void daxfs_backing_unmap(struct daxfs_backing *backing);
void daxfs_backing_exit(struct daxfs_backing *backing);
bool daxfs_backing_same(const struct daxfs_backing *backing,
			const struct daxfs_backing *other);

int daxfs_phys_init(struct daxfs_backing *backing,
		    const struct daxfs_request *request, struct fs_context *fc);
int daxfs_dmabuf_init(struct daxfs_backing *backing,
		      const struct daxfs_request *request,
		      struct fs_context *fc);

int daxfs_dmabuf_module_init(void);
void daxfs_dmabuf_module_exit(void);

struct daxfs_pagemap *daxfs_pagemap_create(phys_addr_t phys, u64 size,
					   void **address);
void daxfs_pagemap_release(struct daxfs_pagemap *pagemap);
int daxfs_pagemap_module_init(void);
void daxfs_pagemap_module_exit(void);

#endif /* _DAXFS_BACKING_H */
