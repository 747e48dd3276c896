// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all kinds of memory have in common.
 */
#include <linux/dma-buf.h>
#include <linux/fs_context.h>

#include "backing.h"
#include "compat.h"

/**
 * daxfs_backing_init() - take hold of the memory that a mount asks for
 * @backing: filled in, not mapped
 * @request: what the mount asks for
 * @fc: gets a message on failure
 *
 * Return: 0, or a negative errno.
 */
int daxfs_backing_init(struct daxfs_backing *backing,
		       const struct daxfs_request *request,
		       struct fs_context *fc)
{
	if (request->dmabuf && (request->has_phys || request->has_size))
		return invalfc(fc, "dmabuf can't be given beside phys= or size=");
	if (request->dmabuf)
		return daxfs_dmabuf_init(backing, request, fc);
	if (!request->has_phys)
		return invalfc(fc, "phys= or a dmabuf must name the memory of the image");
	return daxfs_phys_init(backing, request, fc);
}

/**
 * daxfs_backing_unmap() - unmap memory, if it is mapped
 * @backing: the memory; it is still held
 */
void daxfs_backing_unmap(struct daxfs_backing *backing)
{
	if (backing->address)
		backing->operations->unmap(backing);
	backing->address = NULL;
}

/**
 * daxfs_backing_exit() - unmap memory, if it is mapped, and let go of it
 * @backing: the memory; nothing happens where it was never taken
 */
void daxfs_backing_exit(struct daxfs_backing *backing)
{
	daxfs_backing_unmap(backing);
	if (backing->dmabuf)
		dma_buf_put(backing->dmabuf);
}

/**
 * daxfs_backing_same() - whether two regions begin at the same byte of memory
 * @backing: one
 * @other: the other
 *
 * Return: whether they do.
 */
bool daxfs_backing_same(const struct daxfs_backing *backing,
			const struct daxfs_backing *other)
{
	return backing->operations == other->operations &&
	       backing->phys == other->phys && backing->dmabuf == other->dmabuf;
}
