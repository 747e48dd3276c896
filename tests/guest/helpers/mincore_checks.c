// SPDX-License-Identifier: GPL-2.0-only
/*
 * mincore_checks direct|cached FILE: what mincore(2) says of mappings of FILE,
 * which has 4 MiB or more. "direct": the filesystem maps its memory, so that
 * what a process sees as present is what it has touched itself. "cached": the
 * filesystem has a page cache, in which what anybody has read is present.
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum {
	PAGE = 4096,
	SIZE = 4 << 20,
	PAGES = SIZE / PAGE,
	/* What one fault can map at most: a huge page. */
	HUGE_PAGES = 512,
	TOUCHED = 700,
};

static int fd;

static volatile uint8_t *map(int protection, int flags)
{
	volatile uint8_t *mapped = mmap(NULL, SIZE, protection, flags, fd, 0);

	if (mapped == MAP_FAILED)
		die("mmap");
	return mapped;
}

/* Return: pages of a mapping that are present; @page says if that one is. */
static int present(volatile uint8_t *mapped, size_t page, bool *is)
{
	static unsigned char vector[PAGES];
	int count = 0;
	size_t i;

	if (mincore((void *)mapped, SIZE, vector) != 0)
		die("mincore");
	for (i = 0; i < PAGES; i++)
		count += vector[i] & 1;
	if (is)
		*is = vector[page] & 1;
	return count;
}

static void read_all(void)
{
	static uint8_t buffer[1 << 16];
	off_t at;

	for (at = 0; at < SIZE; at += sizeof(buffer))
		if (pread(fd, buffer, sizeof(buffer), at) != sizeof(buffer))
			die("pread");
}

static void check_direct(void)
{
	volatile uint8_t *mapped = map(PROT_READ, MAP_SHARED);
	volatile uint8_t *other = map(PROT_READ, MAP_SHARED);
	int count, status;
	pid_t child;
	bool is;

	count = present(mapped, 0, NULL);
	check("a mapping that was never touched has no page", count == 0, "%d", count);
	read_all();
	count = present(mapped, 0, NULL);
	check("read(2) of the file brings none", count == 0, "%d", count);

	(void)mapped[TOUCHED * PAGE];
	count = present(mapped, TOUCHED, &is);
	check("a touched page is present", is, "%d present", count);
	check("with no more than a huge page around it", count <= HUGE_PAGES, "%d present", count);
	count = present(other, 0, NULL);
	check("another mapping of the process has none", count == 0, "%d", count);

	child = fork();
	if (child == 0) {
		for (size_t i = 0; i < PAGES; i++)
			(void)other[i * PAGE];
		_exit(present(other, 0, NULL) == PAGES ? 0 : 1);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		die("a child");
	check("a child that touches all has all", status == 0, "status %d", status);
	count = present(other, 0, NULL);
	check("its parent has none of them", count == 0, "%d", count);

	if (madvise((void *)mapped, SIZE, MADV_DONTNEED) != 0)
		die("MADV_DONTNEED");
	count = present(mapped, 0, NULL);
	check("none is left after MADV_DONTNEED", count == 0, "%d", count);
	munmap((void *)mapped, SIZE);
	munmap((void *)other, SIZE);

	mapped = map(PROT_READ, MAP_SHARED | MAP_POPULATE);
	count = present(mapped, 0, NULL);
	check("MAP_POPULATE brings all", count == PAGES, "%d", count);
	munmap((void *)mapped, SIZE);
	mapped = map(PROT_READ, MAP_SHARED);
	count = present(mapped, 0, NULL);
	check("a new mapping has none", count == 0, "%d", count);
	munmap((void *)mapped, SIZE);

	mapped = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	count = present(mapped, 0, NULL);
	check("a private mapping that was never touched has none", count == 0, "%d", count);
	mapped[TOUCHED * PAGE] = 1;
	count = present(mapped, TOUCHED, &is);
	check("a written page is present", is, "%d present", count);
	munmap((void *)mapped, SIZE);
}

static void check_cached(void)
{
	volatile uint8_t *mapped;
	int count;

	read_all();
	mapped = map(PROT_READ, MAP_SHARED);
	count = present(mapped, 0, NULL);
	check("a mapping that was never touched has what was read", count == PAGES, "%d", count);
	munmap((void *)mapped, SIZE);
}

int main(int argc, char **argv)
{
	struct stat status;

	if (argc != 3)
		die("wrong usage");
	fd = open(argv[2], O_RDONLY);
	if (fd < 0 || fstat(fd, &status) != 0 || status.st_size < SIZE)
		die("%s", argv[2]);
	if (strcmp(argv[1], "cached") == 0)
		check_cached();
	else
		check_direct();
	return done();
}
