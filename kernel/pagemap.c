// SPDX-License-Identifier: GPL-2.0-only
/*
 * Struct pages for memory that has none, so that mappings of it can be pinned:
 * for O_DIRECT, RDMA, process_vm_readv(2), vmsplice(2), futexes and debuggers.
 */
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "backing.h"
#include "compat.h"

/* How often pages that are still pinned are looked at again. */
#define DAXFS_PIN_INTERVAL (HZ / 10)

/**
 * struct daxfs_pagemap - struct pages of a region, as folios of 2 MiB
 * @map: what the kernel knows of them
 * @release: gives them back when the last pin is gone
 */
struct daxfs_pagemap {
	struct dev_pagemap map;
	struct delayed_work release;
};

/*
 * A pin outlives the mapping it was taken from, and the mount: a page in a
 * pipe, a registered buffer. memunmap_pages() does not wait for those of
 * MEMORY_DEVICE_GENERIC. What nobody uses has one reference.
 */
static bool daxfs_pagemap_is_pinned(const struct daxfs_pagemap *pagemap)
{
	const struct range *range = &pagemap->map.range;
	u64 at;

	for (at = range->start; at < range->end; at += SZ_2M) {
		if (page_count(pfn_to_page(PHYS_PFN(at))) > 1)
			return true;
		cond_resched();
	}
	return false;
}

static void daxfs_pagemap_free(struct daxfs_pagemap *pagemap)
{
	memunmap_pages(&pagemap->map);
	kfree(pagemap);
}

static void daxfs_pagemap_release_work(struct work_struct *work)
{
	struct daxfs_pagemap *pagemap = container_of(to_delayed_work(work),
						     struct daxfs_pagemap,
						     release);

	if (daxfs_pagemap_is_pinned(pagemap)) {
		schedule_delayed_work(&pagemap->release, DAXFS_PIN_INTERVAL);
		return;
	}
	daxfs_pagemap_free(pagemap);
	module_put(THIS_MODULE);
}

/* Whether a range has no struct pages of some other driver at either end. */
static bool daxfs_pagemap_is_free(u64 start, u64 end)
{
	const u64 ends[] = { start, end };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		struct dev_pagemap *other =
			daxfs_get_dev_pagemap(PHYS_PFN(ends[i]));

		if (other) {
			put_dev_pagemap(other);
			return false;
		}
	}
	return true;
}

/**
 * daxfs_pagemap_create() - give memory struct pages and map it
 * @phys: its physical address
 * @size: bytes
 * @address: set to the kernel address of its first byte
 *
 * Return: the struct pages, or an ERR_PTR: -EINVAL where the range is not of
 * whole 2 MiB, -EBUSY where another driver has given it struct pages.
 */
struct daxfs_pagemap *daxfs_pagemap_create(phys_addr_t phys, u64 size,
					   void **address)
{
	struct daxfs_pagemap *pagemap;
	void *mapped;

	if (!IS_ENABLED(CONFIG_ZONE_DEVICE))
		return ERR_PTR(-EOPNOTSUPP);
	if (!IS_ALIGNED(phys, SZ_2M) || !IS_ALIGNED(size, SZ_2M))
		return ERR_PTR(-EINVAL);
	/* memremap_pages() would warn. */
	if (!daxfs_pagemap_is_free(phys, phys + size - 1))
		return ERR_PTR(-EBUSY);
	pagemap = kzalloc(sizeof(*pagemap), GFP_KERNEL);
	if (!pagemap)
		return ERR_PTR(-ENOMEM);
	INIT_DELAYED_WORK(&pagemap->release, daxfs_pagemap_release_work);
	pagemap->map.type = MEMORY_DEVICE_GENERIC;
	pagemap->map.range = (struct range){ phys, phys + size - 1 };
	pagemap->map.nr_range = 1;
	/* Folios that a huge entry can map, whose tails cost next to nothing. */
	pagemap->map.vmemmap_shift = PMD_SHIFT - PAGE_SHIFT;
	mapped = memremap_pages(&pagemap->map, NUMA_NO_NODE);
	if (IS_ERR(mapped)) {
		kfree(pagemap);
		return ERR_CAST(mapped);
	}
	*address = mapped;
	return pagemap;
}

/**
 * daxfs_pagemap_release() - take the struct pages of memory away
 * @pagemap: the struct pages; freed, at once or when the last pin is gone
 */
void daxfs_pagemap_release(struct daxfs_pagemap *pagemap)
{
	if (!daxfs_pagemap_is_pinned(pagemap)) {
		daxfs_pagemap_free(pagemap);
		return;
	}
	pr_info("daxfs: pages at %#llx are still pinned, and stay until they are not\n",
		(unsigned long long)pagemap->map.range.start);
	__module_get(THIS_MODULE);
	schedule_delayed_work(&pagemap->release, DAXFS_PIN_INTERVAL);
}
