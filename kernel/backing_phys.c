// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory named by a physical address: reserved RAM, CXL, PMEM, a PCI BAR.
 */
#include <linux/fs_context.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/security.h>
#include <linux/seq_file.h>

#include "backing.h"
#include "compat.h"

static void daxfs_phys_unmap(struct daxfs_backing *backing)
{
	memunmap(backing->address);
}

static unsigned long daxfs_phys_pfn(const struct daxfs_backing *backing,
				    u64 offset)
{
	return PHYS_PFN(backing->phys + offset);
}

static void daxfs_phys_show_options(const struct daxfs_backing *backing,
				    struct seq_file *seq)
{
	seq_printf(seq, ",phys=%#llx,size=%#llx",
		   (unsigned long long)backing->phys,
		   (unsigned long long)backing->size);
}

static const struct daxfs_backing_operations daxfs_phys_operations = {
	.unmap = daxfs_phys_unmap,
	.pfn = daxfs_phys_pfn,
	.show_options = daxfs_phys_show_options,
};

/**
 * daxfs_backing_map_phys() - map a physical range
 * @backing: filled in
 * @phys: first byte, page-aligned
 * @size: bytes, a multiple of the page size
 * @fc: gets a message on failure
 *
 * System RAM is refused: it belongs to the page allocator, and memremap()
 * warns about ranges that touch it.
 *
 * Return: 0, or a negative errno.
 */
int daxfs_backing_map_phys(struct daxfs_backing *backing, phys_addr_t phys,
			   u64 size, struct fs_context *fc)
{
	phys_addr_t end;
	int err;

	if (!PAGE_ALIGNED(phys) || !PAGE_ALIGNED(size) || size == 0)
		return invalfc(fc, "phys and size must be multiples of %lu, size not 0",
			       PAGE_SIZE);
	if (check_add_overflow(phys, (phys_addr_t)(size - 1), &end) ||
	    end > iomem_resource.end)
		return invalfc(fc, "phys + size is beyond the physical address space");
	if (size > SIZE_MAX)
		return invalfc(fc, "size is more than this kernel can map");
	if (region_intersects(phys, size, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT)
		return invalfc(fc, "%pa + %#llx overlaps System RAM: reserve the range first",
			       &phys, (unsigned long long)size);
	/* A physical range that root names is what /dev/mem gives. */
	err = security_locked_down(LOCKDOWN_DEV_MEM);
	if (err)
		return err;

	backing->address = memremap(phys, size, MEMREMAP_WB);
	if (!backing->address) {
		errorfc(fc, "%pa + %#llx can't be mapped", &phys,
			(unsigned long long)size);
		return -ENOMEM;
	}
	backing->phys = phys;
	backing->size = size;
	backing->operations = &daxfs_phys_operations;
	return 0;
}
