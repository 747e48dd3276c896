// SPDX-License-Identifier: GPL-2.0-only
/*
 * mount_cycles CYCLES MEMORY...: a process for each MEMORY (see mount_memory.h),
 * all at once, mounts it, uses it and unmounts it, CYCLES times. With a ! before
 * it, MEMORY must be refused. The same words name the same dma-buf.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"
#include "mount_memory.h"
#include "pattern.h"

enum { PAGE = 4096, ODD_SIZE = 1000003, PIECE = 16 * PAGE, USERS = 16 };

struct user {
	const char *text;
	bool refused;
	struct memory memory;
};

/* What a process was at when it failed, for its last line. */
static const char *step;

static void parse(struct user *users, int index, const char *text)
{
	const bool refused = text[0] == '!';
	int other;

	users[index].text = text;
	users[index].refused = refused;
	for (other = 0; other < index; other++) {
		if (strcmp(users[other].memory.options, text + refused) == 0) {
			users[index].memory = users[other].memory;
			return;
		}
	}
	users[index].memory = memory_parse(text + refused);
}

/* How many hold a dma-buf, this program's descriptors included. */
static int holders(int buffer)
{
	char path[64], line[256];
	int count = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", buffer);
	file = fopen(path, "r");
	if (!file)
		die("%s", path);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "count: %d", &count);
	fclose(file);
	return count;
}

/* The first bytes of each page, since what could be wrong is the page. */
static bool is_right(const uint8_t *content, uint64_t from)
{
	size_t at;

	for (at = 0; at < PIECE; at += PAGE)
		if (pattern_match(content + at, from + at, 64) != 64)
			return false;
	return true;
}

/* Walks a directory, reads and maps a piece of a file, lists attributes. */
static bool use(int root, const uint8_t *mapped, int fd, uint64_t from)
{
	static uint8_t content[PIECE];
	struct stat status;
	struct dirent *entry;
	int entries = 0;
	char list[256];
	DIR *directory;

	step = "readdir";
	directory = fdopendir(openat(root, ".", O_RDONLY | O_DIRECTORY));
	if (!directory)
		return false;
	while ((entry = readdir(directory)))
		entries += fstatat(root, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0;
	closedir(directory);
	if (entries < 5)
		return false;
	step = "read";
	if (pread(fd, content, PIECE, from) != PIECE || !is_right(content, from))
		return false;
	step = "touch a mapping";
	if (!is_right(mapped + from, from))
		return false;
	step = "listxattr";
	fd = openat(root, "xattrs", O_RDONLY);
	if (fd < 0 || flistxattr(fd, list, sizeof(list)) <= 0)
		return false;
	return close(fd) == 0;
}

/* Every eighth time the unmount comes while all is in use, and is a lazy one. */
static bool cycle(const struct user *user, const char *directory, int number)
{
	const uint64_t from = (uint64_t)(number * 7 % (ODD_SIZE / PIECE)) * PIECE;
	const bool lazily = number % 8 == 7;
	int err, fd, root;
	uint8_t *mapped;

	step = "mount";
	err = memory_mount(&user->memory, directory);
	if (user->refused) {
		errno = err;
		return err == EINVAL;
	}
	if (err)
		return errno = err, false;
	step = "open";
	root = open(directory, O_RDONLY | O_DIRECTORY);
	fd = openat(root, "odd", O_RDONLY);
	if (root < 0 || fd < 0)
		return false;
	mapped = mmap(NULL, ODD_SIZE, PROT_READ, number % 2 ? MAP_SHARED : MAP_PRIVATE, fd, 0);
	if (mapped == MAP_FAILED)
		return false;
	if (lazily) {
		step = "EBUSY";
		if (ERRNO_OF(umount2(directory, 0)) != EBUSY)
			return false;
		step = "umount -l";
		if (umount2(directory, MNT_DETACH) != 0)
			return false;
	}
	if (!use(root, mapped, fd, from))
		return false;
	close(fd);
	close(root);
	step = "a mapping that is the last user";
	if (!is_right(mapped + from, from))
		return false;
	munmap(mapped, ODD_SIZE);
	step = "umount";
	return lazily || umount2(directory, 0) == 0;
}

static void run(const struct user *user, int index, int cycles)
{
	char directory[64];
	int number;

	snprintf(directory, sizeof(directory), "/cycles-%d", index);
	if (mkdir(directory, 0755) != 0)
		die("mkdir %s", directory);
	for (number = 0; number < cycles; number++) {
		errno = 0;
		if (!cycle(user, directory, number)) {
			printf("wrong: %s: cycle %d, %s: %s\n", user->text, number, step,
			       errno_name(errno));
			exit(1);
		}
	}
	rmdir(directory);
	exit(0);
}

static int module_users(void)
{
	FILE *file = fopen("/sys/module/daxfs/refcnt", "r");
	int users = -1;

	if (!file || fscanf(file, "%d", &users) != 1)
		die("/sys/module/daxfs/refcnt");
	fclose(file);
	return users;
}

int main(int argc, char **argv)
{
	const int cycles = argc > 2 ? atoi(argv[1]) : 0;
	struct user users[USERS];
	int before[USERS];
	const int count = argc - 2;
	int i, status, tries;

	if (cycles <= 0 || count > USERS)
		die("wrong usage");
	for (i = 0; i < count; i++)
		parse(users, i, argv[i + 2]);
	for (i = 0; i < count; i++)
		before[i] = users[i].memory.buffer < 0 ? 0 : holders(users[i].memory.buffer);
	for (i = 0; i < count; i++) {
		const pid_t child = fork();

		if (child < 0)
			die("fork");
		if (child == 0)
			run(&users[i], i, cycles);
	}
	for (i = 0; i < count; i++) {
		if (wait(&status) < 0)
			die("wait");
		check("a process comes to its end", status == 0, "%#x", status);
	}
	/* The end of a mount that was detached is not the unmount. */
	for (tries = 0; tries < 100 && module_users() > 0; tries++)
		poll(NULL, 0, 50);
	check("nobody uses the module", module_users() == 0, "%d users", module_users());
	for (i = 0; i < count; i++)
		if (users[i].memory.buffer >= 0)
			check("the mounts have given the dma-buf back",
			      before[i] > 0 && holders(users[i].memory.buffer) == before[i],
			      "%d holders, %d before", holders(users[i].memory.buffer), before[i]);
	return done();
}
