// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended attributes and ACLs, as a user without capabilities sees them.
 *
 *   xattr_checks list FILE FLAG      FILE has user.seen and trusted.hidden, which
 *                                    is not listed; FLAG is the tracing_on of
 *                                    tracefs, which is on during the call
 *   xattr_checks acl DIRECTORY SIZE ADDRESS
 *                                    asks for access to all files of DIRECTORY,
 *                                    which have one ACL of five entries, while its
 *                                    size changes in the image of SIZE bytes at the
 *                                    physical ADDRESS
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../../../kernel/daxfs_format.h"
#include "check.h"

enum {
	USER = 1000,
	/* Of an ACL of three entries, and of five. */
	SHORT_ACL = 4 + 3 * 8,
	LONG_ACL = 4 + 5 * 8,
	MOST_ERRORS = 4096,
};

static const char acl_name[] = "system.posix_acl_access";

static void become_user(void)
{
	if (setresgid(USER, USER, USER) != 0 || setresuid(USER, USER, USER) != 0)
		die("setresuid");
}

static int list(const char *path, const char *flag)
{
	const int tracing = open(flag, O_WRONLY);
	char names[256];
	ssize_t length;

	if (tracing < 0)
		die("%s", flag);
	become_user();
	if (write(tracing, "1", 1) != 1)
		die("write %s", flag);
	length = listxattr(path, names, sizeof(names));
	if (write(tracing, "0", 1) != 1)
		die("write %s", flag);
	check("one name is listed", length == sizeof("user.seen"), "%zd bytes", length);
	check("that of the user", length > 0 && strcmp(names, "user.seen") == 0, "%.*s",
	      (int)(length > 0 ? length : 0), names);
	return done();
}

/* The header of the entry that the ACL is, in a mapping of the image. */
static volatile struct daxfs_xattr_entry *find_acl(uint8_t *image, size_t size)
{
	uint8_t *name = memmem(image, size, acl_name, sizeof(acl_name) - 1);
	struct daxfs_xattr_entry *entry;

	if (!name)
		die("an ACL in the image");
	entry = (struct daxfs_xattr_entry *)(name - sizeof(*entry));
	if (entry->name_len != sizeof(acl_name) - 1 || entry->value_len != LONG_ACL)
		die("an ACL of %d bytes, not of %u", LONG_ACL, entry->value_len);
	return entry;
}

/* As many entries of it as there are, the others may read by: that ends a search. */
static void rewrite_acl(volatile struct daxfs_xattr_entry *entry)
{
	static const struct {
		uint16_t tag;
		uint16_t permissions;
		uint32_t id;
	} entries[] = {
		{ 0x01, 6, UINT32_MAX }, { 0x04, 0, UINT32_MAX }, { 0x20, 4, UINT32_MAX },
		{ 0x10, 4, UINT32_MAX }, { 0x10, 4, UINT32_MAX },
	};
	uint8_t *value = (uint8_t *)entry + sizeof(*entry) + sizeof(acl_name) - 1;

	memcpy(value + sizeof(uint32_t), entries, sizeof(entries));
}

static void change_size(volatile struct daxfs_xattr_entry *entry)
{
	for (;;) {
		entry->value_len = SHORT_ACL;
		entry->value_len = LONG_ACL;
	}
}

static int acl(const char *directory, size_t size, off_t address)
{
	unsigned int errors[MOST_ERRORS] = { 0 }, files = 0, kinds = 0;
	const int memory = open("/dev/mem", O_RDWR);
	volatile struct daxfs_xattr_entry *entry;
	struct dirent *found;
	uint8_t *image;
	pid_t child;
	DIR *stream;
	int i;

	image = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, address);
	if (image == MAP_FAILED)
		die("/dev/mem");
	entry = find_acl(image, size);
	rewrite_acl(entry);
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0)
		change_size(entry);
	become_user();
	stream = opendir(directory);
	if (!stream || chdir(directory) != 0)
		die("%s", directory);
	while ((found = readdir(stream))) {
		if (found->d_name[0] == '.')
			continue;
		errors[ERRNO_OF(access(found->d_name, R_OK))]++;
		files++;
	}
	/* As root it would be allowed to. */
	printf("info: %u files\n", files);
	for (i = 0; i < MOST_ERRORS; i++) {
		if (errors[i]) {
			printf("info: %u times %s\n", errors[i], errno_name(i));
			kinds++;
		}
	}
	check("all files were asked for", files >= 1000, "%u", files);
	check("each may be read", errors[0] == files, "%u of %u, %u kinds of answers", errors[0],
	      files, kinds);
	check_errno("writing them may not", ERRNO_OF(access("1", W_OK)), EROFS);
	fflush(stdout);
	return done();
}

int main(int argc, char **argv)
{
	int status;
	pid_t child;

	if (argc == 4 && strcmp(argv[1], "list") == 0)
		return list(argv[2], argv[3]);
	if (argc != 5 || strcmp(argv[1], "acl") != 0)
		die("wrong usage");
	/* Whoever has become a user can't end what root has begun. */
	child = fork();
	if (child == 0) {
		setpgid(0, 0);
		return acl(argv[2], strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0));
	}
	setpgid(child, child);
	if (child < 0 || waitpid(child, &status, 0) != child)
		die("fork");
	kill(-child, SIGKILL);
	return status != 0;
}
