// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a dma-buf: of a dma-heap, a GPU, an accelerator.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs_context.h>
#include <linux/mm.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "backing.h"
#include "compat.h"

/*
 * The device that dma-bufs are attached to. It does no DMA: an attachment is what keeps
 * the memory of a dma-buf in place, and it belongs to a device.
 */
static struct platform_device *daxfs_dmabuf_device;

/*
 * The device reads and never writes. So unmapping copies nothing back into the memory
 * and makes the exporter mark nothing dirty.
 */
#define DAXFS_DMABUF_DIRECTION DMA_TO_DEVICE

/*
 * Attaches and maps, which by the rules of dma-buf keeps the memory where it is until
 * the attachment is unmapped: exporters pin when they are attached to (most DRM
 * drivers), when they map, or in .pin, which the core calls for an importer without
 * .move_notify. A vmap alone keeps nothing in place before 6.15, and depends on the
 * exporter since then.
 */
static int daxfs_dmabuf_attach(struct daxfs_backing *backing,
			       struct fs_context *fc)
{
	struct dma_buf *dmabuf = backing->dmabuf;
	struct dma_buf_attachment *attachment;
	struct sg_table *table;

	attachment = dma_buf_attach(dmabuf, &daxfs_dmabuf_device->dev);
	if (IS_ERR(attachment)) {
		errorfc(fc, "the exporter of the dma-buf (%s) refuses to attach it: error %ld",
			dmabuf->exp_name, PTR_ERR(attachment));
		return PTR_ERR(attachment);
	}
	table = dma_buf_map_attachment_unlocked(attachment,
						DAXFS_DMABUF_DIRECTION);
	if (IS_ERR(table)) {
		errorfc(fc, "the exporter of the dma-buf (%s) can't map it for a device: error %ld",
			dmabuf->exp_name, PTR_ERR(table));
		dma_buf_detach(dmabuf, attachment);
		return PTR_ERR(table);
	}
	backing->attachment = attachment;
	backing->table = table;
	return 0;
}

static void daxfs_dmabuf_detach(struct daxfs_backing *backing)
{
	dma_buf_unmap_attachment_unlocked(backing->attachment, backing->table,
					  DAXFS_DMABUF_DIRECTION);
	dma_buf_detach(backing->dmabuf, backing->attachment);
}

/*
 * What is kept in place must be all of the buffer, in whole pages. Either side of the
 * table says so: the one for the CPU is empty where the memory has no struct pages or
 * where the core hides them, the one for the device where an exporter does no DMA.
 */
static int daxfs_dmabuf_check_table(const struct daxfs_backing *backing,
				    struct fs_context *fc)
{
	const struct dma_buf *dmabuf = backing->dmabuf;
	struct scatterlist *entry;
	u64 device = 0, cpu = 0;
	u64 odd = 0;
	int i;

	for_each_sgtable_dma_sg(backing->table, entry, i) {
		odd |= sg_dma_address(entry) | sg_dma_len(entry);
		device += sg_dma_len(entry);
	}
	for_each_sgtable_sg(backing->table, entry, i) {
		odd |= entry->offset | entry->length;
		cpu += entry->length;
	}
	if (!PAGE_ALIGNED(odd))
		return invalfc(fc, "the exporter of the dma-buf (%s) maps parts of pages",
			       dmabuf->exp_name);
	if (max(device, cpu) < dmabuf->size)
		return invalfc(fc, "the exporter of the dma-buf (%s) maps %llu bytes of its %zu",
			       dmabuf->exp_name,
			       (unsigned long long)max(device, cpu), dmabuf->size);
	return 0;
}

/*
 * By the kernel's mapping, so that a mapping of a file never shows what reading the
 * file does not. The table is no source of page frames: its addresses are those of a
 * device, and an exporter need not give struct pages, which CONFIG_DMABUF_DEBUG
 * hides on purpose. Exporters refuse private mappings of their own, so that
 * dma_buf_mmap() is of no use here.
 */
static unsigned long daxfs_dmabuf_pfn(const struct daxfs_backing *backing,
				      u64 offset)
{
	void *address = backing->address + offset;
	struct page *page;

	if (!is_vmalloc_addr(address))
		return PHYS_PFN(virt_to_phys(address));
	page = vmalloc_to_page(address);
	return page ? page_to_pfn(page) : DAXFS_NO_PFN;
}

