// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all kinds of memory have in common.
 */
#include <linux/err.h>
#include <linux/fs_context.h>
#include <linux/kernel.h>

#include "backing.h"

/* A new kind of memory is a line here and a file of its own. */
const struct daxfs_backing_operations *const daxfs_backing_kinds[] = {
	&daxfs_phys_operations,
	&daxfs_dmabuf_operations,
	NULL
};

static int daxfs_backing_missing(struct fs_context *fc)
{
	const struct daxfs_backing_operations *const *kind;
	char names[64] = "";
	size_t used = 0;

	for (kind = daxfs_backing_kinds; *kind; kind++)
		used += scnprintf(names + used, sizeof(names) - used, "%s%s=",
				  used ? ", " : "", (*kind)->name);
	return invalfc(fc, "no option names the memory of the image: give one of %s",
		       names);
}

/**
 * daxfs_backing_create() - get hold of the memory that a mount asks for
 * @request: the memory
 * @fc: logs a message on failure
 *
 * Return: a backing that is not mapped, or an ERR_PTR.
 */
struct daxfs_backing *daxfs_backing_create(const struct daxfs_request *request,
					   struct fs_context *fc)
{
	struct daxfs_backing *backing;

	if (!request->operations)
		return ERR_PTR(daxfs_backing_missing(fc));
	backing = request->operations->create(request, fc);
	if (!IS_ERR(backing))
		backing->operations = request->operations;
	return backing;
}

/**
 * daxfs_backing_unmap() - unmap memory, if it is mapped
 * @backing: the memory; not released
 */
void daxfs_backing_unmap(struct daxfs_backing *backing)
{
	if (backing->address)
		backing->operations->unmap(backing);
	backing->address = NULL;
}

/**
 * daxfs_backing_release() - unmap memory, if it is mapped, and release it
 * @backing: the memory, or NULL
 */
void daxfs_backing_release(struct daxfs_backing *backing)
{
	if (!backing)
		return;
	daxfs_backing_unmap(backing);
	backing->operations->release(backing);
}

/**
 * daxfs_backing_same() - whether a request names the memory of a backing
 * @backing: the memory
 * @request: the request
 *
 * Return: whether both are of one kind and start at the same byte of memory.
 */
bool daxfs_backing_same(const struct daxfs_backing *backing,
			const struct daxfs_request *request)
{
	return backing->operations == request->operations &&
	       backing->operations->same(backing, request);
}

/**
 * daxfs_backing_conflict() - find options that differ from those of a mount
 * @backing: the memory of the mount
 * @request: what another mount or a remount asks for
 *
 * Return: names of the options, or NULL. Options that were not given don't differ.
 */
const char *daxfs_backing_conflict(const struct daxfs_backing *backing,
				   const struct daxfs_request *request)
{
	const bool size = request->has_size && request->size != backing->size;

	if (request->operations && !daxfs_backing_same(backing, request))
		return request->operations->name;
	if (request->pages == DAXFS_PAGES_ALWAYS && !backing->pinnable)
		return size ? "size and pages" : "pages";
	if (request->pages == DAXFS_PAGES_NEVER && backing->pagemap)
		return size ? "size and nopages" : "nopages";
	return size ? "size" : NULL;
}

/**
 * daxfs_backing_module_init() - prepare all kinds of memory
 *
 * Return: 0, or a negative errno.
 */
int daxfs_backing_module_init(void)
{
	const struct daxfs_backing_operations *const *kind;

	for (kind = daxfs_backing_kinds; *kind; kind++) {
		int err = (*kind)->init ? (*kind)->init() : 0;

		if (!err)
			continue;
		while (kind != daxfs_backing_kinds) {
			kind--;
			if ((*kind)->exit)
				(*kind)->exit();
		}
		return err;
	}
	return 0;
}

/**
 * daxfs_backing_module_exit() - undo daxfs_backing_module_init(); nothing is mounted
 */
void daxfs_backing_module_exit(void)
{
	const struct daxfs_backing_operations *const *kind;

	for (kind = daxfs_backing_kinds; *kind; kind++)
		if ((*kind)->exit)
			(*kind)->exit();
}
