// SPDX-License-Identifier: GPL-2.0-only
/*
 * backing_checks use DIRECTORY FAULTS: reads and maps the files of the pattern
 * in DIRECTORY, a mounted image of what tests/guest/backings.test.ts makes, which
 * may take FAULTS page faults for the large one.
 * backing_checks faults DIRECTORY FAULTS: counts these page faults alone.
 * backing_checks end DIRECTORY: unmounts it while it is in use.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "../../../kernel/daxfs_ioctl.h"
#include "check.h"
#include "dmabuf_count.h"
#include "pattern.h"

enum { PAGE = 4096, LARGE = 64 << 20, ODD = 1000003, BUFFER = 1 << 20 };

static const char *directory;

static int open_file(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		die("open %s", path);
	return fd;
}

static void *map(int fd, size_t length, int protection, int flags)
{
	void *mapped = mmap(NULL, length, protection, flags, fd, 0);

	if (mapped == MAP_FAILED)
		die("mmap of %zu bytes", length);
	return mapped;
}

/* Whole words alone, for speed. Return: the number of bytes that are right. */
static size_t words_match(const void *content, uint64_t at, size_t length)
{
	const uint64_t *words = content;
	size_t i;

	for (i = 0; i < length / 8; i++)
		if (words[i] != pattern_word(at + i * 8))
			break;
	return i * 8;
}

/* Pages of the large file, by their first word. Return: the number that are right. */
static size_t pages_match(const uint8_t *mapped)
{
	size_t at, right = 0;

	for (at = 0; at < LARGE; at += PAGE)
		right += words_match(mapped + at, at, 8) == 8;
	return right;
}

static long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

static void check_read(void)
{
	static uint8_t buffer[BUFFER];
	const int fd = open_file("large");
	uint64_t at = 0;
	ssize_t length;

	while ((length = read(fd, buffer, BUFFER)) > 0 &&
	       words_match(buffer, at, length) == (size_t)length)
		at += length;
	check("read the large file", length == 0 && at == LARGE, "%zu bytes", (size_t)at);
	close(fd);
}

static void check_faults(const char *name, int flags, long most)
{
	const int fd = open_file("large");
	uint8_t *mapped = map(fd, LARGE, PROT_READ, flags);
	const long before = minor_faults();
	const size_t right = pages_match(mapped);
	const long faults = minor_faults() - before;

	check(name, faults > 0 && faults <= most, "%ld faults, at most %ld", faults, most);
	check("and its pages", right == LARGE / PAGE, "%zu are right", right);
	munmap(mapped, LARGE);
	close(fd);
}

/* Where the kernel says that a mapped page lies; 0 for a page that is not mapped. */
static uint64_t physical_of(int pagemap, const void *address)
{
	const uint64_t present = 1ULL << 63, frame = (1ULL << 55) - 1;
	uint64_t entry;

	if (pread(pagemap, &entry, sizeof(entry), (uintptr_t)address / PAGE * sizeof(entry)) !=
	    sizeof(entry))
		die("pagemap");
	return entry & present ? (entry & frame) * PAGE : 0;
}

/* Extents follow each other to the end, each as far as the memory goes on, and where it is mapped. */
static void check_extents(void)
{
	const int fd = open_file("large");
	const int pagemap = open("/proc/self/pagemap", O_RDONLY);
	const uint8_t *mapped = map(fd, LARGE, PROT_READ, MAP_SHARED);
	const size_t right = pages_match(mapped);
	unsigned int count = 0, elsewhere = 0, joined = 0;
	uint64_t at = 0, end = 0;

	while (at < LARGE) {
		struct daxfs_extent extent = { .offset = at };

		if (ioctl(fd, DAXFS_IOC_GET_EXTENT, &extent) != 0 || extent.length == 0 ||
		    extent.length % PAGE || extent.length > LARGE - at)
			break;
		count++;
		joined += count > 1 && extent.physical == end;
		end = extent.physical + extent.length;
		elsewhere += physical_of(pagemap, mapped + at) != extent.physical;
		at += extent.length;
		elsewhere += physical_of(pagemap, mapped + at - PAGE) != end - PAGE;
	}
	check("the large file is in extents", at == LARGE && right == LARGE / PAGE,
	      "%u, to byte %llu", count, (unsigned long long)at);
	check("which lie where they are mapped", elsewhere == 0, "%u ends do not", elsewhere);
	check("and are as long as they can be", joined == 0, "%u begin where one ends", joined);
	munmap((void *)mapped, LARGE);
	close(pagemap);
	close(fd);
}

/* What these checks make of a byte when they write it. */
static uint8_t changed(size_t at)
{
	return pattern_byte(at) ^ 0xff;
}

