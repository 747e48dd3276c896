// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory named by a physical address: reserved RAM, CXL, PMEM, a PCI BAR.
 */
#include <linux/err.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pci.h>
#include <linux/security.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "backing.h"

/**
 * struct daxfs_phys - memory named by a physical address
 * @backing: the backing
 * @phys: address of the first byte
 * @extent: bytes from there to the end of the region, as far as the kernel knows; only
 *	if the mount does not give the size
 * @pages: whether it gets struct pages
 */
struct daxfs_phys {
	struct daxfs_backing backing;
	phys_addr_t phys;
	u64 extent;
	enum daxfs_pages pages;
};

static struct daxfs_phys *daxfs_phys_of(const struct daxfs_backing *backing)
{
	return container_of(backing, struct daxfs_phys, backing);
}

/* System RAM belongs to the page allocator, and memremap() warns about it. */
static bool daxfs_phys_is_clear(phys_addr_t phys, u64 size)
{
	return region_intersects(phys, size, IORESOURCE_SYSTEM_RAM,
				 IORES_DESC_NONE) == REGION_DISJOINT;
}

/* Memory for which the kernel makes devices, each from one resource. */
static const unsigned long daxfs_phys_region_kinds[] = {
	IORES_DESC_SOFT_RESERVED,
	IORES_DESC_PERSISTENT_MEMORY,
	IORES_DESC_PERSISTENT_MEMORY_LEGACY,
	IORES_DESC_CXL,
};

/* For walk_iomem_res_desc(): copies the resource, and ends the walk. */
static int daxfs_phys_take_resource(struct resource *res, void *found)
{
	*(struct resource *)found = *res;
	return 1;
}

/* Whether a driver or the firmware has claimed any of the range. */
static bool daxfs_phys_is_busy(phys_addr_t phys, u64 size)
{
	struct resource res = {};

	return walk_iomem_res_desc(IORES_DESC_NONE,
				   IORESOURCE_MEM | IORESOURCE_BUSY, phys,
				   phys + size - 1, &res,
				   daxfs_phys_take_resource) == 1;
}

static int daxfs_phys_check(phys_addr_t phys, u64 size, struct fs_context *fc)
{
	phys_addr_t end;

	if (!PAGE_ALIGNED(phys) || !PAGE_ALIGNED(size) || size == 0)
		return invalfc(fc, "phys= and size= must be multiples of %lu, and size= not 0",
			       PAGE_SIZE);
	if (check_add_overflow(phys, (phys_addr_t)(size - 1), &end) ||
	    end > iomem_resource.end)
		return invalfc(fc, "phys= + size= is beyond the physical address space");
	if (size > SIZE_MAX)
		return invalfc(fc, "size= is more than this kernel can map");
	if (!daxfs_phys_is_clear(phys, size))
		return invalfc(fc, "%pa + %#llx overlaps System RAM: reserve the range first",
			       &phys, (unsigned long long)size);
	if (daxfs_phys_is_busy(phys, size)) {
		errorfc(fc, "%pa + %#llx is in use by a driver or the firmware: see /proc/iomem",
			&phys, (unsigned long long)size);
		return -EBUSY;
	}
	return 0;
}

static void *daxfs_phys_memremap(phys_addr_t phys, u64 size,
				 struct fs_context *fc)
{
	void *address = memremap(phys, size, MEMREMAP_WB);

	if (!address)
		errorfc(fc, "the kernel can't map %pa + %#llx", &phys,
			(unsigned long long)size);
	return address;
}

/* Bytes from @phys to the end of the PCI BAR that holds it, or 0. */
static u64 daxfs_phys_bar_extent(phys_addr_t phys)
{
	struct pci_dev *device = NULL;
	u64 extent = 0;
	int bar;

	while (!extent && (device = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, device)))
		for (bar = 0; bar < PCI_STD_NUM_BARS && !extent; bar++)
			if ((pci_resource_flags(device, bar) &
			     (IORESOURCE_MEM | IORESOURCE_UNSET)) == IORESOURCE_MEM &&
			    phys >= pci_resource_start(device, bar) &&
			    phys <= pci_resource_end(device, bar))
				extent = pci_resource_end(device, bar) - phys + 1;
	pci_dev_put(device);
	return extent;
}

