// SPDX-License-Identifier: GPL-2.0-only
/* Ends of files, sizes around a page, and mappings at offsets. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mapping.h"
#include "mmap_checks.h"

void check_end(void)
{
	const int fd = open_file("1000003");
	uint8_t *mapped = map(fd, (ODD_PAGES + 3) * PAGE, PROT_READ, MAP_SHARED, 0);
	uint8_t *writable = map(fd, (ODD_PAGES + 3) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	uint8_t *beyond = map(fd, PAGE, PROT_READ, MAP_SHARED, (off_t)(ODD_PAGES + 100) * PAGE);
	uint8_t *far = map(fd, PAGE, PROT_READ, MAP_PRIVATE, (off_t)1 << 40);
	size_t page;
	char byte;

	check_signal("the last byte of the last page", touch(mapped + ODD_PAGES * PAGE - 1, false), 0);
	check_signal("the first page behind the end", touch(mapped + ODD_PAGES * PAGE, false), SIGBUS);
	check("its code", fault_code == BUS_ADRERR, "%d", (int)fault_code);
	check_signal("the last page of the mapping", touch(mapped + (ODD_PAGES + 3) * PAGE - 1, false),
		     SIGBUS);
	check_signal("a private write behind the end", touch(writable + ODD_PAGES * PAGE, true),
		     SIGBUS);
	check_signal("a mapping that begins behind the end", touch(beyond, false), SIGBUS);
	check_signal("a mapping far behind the end", touch(far, false), SIGBUS);
	{
		int ends[2];

		if (pipe(ends) != 0)
			die("pipe");
		check_errno("write from behind the end",
			    ERRNO_OF(write(ends[1], mapped + ODD_PAGES * PAGE, 1)), EFAULT);
		check("nothing came of it", fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 &&
		      read(ends[0], &byte, 1) < 0, "%s", errno_name(errno));
		close(ends[0]);
		close(ends[1]);
	}
	check_errno("MADV_POPULATE_READ of what is there",
		    ERRNO_OF(madvise(mapped, ODD_PAGES * PAGE, MADV_POPULATE_READ)), 0);
	check_errno("MADV_POPULATE_READ behind the end",
		    ERRNO_OF(madvise(mapped + ODD_PAGES * PAGE, PAGE, MADV_POPULATE_READ)), EFAULT);
	for (page = 0; page < ODD_PAGES; page++)
		if (touch(mapped + page * PAGE, false) != 0)
			break;
	check("all pages before the end", page == ODD_PAGES, "%zu", page);
	munmap(far, PAGE);
	munmap(beyond, PAGE);
	munmap(writable, (ODD_PAGES + 3) * PAGE);
	munmap(mapped, (ODD_PAGES + 3) * PAGE);
	close(fd);
}

/* Files whose length is around a multiple of the page or of a huge page. */
void check_sizes(void)
{
	static const size_t sizes[] = {
		1, 4095, 4096, 4097, 8191, 65535, 65536, 65537, 2097151, 2097152, 2097153, 6291457,
	};
	static const int kinds[] = { MAP_SHARED, MAP_PRIVATE };
	char name[64];
	size_t i, k;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (k = 0; k < 2; k++) {
			const size_t size = sizes[i];
			const size_t pages = (size + PAGE - 1) / PAGE;
			uint8_t *mapped;
			int fd;

			snprintf(name, sizeof(name), "%zu", size);
			fd = open_file(name);
			mapped = map(fd, (pages + 1) * PAGE, PROT_READ, kinds[k], 0);
			snprintf(name, sizeof(name), "a file of %zu bytes, %s", size,
				 kinds[k] == MAP_SHARED ? "shared" : "private");
			check(name, is_pattern(mapped, 0, size) &&
			      is_zero(mapped + size, pages * PAGE - size) &&
			      touch(mapped + pages * PAGE, false) == SIGBUS, "%zu pages", pages);
			munmap(mapped, (pages + 1) * PAGE);
			close(fd);
		}
	{
		const int fd = open_file("0");
		uint8_t *mapped = map(fd, PAGE, PROT_READ, MAP_PRIVATE, 0);

		check_signal("an empty file", touch(mapped, false), SIGBUS);
		munmap(mapped, PAGE);
		close(fd);
	}
}

void check_offsets(void)
{
	static const struct {
		off_t page;
		size_t pages;
	} parts[] = {
		{ 1, 1 }, { 7, 3 }, { 15, 2 }, { 16, 16 }, { 17, 100 }, { 511, 2 }, { 512, 512 },
		{ 513, 1000 }, { 1000, 3096 }, { 4095, 1 },
	};
	const int fd = open_file("16777216");
	size_t i, right = 0, backwards;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const uint64_t at = (uint64_t)parts[i].page * PAGE;
		const size_t length = parts[i].pages * PAGE;
		uint8_t *mapped = map(fd, length, PROT_READ, i % 2 ? MAP_SHARED : MAP_PRIVATE, at);

		/* From the end, so that what a fault maps around lies before it. */
		for (backwards = parts[i].pages; backwards > 0; backwards--)
			if (!is_pattern(mapped + (backwards - 1) * PAGE, at + (backwards - 1) * PAGE, PAGE))
				break;
		right += backwards == 0;
		munmap(mapped, length);
	}
	check("mappings at offsets", right == i, "%zu of %zu right", right, i);
	{
		uint8_t *room = map(-1, 4 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
		uint8_t *odd = room + 3 * PAGE;

		errno = 0;
		check("a mapping at an address of its own",
		      mmap(odd, 1 << 20, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 5 * PAGE) == odd &&
		      is_pattern(odd, 5 * PAGE, 1 << 20), "%s", errno_name(errno));
		check_signal("the page before it", touch(odd - 1, false), SIGSEGV);
		check_signal("the page behind it", touch(odd + (1 << 20), false), SIGSEGV);
		munmap(room, 4 << 20);
	}
	errno = 0;
	check_errno("a mapping at an offset inside a page",
		    mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 100) == MAP_FAILED ? errno : 0, EINVAL);
	close(fd);
}
