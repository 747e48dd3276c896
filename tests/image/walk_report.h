/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The output lines of image_walk and mount_walk. Both use the same format, so
 * that they can be compared: fields are separated by TABs; blanks, backslashes
 * and bytes that are not printable ASCII are written as \xNN.
 *
 *   entry PATH INO MODE NLINK UID GID SIZE MTIME_NS MAJOR:MINOR CONTENT
 *   xattr PATH NAME HEXVALUE
 *   error PATH OPERATION ERRNO
 *
 * CONTENT is the CRC-32 of a regular file, the target of a symlink, or "-".
 * The root is "/". The entry of a directory precedes its children, which are in
 * the order of readdir.
 */
#ifndef _DAXFS_WALK_REPORT_H
#define _DAXFS_WALK_REPORT_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Longest path inside an image that a walk visits. */
#define WALK_PATH_MAX 65536
/* A walk stops after this many entries: the tree may have a loop. */
#define WALK_ENTRIES_MAX 20000

static inline void report_bytes(const char *bytes, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		const unsigned char byte = bytes[i];

		if (byte > ' ' && byte < 0x7f && byte != '\\')
			putchar(byte);
		else
			printf("\\x%02x", byte);
	}
}

static inline void report_path(const char *kind, const char *path, size_t size)
{
	printf("%s\t", kind);
	report_bytes(size == 0 ? "/" : path, size == 0 ? 1 : size);
}

static inline const char *report_errno(int error)
{
	switch (error) {
	case EUCLEAN:
		return "EUCLEAN";
	case ENOENT:
		return "ENOENT";
	case EIO:
		return "EIO";
	case EINVAL:
		return "EINVAL";
	case ELOOP:
		return "ELOOP";
	case ENODATA:
		return "ENODATA";
	case EOPNOTSUPP:
		return "EOPNOTSUPP";
	case ENAMETOOLONG:
		return "ENAMETOOLONG";
	case EFAULT:
		return "EFAULT";
	default:
		return strerror(error);
	}
}

static inline void report_error(const char *path, size_t size,
				const char *operation, int error)
{
	report_path("error", path, size);
	printf("\t%s\t%s", operation, report_errno(error));
}

static inline void report_xattr(const char *path, size_t size, const char *name,
				size_t name_size, const unsigned char *value,
				size_t value_size)
{
	size_t i;

	report_path("xattr", path, size);
	putchar('\t');
	report_bytes(name, name_size);
	putchar('\t');
	for (i = 0; i < value_size; i++)
		printf("%02x", value[i]);
	putchar('\n');
}

#endif /* _DAXFS_WALK_REPORT_H */