/*
 * Bytes from @phys to the end of its region, as far as the kernel knows: a PCI BAR, or
 * a PMEM, CXL or Soft Reserved range. 0 for reserved RAM, where adjacent ranges may be
 * merged into one resource, and for memory without a resource.
 */
static u64 daxfs_phys_extent(phys_addr_t phys)
{
	u64 extent = daxfs_phys_bar_extent(phys);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(daxfs_phys_region_kinds) && !extent; i++) {
		struct resource res = {};

		/* The walk clips the resource to the given range. */
		if (walk_iomem_res_desc(daxfs_phys_region_kinds[i],
					IORESOURCE_MEM, phys,
					iomem_resource.end, &res,
					daxfs_phys_take_resource) == 1 &&
		    res.start == phys)
			extent = res.end - phys + 1;
	}
	return extent;
}

/*
 * The first bytes of a region whose size the mount does not give. The caller finds in
 * them how many it needs.
 */
static int daxfs_phys_peek(struct daxfs_backing *backing, void *to, size_t size,
			   struct fs_context *fc)
{
	struct daxfs_phys *self = daxfs_phys_of(backing);
	const u64 mapped = PAGE_ALIGN(size);
	void *address;
	int err;

	err = daxfs_phys_check(self->phys, mapped, fc);
	if (err)
		return err;
	self->extent = daxfs_phys_extent(self->phys);
	if (!self->extent)
		return invalfc(fc,
			"the kernel does not know where the region at %pa ends: give size=",
			&self->phys);
	address = daxfs_phys_memremap(self->phys, mapped, fc);
	if (!address)
		return -ENOMEM;
	memcpy(to, address, size);
	memunmap(address);
	return 0;
}

/*
 * The size of a region for which the mount gives none: the bytes that are needed, up to
 * the next 2 MiB if these are in the region as well. It is never larger than the kernel
 * knows the region to be: the bytes that are needed come from the image, which somebody
 * else may have written, and what follows the region is not theirs to read.
 */
static int daxfs_phys_find_size(const struct daxfs_phys *self, u64 needed,
				struct fs_context *fc, u64 *size)
{
	if (needed > self->extent)
		return invalfc(fc,
			"the image has %#llx bytes, the region at %pa only %#llx",
			(unsigned long long)needed, &self->phys,
			(unsigned long long)self->extent);
	*size = round_up(needed, SZ_2M);
	if (*size > self->extent || !daxfs_phys_is_clear(self->phys, *size))
		*size = needed;
	return daxfs_phys_check(self->phys, *size, fc);
}

/*
 * Whether a range is memory rather than a part of a PCI device. With struct pages, the
 * memory of a PCI device could be used for DMA by other devices, which may not reach
 * it, without the checks of P2PDMA; so it gets them only on request. Memory without a
 * resource belongs to no device.
 */
static bool daxfs_phys_is_memory(phys_addr_t phys, u64 size)
{
	size_t i;

	if (region_intersects(phys, size, IORESOURCE_MEM, IORES_DESC_NONE) ==
	    REGION_DISJOINT ||
	    region_intersects(phys, size, IORESOURCE_MEM, IORES_DESC_RESERVED) ==
	    REGION_INTERSECTS)
		return true;
	for (i = 0; i < ARRAY_SIZE(daxfs_phys_region_kinds); i++)
		if (region_intersects(phys, size, IORESOURCE_MEM,
				      daxfs_phys_region_kinds[i]) ==
		    REGION_INTERSECTS)
			return true;
	return false;
}

/* Makes struct pages if they are wanted and possible; fails if they are required. */
static int daxfs_phys_map_pages(struct daxfs_phys *self, u64 size,
				struct fs_context *fc)
{
	const bool required = self->pages == DAXFS_PAGES_ALWAYS;
	struct daxfs_pagemap *pagemap;
	long err;

	if (self->pages == DAXFS_PAGES_NEVER)
		return 0;
	if (!IS_ALIGNED(self->phys, SZ_2M) || !IS_ALIGNED(size, SZ_2M))
		return required ?
			invalfc(fc, "pages needs phys= and size= in multiples of 2 MiB") : 0;
	if (!required && !daxfs_phys_is_memory(self->phys, size)) {
		infofc(fc, "no struct pages for a device's memory: give pages to have them");
		return 0;
	}
	pagemap = daxfs_pagemap_create(self->phys, size, &self->backing.address);
	if (!IS_ERR(pagemap)) {
		self->backing.pagemap = pagemap;
		self->backing.pinnable = required;
		return 0;
	}
	err = PTR_ERR(pagemap);
	if (!required) {
		infofc(fc, "no struct pages (error %ld), going on as with nopages", err);
		return 0;
	}
	if (err == -EBUSY)
		errorfc(fc, "pages: another driver or mount has made struct pages for this memory");
	else
		errorfc(fc, "pages: the kernel can't make struct pages for this memory (error %ld)",
			err);
	return err;
}

