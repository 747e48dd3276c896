// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory_race SECONDS SEED SIZE ADDRESS DIRECTORY SECOND: while some processes
 * use the image of SIZE bytes at the physical ADDRESS, which is mounted on
 * DIRECTORY, and another mounts and unmounts a copy of it at SECOND, nonsense
 * is written over the metadata of both, through /dev/mem. In the end all bytes
 * are restored. Nobody may crash or hang.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "../../../kernel/daxfs_format.h"
#include "check.h"

enum {
	PAGE = 4096,
	WALKERS = 4,
	/* Of so many bytes one word is nonsense at a time, of a large image fewer. */
	DENSITY = 2048,
	STANDING = 32,
	/* A walk ends here: directories may go round in circles now. */
	DEEPEST = 24,
	MOST_ENTRIES = 3000,
	/* For processes to come to their end in. */
	GRACE = 60,
};

static uint64_t address, second, size, state;
static const char *directory;
static time_t end;

/* Of this process; its exit status. */
static int failures;

/* A line that check() of the parent does not count; the parent sees the status. */
static void __attribute__((format(printf, 1, 2))) complain(const char *format, ...)
{
	va_list arguments;

	fputs("wrong: ", stdout);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	failures = 1;
}

static uint64_t random_number(void)
{
	/* xorshift64 */
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static bool time_is_up(void)
{
	return time(NULL) >= end;
}

/* The writer. */

/* A number that is wrong in a way that something may stumble over. */
static uint32_t nonsense(const uint8_t *original, uint64_t length)
{
	static const uint32_t edges[] = {
		0, 1, 2, 255, 256, 4095, 4096, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
		0xfffff000, 0xffffffff,
	};
	uint32_t word;

	switch (random_number() % 4) {
	case 0:
		return edges[random_number() % (sizeof(edges) / sizeof(edges[0]))];
	case 1:
		return random_number();
	case 2:
		return random_number() % 64;
	default:
		/* What is right elsewhere: another's child, offset or name. */
		memcpy(&word, original + random_number() % (length / 4) * 4, 4);
		return word;
	}
}

/* The superblock and all up to the data is metadata. */
static uint64_t metadata_length(const uint8_t *image)
{
	uint64_t offset;

	memcpy(&offset, image + offsetof(struct daxfs_superblock, data_offset), sizeof(offset));
	return offset < size ? offset : size;
}

static void write_nonsense(uint64_t where)
{
	const int fd = open("/dev/mem", O_RDWR);
	uint64_t standing[STANDING] = { 0 }, length, most, writes = 0, i;
	uint8_t *image, *original;

	image = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, where);
	if (image == MAP_FAILED)
		die("/dev/mem");
	length = metadata_length(image);
	original = malloc(length);
	memcpy(original, image, length);
	most = length / DENSITY < STANDING ? length / DENSITY + 1 : STANDING;
	while (!time_is_up()) {
		const uint64_t place = random_number() % (length / 4) * 4;
		const uint32_t word = nonsense(original, length);
		uint64_t *oldest = &standing[writes++ % most];

		memcpy(image + *oldest, original + *oldest, 4);
		*oldest = place;
		memcpy(image + place, &word, random_number() % 2 ? 4 : 1);
		/* Mostly as fast as it goes; at times long enough for the others to meet all of it. */
		if (random_number() % 16 == 0)
			usleep(random_number() % 5000);
	}
	for (i = 0; i < length; i++)
		image[i] = original[i];
	printf("info: %llu writes over %llu bytes\n", (unsigned long long)writes,
	       (unsigned long long)length);
}

static void write_into_mounted(void)
{
	write_nonsense(address);
}

static void write_into_second(void)
{
	write_nonsense(second);
}

/* The readers. */

static sigjmp_buf after_fault;
static int entries_left;
static uint64_t walked;

static void on_fault(int number)
{
	(void)number;
	siglongjmp(after_fault, 1);
}

static void touch(int fd, off_t length)
{
	const off_t most = 64 * PAGE;
	volatile uint8_t *content;
	off_t at;

	if (length <= 0)
		return;
	if (length > most)
		length = most;
	content = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (content == MAP_FAILED)
		return;
	if (sigsetjmp(after_fault, 1) == 0) {
		for (at = 0; at < length; at += PAGE) {
			content[at];
			if (random_number() % 8 == 0)
				content[at] = 1;
		}
	}
	munmap((void *)content, length);
}

static void use_attributes(int fd)
{
	static char list[65536], value[65536];
	const ssize_t length = flistxattr(fd, list, sizeof(list));
	ssize_t at;

	for (at = 0; at < length; at += strlen(list + at) + 1)
		fgetxattr(fd, list + at, value, sizeof(value));
}

static void use_file(int parent, const char *name)
{
	static char content[1 << 16];
	const int fd = openat(parent, name, O_RDONLY | O_NONBLOCK);
	struct stat status;

	if (fd < 0)
		return;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
		pread(fd, content, sizeof(content), 0);
		pread(fd, content, sizeof(content), status.st_size - 100);
		lseek(fd, random_number() % 1000000, SEEK_DATA);
		touch(fd, status.st_size);
	}
	use_attributes(fd);
	close(fd);
}

