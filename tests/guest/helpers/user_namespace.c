// SPDX-License-Identifier: GPL-2.0-only
/*
 * user_namespace INSIDE OUTSIDE COUNT PROGRAM [ARGUMENT...]: runs a program in a
 * user namespace, as the user INSIDE, in which COUNT ids from INSIDE on are
 * those from OUTSIDE on.
 */
#include "check.h"
#include "user_namespace.h"

int main(int argc, char **argv)
{
	int status;
	pid_t child;

	if (argc < 5)
		die("wrong usage");
	child = fork_into_namespace(atoi(argv[1]), atoi(argv[2]), atoi(argv[3]));
	if (child < 0)
		die("a user namespace");
	if (child == 0) {
		execvp(argv[4], argv + 4);
		_exit(127);
	}
	if (waitpid(child, &status, 0) != child)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}
