// SPDX-License-Identifier: GPL-2.0-only
/*
 * mount_option NAME OPTIONS DIRECTORY: mounts with mount(2), and with
 * fsconfig(2), and prints a line for each:
 *
 *	NAME TAB call TAB error TAB where=message TAB where=message ...
 *
 * "log" is the file descriptor of fsopen(2), "dmesg" the kernel's log.
 */
#include <fcntl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <unistd.h>

#include "check.h"

enum { KLOG_READ_ALL = 3, KLOG_CLEAR = 5 };

static void print_lines(const char *where, char *text)
{
	char *line = strtok(text, "\n");

	for (; line; line = strtok(NULL, "\n"))
		printf("\t%s=%s", where, line);
}

static void print_kernel_log(void)
{
	static char log[1 << 18];
	const int length = klogctl(KLOG_READ_ALL, log, sizeof(log) - 1);

	if (length < 0)
		die("reading the kernel's log");
	log[length] = '\0';
	print_lines("dmesg", log);
}

static int with_mount(const char *options, const char *directory)
{
	return ERRNO_OF(mount("none", directory, "daxfs", 0, options));
}

/* Sets the options one by one, as mount(8) of newer systems does. */
static int set_options(int fd, const char *options)
{
	char *copy = strdup(options);
	char *rest = copy;
	char *option;
	int err = 0;

	while (!err && (option = strsep(&rest, ","))) {
		char *value = strchr(option, '=');

		if (*option == '\0')
			continue;
		if (value)
			*value++ = '\0';
		err = ERRNO_OF(fsconfig(fd, value ? FSCONFIG_SET_STRING :
						    FSCONFIG_SET_FLAG,
					option, value, 0));
	}
	free(copy);
	return err;
}

static int with_fsconfig(int fd, const char *options, const char *directory)
{
	int err = set_options(fd, options);
	int mounted;

	if (!err)
		err = ERRNO_OF(fsconfig(fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	if (err)
		return err;
	mounted = fsmount(fd, 0, 0);
	if (mounted < 0)
		return errno;
	err = ERRNO_OF(move_mount(mounted, "", AT_FDCWD, directory,
				  MOVE_MOUNT_F_EMPTY_PATH));
	close(mounted);
	return err;
}

int main(int argc, char **argv)
{
	char message[4096];
	ssize_t length;
	int err;
	int fd;

	if (argc != 4)
		die("wrong usage");

	klogctl(KLOG_CLEAR, NULL, 0);
	err = with_mount(argv[2], argv[3]);
	printf("%s\tmount\t%s", argv[1], errno_name(err));
	print_kernel_log();
	putchar('\n');
	if (!err && umount2(argv[3], 0) != 0)
		die("umount");

	klogctl(KLOG_CLEAR, NULL, 0);
	fd = fsopen("daxfs", 0);
	if (fd < 0)
		die("fsopen");
	err = with_fsconfig(fd, argv[2], argv[3]);
	printf("%s\tfsconfig\t%s", argv[1], errno_name(err));
	while ((length = read(fd, message, sizeof(message) - 1)) > 0) {
		message[length] = '\0';
		print_lines("log", message);
	}
	close(fd);
	print_kernel_log();
	putchar('\n');
	if (!err && umount2(argv[3], 0) != 0)
		die("umount");
	return 0;
}
