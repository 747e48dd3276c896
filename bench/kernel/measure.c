// SPDX-License-Identifier: GPL-2.0-only
/*
 * measure DIRECTORY: measures what a read-only filesystem does, and prints lines
 * of NAME=NUMBER; bench/kernel/main.mjs says what they are. DIRECTORY has the
 * tree that bench/kernel/images.mjs makes, whose sizes are below. Takes root, to
 * drop caches: all but "warm" is measured without anything in them.
 * measure mount DIRECTORY OPTIONS: prints the milliseconds of a mount of daxfs
 * there, and of its unmount, alone.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	PAGE = 4096,
	DATA_SIZE = 64 << 20,
	DIRECTORIES = 1000,
	FILES = 100,
	BIG = 20000,
	/* Coprime to BIG: visits every entry once, in no order. */
	STRIDE = 7919,
	/* Pages of the data that are touched alone, STRIDE from one to the next. */
	SCATTERED = 256,
};

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(1);
}

/* Of the guest's clock, which -icount makes one of instructions. */
static double nanoseconds(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		die("clock_gettime");
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static void write_to(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void drop_caches(void)
{
	sync();
	write_to("/proc/sys/vm/drop_caches", "3");
}

/* Pages in the page cache, those of the block device as well. */
static long page_cache(void)
{
	FILE *file;
	char line[128];
	long pages = -1;

	/* Adds up what each processor counts for itself. */
	write_to("/proc/sys/vm/stat_refresh", "1");
	file = fopen("/proc/vmstat", "r");
	if (!file)
		die("/proc/vmstat");
	while (pages < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "nr_file_pages %ld", &pages) != 1)
			pages = -1;
	fclose(file);
	return pages;
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

static int open_data(void)
{
	const int fd = open("data", O_RDONLY);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) != 0 || status.st_size != DATA_SIZE)
		die("data");
	return fd;
}

static void read_data(const char *name, size_t request, int cold)
{
	uint8_t *buffer = aligned_alloc(PAGE, request);
	const int fd = open_data();
	double start;
	off_t at;

	memset(buffer, 0, request);
	if (cold)
		drop_caches();
	start = nanoseconds();
	for (at = 0; at < DATA_SIZE; at += request)
		if (pread(fd, buffer, request, at) != (ssize_t)request)
			die("pread");
	printf("%s=%.3f\n", name, (nanoseconds() - start) / 1e6);
	close(fd);
	free(buffer);
}

/* With nothing of it in caches; DATA_SIZE bytes. */
static volatile const uint8_t *map_cold(void)
{
	const int fd = open_data();
	void *mapped;

	drop_caches();
	mapped = mmap(NULL, DATA_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		die("mmap");
	close(fd);
	return mapped;
}

static void map_data(void)
{
	volatile const uint8_t *mapped = map_cold();
	long before;
	double start;
	size_t at;

	before = faults();
	start = nanoseconds();
	for (at = 0; at < DATA_SIZE; at += PAGE)
		(void)mapped[at];
	printf("mmap=%.1f\n", (nanoseconds() - start) / (DATA_SIZE / PAGE));
	printf("faults=%ld\n", faults() - before);
	munmap((void *)mapped, DATA_SIZE);
}

static void map_scattered(void)
{
	volatile const uint8_t *mapped = map_cold();
	double start;
	size_t i;

	start = nanoseconds();
	for (i = 0; i < SCATTERED; i++)
		(void)mapped[i * STRIDE * PAGE % DATA_SIZE];
	printf("scattered=%.1f\n", (nanoseconds() - start) / SCATTERED);
	munmap((void *)mapped, DATA_SIZE);
}

static void stat_one(const char *path)
{
	struct stat status;

	if (lstat(path, &status) != 0)
		die(path);
}

static void stat_all(const char *name)
{
	const double start = nanoseconds();
	char path[64];
	int i, j;

	for (i = 0; i < DIRECTORIES; i++)
		for (j = 0; j < FILES; j++) {
			snprintf(path, sizeof(path), "many/d%03d/f%02d", i, j);
			stat_one(path);
		}
	printf("%s=%.3f\n", name, (nanoseconds() - start) / (DIRECTORIES * FILES) / 1e3);
}

static void stat_big(void)
{
	char path[64];
	double start;
	int i;

	drop_caches();
	start = nanoseconds();
	for (i = 0; i < BIG; i++) {
		snprintf(path, sizeof(path), "big/entry-%05d", (int)((long)i * STRIDE % BIG));
		stat_one(path);
	}
	printf("big=%.3f\n", (nanoseconds() - start) / BIG / 1e3);
}

static void read_big(void)
{
	static char buffer[32768];
	double start;
	long length, at;
	int entries = 0, fd;

	drop_caches();
	fd = open("big", O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		die("big");
	start = nanoseconds();
	while ((length = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0)
		for (at = 0; at < length; entries++)
			at += ((struct dirent64 *)(buffer + at))->d_reclen;
	if (length < 0 || entries != BIG + 2) {
		fprintf(stderr, "getdents64 gave %d entries\n", entries);
		exit(1);
	}
	printf("readdir=%.1f\n", (nanoseconds() - start) / entries);
	close(fd);
}

static void mount_once(const char *directory, const char *options)
{
	const double start = nanoseconds();
	double mounted;

	if (mount("none", directory, "daxfs", MS_RDONLY, options) != 0)
		die("mount");
	mounted = nanoseconds();
	if (umount(directory) != 0)
		die("umount");
	printf("%.2f %.2f\n", (mounted - start) / 1e6, (nanoseconds() - mounted) / 1e6);
}

int main(int argc, char **argv)
{
	long before;

	if (argc == 4 && strcmp(argv[1], "mount") == 0) {
		mount_once(argv[2], argv[3]);
		return 0;
	}
	if (argc != 2 || chdir(argv[1]) != 0)
		die("measure DIRECTORY");
	read_data("read4k", 4096, 1);
	read_data("read64k", 65536, 1);
	drop_caches();
	before = page_cache();
	read_data("read1m", 1 << 20, 0);
	printf("cache=%.1f\n", (page_cache() - before) * (double)PAGE / (1 << 20));
	read_data("warm1m", 1 << 20, 0);
	map_data();
	map_scattered();
	drop_caches();
	stat_all("stat");
	stat_all("warmstat");
	stat_big();
	read_big();
	return 0;
}
