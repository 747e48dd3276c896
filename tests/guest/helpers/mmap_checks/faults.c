// SPDX-License-Identifier: GPL-2.0-only
/* madvise(2), populating, locking, and the number of faults. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mapping.h"
#include "mmap_checks.h"

void check_advice(void)
{
	static const struct {
		const char *name;
		int advice;
	} pieces[] = {
		{ "MADV_NORMAL", MADV_NORMAL }, { "MADV_RANDOM", MADV_RANDOM },
		{ "MADV_SEQUENTIAL", MADV_SEQUENTIAL }, { "MADV_WILLNEED", MADV_WILLNEED },
		{ "MADV_DONTNEED", MADV_DONTNEED }, { "MADV_COLD", MADV_COLD },
		{ "MADV_PAGEOUT", MADV_PAGEOUT }, { "MADV_HUGEPAGE", MADV_HUGEPAGE },
		{ "MADV_NOHUGEPAGE", MADV_NOHUGEPAGE }, { "MADV_MERGEABLE", MADV_MERGEABLE },
		{ "MADV_DONTFORK", MADV_DONTFORK }, { "MADV_DOFORK", MADV_DOFORK },
		{ "MADV_DONTDUMP", MADV_DONTDUMP }, { "MADV_DODUMP", MADV_DODUMP },
		{ "MADV_FREE", MADV_FREE }, { "MADV_REMOVE", MADV_REMOVE },
		{ "MADV_COLLAPSE", 25 },
	};
	const int fd = open_file("6291457");
	const size_t size = 6291457;
	char name[64];
	size_t i;

	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		uint8_t *mapped = map(fd, size, PROT_READ, MAP_SHARED, 0);
		int err;

		/* Half of it mapped before, all of it right after. */
		for (size_t at = 0; at < size / 2; at += PAGE)
			touch(mapped + at, false);
		err = ERRNO_OF(madvise(mapped, size, pieces[i].advice));
		snprintf(name, sizeof(name), "%s does no harm", pieces[i].name);
		check(name, is_pattern(mapped, 0, size), "%s", errno_name(err));
		munmap(mapped, size);
	}
	close(fd);
}

static long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

static long major_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_majflt;
}

void check_populate(void)
{
	const int fd = open_file("16777216");
	unsigned char *present = malloc(LARGE / PAGE);
	uint8_t *mapped;
	long before;
	size_t i, in = 0;
	int err;

	mapped = map(fd, LARGE, PROT_READ, MAP_SHARED | MAP_POPULATE, 0);
	before = minor_faults();
	for (i = 0; i < LARGE; i += PAGE)
		touch(mapped + i, false);
	check("MAP_POPULATE leaves no faults", minor_faults() - before < 16, "%ld faults",
	      minor_faults() - before);
	check("its content", is_pattern(mapped, 0, LARGE), "%d bytes", LARGE);
	err = ERRNO_OF(mincore(mapped, LARGE, present));
	for (i = 0; i < LARGE / PAGE; i++)
		in += present[i] & 1;
	check("mincore", err == 0, "%s, %zu pages present", errno_name(err), in);
	munmap(mapped, LARGE);

	mapped = map(fd, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE, 0);
	check("MAP_POPULATE of a private mapping that can be written", is_pattern(mapped, 0, LARGE),
	      "%d bytes", LARGE);
	munmap(mapped, LARGE);

	mapped = map(fd, LARGE, PROT_READ, MAP_SHARED, 0);
	check_errno("mlock", ERRNO_OF(mlock(mapped, LARGE)), 0);
	before = minor_faults();
	for (i = 0; i < LARGE; i += PAGE)
		touch(mapped + i, false);
	check("mlock leaves no faults", minor_faults() - before < 16, "%ld faults",
	      minor_faults() - before);
	check("the content of locked memory", is_pattern(mapped, 0, LARGE), "%d bytes", LARGE);
	check_errno("munlock", ERRNO_OF(munlock(mapped, LARGE)), 0);
	munmap(mapped, LARGE);

	mapped = map(fd, PAGE * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_LOCKED, 0);
	mapped[PAGE] = 0x10;
	check("a locked private mapping", mapped[PAGE] == 0x10 && is_pattern(mapped, 0, PAGE) &&
	      is_pattern(mapped + 2 * PAGE, 2 * PAGE, 6 * PAGE), "8 pages");
	munmap(mapped, PAGE * 8);
	free(present);
	close(fd);
}

/* Touched page by page, in several orders; a fault a page would be 4096. */
void check_fault_count(void)
{
	static const struct {
		const char *name;
		int flags;
		/* Pages from one touch to the next; odd, so that all are reached. */
		size_t step;
	} orders[] = {
		{ "faults of a shared mapping, upwards", MAP_SHARED, 1 },
		{ "faults of a private mapping, upwards", MAP_PRIVATE, 1 },
		{ "faults of a shared mapping, downwards", MAP_SHARED, LARGE / PAGE - 1 },
		{ "faults of a shared mapping, in leaps", MAP_SHARED, 1237 },
	};
	const int fd = open_file("16777216");
	size_t i, k;

	for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		uint8_t *mapped = map(fd, LARGE, PROT_READ, orders[i].flags, 0);
		const long before = minor_faults(), major = major_faults();
		long faults;

		for (k = 0; k < LARGE / PAGE; k++)
			(void)*(volatile uint8_t *)(mapped + k * orders[i].step % (LARGE / PAGE) * PAGE);
		faults = minor_faults() - before;
		check(orders[i].name, faults > 0 && faults <= 4096 / 8 && major_faults() == major,
		      "%ld faults", faults);
		check("and their content", is_pattern(mapped, 0, LARGE), "%d bytes", LARGE);
		munmap(mapped, LARGE);
	}
	close(fd);
}
