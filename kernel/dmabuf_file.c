// SPDX-License-Identifier: GPL-2.0-only
/*
 * From an open file to the dma-buf that it is.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm.h>

#include "dmabuf_file.h"

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
 * The file operations of dma-bufs, which the kernel does not export: those of a dma-buf
 * of our own. It pins the module until its file is released.
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
	/* The core requires a value; nothing uses it. */
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
 * daxfs_dmabuf_get() - get the dma-buf of a file
 * @file: any open file
 *
 * As dma_buf_get(), which takes a file descriptor: on 6.1 its number does not reach a
 * filesystem.
 *
 * Return: the dma-buf with a reference, or an ERR_PTR: -EINVAL if the file is not that
 * of a dma-buf.
 */
struct dma_buf *daxfs_dmabuf_get(struct file *file)
{
	const struct file_operations *fops = daxfs_dmabuf_file_operations();
	struct dma_buf *dmabuf;

	if (IS_ERR(fops))
		return ERR_CAST(fops);
	if (file->f_op != fops)
		return ERR_PTR(-EINVAL);
	dmabuf = file->private_data;
	get_dma_buf(dmabuf);
	return dmabuf;
}
