// SPDX-License-Identifier: GPL-2.0-only
/*
 * An exporter of dma-bufs that counts what is done with them, and that does what
 * exporters of hardware do which no virtual machine has. The counts are parameters
 * of the module, for anyone to read.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#include "test_exporter.h"

/* What was begun less what was ended; one user at a time. */
static int mapped;
module_param(mapped, int, 0444);
static int accessed;
module_param(accessed, int, 0444);
static int attached;
module_param(attached, int, 0444);
static int device_mapped;
module_param(device_mapped, int, 0444);
static int pinned;
module_param(pinned, int, 0444);
static int buffers;
module_param(buffers, int, 0444);
/* Mappings that were ever made. */
static int mappings;
module_param(mappings, int, 0444);

/* What memory holds that was moved away from. */
#define MOVED_BYTE 0xdb

struct test_buffer {
	/* What an exporter can do, the core tells by what is there. */
	struct dma_buf_ops operations;
	void *memory;
	/* What it was before it was moved, in case it is used still. */
	void *before;
	/* The page that the kernel's mapping of TEST_EXPORTER_HOLE lacks. */
	struct page *last;
	size_t size;
	int pinned;
	u32 kind;
};

static void test_pin_one(struct test_buffer *buffer, int change)
{
	buffer->pinned += change;
	pinned += change;
}

static int test_attach(struct dma_buf *dmabuf,
		       struct dma_buf_attachment *attachment)
{
	struct test_buffer *buffer = dmabuf->priv;

	if (buffer->kind == TEST_EXPORTER_NO_ATTACH)
		return -EBUSY;
	if (buffer->kind == TEST_EXPORTER_PIN_ON_ATTACH)
		test_pin_one(buffer, 1);
	attached++;
	return 0;
}

static void test_detach(struct dma_buf *dmabuf,
			struct dma_buf_attachment *attachment)
{
	struct test_buffer *buffer = dmabuf->priv;

	if (buffer->kind == TEST_EXPORTER_PIN_ON_ATTACH)
		test_pin_one(buffer, -1);
	attached--;
}

static struct page *test_page(const struct test_buffer *buffer, size_t index)
{
	const size_t offset = index << PAGE_SHIFT;

	if (buffer->kind == TEST_EXPORTER_HOLE &&
	    offset + PAGE_SIZE == buffer->size)
		return buffer->last;
	if (buffer->kind == TEST_EXPORTER_OTHER_PAGES)
		return vmalloc_to_page(buffer->memory + buffer->size -
				       PAGE_SIZE - offset);
	return vmalloc_to_page(buffer->memory + offset);
}

static int test_fill_table(const struct test_buffer *buffer,
			   struct sg_table *table)
{
	const size_t offset = buffer->kind == TEST_EXPORTER_ODD ? 512 : 0;
	size_t count = buffer->size >> PAGE_SHIFT;
	struct page **pages;
	size_t i;
	int err;

	if (buffer->kind == TEST_EXPORTER_SHORT)
		count--;
	pages = kvcalloc(count, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		pages[i] = test_page(buffer, i);
	err = sg_alloc_table_from_pages(table, pages, count, offset,
					(count << PAGE_SHIFT) - offset,
					GFP_KERNEL);
	kvfree(pages);
	return err;
}

/* As drivers do for memory of a device, which has no struct pages. */
static int test_fill_table_without_pages(const struct test_buffer *buffer,
					 struct sg_table *table)
{
	struct scatterlist *entry;
	int err, i;

	err = sg_alloc_table(table, buffer->size >> PAGE_SHIFT, GFP_KERNEL);
	if (err)
		return err;
	for_each_sgtable_sg(table, entry, i) {
		sg_set_page(entry, NULL, 0, 0);
		sg_dma_address(entry) = page_to_phys(test_page(buffer, i));
		sg_dma_len(entry) = PAGE_SIZE;
	}
	return 0;
}

static struct sg_table *test_map_dma_buf(struct dma_buf_attachment *attachment,
					 enum dma_data_direction direction)
{
	struct test_buffer *buffer = attachment->dmabuf->priv;
	struct sg_table *table;
	int err;

	if (buffer->kind == TEST_EXPORTER_NO_MAP)
		return ERR_PTR(-ENOSPC);
	table = kzalloc(sizeof(*table), GFP_KERNEL);
	if (!table)
		return ERR_PTR(-ENOMEM);
	if (buffer->kind == TEST_EXPORTER_NO_PAGES) {
		err = test_fill_table_without_pages(buffer, table);
	} else {
		err = test_fill_table(buffer, table);
		if (!err) {
			err = dma_map_sgtable(attachment->dev, table, direction, 0);
			if (err)
				sg_free_table(table);
		}
	}
	if (err) {
		kfree(table);
		return ERR_PTR(err);
	}
	if (buffer->kind == TEST_EXPORTER_PIN_ON_MAP)
		test_pin_one(buffer, 1);
	device_mapped++;
	return table;
}

static void test_unmap_dma_buf(struct dma_buf_attachment *attachment,
			       struct sg_table *table,
			       enum dma_data_direction direction)
{
	struct test_buffer *buffer = attachment->dmabuf->priv;

	if (buffer->kind != TEST_EXPORTER_NO_PAGES)
		dma_unmap_sgtable(attachment->dev, table, direction, 0);
	sg_free_table(table);
	kfree(table);
	if (buffer->kind == TEST_EXPORTER_PIN_ON_MAP)
		test_pin_one(buffer, -1);
	device_mapped--;
}

static int test_begin_cpu_access(struct dma_buf *dmabuf,
				 enum dma_data_direction direction)
{
	const struct test_buffer *buffer = dmabuf->priv;

