// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks a mounted tree with system calls and prints it in the format of
 * walk_report.h. It is linked statically, to run in a guest without libraries.
 *
 *   mount_walk DIRECTORY     the tree
 *   mount_walk -s DIRECTORY  checks telldir and seekdir in one directory and
 *                            prints "seek OK N" or a failure
 *   mount_walk -e DIRECTORY PLACE
 *                            reads a directory twice from an offset and prints
 *                            the number of bytes or the error of each
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zlib.h>

#include "walk_report.h"

static char path[WALK_PATH_MAX];
/* Length of the mount point in @path. */
static size_t top;
static unsigned int entries;

static void failed(size_t size, const char *operation, int error)
{
	report_error(path + top, size - top, operation, error);
	putchar('\n');
}

static void *allocate(size_t size)
{
	void *memory = malloc(size ? size : 1);

	if (!memory) {
		perror("malloc");
		exit(2);
	}
	return memory;
}

/* Paths can be longer than PATH_MAX, so @name is relative to the parent, the cwd. */
static void walk_xattrs(const char *name, size_t size)
{
	static char list[XATTR_LIST_MAX];
	ssize_t length = llistxattr(name, list, sizeof(list));
	char *at;

	if (length < 0) {
		failed(size, "listxattr", errno);
		return;
	}
	for (at = list; at < list + length; at += strlen(at) + 1) {
		static unsigned char value[XATTR_SIZE_MAX];
		ssize_t got = lgetxattr(name, at, value, sizeof(value));

		if (got < 0)
			failed(size, "getxattr", errno);
		else
			report_xattr(path + top, size - top, at, strlen(at),
				     value, got);
	}
}

/* Return: 0 or an errno. */
static int sum_file(const char *name, uLong *sum)
{
	static unsigned char buffer[65536];
	int fd = open(name, O_RDONLY | O_NOFOLLOW);
	ssize_t got;
	int error;

	if (fd < 0)
		return errno;
	*sum = crc32(0, Z_NULL, 0);
	while ((got = read(fd, buffer, sizeof(buffer))) > 0)
		*sum = crc32(*sum, buffer, got);
	error = got < 0 ? errno : 0;
	close(fd);
	return error;
}

static void print_entry(const char *name, const struct stat *st, size_t size)
{
	char target[4097];
	ssize_t length;
	uLong sum = 0;
	int error;

	report_path("entry", path + top, size - top);
	printf("\t%llu\t%o\t%lu\t%u\t%u\t%lld\t%lld\t%u:%u\t",
	       (unsigned long long)st->st_ino, st->st_mode,
	       (unsigned long)st->st_nlink, st->st_uid, st->st_gid,
	       (long long)st->st_size,
	       st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec,
	       major(st->st_rdev), minor(st->st_rdev));
	if (S_ISREG(st->st_mode)) {
		error = sum_file(name, &sum);
		if (error)
			printf("-\n");
		else
			printf("%08lx\n", sum);
		if (error)
			failed(size, "read", error);
	} else if (S_ISLNK(st->st_mode)) {
		length = readlink(name, target, sizeof(target));
		if (length >= 0)
			report_bytes(target, length);
		else
			putchar('-');
		putchar('\n');
		if (length < 0)
			failed(size, "readlink", errno);
	} else {
		printf("-\n");
	}
}

static void walk_entry(const char *name, size_t size);

struct names {
	char **names;
	size_t count;
	size_t room;
};

static void add_name(struct names *names, const char *name)
{
	if (names->count == names->room) {
		names->room = names->room ? 2 * names->room : 16;
		names->names = realloc(names->names,
				       names->room * sizeof(char *));
		if (!names->names) {
			perror("realloc");
			exit(2);
		}
	}
	names->names[names->count] = strcpy(allocate(strlen(name) + 1), name);
	names->count++;
}

