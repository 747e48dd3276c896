// SPDX-License-Identifier: GPL-2.0-only
/* Mappings that are split, grown, moved and shrunk. */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mapping.h"
#include "mmap_checks.h"

/*
 * Grows a mapping of three pages, of which the second was written. Where there
 * is free room behind it, the kernel has no need to move it.
 */
static void check_growth(int fd, int flags, bool in_place, const char *name)
{
	const size_t small = 3 * PAGE, big = 3 << 20;
	const bool write = flags == MAP_PRIVATE;
	uint8_t *room = map(-1, big + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	uint8_t *mapped, *grown;
	bool right;

	if (in_place)
		munmap(room, big + PAGE);
	mapped = mmap(room, small, PROT_READ | (write ? PROT_WRITE : 0), flags | MAP_FIXED, fd,
		      2 * PAGE);
	if (mapped != room)
		die("mmap");
	touch(mapped, false);
	if (write)
		mapped[PAGE] = 0x77;
	grown = mremap(mapped, small, big, MREMAP_MAYMOVE);
	if (grown == MAP_FAILED) {
		check_errno(name, errno, 0);
		munmap(mapped, small);
		return;
	}
	right = is_pattern(grown, 2 * PAGE, PAGE) &&
		grown[PAGE] == (write ? 0x77 : pattern_byte(3 * PAGE)) &&
		is_pattern(grown + PAGE + 1, 3 * PAGE + 1, big - PAGE - 1);
	check(name, right && (grown == mapped) == in_place, "%s",
	      grown == mapped ? "in its place" : "elsewhere");
	munmap(grown, big);
	if (!in_place)
		munmap(room, big + PAGE);
}

/* Lines of /proc/self/maps for a range. */
static unsigned int mappings_in(const uint8_t *start, size_t length)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from, to;
	unsigned int count = 0;
	char line[512];

	if (!maps)
		die("maps");
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx", &from, &to) == 2 && to > (uintptr_t)start &&
		    from < (uintptr_t)start + length)
			count++;
	fclose(maps);
	return count;
}

void check_split(void)
{
	const int fd = open_file("16777216");
	const size_t length = 1 << 20;
	uint8_t *mapped = map(fd, length, PROT_READ, MAP_SHARED, 0);
	unsigned int parts;

	if (mprotect(mapped + 5 * PAGE, PAGE, PROT_NONE) < 0 ||
	    mprotect(mapped + 5 * PAGE, PAGE, PROT_READ) < 0)
		die("mprotect");
	parts = mappings_in(mapped, length);
	check("a mapping that was split is one again", parts == 1, "%u parts, expected 1", parts);
	check("its content after that", is_pattern(mapped, 0, length), "%zu bytes", length);
	munmap(mapped, length);
	close(fd);
}

void check_remap(void)
{
	const int fd = open_file("16777216");
	const size_t small = 3 * PAGE, big = 3 << 20;
	uint8_t *mapped, *room, *moved;

	check_growth(fd, MAP_SHARED, true, "mremap grows a shared mapping in its place");
	check_growth(fd, MAP_PRIVATE, true, "mremap grows a private mapping in its place");
	check_growth(fd, MAP_SHARED, false, "mremap grows a shared mapping elsewhere");
	check_growth(fd, MAP_PRIVATE, false, "mremap grows a private mapping elsewhere");

	moved = map(fd, big, PROT_READ | PROT_WRITE, MAP_PRIVATE, 2 * PAGE);
	moved[PAGE] = 0x77;
	room = map(-1, big, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	mapped = mremap(moved, big, big, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	check("mremap moves a mapping", mapped == room && mapped[PAGE] == 0x77 &&
	      is_pattern(mapped + PAGE + 1, 3 * PAGE + 1, big - PAGE - 1), "%zu bytes", big);
	check_signal("the old place", touch(moved, false), SIGSEGV);
	mapped = mremap(mapped, big, small, 0);
	check("mremap shrinks a mapping", mapped == room && is_pattern(mapped, 2 * PAGE, PAGE) &&
	      touch(mapped + small, false) == SIGSEGV, "%zu bytes", small);
	munmap(mapped, small);

	mapped = map(fd, 2 * PAGE, PROT_READ, MAP_SHARED, LARGE - PAGE);
	room = map(-1, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	moved = mremap(mapped, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	check("mremap grows over the end of the file",
	      moved == room && is_pattern(moved, LARGE - PAGE, PAGE) &&
	      touch(moved + PAGE, false) == SIGBUS && touch(moved + 2 * PAGE, false) == SIGBUS,
	      "%s, SIGBUS behind it", errno_name(moved == room ? 0 : errno));
	munmap(room, 4 * PAGE);
	moved = map(fd, 2 * PAGE, PROT_READ, MAP_SHARED, LARGE - PAGE);
	mapped = mremap(moved, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	check("MREMAP_DONTUNMAP does no harm", mapped == MAP_FAILED ||
	      is_pattern(mapped, LARGE - PAGE, PAGE), "%s", mapped == MAP_FAILED ? "refused" : "done");
	if (mapped != MAP_FAILED)
		munmap(mapped, 2 * PAGE);
	munmap(moved, 2 * PAGE);

	/* Holes in the middle, and a mapping in two pieces. */
	mapped = map(fd, 64 * PAGE, PROT_READ, MAP_SHARED, 0);
	munmap(mapped + 10 * PAGE, PAGE);
	mprotect(mapped + 20 * PAGE, PAGE, PROT_NONE);
	check("a fault beside a hole and a closed page",
	      is_pattern(mapped, 0, 10 * PAGE) && touch(mapped + 10 * PAGE, false) == SIGSEGV &&
	      is_pattern(mapped + 11 * PAGE, 11 * PAGE, 9 * PAGE) &&
	      touch(mapped + 20 * PAGE, false) == SIGSEGV &&
	      is_pattern(mapped + 21 * PAGE, 21 * PAGE, 43 * PAGE), "64 pages");
	munmap(mapped, 64 * PAGE);
	close(fd);
}
