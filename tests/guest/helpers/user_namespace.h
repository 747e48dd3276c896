/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes user namespaces with a map of one range of ids, users and groups alike.
 */
#ifndef USER_NAMESPACE_H
#define USER_NAMESPACE_H

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static inline bool write_map(pid_t child, const char *file, unsigned int inside,
			     unsigned int outside, unsigned int count)
{
	char path[64], line[64];
	int fd, length;
	bool written;

	snprintf(path, sizeof(path), "/proc/%d/%s", child, file);
	length = snprintf(line, sizeof(line), "%u %u %u\n", inside, outside, count);
	fd = open(path, O_WRONLY);
	written = fd >= 0 && write(fd, line, length) == length;
	close(fd);
	return written;
}

/*
 * Starts a process in a user namespace and a mount namespace of its own, in
 * which ids from @inside on, @count of them, are those from @outside on. It
 * runs when the map is there.
 *
 * Return: as fork(2): the process, 0 in the process itself, -1 for an error.
 */
static inline pid_t fork_into_namespace(unsigned int inside, unsigned int outside,
					unsigned int count)
{
	int ready[2], mapped[2];
	char byte = 0;
	pid_t child;

	if (pipe(ready) != 0 || pipe(mapped) != 0)
		return -1;
	child = fork();
	if (child < 0)
		return -1;
	if (child == 0) {
		close(ready[0]);
		close(mapped[1]);
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || write(ready[1], &byte, 1) != 1 ||
		    read(mapped[0], &byte, 1) != 1 || setgid(inside) != 0 || setuid(inside) != 0)
			_exit(125);
		close(ready[1]);
		close(mapped[0]);
		return 0;
	}
	close(ready[1]);
	close(mapped[0]);
	if (read(ready[0], &byte, 1) != 1 ||
	    !write_map(child, "uid_map", inside, outside, count) ||
	    !write_map(child, "gid_map", inside, outside, count) ||
	    write(mapped[1], &byte, 1) != 1) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		child = -1;
	}
	close(ready[0]);
	close(mapped[1]);
	return child;
}

#endif /* USER_NAMESPACE_H */
