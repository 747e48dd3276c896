// SPDX-License-Identifier: GPL-2.0-only
/*
 * idmap SOURCE TARGET STORED SHOWN COUNT: binds the mount at SOURCE to TARGET,
 * where COUNT ids that are stored from STORED on show as those from SHOWN on.
 * Prints "0" or the name of the error.
 */
#include <sys/mount.h>

#include "check.h"
#include "user_namespace.h"

int main(int argc, char **argv)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	int tree, error = 0;
	char path[64];
	pid_t child;

	if (argc != 6)
		die("wrong usage");
	child = fork_into_namespace(atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
	if (child < 0)
		die("a user namespace");
	if (child == 0)
		for (;;)
			pause();
	snprintf(path, sizeof(path), "/proc/%d/ns/user", child);
	attr.userns_fd = open(path, O_RDONLY | O_CLOEXEC);
	tree = open_tree(AT_FDCWD, argv[1], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		die("open_tree %s", argv[1]);
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) != 0 ||
	    move_mount(tree, "", AT_FDCWD, argv[2], MOVE_MOUNT_F_EMPTY_PATH) != 0)
		error = errno;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	puts(errno_name(error));
	return error != 0;
}
