// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap_checks: mappings of the files in /mnt, which is a mounted image of what
 * tests/guest/mmap.test.ts makes: files of the pattern, named after their size.
 * mmap_checks dump KIND FILE: writes FILE to its output through a mapping.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "pattern.h"

enum { PAGE = 4096, THREADS = 4, LARGE = 16 << 20, ODD = 1000003, ODD_PAGES = 245 };

static sigjmp_buf fault;
static volatile sig_atomic_t fault_code;

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)context;
	fault_code = info->si_code;
	siglongjmp(fault, number);
}

/* Reads or writes a byte. Return: the signal it gave, or 0. */
static int touch(volatile uint8_t *at, bool write)
{
	const int number = sigsetjmp(fault, 1);

	if (number)
		return number;
	if (write)
		*at = 0x5a;
	else
		(void)*at;
	return 0;
}

static void check_signal(const char *name, int found, int expected)
{
	check(name, found == expected, "signal %d, expected %d", found, expected);
}

static int open_file(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/mnt/%s", name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		die("open %s", path);
	return fd;
}

static uint8_t *map(int fd, size_t length, int protection, int flags, off_t offset)
{
	uint8_t *mapped = mmap(NULL, length, protection, flags, fd, offset);

	if (mapped == MAP_FAILED)
		die("mmap of %zu bytes at %ld", length, (long)offset);
	return mapped;
}

static bool is_pattern(const uint8_t *mapped, uint64_t at, size_t length)
{
	return pattern_match(mapped, at, length) == length;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
	while (length > 0)
		if (bytes[--length] != 0)
			return false;
	return true;
}

static bool file_is_pattern(int fd, size_t size)
{
	uint8_t *content = malloc(size + 1);
	const bool right = pread(fd, content, size + 1, 0) == (ssize_t)size &&
			   is_pattern(content, 0, size);

	free(content);
	return right;
}

static void check_shared(void)
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

static void check_private(void)
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
static void check_calls(void)
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

static void check_end(void)
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
static void check_sizes(void)
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

static void check_offsets(void)
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

static void check_split(void)
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

static void check_remap(void)
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

