/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the memory of a mount comes from.
 *
 * Each kind of memory is a file backing_*.c with a struct daxfs_backing_operations,
 * listed in daxfs_backing_kinds[] in backing.c. A backing knows nothing of images: the
 * caller tells how many bytes it needs.
 */
#ifndef _DAXFS_BACKING_H
#define _DAXFS_BACKING_H

#include <linux/limits.h>
#include <linux/types.h>

struct daxfs_backing;
struct daxfs_backing_operations;
struct daxfs_pagemap;
struct file;
struct fs_context;
struct fs_parameter;
struct fs_parameter_spec;
struct seq_file;

/**
 * enum daxfs_pages - whether a region gets struct pages
 * @DAXFS_PAGES_AUTO: if possible
 * @DAXFS_PAGES_ALWAYS: yes, or the mount fails
 * @DAXFS_PAGES_NEVER: no
 */
enum daxfs_pages {
	DAXFS_PAGES_AUTO,
	DAXFS_PAGES_ALWAYS,
	DAXFS_PAGES_NEVER,
};

/**
 * struct daxfs_request - the memory that a mount asks for
 * @operations: of the kind of memory whose option was given, or NULL
 * @address: value of that option, if it takes an address
 * @file: value of that option, if it takes a file descriptor; with a reference
 * @size: bytes of the region, if @has_size
 * @pages: whether the region gets struct pages
 * @has_size: whether size= was given
 */
struct daxfs_request {
	const struct daxfs_backing_operations *operations;
	u64 address;
	struct file *file;
	u64 size;
	enum daxfs_pages pages;
	bool has_size;
};

/* No page frame: the mapping of the memory has a hole there. */
#define DAXFS_NO_PFN ULONG_MAX

/**
 * struct daxfs_backing_operations - a kind of memory
 * @name: its mount option; also a file in /sys/fs/daxfs/features
 * @parameters: that option, for fs_parse()
 * @parse: stores the value of the option in the request; may take the file of the
 *	parameter
 * @create: allocates a backing from a request, not mapped, or returns an ERR_PTR.
 *	Keeps all that it needs of the request. Sets the size if it is known
 * @release: frees a backing that is not mapped
 * @same: whether a request of this kind names the memory of a backing
 * @peek: copies the first bytes of memory whose size is not known and that is not
 *	mapped; NULL if @create always sets the size
 * @map: maps the memory and sets the address. If the size is not known, sets it to at
 *	least the bytes that are needed, or fails if the memory has less
 * @unmap: undoes @map
 * @pfn: page frame of the byte at an offset, or DAXFS_NO_PFN
 * @contiguous: number of bytes from an offset on, up to a limit, that are contiguous in
 *	physical memory; offset and limit are in whole pages
 * @get_fd: opens a file descriptor of the memory, or returns a negative errno; NULL if
 *	this kind of memory has none
 * @show_options: prints the mount options of the memory for /proc/mounts; NULL if no
 *	string can name it
 * @init: called once before all others; may be NULL
 * @exit: undoes @init; may be NULL
 *
 * Operations that take a struct fs_context log an error message to it on failure, and
 * @create and @map may log others.
 */
struct daxfs_backing_operations {
	const char *name;
	const struct fs_parameter_spec *parameters;
	int (*parse)(struct daxfs_request *request, struct fs_parameter *param,
		     struct fs_context *fc);
	struct daxfs_backing *(*create)(const struct daxfs_request *request,
					struct fs_context *fc);
	void (*release)(struct daxfs_backing *backing);
	bool (*same)(const struct daxfs_backing *backing,
		     const struct daxfs_request *request);
	int (*peek)(struct daxfs_backing *backing, void *to, size_t size,
		    struct fs_context *fc);
	int (*map)(struct daxfs_backing *backing, u64 needed,
		   struct fs_context *fc);
	void (*unmap)(struct daxfs_backing *backing);
	unsigned long (*pfn)(const struct daxfs_backing *backing, u64 offset);
	u64 (*contiguous)(const struct daxfs_backing *backing, u64 offset,
			  u64 limit);
	int (*get_fd)(const struct daxfs_backing *backing);
	void (*show_options)(const struct daxfs_backing *backing,
			     struct seq_file *seq);
	int (*init)(void);
	void (*exit)(void);
};

/**
 * struct daxfs_backing - a region of memory; each kind embeds it in its own struct
 * @operations: of its kind
 * @address: kernel address of its first byte; NULL while it is not mapped
 * @size: bytes; 0 while the size is not known
 * @pagemap: struct pages that were made for it, or NULL
 * @pinnable: whether @pagemap was asked for with "pages", so that its pages must be
 *	fit for long-term pins
 */
struct daxfs_backing {
	const struct daxfs_backing_operations *operations;
	void *address;
	u64 size;
	struct daxfs_pagemap *pagemap;
	bool pinnable;
};

extern const struct daxfs_backing_operations daxfs_phys_operations;
extern const struct daxfs_backing_operations daxfs_dmabuf_operations;

/* All kinds, ending with NULL. */
extern const struct daxfs_backing_operations *const daxfs_backing_kinds[];

struct daxfs_backing *daxfs_backing_create(const struct daxfs_request *request,
					   struct fs_context *fc);
void daxfs_backing_unmap(struct daxfs_backing *backing);
void daxfs_backing_release(struct daxfs_backing *backing);
bool daxfs_backing_same(const struct daxfs_backing *backing,
			const struct daxfs_request *request);
const char *daxfs_backing_conflict(const struct daxfs_backing *backing,
				   const struct daxfs_request *request);
int daxfs_backing_module_init(void);
void daxfs_backing_module_exit(void);

/* For kinds of memory: the value of an option that is a number of bytes. */
int daxfs_parse_bytes(struct fs_context *fc, const struct fs_parameter *param,
		      u64 *bytes);

/* For kinds of memory that can have struct pages. */
struct daxfs_pagemap *daxfs_pagemap_create(phys_addr_t phys, u64 size,
					   void **address);
void daxfs_pagemap_release(struct daxfs_pagemap *pagemap);
int daxfs_pagemap_module_init(void);
void daxfs_pagemap_module_exit(void);

#endif /* _DAXFS_BACKING_H */
