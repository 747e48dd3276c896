/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From an open file to the dma-buf that it is.
 */
#ifndef _DAXFS_DMABUF_FILE_H
#define _DAXFS_DMABUF_FILE_H

struct dma_buf;
struct file;

struct dma_buf *daxfs_dmabuf_get(struct file *file);

#endif /* _DAXFS_DMABUF_FILE_H */
