// SPDX-License-Identifier: GPL-2.0-only
/*
 * page_cache_checks DIRECTORY: reads all files in DIRECTORY in every way, and
 * looks how many pages of files the kernel holds then.
 */
#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

enum { PAGE = 4096, CHUNK = 1 << 20 };

static int null;
static unsigned long long bytes;

/* Pages of the page cache, of all processors. */
static long file_pages(void)
{
	char line[256];
	long pages = -1;
	FILE *file;
	const int refresh = open("/proc/sys/vm/stat_refresh", O_WRONLY);

	/* Without this, what each processor has counted is not in the sum yet. */
	if (refresh < 0 || write(refresh, "1", 1) != 1)
		die("stat_refresh");
	close(refresh);
	file = fopen("/proc/vmstat", "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "nr_file_pages %ld", &pages) == 1)
			break;
	if (!file || pages < 0)
		die("vmstat");
	fclose(file);
	return pages;
}

static void by_read(int fd, off_t size)
{
	static char content[CHUNK];
	ssize_t length;

	(void)size;
	while ((length = read(fd, content, sizeof(content))) > 0)
		bytes += length;
	if (length < 0)
		die("read");
}

static void by_sendfile(int fd, off_t size)
{
	off_t at = 0;

	while (at < size) {
		const ssize_t length = sendfile(null, fd, &at, CHUNK);

		if (length <= 0)
			die("sendfile");
		bytes += length;
	}
}

static void by_mapping(int fd, off_t size)
{
	volatile char *map;
	off_t at;

	if (size == 0)
		return;
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("mmap");
	for (at = 0; at < size; at += PAGE)
		(void)map[at];
	bytes += size;
	munmap((void *)map, size);
}

static void (*way)(int fd, off_t size);

static int one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	int fd;

	(void)kind;
	(void)place;
	if (!S_ISREG(st->st_mode))
		return 0;
	fd = open(path, O_RDONLY);
	if (fd < 0)
		die("open %s", path);
	way(fd, st->st_size);
	close(fd);
	return 0;
}

static void check_way(const char *name, const char *directory)
{
	long before, growth;

	bytes = 0;
	before = file_pages();
	if (nftw(directory, one, 64, FTW_PHYS) != 0)
		die("nftw");
	growth = file_pages() - before;
	check(name, growth == 0 && bytes > 8 << 20, "%ld pages more for %llu bytes", growth, bytes);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		die("wrong usage");
	null = open("/dev/null", O_WRONLY);
	way = by_read;
	check_way("reading takes no page cache", argv[1]);
	way = by_sendfile;
	check_way("sendfile takes no page cache", argv[1]);
	way = by_mapping;
	check_way("mapping takes no page cache", argv[1]);
	return done();
}