static void use_handle(int parent, const char *name)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} handle = { .handle = { .handle_bytes = MAX_HANDLE_SZ } };
	int mount_id, fd;

	if (name_to_handle_at(parent, name, &handle.handle, &mount_id, 0) != 0)
		return;
	fd = open_by_handle_at(parent, &handle.handle, O_RDONLY | O_NONBLOCK);
	if (fd >= 0)
		close(fd);
}

static void walk(int parent, int depth)
{
	DIR *stream = fdopendir(parent);
	char target[4096], value[1024];
	struct dirent *entry;
	struct stat status;

	if (!stream) {
		close(parent);
		return;
	}
	while (entries_left > 0 && !time_is_up() && (entry = readdir(stream))) {
		const char *name = entry->d_name;
		int below;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		entries_left--;
		walked++;
		if (strchr(name, '/') || !*name)
			complain("\"%s\" is a name", name);
		if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (random_number() % 4 == 0)
			use_handle(parent, name);
		if (S_ISLNK(status.st_mode))
			readlinkat(parent, name, target, sizeof(target));
		else if (S_ISREG(status.st_mode))
			use_file(parent, name);
		snprintf(target, sizeof(target), "/proc/self/fd/%d/%s", parent, name);
		lgetxattr(target, "system.posix_acl_access", value, sizeof(value));
		if (!S_ISDIR(status.st_mode) || depth == DEEPEST)
			continue;
		below = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		if (below >= 0)
			walk(below, depth + 1);
		/* Somewhere else in it, as after seekdir(3). */
		if (random_number() % 8 == 0)
			lseek(parent, random_number() % 100, SEEK_SET);
	}
	closedir(stream);
}

static void walk_again_and_again(void)
{
	struct sigaction action = { .sa_handler = on_fault };
	uint64_t walks = 0;

	sigaction(SIGBUS, &action, NULL);
	while (!time_is_up()) {
		const int root = open(directory, O_RDONLY | O_DIRECTORY);

		entries_left = MOST_ENTRIES;
		if (root >= 0)
			walk(root, 0);
		walks++;
	}
	printf("info: %llu walks, %llu entries\n", (unsigned long long)walks,
	       (unsigned long long)walked);
}

static void drop_caches(void)
{
	const int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	/* From here on without a message each time. */
	if (pwrite(fd, "4", 1, 0) != 1)
		die("drop_caches");
	while (!time_is_up()) {
		/* Dentries and inodes. */
		if (pwrite(fd, "2", 1, 0) != 1)
			die("drop_caches");
		usleep(50000);
	}
}

/* Every other mount is one with the full check of the tree. */
static void mount_again_and_again(void)
{
	uint64_t mounted = 0, refused = 0;
	int number, other = 0;
	char options[128];

	mkdir("/race", 0755);
	for (number = 0; !time_is_up(); number++) {
		usleep(2000);
		snprintf(options, sizeof(options), "phys=%#llx,size=%#llx%s",
			 (unsigned long long)second, (unsigned long long)size,
			 number % 2 ? ",validate" : "");
		switch (ERRNO_OF(mount("none", "/race", "daxfs", 0, options))) {
		case 0:
			mounted++;
			close(open("/race/missing", O_RDONLY));
			if (umount2("/race", 0) != 0)
				die("umount");
			break;
		case EINVAL:
		case EUCLEAN:
			refused++;
			break;
		default:
			other = errno;
		}
	}
	printf("info: %llu mounted, %llu refused\n", (unsigned long long)mounted,
	       (unsigned long long)refused);
	if (other)
		complain("a mount gives %s", errno_name(other));
	if (mounted == 0 || refused == 0)
		complain("all mounts work, or none does");
}

static pid_t start(void (*run)(void))
{
	const pid_t child = fork();

	if (child < 0)
		die("fork");
	if (child)
		return child;
	state ^= getpid() * 0x9e3779b97f4a7c15;
	run();
	fflush(stdout);
	_exit(failures);
}

int main(int argc, char **argv)
{
	pid_t children[WALKERS + 4], child;
	int count = 0, running, status, i;

	if (argc != 7)
		die("wrong usage");
	end = time(NULL) + strtoul(argv[1], NULL, 0);
	state = strtoull(argv[2], NULL, 0) | 1;
	size = strtoull(argv[3], NULL, 0);
	address = strtoull(argv[4], NULL, 0);
	directory = argv[5];
	second = strtoull(argv[6], NULL, 0);
	for (i = 0; i < WALKERS; i++)
		children[count++] = start(walk_again_and_again);
	children[count++] = start(drop_caches);
	children[count++] = start(mount_again_and_again);
	children[count++] = start(write_into_mounted);
	children[count++] = start(write_into_second);
	for (running = count; running > 0 && time(NULL) < end + GRACE;) {
		child = waitpid(-1, &status, WNOHANG);
		if (child <= 0) {
			usleep(100000);
			continue;
		}
		running--;
		check("a process comes to its end", status == 0, "%#x", status);
	}
	check("no process hangs", running == 0, "%d of %d still run", running, count);
	for (i = 0; running > 0 && i < count; i++)
		kill(children[i], SIGKILL);
	return done();
}