/* Return: what the child's exit status was. */
static int status_of(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child)
		die("fork");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void check_fork(void)
{
	const int fd = open_file("1000003");
	uint8_t *mapped = map(fd, ODD, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	uint8_t *shared = map(fd, ODD, PROT_READ, MAP_SHARED, 0);
	int to_parent[2], to_child[2];
	int status;
	char byte;
	pid_t child;

	if (pipe(to_parent) != 0 || pipe(to_child) != 0)
		die("pipe");
	mapped[0] = 0x11;
	touch(mapped + PAGE, false);
	child = fork();
	if (child == 0) {
		bool right = mapped[0] == 0x11 && is_pattern(mapped + 1, 1, ODD - 1) &&
			     is_pattern(shared, 0, ODD);

		mapped[0] = 0x22;
		mapped[PAGE] = 0x33;
		mapped[2 * PAGE] = 0x44;
		right = write(to_parent[1], "x", 1) == 1 && read(to_child[0], &byte, 1) == 1 && right;
		/* What the parent wrote meanwhile is its own. */
		_exit(right && mapped[0] == 0x22 && mapped[PAGE] == 0x33 &&
		      mapped[2 * PAGE] == 0x44 && mapped[3 * PAGE] == pattern_byte(3 * PAGE) &&
		      is_pattern(shared, 0, ODD) ? 0 : 1);
	}
	if (read(to_parent[0], &byte, 1) != 1)
		die("the child");
	check("a child's writes are not seen by the parent",
	      mapped[0] == 0x11 && is_pattern(mapped + 1, 1, ODD - 1) && is_pattern(shared, 0, ODD),
	      "%d bytes", ODD);
	mapped[PAGE] = 0x55;
	mapped[3 * PAGE] = 0x66;
	if (write(to_child[1], "x", 1) != 1)
		die("the child");
	status = status_of(child);
	check("a child sees what was there, and keeps its own", status == 0, "%d", status);
	check("the file has nothing of it", file_is_pattern(fd, ODD), "%d bytes", ODD);

	child = fork();
	if (child == 0) {
		munmap(mapped, ODD);
		munmap(shared, ODD);
		_exit(0);
	}
	status = status_of(child);
	check("a child's munmap leaves the parent's mapping", status == 0 && mapped[PAGE] == 0x55 &&
	      is_pattern(shared, 0, ODD), "%d", status);
	munmap(shared, ODD);
	munmap(mapped, ODD);
	close(to_parent[0]);
	close(to_parent[1]);
	close(to_child[0]);
	close(to_child[1]);
	close(fd);
}

static void check_advice(void)
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

static void check_populate(void)
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
static void check_fault_count(void)
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

struct job {
	pthread_t thread;
	uint8_t *mapped;
	size_t first;
	/* Place in a page of what this thread writes. */
	size_t mark;
	bool write;
	size_t wrong;
};

static pthread_barrier_t barrier;

/* Every page of the mapping, each thread from another one on. */
static void *fault_all(void *argument)
{
	struct job *job = argument;
	size_t i;

	pthread_barrier_wait(&barrier);
	for (i = 0; i < LARGE / PAGE; i++) {
		const size_t page = (job->first + i) % (LARGE / PAGE);
		uint8_t *at = job->mapped + page * PAGE;

		if (job->write && page % 3 == 0)
			at[job->mark] = 0x99;
		if (pattern_match(at + 64, page * PAGE + 64, 64) != 64)
			job->wrong++;
	}
	return NULL;
}

static void check_threads(bool write, const char *name)
{
	const int fd = open_file("16777216");
	uint8_t *mapped = map(fd, LARGE, PROT_READ | (write ? PROT_WRITE : 0),
			      write ? MAP_PRIVATE : MAP_SHARED, 0);
	struct job jobs[THREADS];
	size_t wrong = 0, i, round, k;

	for (round = 0; round < 4; round++) {
		pthread_barrier_init(&barrier, NULL, THREADS);
		for (i = 0; i < THREADS; i++) {
			/* In the first rounds all fault the same page at the same time. */
			jobs[i] = (struct job){
				.mapped = mapped, .write = write, .mark = i,
				.first = round < 2 ? 0 : i * 1024,
			};
			pthread_create(&jobs[i].thread, NULL, fault_all, &jobs[i]);
		}
		for (i = 0; i < THREADS; i++) {
			pthread_join(jobs[i].thread, NULL);
			wrong += jobs[i].wrong;
		}
		pthread_barrier_destroy(&barrier);
		/* A write that another thread's fault undid would be missing. */
		for (k = 0; write && k < LARGE / PAGE; k += 3)
			for (i = 0; i < THREADS; i++)
				wrong += mapped[k * PAGE + i] != 0x99;
		madvise(mapped, LARGE, MADV_DONTNEED);
	}
	check(name, wrong == 0 && is_pattern(mapped, 0, LARGE), "%zu wrong", wrong);
	check("the file is as it was after that", file_is_pattern(fd, LARGE), "%d bytes", LARGE);
	munmap(mapped, LARGE);
	close(fd);
}

static volatile bool stop;

static void *map_and_unmap(void *unused)
{
	uintptr_t wrong = 0;

	(void)unused;
	while (!stop) {
		const int fd = open_file("2097153");
		uint8_t *mapped = map(fd, 2097153, PROT_READ, MAP_SHARED, 0);

		wrong += !is_pattern(mapped + 512 * PAGE, 512 * PAGE, 1) || !is_pattern(mapped, 0, 100);
		munmap(mapped, 2097153);
		close(fd);
	}
	return (void *)wrong;
}

/* Mappings come and go in all threads, and are advised away under a reader. */
static void check_races(void)
{
	const int fd = open_file("2097153");
	uint8_t *mapped = map(fd, 2097153, PROT_READ, MAP_SHARED, 0);
	pthread_t threads[THREADS];
	uintptr_t wrong = 0;
	void *one;
	int i;

	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, map_and_unmap, NULL);
	for (i = 0; i < 150; i++) {
		wrong += !is_pattern(mapped + i * PAGE, i * PAGE, 3 * PAGE);
		madvise(mapped, 2097153, MADV_DONTNEED);
	}
	stop = true;
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &one);
		wrong += (uintptr_t)one;
	}
	check("mmap, munmap and MADV_DONTNEED in several threads", wrong == 0, "%lu wrong", wrong);
	munmap(mapped, 2097153);
	close(fd);
}

