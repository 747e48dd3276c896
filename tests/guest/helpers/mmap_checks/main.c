// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap_checks: checks mappings of the files in /mnt, a mounted image of what
 * tests/guest/mmap.test.ts makes: files of the pattern, named after their size.
 * mmap_checks dump KIND FILE: writes FILE to its output through a mapping.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "mapping.h"
#include "mmap_checks.h"

static int dump(const char *kind, const char *path)
{
	const int flags = strcmp(kind, "shared") == 0 ? MAP_SHARED : MAP_PRIVATE;
	const int fd = open(path, O_RDONLY);
	struct stat status;
	uint8_t *mapped;
	off_t at;

	if (fd < 0 || fstat(fd, &status) != 0)
		die("open %s", path);
	mapped = map(fd, status.st_size, PROT_READ | (flags == MAP_PRIVATE ? PROT_WRITE : 0), flags, 0);
	/* "written": every page becomes a private copy, with the same bytes. */
	for (at = 0; strcmp(kind, "written") == 0 && at < status.st_size; at += PAGE)
		*(volatile uint8_t *)(mapped + at) = mapped[at];
	return fwrite(mapped, 1, status.st_size, stdout) == (size_t)status.st_size ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "dump") == 0)
		return dump(argv[2], argv[3]);
	if (argc != 1)
		die("wrong usage");
	catch_faults();
	check_shared();
	check_private();
	check_calls();
	check_end();
	check_sizes();
	check_offsets();
	check_split();
	check_remap();
	check_fork();
	check_advice();
	check_populate();
	check_fault_count();
	check_threads(false, "four threads fault one shared mapping");
	check_threads(true, "four threads fault and write one private mapping");
	check_races();
	check_debugger();
	check_written_by_another();
	check_umount();
	return done();
}