	if (buffer->kind == TEST_EXPORTER_NO_ACCESS)
		return -EIO;
	accessed++;
	return 0;
}

static int test_end_cpu_access(struct dma_buf *dmabuf,
			       enum dma_data_direction direction)
{
	accessed--;
	return 0;
}

static int test_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	const struct test_buffer *buffer = dmabuf->priv;

	return remap_vmalloc_range(vma, buffer->memory, vma->vm_pgoff);
}

static int test_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	const struct test_buffer *buffer = dmabuf->priv;

	if (buffer->kind == TEST_EXPORTER_IOMEM)
		iosys_map_set_vaddr_iomem(map, (void __iomem *)buffer->memory);
	else
		iosys_map_set_vaddr(map, buffer->memory);
	mapped++;
	mappings++;
	return 0;
}

static void test_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	mapped--;
}

static int test_pin(struct dma_buf_attachment *attachment)
{
	test_pin_one(attachment->dmabuf->priv, 1);
	return 0;
}

static void test_unpin(struct dma_buf_attachment *attachment)
{
	test_pin_one(attachment->dmabuf->priv, -1);
}

static void test_free(struct test_buffer *buffer)
{
	if (buffer->last)
		__free_page(buffer->last);
	vfree(buffer->before);
	vfree(buffer->memory);
	kfree(buffer);
}

static void test_release(struct dma_buf *dmabuf)
{
	test_free(dmabuf->priv);
	buffers--;
}

static const struct dma_buf_ops test_operations = {
	.attach = test_attach,
	.detach = test_detach,
	.map_dma_buf = test_map_dma_buf,
	.unmap_dma_buf = test_unmap_dma_buf,
	.begin_cpu_access = test_begin_cpu_access,
	.end_cpu_access = test_end_cpu_access,
	.mmap = test_mmap,
	.vmap = test_vmap,
	.vunmap = test_vunmap,
	.release = test_release,
};

static struct dma_buf *test_export(struct test_buffer *buffer)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	size_t size = buffer->size;

	/* Behind each area of vmalloc is a page that nothing is mapped at. */
	if (buffer->kind == TEST_EXPORTER_HOLE) {
		size -= PAGE_SIZE;
		buffer->last = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!buffer->last)
			return ERR_PTR(-ENOMEM);
	}
	buffer->memory = vmalloc_user(size);
	if (!buffer->memory)
		return ERR_PTR(-ENOMEM);
	buffer->operations = test_operations;
	if (buffer->kind == TEST_EXPORTER_NO_VMAP)
		buffer->operations.vmap = NULL;
	if (buffer->kind == TEST_EXPORTER_PIN) {
		buffer->operations.pin = test_pin;
		buffer->operations.unpin = test_unpin;
	}
	info.ops = &buffer->operations;
	info.size = buffer->size;
	info.flags = O_RDWR;
	info.priv = buffer;
	return dma_buf_export(&info);
}

static int test_create(const struct test_exporter_request *request)
{
	struct test_buffer *buffer;
	struct dma_buf *dmabuf;
	int fd;

	if (request->size < 2 * PAGE_SIZE || !PAGE_ALIGNED(request->size) ||
	    request->kind >= TEST_EXPORTER_KINDS)
		return -EINVAL;
	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);
	if (!buffer)
		return -ENOMEM;
	buffer->kind = request->kind;
	buffer->size = request->size;
	dmabuf = test_export(buffer);
	if (IS_ERR(dmabuf)) {
		test_free(buffer);
		return PTR_ERR(dmabuf);
	}
	buffers++;
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

static int test_move(struct test_buffer *buffer)
{
	void *memory;

	if (buffer->kind != TEST_EXPORTER_PIN &&
	    buffer->kind != TEST_EXPORTER_PIN_ON_ATTACH &&
	    buffer->kind != TEST_EXPORTER_PIN_ON_MAP)
		return -EOPNOTSUPP;
	if (buffer->pinned)
		return -EBUSY;
	memory = vmalloc_user(buffer->size);
	if (!memory)
		return -ENOMEM;
	memcpy(memory, buffer->memory, buffer->size);
	memset(buffer->memory, MOVED_BYTE, buffer->size);
	vfree(buffer->before);
	buffer->before = buffer->memory;
	buffer->memory = memory;
	return 0;
}

static long test_ioctl(struct file *file, unsigned int command,
		       unsigned long argument)
{
	struct test_exporter_request request;
	struct dma_buf *dmabuf;
	u32 fd;
	int err = -EINVAL;

	switch (command) {
	case TEST_EXPORTER_CREATE:
		if (copy_from_user(&request, (void __user *)argument,
				   sizeof(request)))
			return -EFAULT;
		return test_create(&request);
	case TEST_EXPORTER_MOVE:
		if (copy_from_user(&fd, (void __user *)argument, sizeof(fd)))
			return -EFAULT;
		dmabuf = dma_buf_get(fd);
		if (IS_ERR(dmabuf))
			return PTR_ERR(dmabuf);
		if (dmabuf->owner == THIS_MODULE)
			err = test_move(dmabuf->priv);
		dma_buf_put(dmabuf);
		return err;
	default:
		return -ENOTTY;
	}
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = test_ioctl,
};

static struct miscdevice test_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "test_exporter",
	.fops = &test_fops,
};

module_misc_device(test_device);

MODULE_DESCRIPTION("Exporter of dma-bufs for tests");
MODULE_LICENSE("GPL");
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
MODULE_IMPORT_NS(DMA_BUF);
#else
MODULE_IMPORT_NS("DMA_BUF");
#endif
