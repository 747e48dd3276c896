// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a dma-buf: of a dma-heap, a GPU, an accelerator.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs_context.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/vmalloc.h>

#include "backing.h"
#include "compat.h"

static int daxfs_dmabuf_map(struct daxfs_backing *backing,
			    const struct daxfs_request *request,
			    struct fs_context *fc)
{
	struct dma_buf *dmabuf = backing->dmabuf;
	int err;

	if (request->pages == DAXFS_PAGES_ALWAYS)
		return invalfc(fc, "pages is not for a dmabuf: its pages are the exporter's");
	if (dmabuf->ops->pin && !DAXFS_VMAP_PINS)
		return invalfc(fc, "the exporter of the dma-buf (%s) may move its memory",
			       dmabuf->exp_name);
	if (!PAGE_ALIGNED(dmabuf->size))
		return invalfc(fc, "the size of the dma-buf, %zu, is not a multiple of %lu",
			       dmabuf->size, PAGE_SIZE);
	err = dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE);
	if (err) {
		errorfc(fc, "the exporter of the dma-buf (%s) refuses access by the CPU",
			dmabuf->exp_name);
		return err;
	}
	err = dma_buf_vmap_unlocked(dmabuf, &backing->map);
	if (err) {
		errorfc(fc, "the exporter of the dma-buf (%s) can't map it into the kernel",
			dmabuf->exp_name);
		goto end_access;
	}
	if (backing->map.is_iomem) {
		err = invalfc(fc, "the dma-buf (%s) lies in I/O memory (iomem), not in RAM",
			      dmabuf->exp_name);
		goto unmap;
	}
	if (!is_vmalloc_addr(backing->map.vaddr) &&
	    !virt_addr_valid(backing->map.vaddr)) {
		err = invalfc(fc, "the dma-buf (%s) lies where its pages can't be told",
			      dmabuf->exp_name);
		goto unmap;
	}
	backing->address = backing->map.vaddr;
	backing->size = dmabuf->size;
	return 0;

unmap:
	dma_buf_vunmap_unlocked(dmabuf, &backing->map);
end_access:
	dma_buf_end_cpu_access(dmabuf, DMA_FROM_DEVICE);
	return err;
}

static void daxfs_dmabuf_unmap(struct daxfs_backing *backing)
{
	dma_buf_vunmap_unlocked(backing->dmabuf, &backing->map);
	dma_buf_end_cpu_access(backing->dmabuf, DMA_FROM_DEVICE);
}

/*
 * By the kernel's mapping: exporters refuse private mappings of their own, so
 * that dma_buf_mmap() is of no use here.
 */
static unsigned long daxfs_dmabuf_pfn(const struct daxfs_backing *backing,
				      u64 offset)
{
	void *address = backing->address + offset;

	if (is_vmalloc_addr(address))
		return vmalloc_to_pfn(address);
	return PHYS_PFN(virt_to_phys(address));
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

DAXFS_IMPORT_DMA_BUF;
