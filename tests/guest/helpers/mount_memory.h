/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory to mount, in one word of a command line:
 *
 *   phys=ADDRESS,size=BYTES           a range, by mount options
 *   dmabuf=EXPORTER,ADDRESS,BYTES     a new dma-buf with a copy of a range
 */
#ifndef MOUNT_MEMORY_H
#define MOUNT_MEMORY_H

#include <sys/mount.h>

#include "../../../tools/qemu/guest/dmabuf.h"
#include "check.h"

struct memory {
	const char *options;
	/* Of a dma-buf; else -1. */
	int buffer;
};

static inline struct memory memory_parse(const char *text)
{
	struct memory memory = { .options = text, .buffer = -1 };
	char exporter[32];
	long long address, size;

	if (strncmp(text, "dmabuf=", 7) != 0)
		return memory;
	if (sscanf(text + 7, "%31[^,],%lli,%lli", exporter, &address, &size) != 3)
		die("%s", text);
	memory.buffer = dmabuf_of_physical(exporter, address, size);
	if (memory.buffer < 0)
		die("a dma-buf from %s", exporter);
	return memory;
}

static inline int memory_set(int context, const struct memory *memory)
{
	char copy[256], *rest = copy, *key;
	int err = 0;

	if (memory->buffer >= 0)
		return ERRNO_OF(fsconfig(context, FSCONFIG_SET_FD, "dmabuf", NULL,
					 memory->buffer));
	snprintf(copy, sizeof(copy), "%s", memory->options);
	while (!err && (key = strsep(&rest, ","))) {
		char *value = strchr(key, '=');

		if (value)
			*value++ = '\0';
		err = ERRNO_OF(fsconfig(context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
					key, value, 0));
	}
	return err;
}

/* Mounts by fsopen(2) and reads what that has to say. Return: an errno, or 0. */
static inline int memory_mount_by_context(const struct memory *memory, const char *directory)
{
	const int context = fsopen("daxfs", FSOPEN_CLOEXEC);
	int mounted = -1, err = context < 0 ? errno : 0;
	char message[512];

	if (err)
		return err;
	err = memory_set(context, memory);
	if (!err)
		err = ERRNO_OF(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	if (!err) {
		mounted = fsmount(context, FSMOUNT_CLOEXEC, 0);
		err = mounted < 0 ? errno : 0;
	}
	while (read(context, message, sizeof(message)) > 0)
		;
	close(context);
	if (err)
		return err;
	err = ERRNO_OF(move_mount(mounted, "", AT_FDCWD, directory, MOVE_MOUNT_F_EMPTY_PATH));
	close(mounted);
	return err;
}

/* By mount(2), where that can name the memory. Return: an errno, or 0. */
static inline int memory_mount(const struct memory *memory, const char *directory)
{
	if (memory->buffer >= 0)
		return memory_mount_by_context(memory, directory);
	return ERRNO_OF(mount("none", directory, "daxfs", 0, memory->options));
}

#endif /* MOUNT_MEMORY_H */
