// SPDX-License-Identifier: GPL-2.0-only
/*
 * access_checks DIRECTORY: opens files as other users; DIRECTORY has what
 * tests/guest/mount.test.ts puts there.
 */
#include <fcntl.h>
#include <grp.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"

enum { ALICE = 1000, BOB = 1001, OTHER = 1002, TEAM = 2000, ROOT = 0 };

struct attempt {
	const char *path;
	unsigned int user;
	/* The user's only further group, or 0. */
	unsigned int group;
	/* Of open(2). */
	int flags;
	int expected;
};

static const struct attempt attempts[] = {
	{ "plain/public", OTHER, 0, O_RDONLY, 0 },
	{ "plain/public", OTHER, 0, O_RDWR, EROFS },
	{ "plain/private", ALICE, 0, O_RDONLY, 0 },
	{ "plain/private", BOB, 0, O_RDONLY, EACCES },
	{ "plain/private", ROOT, 0, O_RDONLY, 0 },
	{ "plain/team", ALICE, 0, O_RDONLY, EACCES },
	{ "plain/team", ALICE, TEAM, O_RDONLY, 0 },
	{ "plain/not-the-owner", ALICE, TEAM, O_RDONLY, EACCES },
	{ "plain/not-the-owner", BOB, TEAM, O_RDONLY, 0 },
	{ "plain/closed/inside", OTHER, 0, O_RDONLY, EACCES },
	{ "plain/closed", OTHER, 0, O_RDONLY | O_DIRECTORY, EACCES },
	{ "plain/search/inside", OTHER, 0, O_RDONLY, 0 },
	{ "plain/search", OTHER, 0, O_RDONLY | O_DIRECTORY, EACCES },
	{ "plain/list/inside", OTHER, 0, O_RDONLY, EACCES },
	{ "plain/list", OTHER, 0, O_RDONLY | O_DIRECTORY, 0 },
	{ "acl/user", ALICE, 0, O_RDONLY, 0 },
	{ "acl/user", BOB, 0, O_RDONLY, EACCES },
	{ "acl/denied", BOB, 0, O_RDONLY, EACCES },
	{ "acl/denied", OTHER, 0, O_RDONLY, 0 },
	{ "acl/masked", ALICE, 0, O_RDONLY, EACCES },
	{ "acl/group", ALICE, TEAM, O_RDONLY, 0 },
	{ "acl/group", ALICE, 0, O_RDONLY, EACCES },
	{ "acl/directory/inside", ALICE, 0, O_RDONLY, 0 },
	{ "acl/directory", ALICE, 0, O_RDONLY | O_DIRECTORY, 0 },
	{ "acl/directory/inside", BOB, 0, O_RDONLY, EACCES },
	/* A default ACL is for what is made in the directory, not for it. */
	{ "acl/default/inside", ALICE, 0, O_RDONLY, EACCES },
};

static void become(unsigned int user, gid_t group)
{
	if (setgroups(group ? 1 : 0, &group) != 0 || setresgid(user, user, user) != 0 ||
	    setresuid(user, user, user) != 0)
		_exit(255);
}

/* Runs @call with @argument as another user. Return: what it returned. */
static int as(unsigned int user, gid_t group, int (*call)(const void *), const void *argument)
{
	const pid_t child = fork();
	int status;

	if (child < 0)
		die("fork");
	if (child == 0) {
		become(user, group);
		_exit(call(argument));
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
	    WEXITSTATUS(status) == 255)
		die("a child");
	return WEXITSTATUS(status);
}

static int try_open(const void *argument)
{
	const struct attempt *attempt = argument;

	return ERRNO_OF(open(attempt->path, attempt->flags));
}

static int try_read_trusted(const void *path)
{
	char value[16];

	return ERRNO_OF(getxattr(path, "trusted.secret", value, sizeof(value)));
}

/* Return: 1 if names of the kind are listed, 0 if not. */
static int lists_trusted(const void *path)
{
	char names[4096];
	const ssize_t length = listxattr(path, names, sizeof(names));

	if (length < 0)
		return 2;
	return memmem(names, length, "trusted.", 8) != NULL;
}

static int run(const void *path)
{
	const int null = open("/dev/null", O_WRONLY);

	dup2(null, 1);
	execl(path, path, NULL);
	return errno;
}

int main(int argc, char **argv)
{
	char name[256];
	size_t i;

	if (argc != 2 || chdir(argv[1]) != 0)
		die("wrong usage");
	for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		const struct attempt *attempt = &attempts[i];

		snprintf(name, sizeof(name), "open %s as %u%s%s", attempt->path, attempt->user,
			 attempt->group ? " of the team" : "",
			 (attempt->flags & O_ACCMODE) == O_RDWR ? " for writing" : "");
		check_errno(name, as(attempt->user, attempt->group, try_open, attempt),
			    attempt->expected);
	}
	check_errno("run a program that can't be read", as(OTHER, 0, run, "plain/program"), 0);
	check_errno("run a program of others", as(OTHER, 0, run, "plain/program-of-root"), EACCES);
	check_errno("run a file without x as root", as(ROOT, 0, run, "plain/public"), EACCES);
	check_errno("read a trusted attribute as root", as(ROOT, 0, try_read_trusted, "xattrs"), 0);
	check_errno("read a trusted attribute as a user", as(OTHER, 0, try_read_trusted, "xattrs"),
		    ENODATA);
	check("trusted attributes are listed for root", as(ROOT, 0, lists_trusted, "xattrs") == 1,
	      "listxattr");
	check("trusted attributes are not listed for a user",
	      as(OTHER, 0, lists_trusted, "xattrs") == 0, "listxattr");
	return done();
}
