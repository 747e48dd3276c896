// SPDX-License-Identifier: GPL-2.0-only
/* What shared and private mappings hold, and system calls on their memory. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mapping.h"
#include "mmap_checks.h"

void check_shared(void)
{
	const int fd = open_file("1000003");
	uint8_t *mapped = map(fd, ODD, PROT_READ, MAP_SHARED, 0);
	const size_t tail = ODD_PAGES * PAGE - ODD;

	check("MAP_SHARED", is_pattern(mapped, 0, ODD), "%d bytes", ODD);
	check("the rest of the last page is zero", is_zero(mapped + ODD, tail), "%zu bytes", tail);
	check_signal("a write to it", touch(mapped, true), SIGSEGV);
	check_errno("mprotect to PROT_WRITE", ERRNO_OF(mprotect(mapped, PAGE, PROT_READ | PROT_WRITE)),
		    EACCES);
	check_errno("mprotect to PROT_EXEC", ERRNO_OF(mprotect(mapped, PAGE, PROT_READ | PROT_EXEC)), 0);
	check_errno("mprotect to PROT_NONE", ERRNO_OF(mprotect(mapped, PAGE, PROT_NONE)), 0);
	check_signal("a read with PROT_NONE", touch(mapped, false), SIGSEGV);
	check_signal("a read of the page behind it", touch(mapped + PAGE, false), 0);
	check_errno("mprotect to PROT_READ", ERRNO_OF(mprotect(mapped, PAGE, PROT_READ)), 0);
	check("the content is there again", is_pattern(mapped, 0, ODD), "%d bytes", ODD);
	check_errno("msync", ERRNO_OF(msync(mapped, ODD, MS_SYNC)) == EINVAL ? 0 : errno, 0);
	munmap(mapped, ODD);

	errno = 0;
	mapped = mmap(NULL, ODD, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check_errno("MAP_SHARED with PROT_WRITE", mapped == MAP_FAILED ? errno : 0, EACCES);
	errno = 0;
	mapped = mmap(NULL, ODD, PROT_WRITE, MAP_SHARED_VALIDATE, fd, 0);
	check_errno("MAP_SHARED_VALIDATE with PROT_WRITE", mapped == MAP_FAILED ? errno : 0, EACCES);
	errno = 0;
	mapped = mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
	check_errno("MAP_SYNC", mapped == MAP_FAILED ? errno : 0, EOPNOTSUPP);
	close(fd);
}

void check_private(void)
{
	const int fd = open_file("1000003");
	uint8_t *other = map(fd, ODD, PROT_READ, MAP_SHARED, 0);
	uint8_t *mapped = map(fd, ODD, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	uint8_t *fresh;
	size_t i;

	check("MAP_PRIVATE", is_pattern(mapped, 0, ODD), "%d bytes", ODD);
	check_signal("a write to a page that was read", touch(mapped + 5 * PAGE + 7, true), 0);
	check("the page has what was written, and the file's bytes around it",
	      mapped[5 * PAGE + 7] == 0x5a && is_pattern(mapped, 0, 5 * PAGE + 7) &&
	      is_pattern(mapped + 5 * PAGE + 8, 5 * PAGE + 8, ODD - 5 * PAGE - 8), "page 5");
	check("another mapping does not see it", is_pattern(other, 0, ODD), "%d bytes", ODD);
	check("the file does not have it", file_is_pattern(fd, ODD), "%d bytes", ODD);

	fresh = map(fd, ODD, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	check_signal("a write as the first touch", touch(fresh + 9 * PAGE + 1, true), 0);
	check("the page has what was written, and the file's bytes around it (first touch)",
	      fresh[9 * PAGE + 1] == 0x5a && is_pattern(fresh + 9 * PAGE, 9 * PAGE, 1) &&
	      is_pattern(fresh + 9 * PAGE + 2, 9 * PAGE + 2, ODD - 9 * PAGE - 2) &&
	      is_pattern(fresh, 0, 9 * PAGE), "page 9");
	for (i = 0; i < ODD_PAGES; i++)
		fresh[i * PAGE] = i;
	for (i = 0; i < ODD_PAGES; i++)
		if (fresh[i * PAGE] != (uint8_t)i || (i != 9 && fresh[i * PAGE + 1] !=
						      pattern_byte(i * PAGE + 1)))
			break;
	check("all pages written", i == ODD_PAGES, "%zu right", i);
	check("neither another mapping nor the file has any of it",
	      is_pattern(other, 0, ODD) && file_is_pattern(fd, ODD), "%d bytes", ODD);
	check_errno("MADV_DONTNEED drops what was written",
		    ERRNO_OF(madvise(fresh, ODD, MADV_DONTNEED)), 0);
	check("the file's bytes are back", is_pattern(fresh, 0, ODD), "%d bytes", ODD);

	munmap(fresh, ODD);
	fresh = map(fd, ODD, PROT_READ, MAP_PRIVATE, 0);
	check_signal("a write without PROT_WRITE", touch(fresh, true), SIGSEGV);
	check_errno("mprotect to PROT_WRITE, private",
		    ERRNO_OF(mprotect(fresh, ODD, PROT_READ | PROT_WRITE)), 0);
	check_signal("a write after that", touch(fresh + 3, true), 0);
	check_signal("a write to the zeros behind the end", touch(fresh + ODD + 5, true), 0);
	check("they stay zero for others", is_zero(other + ODD, ODD_PAGES * PAGE - ODD), "last page");
	munmap(fresh, ODD);
	munmap(mapped, ODD);
	munmap(other, ODD);
	close(fd);
}

/* A system call that takes its data from the mapping, and one that puts it there. */
void check_calls(void)
{
	const int fd = open_file("1000003");
	uint8_t *mapped = map(fd, ODD, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	static uint8_t copy[ODD];
	int ends[2];
	ssize_t got;
	int to;

	to = open("/tmp", O_RDWR | O_TMPFILE, 0600);
	got = write(to, mapped, ODD);
	check("write from a mapping that was not touched",
	      got == ODD && pread(to, copy, ODD, 0) == ODD && is_pattern(copy, 0, ODD), "%zd bytes",
	      got);
	close(to);
	if (pipe(ends) != 0)
		die("pipe");
	check("write to a pipe", write(ends[1], mapped + 77, 60000) == 60000 &&
	      read(ends[0], copy, 60000) == 60000 && is_pattern(copy, 77, 60000), "60000 bytes");
	close(ends[0]);
	close(ends[1]);
	munmap(mapped, ODD);
	mapped = map(fd, ODD, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	got = pread(fd, mapped + PAGE, 10 * PAGE, 100 * PAGE);
	check("read into a mapping of the same file",
	      got == 10 * PAGE && is_pattern(mapped + PAGE, 100 * PAGE, 10 * PAGE) &&
	      is_pattern(mapped, 0, PAGE) && is_pattern(mapped + 11 * PAGE, 11 * PAGE, PAGE) &&
	      file_is_pattern(fd, ODD), "%zd bytes", got);
	munmap(mapped, ODD);
	close(fd);
}
