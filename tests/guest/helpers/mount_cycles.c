// SPDX-License-Identifier: GPL-2.0-only
/*
 * mount_cycles CYCLES MEMORY...: a process for each MEMORY, all at once, mounts
 * it, uses it and unmounts it, CYCLES times. MEMORY is one of
 *
 *   phys=ADDRESS,size=BYTES           a range
 *   dmabuf=EXPORTER,ADDRESS,BYTES     a dma-buf with a copy of a range; the same
 *                                     words mean the same dma-buf
 *   !...                              the same, which must be refused
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../../../tools/qemu/guest/dmabuf.h"
#include "check.h"
#include "pattern.h"

enum { PAGE = 4096, ODD_SIZE = 1000003, PIECE = 16 * PAGE, MEMORIES = 16 };

struct memory {
	const char *text;
	const char *options;
	bool refused;
	/* Of a dma-buf; else -1. */
	int buffer;
};

/* What a process was at when it failed, for its last line. */
static const char *step;

static void parse_buffer(struct memory *memory, const char *text)
{
	char exporter[32];
	unsigned long long address, size;

	if (sscanf(text, "%31[^,],%lli,%lli", exporter, (long long *)&address,
		   (long long *)&size) != 3)
		die("%s", memory->text);
	memory->buffer = dmabuf_of_physical(exporter, address, size);
	if (memory->buffer < 0)
		die("a dma-buf from %s", exporter);
}

static void parse(struct memory *memories, int index, const char *text)
{
	struct memory *memory = &memories[index];
	int other;

	memory->text = text;
	memory->refused = text[0] == '!';
	memory->options = text + memory->refused;
	memory->buffer = -1;
	if (strncmp(memory->options, "dmabuf=", 7) != 0)
		return;
	for (other = 0; other < index; other++)
		if (strcmp(memories[other].options, memory->options) == 0)
			memory->buffer = memories[other].buffer;
	if (memory->buffer < 0)
		parse_buffer(memory, memory->options + 7);
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

static int mount_buffer(int buffer, const char *directory)
{
	const int context = fsopen("daxfs", FSOPEN_CLOEXEC);
	int mounted, err;

	if (context < 0)
		return errno;
	if (fsconfig(context, FSCONFIG_SET_FD, "dmabuf", NULL, buffer) != 0 ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0) {
		err = errno;
		close(context);
		return err;
	}
	mounted = fsmount(context, FSMOUNT_CLOEXEC, 0);
	err = mounted < 0 ? errno : 0;
	close(context);
	if (err)
		return err;
	err = ERRNO_OF(move_mount(mounted, "", AT_FDCWD, directory, MOVE_MOUNT_F_EMPTY_PATH));
	close(mounted);
	return err;
}

static int mount_memory(const struct memory *memory, const char *directory)
{
	if (memory->buffer >= 0)
		return mount_buffer(memory->buffer, directory);
	return ERRNO_OF(mount("none", directory, "daxfs", 0, memory->options));
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
static bool cycle(const struct memory *memory, const char *directory, int number)
{
	const uint64_t from = (uint64_t)(number * 7 % (ODD_SIZE / PIECE)) * PIECE;
	const bool lazily = number % 8 == 7;
	int err, fd, root;
	uint8_t *mapped;

	step = "mount";
	err = mount_memory(memory, directory);
	if (memory->refused) {
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

static void run(const struct memory *memory, int index, int cycles)
{
	char directory[64];
	int number;

	snprintf(directory, sizeof(directory), "/cycles-%d", index);
	if (mkdir(directory, 0755) != 0)
		die("mkdir %s", directory);
	for (number = 0; number < cycles; number++) {
		errno = 0;
		if (!cycle(memory, directory, number)) {
			printf("wrong: %s: cycle %d, %s: %s\n", memory->text, number, step,
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
	struct memory memories[MEMORIES];
	int before[MEMORIES];
	const int count = argc - 2;
	int i, status, tries;

	if (cycles <= 0 || count > MEMORIES)
		die("wrong usage");
	for (i = 0; i < count; i++)
		parse(memories, i, argv[i + 2]);
	for (i = 0; i < count; i++)
		before[i] = memories[i].buffer < 0 ? 0 : holders(memories[i].buffer);
	for (i = 0; i < count; i++) {
		const pid_t child = fork();

		if (child < 0)
			die("fork");
		if (child == 0)
			run(&memories[i], i, cycles);
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
		if (memories[i].buffer >= 0)
			check("the mounts have given the dma-buf back",
			      before[i] > 0 && holders(memories[i].buffer) == before[i],
			      "%d holders, %d before", holders(memories[i].buffer), before[i]);
	return done();
}
