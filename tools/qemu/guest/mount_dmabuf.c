// SPDX-License-Identifier: GPL-2.0-only
/*
 * mount_dmabuf EXPORTER ADDRESS SIZE DIRECTORY [OPTIONS]: copies an image from
 * physical memory into a new dma-buf and mounts that. The mount alone holds the
 * dma-buf then. What the filesystem has to say goes to standard error, before
 * the last line, which is the error.
 */
#include <stdarg.h>
#include <sys/mount.h>

#include "dmabuf.h"

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	const int number = errno;
	va_list arguments;

	fputs("mount_dmabuf: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, ": %s\n", strerror(number));
	exit(1);
}

/* Messages begin with a letter for their kind, and a space. */
static void print_log(int context)
{
	char message[4096];
	ssize_t length;

	while ((length = read(context, message, sizeof(message) - 1)) > 0) {
		message[length] = '\0';
		fprintf(stderr, "%s%s", length > 2 && message[1] == ' ' ? message + 2 : message,
			message[length - 1] == '\n' ? "" : "\n");
	}
}

/* As fail(), with the filesystem's own messages first. */
static void __attribute__((noreturn)) fail_to_mount(int context, const char *what,
						    const char *directory)
{
	const int number = errno;

	print_log(context);
	errno = number;
	fail("mounting a dma-buf on %s failed (%s)", directory, what);
}

static int set_option(int context, char *option)
{
	char *value = strchr(option, '=');

	if (value)
		*value++ = '\0';
	return fsconfig(context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, option, value, 0);
}

static void mount_dmabuf(int buffer, const char *directory, char *options)
{
	const int context = fsopen("daxfs", FSOPEN_CLOEXEC);
	char *option;
	int mounted;

	if (context < 0)
		fail("fsopen");
	/* What mount(8) is given where there is no device. */
	if (fsconfig(context, FSCONFIG_SET_STRING, "source", "none", 0) != 0)
		fail_to_mount(context, "source", directory);
	if (fsconfig(context, FSCONFIG_SET_FD, "dmabuf", NULL, buffer) != 0)
		fail_to_mount(context, "dmabuf", directory);
	while ((option = strsep(&options, ",")))
		if (*option && set_option(context, option) != 0)
			fail_to_mount(context, option, directory);
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
		fail_to_mount(context, "create", directory);
	mounted = fsmount(context, FSMOUNT_CLOEXEC, 0);
	if (mounted < 0)
		fail_to_mount(context, "fsmount", directory);
	if (move_mount(mounted, "", AT_FDCWD, directory, MOVE_MOUNT_F_EMPTY_PATH) != 0)
		fail_to_mount(context, "move_mount", directory);
}

int main(int argc, char **argv)
{
	uint64_t address, size;
	int buffer;

	if (argc != 5 && argc != 6) {
		fputs("usage: mount_dmabuf EXPORTER ADDRESS SIZE DIRECTORY [OPTIONS]\n", stderr);
		return 2;
	}
	address = strtoull(argv[2], NULL, 0);
	size = strtoull(argv[3], NULL, 0);
	buffer = dmabuf_of_physical(argv[1], address, size);
	if (buffer < 0)
		fail("a dma-buf of %#llx bytes from %s, with the content of %#llx",
		     (unsigned long long)size, argv[1], (unsigned long long)address);
	mount_dmabuf(buffer, argv[4], argc == 6 ? argv[5] : NULL);
	return 0;
}
