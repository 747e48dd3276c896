// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory named by a physical address: reserved RAM, CXL, PMEM, a PCI BAR.
 */
#include <linux/fs_context.h>
#include <linux/kernel.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pci.h>
#include <linux/security.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>

#include "backing.h"
#include "compat.h"
#include "image.h"

/* System RAM belongs to the page allocator, and mapping it gives a warning. */
static bool daxfs_phys_is_clear(phys_addr_t phys, u64 size)
{
	return region_intersects(phys, size, IORESOURCE_SYSTEM_RAM,
				 IORES_DESC_NONE) == REGION_DISJOINT;
}

/* Memory that the kernel makes devices of, each from one resource. */
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
		return invalfc(fc, "phys and size must be multiples of %lu, size not 0",
			       PAGE_SIZE);
	if (check_add_overflow(phys, (phys_addr_t)(size - 1), &end) ||
	    end > iomem_resource.end)
		return invalfc(fc, "phys + size is beyond the physical address space");
	if (size > SIZE_MAX)
		return invalfc(fc, "size is more than this kernel can map");
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
		errorfc(fc, "%pa + %#llx can't be mapped", &phys,
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
 * Bytes from @phys to the end of the region that holds it, as far as the kernel
 * knows: of the PCI BAR, or of the PMEM, CXL or Soft Reserved range. 0 for reserved
 * RAM, where one resource may be several neighbouring ranges, and for memory without
 * a resource.
 */
static u64 daxfs_phys_extent(phys_addr_t phys)
{
	u64 extent = daxfs_phys_bar_extent(phys);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(daxfs_phys_region_kinds) && !extent; i++) {
		struct resource res = {};

		/* The walk cuts the resource off at the range that it is given. */
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
 * The size of the region, where the mount does not give it: that of the image, to the
 * next 2 MiB where these belong to the region as well. The image can't make it larger
 * than the kernel knows it to be: others may have written the image, and what is
 * behind the region is not theirs.
 */
static int daxfs_phys_find_size(phys_addr_t phys, struct fs_context *fc,
				u64 *image_size, u64 *size)
{
	struct daxfs_defect defect;
	void *address;
	u64 extent;
	int err;

	err = daxfs_phys_check(phys, DAXFS_SUPERBLOCK_SIZE, fc);
	if (err)
		return err;
	extent = daxfs_phys_extent(phys);
	if (!extent)
		return invalfc(fc,
			"give size=: the kernel does not know where the region at %pa ends",
			&phys);
	address = daxfs_phys_memremap(phys, DAXFS_SUPERBLOCK_SIZE, fc);
	if (!address)
		return -ENOMEM;
	err = daxfs_image_find_size(address, image_size, &defect);
	memunmap(address);
	if (err)
		return invalfc(fc, "not a valid image: superblock: %s is %#llx, expected %s",
			       defect.field, (unsigned long long)defect.found,
			       defect.expected);
	if (*image_size > extent)
		return invalfc(fc,
			"superblock: total_size is %#llx, the region has only %#llx bytes",
			(unsigned long long)*image_size,
			(unsigned long long)extent);
	*size = round_up(*image_size, SZ_2M);
	if (*size > extent || !daxfs_phys_is_clear(phys, *size))
		*size = *image_size;
	return daxfs_phys_check(phys, *size, fc);
}

/*
 * With struct pages the memory of a PCI device can be given to other devices for
 * DMA, which may not reach it, and without the checks that P2PDMA makes: only where
 * it is asked for. What no resource names belongs to no device.
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

/* Struct pages where they are wanted and possible; an error where they must be. */
static int daxfs_phys_map_pages(struct daxfs_backing *backing,
				enum daxfs_pages pages, struct fs_context *fc)
{
	const bool must = pages == DAXFS_PAGES_ALWAYS;
	struct daxfs_pagemap *pagemap;

	if (pages == DAXFS_PAGES_NEVER)
		return 0;
	if (!IS_ALIGNED(backing->phys, SZ_2M) ||
	    !IS_ALIGNED(backing->size, SZ_2M))
		return must ? invalfc(fc, "pages needs phys= and size= in multiples of 2 MiB") : 0;
	if (!must && !daxfs_phys_is_memory(backing->phys, backing->size)) {
		infofc(fc, "no struct pages for a device's memory: pages asks for them");
		return 0;
	}
	pagemap = daxfs_pagemap_create(backing->phys, backing->size,
				       &backing->address);
	if (!IS_ERR(pagemap)) {
		backing->pagemap = pagemap;
		backing->pinnable = must;
		return 0;
	}
	if (!must) {
		infofc(fc, "no struct pages (error %ld), going on as with nopages",
		       PTR_ERR(pagemap));
		return 0;
	}
	if (PTR_ERR(pagemap) == -EBUSY)
		errorfc(fc, "pages: another driver or mount has given this memory struct pages");
	else
		errorfc(fc, "pages: this memory can't have struct pages (error %ld)",
			PTR_ERR(pagemap));
	return PTR_ERR(pagemap);
}

static int daxfs_phys_map(struct daxfs_backing *backing,
			  const struct daxfs_request *request,
			  struct fs_context *fc)
{
	u64 size = request->size;
	int err;

	if (request->has_size) {
		err = daxfs_phys_check(backing->phys, size, fc);
		backing->size = size;
	} else {
		err = daxfs_phys_find_size(backing->phys, fc, &size,
					   &backing->size);
	}
	if (!err)
		err = daxfs_phys_map_pages(backing, request->pages, fc);
	if (err || backing->address)
		return err;
	backing->size = size;
	backing->address = daxfs_phys_memremap(backing->phys, size, fc);
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
	return PHYS_PFN(backing->phys + offset);
}

static u64 daxfs_phys_contiguous(const struct daxfs_backing *backing,
				 u64 offset, u64 limit)
{
	return limit;
}

static void daxfs_phys_show_options(const struct daxfs_backing *backing,
				    struct seq_file *seq)
{
	seq_printf(seq, ",phys=%#llx,size=%#llx",
		   (unsigned long long)backing->phys,
		   (unsigned long long)backing->size);
	if (!backing->pagemap)
		seq_puts(seq, ",nopages");
	else if (backing->pinnable)
		seq_puts(seq, ",pages");
}

static const struct daxfs_backing_operations daxfs_phys_operations = {
	.map = daxfs_phys_map,
	.unmap = daxfs_phys_unmap,
	.pfn = daxfs_phys_pfn,
	.contiguous = daxfs_phys_contiguous,
	.show_options = daxfs_phys_show_options,
};

/**
 * daxfs_phys_init() - take hold of memory named by a physical address
 * @backing: filled in, not mapped
 * @request: what the mount asks for
 * @fc: gets a message on failure
 *
 * Return: 0, or a negative errno.
 */
int daxfs_phys_init(struct daxfs_backing *backing,
		    const struct daxfs_request *request, struct fs_context *fc)
{
	int err;

	if (request->has_size) {
		err = daxfs_phys_check(request->phys, request->size, fc);
		if (err)
			return err;
	}
	/* A physical range that root names is what /dev/mem gives. */
	err = security_locked_down(LOCKDOWN_DEV_MEM);
	if (err) {
		errorfc(fc, "phys= is refused by the kernel's lockdown");
		return err;
	}
	backing->operations = &daxfs_phys_operations;
	backing->phys = request->phys;
	return 0;
}
