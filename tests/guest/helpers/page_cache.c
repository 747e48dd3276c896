// SPDX-License-Identifier: GPL-2.0-only
/*
 * page_cache METHOD DIRECTORY: takes every regular file below DIRECTORY, on its
 * filesystem alone, by METHOD, and prints one line:
 *
 *   files=N bytes=N sum=N pages=N cached=N
 *
 * The sum is of the content, the same for all methods; pages is what the page
 * cache grew by meanwhile, in pages, and cached what "Cached" of /proc/meminfo
 * did, in KiB.
 */
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

enum { PAGE = 4096, BUFFER = 1 << 20 };

typedef void (*method_t)(const char *path, int fd, size_t size);

static method_t method;
static uint64_t files, bytes, sum;
/* Of the file that is being taken: FNV-1a of its words of 8 bytes. */
static uint64_t hash;
static uint8_t buffer[BUFFER];

/* Adds the next bytes of a file; only its last piece may have an odd length. */
static void add(const uint8_t *content, size_t length)
{
	size_t i;

	for (i = 0; i < length; i += sizeof(uint64_t)) {
		const size_t left = length - i;
		uint64_t word = 0;

		memcpy(&word, content + i, left < sizeof(word) ? left : sizeof(word));
		hash = (hash ^ word) * 0x100000001b3;
	}
	bytes += length;
}

/* Reads as much as is asked for. */
static void read_fully(const char *path, int fd, uint8_t *to, size_t wanted)
{
	size_t have;
	ssize_t length;

	for (have = 0; have < wanted; have += length) {
		length = read(fd, to + have, wanted - have);
		if (length <= 0)
			die("read %s", path);
	}
}

static void take_read(const char *path, int fd, size_t size)
{
	size_t at, piece;

	for (at = 0; at < size; at += piece) {
		piece = size - at < BUFFER ? size - at : BUFFER;
		read_fully(path, fd, buffer, piece);
		add(buffer, piece);
	}
}

/* To a pipe, and from there. */
static void take_sendfile(const char *path, int fd, size_t size)
{
	size_t at, piece, have;
	int ends[2];

	if (pipe(ends) != 0 || fcntl(ends[1], F_SETPIPE_SZ, BUFFER) < 0)
		die("a pipe");
	for (at = 0; at < size; at += piece) {
		piece = size - at < BUFFER ? size - at : BUFFER;
		for (have = 0; have < piece;) {
			const ssize_t moved = sendfile(ends[1], fd, NULL, piece - have);

			if (moved <= 0)
				die("sendfile %s", path);
			read_fully("the pipe", ends[0], buffer + have, moved);
			have += moved;
		}
		add(buffer, piece);
	}
	close(ends[0]);
	close(ends[1]);
}

static void take_mapping(const char *path, int fd, size_t size, int protection, int flags)
{
	volatile uint8_t *mapped;
	size_t at;

	if (size == 0)
		return;
	mapped = mmap(NULL, size, protection, flags, fd, 0);
	if (mapped == MAP_FAILED)
		die("mmap %s", path);
	/* Page by page first, so that every page has its fault. */
	for (at = 0; at < size; at += PAGE) {
		if (protection & PROT_WRITE)
			mapped[at] = mapped[at];
		else
			(void)mapped[at];
	}
	add((const uint8_t *)mapped, size);
	munmap((void *)mapped, size);
}

static void take_shared(const char *path, int fd, size_t size)
{
	take_mapping(path, fd, size, PROT_READ, MAP_SHARED);
}

static void take_written(const char *path, int fd, size_t size)
{
	take_mapping(path, fd, size, PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

/* Asks for the content in advance, in all ways that there are; they may refuse. */
static void take_ahead(const char *path, int fd, size_t size)
{
	void *mapped;

	if (size == 0)
		return;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
	(void)readahead(fd, 0, size);
	mapped = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (mapped == MAP_FAILED)
		die("mmap %s", path);
	(void)madvise(mapped, size, MADV_WILLNEED);
	add(mapped, size);
	munmap(mapped, size);
}

static const struct {
	const char *name;
	method_t method;
} methods[] = {
	{ "read", take_read },
	{ "sendfile", take_sendfile },
	{ "mmap shared", take_shared },
	{ "mmap private and written", take_written },
	{ "readahead", take_ahead },
};

static int visit(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	int fd;

	(void)ftw;
	if (type != FTW_F || !S_ISREG(status->st_mode))
		return 0;
	fd = open(path, O_RDONLY);
	if (fd < 0)
		die("open %s", path);
	hash = 0xcbf29ce484222325;
	method(path, fd, status->st_size);
	close(fd);
	/* The order of files is the directory's business. */
	sum += hash;
	files++;
	return 0;
}

/* The number after @name in a file of /proc. */
static int64_t number(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	const size_t length = strlen(name);
	char line[256];
	int64_t value = -1;

	if (!file)
		die("%s", path);
	while (value < 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, name, length) == 0)
			value = strtoll(line + length, NULL, 10);
	fclose(file);
	if (value < 0)
		die("%s in %s", name, path);
	return value;
}

/* Each processor counts pages for itself for a while; this adds all up. */
static void add_up_counters(void)
{
	const int fd = open("/proc/sys/vm/stat_refresh", O_RDONLY);

	if (fd < 0 || read(fd, buffer, BUFFER) < 0)
		die("/proc/sys/vm/stat_refresh");
	close(fd);
}

int main(int argc, char **argv)
{
	int64_t pages, cached;
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (argc == 3 && strcmp(argv[1], methods[i].name) == 0)
			method = methods[i].method;
	if (!method)
		die("wrong usage");
	add_up_counters();
	pages = number("/proc/vmstat", "nr_file_pages ");
	cached = number("/proc/meminfo", "Cached:");
	if (nftw(argv[2], visit, 64, FTW_PHYS | FTW_MOUNT) != 0)
		die("nftw %s", argv[2]);
	add_up_counters();
	pages = number("/proc/vmstat", "nr_file_pages ") - pages;
	cached = number("/proc/meminfo", "Cached:") - cached;
	printf("files=%" PRIu64 " bytes=%" PRIu64 " sum=%" PRIu64 " pages=%" PRId64
	       " cached=%" PRId64 "\n", files, bytes, sum, pages, cached);
	return 0;
}
