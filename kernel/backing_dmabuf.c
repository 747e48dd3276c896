// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a dma-buf: of a dma-heap, a GPU, an accelerator.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "backing.h"
#include "compat.h"
#include "dmabuf_file.h"

/**
 * struct daxfs_dmabuf - memory of a dma-buf
 * @common: the backing
 * @pages: whether struct pages were asked for
 * @dmabuf: the dma-buf, with a reference
 * @attachment: keeps its memory in place while it is mapped
 * @table: what the exporter has mapped for the attachment
 * @map: the mapping into the kernel
 */
struct daxfs_dmabuf {
	struct daxfs_backing common;
	enum daxfs_pages pages;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attachment;
	struct sg_table *table;
	struct iosys_map map;
};

static struct daxfs_dmabuf *daxfs_dmabuf_of(const struct daxfs_backing *common)
{
	return container_of(common, struct daxfs_dmabuf, common);
}

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
 * .move_notify. Before 6.15 a vmap does not keep it in place; since then that depends on
 * the exporter.
 */
static int daxfs_dmabuf_attach(struct daxfs_dmabuf *backing,
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

static void daxfs_dmabuf_detach(struct daxfs_dmabuf *backing)
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
static int daxfs_dmabuf_check_table(const struct daxfs_dmabuf *backing,
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
 * file does not. The table can't give page frames: its addresses are those of a device,
 * and an exporter need not give struct pages, which CONFIG_DMABUF_DEBUG
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
static bool daxfs_dmabuf_is_kept(const struct daxfs_dmabuf *backing,
				 struct scatterlist *entry, u64 offset)
{
	const u64 length = min_t(u64, entry->length,
				 backing->common.size - offset);
	u64 at;

	for (at = 0; at < length; at += PAGE_SIZE) {
		const unsigned long pfn = daxfs_dmabuf_pfn(&backing->common, offset + at);

		if (pfn != DAXFS_NO_PFN &&
		    pfn != page_to_pfn(sg_page(entry)) + PHYS_PFN(entry->offset + at))
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
static int daxfs_dmabuf_check_pages(const struct daxfs_dmabuf *backing,
				    struct fs_context *fc)
{
	struct scatterlist *entry;
	u64 offset = 0;
	int i;

	if (IS_ENABLED(CONFIG_DMABUF_DEBUG))
		return 0;
	for_each_sgtable_sg(backing->table, entry, i) {
		if (offset >= backing->common.size)
			break;
		if (sg_page(entry) && !daxfs_dmabuf_is_kept(backing, entry, offset))
			return invalfc(fc,
				"the dma-buf (%s) has other pages for the CPU than for devices",
				backing->dmabuf->exp_name);
		offset += entry->length;
	}
	return 0;
}

static int daxfs_dmabuf_vmap(struct daxfs_dmabuf *backing,
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
	backing->common.address = backing->map.vaddr;
	if (backing->map.is_iomem)
		err = invalfc(fc, "the dma-buf (%s) is in I/O memory (iomem), not in RAM",
			      dmabuf->exp_name);
	else if (!is_vmalloc_addr(backing->common.address) &&
		 !virt_addr_valid(backing->common.address))
		err = invalfc(fc, "the dma-buf (%s) is mapped where its pages can't be found",
			      dmabuf->exp_name);
	else
		err = daxfs_dmabuf_check_pages(backing, fc);
	if (err) {
		backing->common.address = NULL;
		dma_buf_vunmap_unlocked(dmabuf, &backing->map);
	}
	return err;
}

static int daxfs_dmabuf_map(struct daxfs_backing *common, u64 needed,
			    struct fs_context *fc)
{
	struct daxfs_dmabuf *backing = daxfs_dmabuf_of(common);
	struct dma_buf *dmabuf = backing->dmabuf;
	int err;

	if (backing->pages == DAXFS_PAGES_ALWAYS)
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

static void daxfs_dmabuf_unmap(struct daxfs_backing *common)
{
	struct daxfs_dmabuf *backing = daxfs_dmabuf_of(common);

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

static int daxfs_dmabuf_get_fd(const struct daxfs_backing *common)
{
	struct dma_buf *dmabuf = daxfs_dmabuf_of(common)->dmabuf;
	int fd;

	get_dma_buf(dmabuf);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

static struct daxfs_backing *daxfs_dmabuf_create(const struct daxfs_request *request,
						 struct fs_context *fc)
{
	struct daxfs_dmabuf *backing;
	struct dma_buf *dmabuf;

	if (request->has_size)
		return ERR_PTR(invalfc(fc, "size= is not for a dmabuf: it has a size of its own"));
	dmabuf = daxfs_dmabuf_get(request->file);
	if (IS_ERR(dmabuf))
		return ERR_CAST(dmabuf);
	backing = kzalloc(sizeof(*backing), GFP_KERNEL);
	if (!backing) {
		dma_buf_put(dmabuf);
		return ERR_PTR(-ENOMEM);
	}
	backing->pages = request->pages;
	backing->dmabuf = dmabuf;
	backing->common.size = dmabuf->size;
	return &backing->common;
}

static void daxfs_dmabuf_release(struct daxfs_backing *common)
{
	struct daxfs_dmabuf *backing = daxfs_dmabuf_of(common);

	dma_buf_put(backing->dmabuf);
	kfree(backing);
}

static bool daxfs_dmabuf_same(const struct daxfs_backing *common,
			      const struct daxfs_request *request)
{
	return daxfs_dmabuf_of(common)->dmabuf->file == request->file;
}

/*
 * Takes the file of the parameter: 6.1 does not pass its number. A number in a string
 * would name a file of any task that mounts. Any user may call this. A file that is
 * not a dma-buf is not kept: that of this context, or one that leads to it, would hold
 * the context, and the context the file, for ever.
 */
static int daxfs_dmabuf_parse(struct daxfs_request *request,
			      struct fs_parameter *param, struct fs_context *fc)
{
	struct dma_buf *dmabuf;

	if (param->type != fs_value_is_file)
		return invalfc(fc, "dmabuf takes a descriptor by FSCONFIG_SET_FD, not a string");
	if (request->file)
		return invalfc(fc, "dmabuf was given twice");
	dmabuf = daxfs_dmabuf_get(param->file);
	if (dmabuf == ERR_PTR(-EINVAL))
		errorfc(fc, "dmabuf is not the file descriptor of a dma-buf");
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	dma_buf_put(dmabuf);
	request->file = param->file;
	param->file = NULL;
	return 0;
}

/*
 * Exporters map the memory for the device, so it must reach all of it, in pieces of
 * any size. And it must not be given bounce buffers, which a memory encryption or
 * swiotlb=force would ask for: it reads nothing through them, they are few, and an
 * image does not fit.
 */
static int daxfs_dmabuf_module_init(void)
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

static void daxfs_dmabuf_module_exit(void)
{
	platform_device_unregister(daxfs_dmabuf_device);
}

static const struct fs_parameter_spec daxfs_dmabuf_parameters[] = {
	fsparam_fd("dmabuf", 0),
	{}
};

const struct daxfs_backing_operations daxfs_dmabuf_operations = {
	.name = "dmabuf",
	.parameters = daxfs_dmabuf_parameters,
	.parse = daxfs_dmabuf_parse,
	.create = daxfs_dmabuf_create,
	.release = daxfs_dmabuf_release,
	.same = daxfs_dmabuf_same,
	.map = daxfs_dmabuf_map,
	.unmap = daxfs_dmabuf_unmap,
	.pfn = daxfs_dmabuf_pfn,
	.contiguous = daxfs_dmabuf_contiguous,
	.get_fd = daxfs_dmabuf_get_fd,
	.init = daxfs_dmabuf_module_init,
	.exit = daxfs_dmabuf_module_exit,
};

DAXFS_IMPORT_DMA_BUF;