static int daxfs_phys_map(struct daxfs_backing *backing, u64 needed,
			  struct fs_context *fc)
{
	struct daxfs_phys *self = daxfs_phys_of(backing);
	u64 size = backing->size;
	u64 smallest = size;
	int err = 0;

	if (!size) {
		err = daxfs_phys_find_size(self, needed, fc, &size);
		smallest = needed;
	}
	if (!err)
		err = daxfs_phys_map_pages(self, size, fc);
	if (err)
		return err;
	/* Only struct pages are worth more than what is needed. */
	backing->size = backing->address ? size : smallest;
	if (!backing->address)
		backing->address = daxfs_phys_memremap(self->phys, smallest, fc);
	return backing->address ? 0 : -ENOMEM;
}

static void daxfs_phys_unmap(struct daxfs_backing *backing)
{
	if (backing->pagemap)
		daxfs_pagemap_release(backing->pagemap);
	else
		memunmap(backing->address);
}

static unsigned long daxfs_phys_pfn(const struct daxfs_backing *backing,
				    u64 offset)
{
	return PHYS_PFN(daxfs_phys_of(backing)->phys + offset);
}

static u64 daxfs_phys_contiguous(const struct daxfs_backing *backing,
				 u64 offset, u64 limit)
{
	return limit;
}

static void daxfs_phys_show_options(const struct daxfs_backing *backing,
				    struct seq_file *seq)
{
	const struct daxfs_phys *self = daxfs_phys_of(backing);

	seq_printf(seq, ",phys=%#llx,size=%#llx",
		   (unsigned long long)self->phys,
		   (unsigned long long)backing->size);
	if (!backing->pagemap)
		seq_puts(seq, ",nopages");
	else if (backing->pinnable)
		seq_puts(seq, ",pages");
}

static bool daxfs_phys_same(const struct daxfs_backing *backing,
			    const struct daxfs_request *request)
{
	return daxfs_phys_of(backing)->phys == request->address;
}

static int daxfs_phys_parse(struct daxfs_request *request,
			    struct fs_parameter *param, struct fs_context *fc)
{
	return daxfs_parse_bytes(fc, param, &request->address);
}

static struct daxfs_backing *daxfs_phys_create(const struct daxfs_request *request,
					       struct fs_context *fc)
{
	struct daxfs_phys *self;
	int err = 0;

	if (request->has_size)
		err = daxfs_phys_check(request->address, request->size, fc);
	if (err)
		return ERR_PTR(err);
	/* Mounting a physical range gives the access that /dev/mem gives. */
	err = security_locked_down(LOCKDOWN_DEV_MEM);
	if (err) {
		errorfc(fc, "phys= is refused by the kernel's lockdown");
		return ERR_PTR(err);
	}
	self = kzalloc(sizeof(*self), GFP_KERNEL);
	if (!self)
		return ERR_PTR(-ENOMEM);
	self->phys = request->address;
	self->pages = request->pages;
	self->backing.size = request->has_size ? request->size : 0;
	return &self->backing;
}

static void daxfs_phys_release(struct daxfs_backing *backing)
{
	kfree(daxfs_phys_of(backing));
}

static const struct fs_parameter_spec daxfs_phys_parameters[] = {
	fsparam_string("phys", 0),
	{}
};

const struct daxfs_backing_operations daxfs_phys_operations = {
	.name = "phys",
	.parameters = daxfs_phys_parameters,
	.parse = daxfs_phys_parse,
	.create = daxfs_phys_create,
	.release = daxfs_phys_release,
	.same = daxfs_phys_same,
	.peek = daxfs_phys_peek,
	.map = daxfs_phys_map,
	.unmap = daxfs_phys_unmap,
	.pfn = daxfs_phys_pfn,
	.contiguous = daxfs_phys_contiguous,
	.show_options = daxfs_phys_show_options,
	.init = daxfs_pagemap_module_init,
	.exit = daxfs_pagemap_module_exit,
};