static void walk_directory(const char *name, size_t size)
{
	struct names names = { 0 };
	struct dirent *entry;
	DIR *directory;
	size_t i;
	int back;

	directory = opendir(name);
	if (!directory) {
		failed(size, "list", errno);
		return;
	}
	for (errno = 0; (entry = readdir(directory)); errno = 0) {
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			add_name(&names, entry->d_name);
	}
	if (errno)
		failed(size, "list", errno);

	back = open(".", O_RDONLY | O_DIRECTORY);
	if (fchdir(dirfd(directory)) != 0) {
		failed(size, "list", errno);
		names.count = 0;
	}
	closedir(directory);
	for (i = 0; i < names.count; i++) {
		const size_t length = strlen(names.names[i]);

		if (entries < WALK_ENTRIES_MAX &&
		    size + 1 + length <= WALK_PATH_MAX) {
			path[size] = '/';
			memcpy(path + size + 1, names.names[i], length);
			walk_entry(names.names[i], size + 1 + length);
		}
		free(names.names[i]);
	}
	free(names.names);
	if (fchdir(back) != 0) {
		perror("fchdir");
		exit(2);
	}
	close(back);
}

static void walk_entry(const char *name, size_t size)
{
	struct stat st;

	if (lstat(name, &st) != 0) {
		failed(size, "stat", errno);
		return;
	}
	entries++;
	print_entry(name, &st, size);
	walk_xattrs(name, size);
	if (S_ISDIR(st.st_mode))
		walk_directory(name, size);
}

/* Checks that seekdir to each telldir position gives the entry read there. */
static int check_seekdir(const char *name)
{
	DIR *directory = opendir(name);
	struct names names = { 0 };
	struct dirent *entry;
	long *places = NULL;
	size_t i, at;

	if (!directory) {
		perror(name);
		return 1;
	}
	do {
		places = realloc(places, (names.count + 1) * sizeof(*places));
		if (!places)
			return 2;
		places[names.count] = telldir(directory);
		entry = readdir(directory);
		if (entry)
			add_name(&names, entry->d_name);
	} while (entry);

	/* Backwards, so that no seek is to the current position. */
	for (i = names.count + 1; i-- > 0;) {
		seekdir(directory, places[i]);
		/* For the first and some others, read on to the end. */
		for (at = i; at <= names.count; at++) {
			entry = readdir(directory);
			if (at == names.count ? entry != NULL :
			    !entry || strcmp(entry->d_name, names.names[at])) {
				printf("seek to %zu, then entry %zu: %s\n", i,
				       at, entry ? entry->d_name : "the end");
				return 1;
			}
			if (i % 16 != 0)
				break;
		}
	}
	rewinddir(directory);
	entry = readdir(directory);
	if (!entry || strcmp(entry->d_name, names.names[0])) {
		printf("rewinddir does not give the first entry\n");
		return 1;
	}
	printf("seek OK %zu\n", names.count);
	closedir(directory);
	return 0;
}

static int read_twice(const char *name, long place)
{
	int fd = open(name, O_RDONLY | O_DIRECTORY);
	char buffer[4096];
	int i;

	if (fd < 0 || lseek(fd, place, SEEK_SET) != place) {
		perror(name);
		return 1;
	}
	for (i = 0; i < 2; i++) {
		long got = syscall(SYS_getdents64, fd, buffer, sizeof(buffer));

		if (got < 0)
			puts(report_errno(errno));
		else
			printf("%ld\n", got);
	}
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "-s") == 0)
		return check_seekdir(argv[2]);
	if (argc == 4 && strcmp(argv[1], "-e") == 0)
		return read_twice(argv[2], strtol(argv[3], NULL, 10));
	if (argc != 2 || strlen(argv[1]) >= WALK_PATH_MAX) {
		fprintf(stderr, "usage: %s [-s | -e] DIRECTORY [PLACE]\n", argv[0]);
		return 2;
	}
	top = strlen(argv[1]);
	memcpy(path, argv[1], top);
	if (chdir(argv[1]) != 0) {
		perror(argv[1]);
		return 1;
	}
	walk_entry(".", top);
	return 0;
}