/* A byte in every sixteenth page of a private mapping, beside a shared one. */
static void check_private_writes(void)
{
	const int fd = open_file("large");
	uint8_t *private = map(fd, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	const uint8_t *shared = map(fd, LARGE, PROT_READ, MAP_SHARED);
	size_t wrong = 0, at, right;

	for (at = 0; at < LARGE; at += 16 * PAGE)
		private[at + 8] ^= 0xff;
	for (at = 0; at < LARGE; at += 16 * PAGE)
		wrong += private[at + 8] != changed(at + 8) ||
			 words_match(private + at + 16, at + 16, PAGE - 16) != PAGE - 16;
	check("a private mapping has what was written", wrong == 0, "%zu wrong", wrong);
	right = pages_match(private);
	check("and the other pages", right == LARGE / PAGE, "%zu are right", right);
	right = words_match(shared, 0, LARGE);
	check("a shared mapping has the file still", right == LARGE, "%zu bytes", right);
	munmap(private, LARGE);
	munmap((void *)shared, LARGE);
	close(fd);
}

static void check_end_of_file(void)
{
	const int fd = open_file("odd");
	const uint8_t *mapped = map(fd, ODD, PROT_READ, MAP_SHARED);
	const size_t right = pattern_match(mapped, 0, ODD);
	size_t at = ODD;

	while (at % PAGE && mapped[at] == 0)
		at++;
	check("a file that ends in a page", right == ODD, "%zu bytes", right);
	check("has zeros behind it", at % PAGE == 0, "until %zu", at);
	munmap((void *)mapped, ODD);
	close(fd);
}

/* Pages in the page cache, to the page: counters of processors are added first. */
static long cached_pages(void)
{
	const int refresh = open("/proc/sys/vm/stat_refresh", O_WRONLY);
	FILE *file = fopen("/proc/vmstat", "r");
	char name[64];
	long pages;

	if (refresh < 0 || write(refresh, "1", 1) != 1 || !file)
		die("vmstat");
	close(refresh);
	while (fscanf(file, "%63s %ld", name, &pages) == 2)
		if (strcmp(name, "nr_file_pages") == 0) {
			fclose(file);
			return pages;
		}
	die("no nr_file_pages");
}

static void check_page_cache(void)
{
	static uint8_t buffer[BUFFER];
	const int sink = open("/dev/null", O_WRONLY);
	const int fd = open_file("large");
	long before = cached_pages(), grown;
	volatile uint8_t *mapped;
	size_t at;

	while (read(fd, buffer, BUFFER) > 0)
		;
	grown = cached_pages() - before;
	check("read leaves nothing in the page cache", grown == 0, "%ld pages", grown);

	before = cached_pages();
	lseek(fd, 0, SEEK_SET);
	for (at = 0; at < LARGE;) {
		const ssize_t sent = sendfile(sink, fd, NULL, LARGE - at);

		if (sent <= 0)
			die("sendfile at %zu", at);
		at += sent;
	}
	grown = cached_pages() - before;
	check("sendfile leaves nothing in the page cache", grown == 0, "%ld pages", grown);

	before = cached_pages();
	mapped = map(fd, LARGE, PROT_READ, MAP_SHARED);
	for (at = 0; at < LARGE; at += PAGE)
		(void)mapped[at];
	grown = cached_pages() - before;
	check("a mapping leaves nothing in the page cache", grown == 0, "%ld pages", grown);
	munmap((void *)mapped, LARGE);
	close(fd);
	close(sink);
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

/* The mount goes while a file and two mappings of it live on. */
static void check_end(void)
{
	static uint8_t buffer[BUFFER];
	const int users = module_users();
	const int buffers = dmabuf_count();
	const int fd = open_file("large");
	uint8_t *shared = map(fd, LARGE, PROT_READ, MAP_SHARED);
	uint8_t *private = map(fd, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	size_t right;
	int tries;

	private[0] ^= 0xff;
	check_errno("umount of a mount in use", ERRNO_OF(umount2(directory, 0)), EBUSY);
	check_errno("umount -l of it", ERRNO_OF(umount2(directory, MNT_DETACH)), 0);
	check("an open file can be read", pread(fd, buffer, BUFFER, LARGE / 2) == BUFFER &&
	      words_match(buffer, LARGE / 2, BUFFER) == BUFFER, "%d bytes", BUFFER);
	close(fd);
	right = pages_match(shared);
	check("a mapping can be touched for the first time", right == LARGE / PAGE,
	      "%zu pages are right", right);
	munmap(shared, LARGE);
	private[PAGE] ^= 0xff;
	check("a private one can be written", private[0] == changed(0) &&
	      private[PAGE] == changed(PAGE) &&
	      pages_match(private) == LARGE / PAGE - 2, "%zu pages are the file's",
	      pages_match(private));
	check("and keeps the memory", dmabuf_count() == buffers, "%d dma-bufs, then %d", buffers,
	      dmabuf_count());
	munmap(private, LARGE);
	/* The end of what was in use is not the last munmap. */
	for (tries = 0; tries < 100 && module_users() >= users; tries++)
		poll(NULL, 0, 50);
	check("the mount is gone after its last use", module_users() < users,
	      "%d users, then %d", users, module_users());
	printf("dma-bufs %d %d\n", buffers, dmabuf_count_until(buffers - 1));
}

int main(int argc, char **argv)
{
	if (argc < 3)
		die("wrong usage");
	directory = argv[2];
	if (argc == 5 && strcmp(argv[1], "use") == 0) {
		const long most = atol(argv[3]);

		check_read();
		check_faults("faults of a shared mapping", MAP_SHARED, most);
		check_faults("faults of a private mapping", MAP_PRIVATE,
			     atol(argv[4]));
		check_extents();
		check_private_writes();
		check_end_of_file();
		check_page_cache();
	} else if (argc == 4 && strcmp(argv[1], "faults") == 0) {
		check_faults("faults of a shared mapping", MAP_SHARED, atol(argv[3]));
		check_faults("faults of a private mapping", MAP_PRIVATE, atol(argv[3]));
	} else if (argc == 3 && strcmp(argv[1], "end") == 0) {
		check_end();
	} else {
		die("wrong usage");
	}
	return done();
}
