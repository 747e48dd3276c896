/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mounts of dma-bufs by fsopen(2), what the kernel says to them, and the file that
 * their image has.
 */
#ifndef MOUNT_BUFFER_H
#define MOUNT_BUFFER_H

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "check.h"
#include "pattern.h"

/* Bytes of the file "odd". */
enum { ODD = 1000003 };

/* What the last context said, all lines of it, and how many. */
static char messages[4096];
static int message_count;

static inline int new_context(void)
{
	const int context = fsopen("daxfs", FSOPEN_CLOEXEC);

	if (context < 0)
		die("fsopen");
	return context;
}

static inline int end_context(int context)
{
	size_t length = 0;
	ssize_t got;

	message_count = 0;
	while ((got = read(context, messages + length, sizeof(messages) - 1 - length)) > 0) {
		length += got;
		message_count++;
	}
	messages[length] = '\0';
	return close(context);
}

static inline int set_buffer(int context, int buffer)
{
	return ERRNO_OF(fsconfig(context, FSCONFIG_SET_FD, "dmabuf", NULL, buffer));
}

static inline int set_string(int context, const char *key, const char *value)
{
	return ERRNO_OF(fsconfig(context, FSCONFIG_SET_STRING, key, value, 0));
}

static inline int create(int context)
{
	return ERRNO_OF(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
}

static inline int mount_context(int context, const char *directory)
{
	const int mounted = fsmount(context, FSMOUNT_CLOEXEC, 0);
	int err;

	if (mounted < 0)
		return errno;
	err = ERRNO_OF(move_mount(mounted, "", AT_FDCWD, directory, MOVE_MOUNT_F_EMPTY_PATH));
	close(mounted);
	return err;
}

/* Mounts @buffer. Return: errno of the first call that fails, or 0. */
static inline int mount_buffer(int buffer, const char *directory)
{
	const int context = new_context();
	int err = set_buffer(context, buffer);

	err = err ?: create(context);
	err = err ?: mount_context(context, directory);
	end_context(context);
	return err;
}

/* Checks that the last context said one thing, and @word in it. */
static inline void check_words(const char *name, const char *word)
{
	check(name, message_count == 1 && strcasestr(messages, word),
	      "%d messages, %s in: %s", message_count, word, strtok(messages, "\n") ?: "");
}

static inline bool file_is_right(const char *path)
{
	static uint8_t content[ODD + 1];
	const int fd = open(path, O_RDONLY);
	const ssize_t length = read(fd, content, sizeof(content));

	close(fd);
	return length == ODD && pattern_match(content, 0, ODD) == ODD;
}

#endif /* MOUNT_BUFFER_H */