/* Whether what an entry of the table keeps in place is mapped at an offset. */
static bool daxfs_dmabuf_is_kept(const struct daxfs_backing *backing,
				 struct scatterlist *entry, u64 offset)
{
	const u64 length = min_t(u64, entry->length, backing->size - offset);
	u64 at;

	for (at = 0; at < length; at += PAGE_SIZE) {
		const unsigned long pfn = daxfs_dmabuf_pfn(backing, offset + at);

		if (pfn != DAXFS_NO_PFN &&
		    pfn != page_to_pfn(sg_page(entry)) + PHYS_PFN(at))
			return false;
		if (at % SZ_2M == 0)
			cond_resched();
	}
	return true;
}

/*
 * The kernel's mapping must be of the pages that are kept in place, where the table
 * has them: one of others could change under the mount.
 */
static int daxfs_dmabuf_check_pages(const struct daxfs_backing *backing,
				    struct fs_context *fc)
{
	struct scatterlist *entry;
	u64 offset = 0;
	int i;

	if (IS_ENABLED(CONFIG_DMABUF_DEBUG))
		return 0;
	for_each_sgtable_sg(backing->table, entry, i) {
		if (offset >= backing->size)
			break;
		if (sg_page(entry) && !daxfs_dmabuf_is_kept(backing, entry, offset))
			return invalfc(fc,
				"the dma-buf (%s) has other pages for the CPU than for devices",
				backing->dmabuf->exp_name);
		offset += entry->length;
	}
	return 0;
}

static int daxfs_dmabuf_vmap(struct daxfs_backing *backing,
			     struct fs_context *fc)
{
	struct dma_buf *dmabuf = backing->dmabuf;
	int err;

	err = dma_buf_vmap_unlocked(dmabuf, &backing->map);
	if (err) {
		errorfc(fc, "the exporter of the dma-buf (%s) can't map it into the kernel",
			dmabuf->exp_name);
		return err;
	}
	backing->address = backing->map.vaddr;
	backing->size = dmabuf->size;
	if (backing->map.is_iomem)
		err = invalfc(fc, "the dma-buf (%s) is in I/O memory (iomem), not in RAM",
			      dmabuf->exp_name);
	else if (!is_vmalloc_addr(backing->address) &&
		 !virt_addr_valid(backing->address))
		err = invalfc(fc, "the dma-buf (%s) is mapped where its pages can't be found",
			      dmabuf->exp_name);
	else
		err = daxfs_dmabuf_check_pages(backing, fc);
	if (err) {
		backing->address = NULL;
		dma_buf_vunmap_unlocked(dmabuf, &backing->map);
	}
	return err;
}

static int daxfs_dmabuf_map(struct daxfs_backing *backing,
			    const struct daxfs_request *request,
			    struct fs_context *fc)
{
	struct dma_buf *dmabuf = backing->dmabuf;
	int err;

	if (request->pages == DAXFS_PAGES_ALWAYS)
		return invalfc(fc, "pages is not for a dmabuf: its pages are the exporter's");
	if (!PAGE_ALIGNED(dmabuf->size))
		return invalfc(fc, "the size of the dma-buf, %zu, is not a multiple of %lu",
			       dmabuf->size, PAGE_SIZE);
	err = daxfs_dmabuf_attach(backing, fc);
	if (err)
		return err;
	err = daxfs_dmabuf_check_table(backing, fc);
	if (err)
		goto detach;
	err = dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE);
	if (err) {
		errorfc(fc, "the exporter of the dma-buf (%s) refuses access by the CPU",
			dmabuf->exp_name);
		goto detach;
	}
	err = daxfs_dmabuf_vmap(backing, fc);
	if (err)
		goto end_access;
	return 0;

end_access:
	dma_buf_end_cpu_access(dmabuf, DMA_FROM_DEVICE);
detach:
	daxfs_dmabuf_detach(backing);
	return err;
}

static void daxfs_dmabuf_unmap(struct daxfs_backing *backing)
{
	dma_buf_vunmap_unlocked(backing->dmabuf, &backing->map);
	dma_buf_end_cpu_access(backing->dmabuf, DMA_FROM_DEVICE);
	daxfs_dmabuf_detach(backing);
}

