// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes struct pages for memory that has none, so that mappings of it can be pinned:
 * for O_DIRECT, RDMA, process_vm_readv(2), vmsplice(2) and debuggers.
 */
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/numa.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "backing.h"
#include "compat.h"

static struct workqueue_struct *daxfs_workqueue;

/*
 * get_dev_pagemap() no longer finds struct pages while memunmap_pages() runs, so a new
 * mount of the same range must wait until that has returned.
 */
static DEFINE_MUTEX(daxfs_pagemap_lock);

/*
 * Jiffies until pages that are still pinned are checked again. Most pins are short, so
 * the interval doubles from the first to the second value.
 */
#define DAXFS_PIN_INTERVAL (HZ / 10)
#define DAXFS_PIN_INTERVAL_MAX (2 * HZ)

/**
 * struct daxfs_pagemap - struct pages of a region
 * @map: for memremap_pages()
 * @release: removes them when the last pin is gone
 * @free_to: physical address at which the last check found a pin. Nothing before it is
 *	pinned, or will be: no mapping is left
 * @interval: jiffies until the next check
 */
struct daxfs_pagemap {
	struct dev_pagemap map;
	struct delayed_work release;
	u64 free_to;
	unsigned long interval;
};

/* Bytes of a folio, which has one reference count. */
#define DAXFS_FOLIO_SIZE (PAGE_SIZE << DAXFS_PAGEMAP_ORDER)

/*
 * A pin outlives the mapping and the mount: a page in a pipe, a registered buffer.
 * memunmap_pages() does not wait for pins of MEMORY_DEVICE_GENERIC. An unused page has
 * one reference.
 */
static bool daxfs_pagemap_is_pinned(struct daxfs_pagemap *pagemap)
{
	u64 *at = &pagemap->free_to;

	for (; *at < pagemap->map.range.end; *at += DAXFS_FOLIO_SIZE) {
		if (page_count(pfn_to_page(PHYS_PFN(*at))) > 1)
			return true;
		if (IS_ALIGNED(*at, SZ_2M))
			cond_resched();
	}
	return false;
}

/* Whether folios have all of their pages; some kernels leave out the last ones. */
static bool daxfs_pagemap_is_whole(const struct daxfs_pagemap *pagemap)
{
	const struct range *range = &pagemap->map.range;
	u64 at;

	for (at = range->start; at < range->end; at += DAXFS_FOLIO_SIZE) {
		const u64 last = at + DAXFS_FOLIO_SIZE - PAGE_SIZE;

		if (compound_head(pfn_to_page(PHYS_PFN(last))) !=
		    pfn_to_page(PHYS_PFN(at)))
			return false;
		if (IS_ALIGNED(at, SZ_2M))
			cond_resched();
	}
	return true;
}

static void daxfs_pagemap_free(struct daxfs_pagemap *pagemap)
{
	mutex_lock(&daxfs_pagemap_lock);
	memunmap_pages(&pagemap->map);
	mutex_unlock(&daxfs_pagemap_lock);
	kfree(pagemap);
}

static void daxfs_pagemap_release_work(struct work_struct *work)
{
	struct daxfs_pagemap *pagemap = container_of(to_delayed_work(work),
						     struct daxfs_pagemap,
						     release);

	if (daxfs_pagemap_is_pinned(pagemap)) {
		pagemap->interval = min_t(unsigned long, 2 * pagemap->interval,
					  DAXFS_PIN_INTERVAL_MAX);
		queue_delayed_work(daxfs_workqueue, &pagemap->release,
				   pagemap->interval);
		return;
	}
	daxfs_pagemap_free(pagemap);
	module_put(THIS_MODULE);
}

/* The NUMA node of the memory, or one near it: without System RAM a node is offline. */
static int daxfs_pagemap_node(phys_addr_t phys)
{
	return numa_map_to_online_node(phys_to_target_node(phys));
}

/* Whether no driver has made struct pages for any part of a range. */
static bool daxfs_pagemap_is_free(u64 start, u64 size)
{
	u64 at;

	for (at = 0; at < size; at += SZ_2M) {
		struct dev_pagemap *other =
			daxfs_get_dev_pagemap(PHYS_PFN(start + at));

		if (other) {
			put_dev_pagemap(other);
			return false;
		}
		cond_resched();
	}
	return true;
}

/**
 * daxfs_pagemap_create() - make struct pages for memory and map it
 * @phys: its physical address, a multiple of 2 MiB
 * @size: bytes, a multiple of 2 MiB
 * @address: set to the kernel address of its first byte
 *
 * Return: the struct pages, or an ERR_PTR: -EBUSY if a driver has made struct pages for
 * some of it.
 */
struct daxfs_pagemap *daxfs_pagemap_create(phys_addr_t phys, u64 size,
					   void **address)
{
	struct daxfs_pagemap *pagemap;
	void *mapped;

	if (!IS_ENABLED(CONFIG_ZONE_DEVICE))
		return ERR_PTR(-EOPNOTSUPP);
	pagemap = kzalloc(sizeof(*pagemap), GFP_KERNEL);
	if (!pagemap)
		return ERR_PTR(-ENOMEM);
	INIT_DELAYED_WORK(&pagemap->release, daxfs_pagemap_release_work);
	pagemap->map.type = MEMORY_DEVICE_GENERIC;
	pagemap->map.range = (struct range){ phys, phys + size - 1 };
	pagemap->map.nr_range = 1;
	pagemap->free_to = phys;
	pagemap->interval = DAXFS_PIN_INTERVAL;
	pagemap->map.vmemmap_shift = DAXFS_PAGEMAP_ORDER;
	mutex_lock(&daxfs_pagemap_lock);
	/* memremap_pages() would warn, or not notice some in the middle. */
	if (daxfs_pagemap_is_free(phys, size))
		mapped = memremap_pages(&pagemap->map,
					daxfs_pagemap_node(phys));
	else
		mapped = ERR_PTR(-EBUSY);
	mutex_unlock(&daxfs_pagemap_lock);
	if (IS_ERR(mapped)) {
		kfree(pagemap);
		return ERR_CAST(mapped);
	}
	if (!daxfs_pagemap_is_whole(pagemap)) {
		daxfs_pagemap_free(pagemap);
		return ERR_PTR(-EOPNOTSUPP);
	}
	*address = mapped;
	return pagemap;
}

/**
 * daxfs_pagemap_release() - remove the struct pages of memory and unmap it
 * @pagemap: the struct pages; freed at once, or when the last pin is gone
 */
void daxfs_pagemap_release(struct daxfs_pagemap *pagemap)
{
	if (!daxfs_pagemap_is_pinned(pagemap)) {
		daxfs_pagemap_free(pagemap);
		return;
	}
	pr_info("daxfs: pages at %#llx are still pinned: the module stays in use until they are released\n",
		(unsigned long long)pagemap->map.range.start);
	__module_get(THIS_MODULE);
	queue_delayed_work(daxfs_workqueue, &pagemap->release,
			   pagemap->interval);
}

/**
 * daxfs_pagemap_module_init() - prepare to wait for pins
 *
 * Return: 0, or -ENOMEM.
 */
int daxfs_pagemap_module_init(void)
{
	daxfs_workqueue = alloc_workqueue("daxfs", WQ_UNBOUND, 0);
	return daxfs_workqueue ? 0 : -ENOMEM;
}

/**
 * daxfs_pagemap_module_exit() - undo daxfs_pagemap_module_init(); no pin is left
 */
void daxfs_pagemap_module_exit(void)
{
	destroy_workqueue(daxfs_workqueue);
}
