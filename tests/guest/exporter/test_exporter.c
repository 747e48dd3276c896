// SPDX-License-Identifier: GPL-2.0-only
/*
 * An exporter of dma-bufs that counts what is done with them, and that does what
 * exporters of hardware do which no virtual machine has. The counts are parameters
 * of the module, for anyone to read.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
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
static int buffers;
module_param(buffers, int, 0444);
/* Mappings that were ever made. */
static int mappings;
module_param(mappings, int, 0444);

struct test_buffer {
	/* What an exporter can do, the core tells by what is there. */
	struct dma_buf_ops operations;
	void *memory;
	u32 kind;
};

static struct sg_table *test_map_dma_buf(struct dma_buf_attachment *attachment,
					 enum dma_data_direction direction)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static void test_unmap_dma_buf(struct dma_buf_attachment *attachment,
			       struct sg_table *table,
			       enum dma_data_direction direction)
{
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
	return 0;
}

static void test_unpin(struct dma_buf_attachment *attachment)
{
}

static void test_release(struct dma_buf *dmabuf)
{
	struct test_buffer *buffer = dmabuf->priv;

	vfree(buffer->memory);
	kfree(buffer);
	buffers--;
}

static const struct dma_buf_ops test_operations = {
	.map_dma_buf = test_map_dma_buf,
	.unmap_dma_buf = test_unmap_dma_buf,
	.begin_cpu_access = test_begin_cpu_access,
	.end_cpu_access = test_end_cpu_access,
	.mmap = test_mmap,
	.vmap = test_vmap,
	.vunmap = test_vunmap,
	.release = test_release,
};

static struct dma_buf *test_export(struct test_buffer *buffer, u64 size)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	/* Behind each area of vmalloc is a page that nothing is mapped at. */
	buffer->memory = vmalloc_user(buffer->kind == TEST_EXPORTER_SHORT ?
				      size - PAGE_SIZE : size);
	if (!buffer->memory)
		return ERR_PTR(-ENOMEM);
	buffer->operations = test_operations;
	if (buffer->kind == TEST_EXPORTER_NO_VMAP)
		buffer->operations.vmap = NULL;
	if (buffer->kind == TEST_EXPORTER_MOVABLE) {
		buffer->operations.pin = test_pin;
		buffer->operations.unpin = test_unpin;
	}
	info.ops = &buffer->operations;
	info.size = size;
	info.flags = O_RDWR;
	info.priv = buffer;
	return dma_buf_export(&info);
}

static long test_ioctl(struct file *file, unsigned int command,
		       unsigned long argument)
{
	struct test_exporter_request request;
	struct test_buffer *buffer;
	struct dma_buf *dmabuf;
	int fd;

	if (command != TEST_EXPORTER_CREATE)
		return -ENOTTY;
	if (copy_from_user(&request, (void __user *)argument, sizeof(request)))
		return -EFAULT;
	if (request.size < 2 * PAGE_SIZE || !PAGE_ALIGNED(request.size) ||
	    request.kind >= TEST_EXPORTER_KINDS)
		return -EINVAL;
	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);
	if (!buffer)
		return -ENOMEM;
	buffer->kind = request.kind;
	dmabuf = test_export(buffer, request.size);
	if (IS_ERR(dmabuf)) {
		vfree(buffer->memory);
		kfree(buffer);
		return PTR_ERR(dmabuf);
	}
	buffers++;
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
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