/* Through /proc/PID/mem, as a debugger looks; what pins pages may be refused. */
static void check_debugger(void)
{
	const int fd = open_file("1000003");
	uint8_t *mapped = map(fd, ODD, PROT_READ, MAP_SHARED, 0);
	const int memory = open("/proc/self/mem", O_RDONLY);
	static uint8_t copy[3 * PAGE];
	struct iovec to = { copy, sizeof(copy) }, from = { mapped, sizeof(copy) };
	ssize_t got;

	touch(mapped, false);
	got = pread(memory, copy, sizeof(copy), (off_t)(uintptr_t)mapped);
	check("/proc/self/mem reads", got == sizeof(copy) && is_pattern(copy, 0, got), "%zd bytes",
	      got);
	memset(copy, 0, sizeof(copy));
	got = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
	check("process_vm_readv refuses or reads", got < 0 || is_pattern(copy, 0, got), "%zd bytes",
	      got);
	close(memory);
	munmap(mapped, ODD);
	close(fd);
}

/*
 * Another process writes into a private mapping, as a debugger does, where it
 * was not touched yet and the writer has something else: what it writes is
 * changed, and no more.
 */
static void check_written_by_another(void)
{
	const int fd = open_file("1000003");
	uint8_t *mapped = map(fd, ODD, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	uint8_t byte = 0x42;
	struct iovec from = { &byte, 1 }, to = { mapped + 5 * PAGE + 7, 1 };
	const pid_t child = fork();
	char path[64];
	int memory, status;

	if (child == 0) {
		raise(SIGSTOP);
		_exit(mapped[5 * PAGE + 7] == 0x42 && is_pattern(mapped, 0, 5 * PAGE + 7) &&
		      is_pattern(mapped + 5 * PAGE + 8, 5 * PAGE + 8, 4 * PAGE - 1) &&
		      mapped[9 * PAGE + 7] == 0x42 &&
		      is_pattern(mapped + 9 * PAGE + 8, 9 * PAGE + 8, PAGE) ? 0 : 1);
	}
	waitpid(child, &status, WUNTRACED);
	memset(mapped, 'S', ODD);
	check("process_vm_writev to a private mapping of another process",
	      process_vm_writev(child, &from, 1, &to, 1, 0) == 1, "errno %d", errno);
	snprintf(path, sizeof(path), "/proc/%d/mem", child);
	memory = open(path, O_RDWR);
	check("a write to its /proc/PID/mem",
	      pwrite(memory, &byte, 1, (off_t)(uintptr_t)(mapped + 9 * PAGE + 7)) == 1,
	      "errno %d", errno);
	kill(child, SIGCONT);
	waitpid(child, &status, 0);
	check("change what was written, and no more", status == 0, "status %d", status);
	close(memory);
	munmap(mapped, ODD);
	close(fd);
}

static void *unmap_bit_by_bit(void *mapped)
{
	for (size_t at = 0; at < LARGE; at += 64 * PAGE)
		munmap((uint8_t *)mapped + at, 64 * PAGE);
	return NULL;
}

/* Last: there is no mount afterwards. */
static void check_umount(void)
{
	const int fd = open_file("16777216");
	uint8_t *stays = map(fd, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	uint8_t *goes = map(fd, LARGE, PROT_READ, MAP_SHARED | MAP_POPULATE, 0);
	pthread_t thread;
	int status;

	stays[PAGE] = 0x42;
	close(fd);
	check_errno("umount with a mapping", ERRNO_OF(umount2("/mnt", 0)), EBUSY);
	pthread_create(&thread, NULL, unmap_bit_by_bit, goes);
	check_errno("umount -l while another thread unmaps", ERRNO_OF(umount2("/mnt", MNT_DETACH)), 0);
	pthread_join(thread, NULL);
	check("a mapping that is left can be touched and written",
	      stays[PAGE] == 0x42 && is_pattern(stays, 0, PAGE) &&
	      is_pattern(stays + 2 * PAGE, 2 * PAGE, LARGE - 2 * PAGE) &&
	      touch(stays + 100 * PAGE, true) == 0, "%d bytes", LARGE);
	status = status_of(fork() ?: (_exit(is_pattern(stays + 200 * PAGE, 200 * PAGE, PAGE) ? 0 : 1), 0));
	check("by a child as well", status == 0, "%d", status);
	munmap(stays, LARGE);
}

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
	const struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	if (argc == 4 && strcmp(argv[1], "dump") == 0)
		return dump(argv[2], argv[3]);
	if (argc != 1)
		die("wrong usage");
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
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