static u64 daxfs_dmabuf_contiguous(const struct daxfs_backing *backing,
				   u64 offset, u64 limit)
{
	const unsigned long first = daxfs_dmabuf_pfn(backing, offset);
	u64 length;

	for (length = PAGE_SIZE; length < limit; length += PAGE_SIZE) {
		if (daxfs_dmabuf_pfn(backing, offset + length) !=
		    first + PHYS_PFN(length))
			return length;
		if (length % SZ_2M == 0)
			cond_resched();
	}
	return limit;
}

/* No option of a string gives a dma-buf. */
static void daxfs_dmabuf_show_options(const struct daxfs_backing *backing,
				      struct seq_file *seq)
{
}

static const struct daxfs_backing_operations daxfs_dmabuf_operations = {
	.map = daxfs_dmabuf_map,
	.unmap = daxfs_dmabuf_unmap,
	.pfn = daxfs_dmabuf_pfn,
	.contiguous = daxfs_dmabuf_contiguous,
	.show_options = daxfs_dmabuf_show_options,
};

static struct sg_table *daxfs_sample_map(struct dma_buf_attachment *attachment,
					 enum dma_data_direction direction)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static void daxfs_sample_unmap(struct dma_buf_attachment *attachment,
			       struct sg_table *table,
			       enum dma_data_direction direction)
{
}

static void daxfs_sample_release(struct dma_buf *dmabuf)
{
}

static const struct dma_buf_ops daxfs_sample_operations = {
	.map_dma_buf = daxfs_sample_map,
	.unmap_dma_buf = daxfs_sample_unmap,
	.release = daxfs_sample_release,
};

/*
 * What the file of a dma-buf looks like, learned from one of our own:
 * dma_buf_get() takes a number and not a file, and on 6.1 the number does not
 * reach a filesystem. The dma-buf holds the module until it is gone.
 */
static const struct file_operations *daxfs_dmabuf_file_operations(void)
{
	static const struct file_operations *known;
	const struct file_operations *fops = READ_ONCE(known);
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *sample;

	if (fops)
		return fops;
	info.ops = &daxfs_sample_operations;
	info.size = PAGE_SIZE;
	/* The core asks for something; it is never looked at. */
	info.priv = &known;
	sample = dma_buf_export(&info);
	if (IS_ERR(sample))
		return ERR_CAST(sample);
	fops = sample->file->f_op;
	WRITE_ONCE(known, fops);
	dma_buf_put(sample);
	return fops;
}

/**
 * daxfs_dmabuf_init() - take hold of the memory of a dma-buf
 * @backing: filled in, not mapped; has a reference to the dma-buf
 * @request: what the mount asks for
 * @fc: gets a message on failure
 *
 * Return: 0, or a negative errno.
 */
int daxfs_dmabuf_init(struct daxfs_backing *backing,
		      const struct daxfs_request *request,
		      struct fs_context *fc)
{
	const struct file_operations *fops = daxfs_dmabuf_file_operations();

	if (IS_ERR(fops))
		return PTR_ERR(fops);
	if (request->dmabuf->f_op != fops)
		return invalfc(fc, "dmabuf is a file descriptor of something else than a dma-buf");
	backing->operations = &daxfs_dmabuf_operations;
	backing->dmabuf = request->dmabuf->private_data;
	get_dma_buf(backing->dmabuf);
	return 0;
}

/**
 * daxfs_dmabuf_module_init() - make the device that dma-bufs are attached to
 *
 * Exporters map the memory for the device, so it must reach all of it, in pieces of
 * any size. And it must not be given bounce buffers, which a memory encryption or
 * swiotlb=force would ask for: it reads nothing through them, they are few, and an
 * image does not fit.
 *
 * Return: 0, or a negative errno.
 */
int daxfs_dmabuf_module_init(void)
{
	const struct platform_device_info info = {
		.name = "daxfs",
		.id = PLATFORM_DEVID_NONE,
		.dma_mask = DMA_BIT_MASK(64),
	};
	struct platform_device *device = platform_device_register_full(&info);

	if (IS_ERR(device))
		return PTR_ERR(device);
	dma_set_max_seg_size(&device->dev, UINT_MAX);
#ifdef CONFIG_SWIOTLB
	device->dev.dma_io_tlb_mem = NULL;
#endif
	daxfs_dmabuf_device = device;
	return 0;
}

/**
 * daxfs_dmabuf_module_exit() - the counterpart; nothing is attached
 */
void daxfs_dmabuf_module_exit(void)
{
	platform_device_unregister(daxfs_dmabuf_device);
}

DAXFS_IMPORT_DMA_BUF;
