// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended attributes and POSIX ACLs.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/slab.h>
#include <linux/xattr.h>

#include "compat.h"
#include "daxfs.h"

/* Finds the attribute of a whole @name. Return: 0, -ENODATA or -EUCLEAN. */
static int daxfs_find_xattr(struct inode *inode, const char *name,
			    struct daxfs_xattr *xattr)
{
	const struct daxfs_image *image = daxfs_image_of(inode);
	struct daxfs_xattr_cursor cursor;
	struct daxfs_corruption corruption;
	int err;

	err = daxfs_image_xattrs(image, inode->i_ino, &cursor, &corruption);
	if (err)
		return daxfs_report(inode->i_sb, err, &corruption);
	for (;;) {
		err = daxfs_image_next_xattr(image, &cursor, xattr, &corruption);
		if (err < 0)
			return daxfs_report(inode->i_sb, err, &corruption);
		if (err == 0)
			return -ENODATA;
		if (strcmp(xattr->name, name) == 0)
			return 0;
	}
}

/* Returns only the size if @buffer is NULL. */
static int daxfs_xattr_get(const struct xattr_handler *handler,
			   struct dentry *unused, struct inode *inode,
			   const char *name, void *buffer, size_t size)
{
	struct daxfs_xattr xattr;
	int err = daxfs_find_xattr(inode, xattr_full_name(handler, name),
				   &xattr);

	if (err)
		return err;
	if (!buffer)
		return xattr.value_len;
	if (xattr.value_len > size)
		return -ERANGE;
	daxfs_image_copy(daxfs_image_of(inode), xattr.value_offset, buffer,
			 xattr.value_len);
	return xattr.value_len;
}

static const struct xattr_handler daxfs_user_xattr_handler = {
	.prefix = XATTR_USER_PREFIX,
	.get = daxfs_xattr_get,
};

static const struct xattr_handler daxfs_trusted_xattr_handler = {
	.prefix = XATTR_TRUSTED_PREFIX,
	.get = daxfs_xattr_get,
};

static const struct xattr_handler daxfs_security_xattr_handler = {
	.prefix = XATTR_SECURITY_PREFIX,
	.get = daxfs_xattr_get,
};

const struct xattr_handler *daxfs_xattr_handlers[] = {
	&daxfs_user_xattr_handler,
	&daxfs_trusted_xattr_handler,
	&daxfs_security_xattr_handler,
	DAXFS_ACL_XATTR_HANDLERS
	NULL
};

/* Lists only names that getxattr(2) can read. */
static bool daxfs_lists_xattr(const char *name)
{
	if (strncmp(name, XATTR_TRUSTED_PREFIX, XATTR_TRUSTED_PREFIX_LEN) == 0)
		return ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
	return strncmp(name, XATTR_USER_PREFIX, XATTR_USER_PREFIX_LEN) == 0 ||
	       strncmp(name, XATTR_SECURITY_PREFIX,
		       XATTR_SECURITY_PREFIX_LEN) == 0 ||
	       strcmp(name, XATTR_NAME_POSIX_ACL_ACCESS) == 0 ||
	       strcmp(name, XATTR_NAME_POSIX_ACL_DEFAULT) == 0;
}

/**
 * daxfs_listxattr() - list the names of the attributes of a file
 * @dentry: the file
 * @buffer: for the names, each NUL-terminated; NULL to get only the size
 * @size: bytes of @buffer
 *
 * Return: bytes of all names, or a negative errno.
 */
ssize_t daxfs_listxattr(struct dentry *dentry, char *buffer, size_t size)
{
	struct inode *inode = d_inode(dentry);
	const struct daxfs_image *image = daxfs_image_of(inode);
	struct daxfs_xattr_cursor cursor;
	struct daxfs_corruption corruption;
	struct daxfs_xattr xattr;
	size_t used = 0;
	int err;

	err = daxfs_image_xattrs(image, inode->i_ino, &cursor, &corruption);
	while (!err) {
		err = daxfs_image_next_xattr(image, &cursor, &xattr, &corruption);
		if (err == 0)
			return used;
		if (err < 0)
			break;
		err = 0;
		if (!daxfs_lists_xattr(xattr.name))
			continue;
		if (buffer) {
			if (xattr.name_len + 1 > size - used)
				return -ERANGE;
			memcpy(buffer + used, xattr.name, xattr.name_len + 1);
		}
		used += xattr.name_len + 1;
		if (used > XATTR_LIST_MAX)
			return -E2BIG;
	}
	return daxfs_report(inode->i_sb, err, &corruption);
}

/**
 * daxfs_get_acl() - read a POSIX ACL
 * @inode: the inode
 * @type: ACL_TYPE_ACCESS or ACL_TYPE_DEFAULT
 * @rcu: whether the caller may not sleep
 *
 * Return: the ACL, NULL if there is none, or an ERR_PTR.
 */
struct posix_acl *daxfs_get_acl(struct inode *inode, int type, bool rcu)
{
	const char *name = type == ACL_TYPE_ACCESS ?
		XATTR_NAME_POSIX_ACL_ACCESS : XATTR_NAME_POSIX_ACL_DEFAULT;
	struct daxfs_xattr xattr;
	struct posix_acl *acl;
	void *value;
	int err;

	if (rcu)
		return ERR_PTR(-ECHILD);
	err = daxfs_find_xattr(inode, name, &xattr);
	if (err == -ENODATA)
		return NULL;
	if (err)
		return ERR_PTR(err);
	/* Uses the offset and size found above: the memory may have changed since. */
	value = kvmalloc(xattr.value_len, GFP_KERNEL);
	if (!value)
		return ERR_PTR(-ENOMEM);
	daxfs_image_copy(daxfs_image_of(inode), xattr.value_offset, value,
			 xattr.value_len);
	acl = posix_acl_from_xattr(&init_user_ns, value, xattr.value_len);
	kvfree(value);
	return acl;
}
