// SPDX-License-Identifier: GPL-2.0-only
/*
 * process_checks DUMP FUTEX: what the kernel does for processes with mappings of
 * /mnt/large, a file of the pattern. DUMP says whether core dumps have the private
 * copies of its pages: "always", or "asked" where bit 7 of coredump_filter must ask
 * for it. FUTEX is the errno that a shared futex in a page of the file gives
 * whoever waits 10 ms for it. Core dumps must go to /tmp/core.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "pattern.h"

enum { PAGE = 4096, PAGES = 4, MARK = 64 };

/* Bits of coredump_filter: the kernel's own choice, and with it private DAX mappings. */
enum { FILTER_DEFAULT = 0x33, FILTER_DAX = 0x33 | 0x80 };

static uint8_t *map_file(int protection, int flags)
{
	const int fd = open("/mnt/large", O_RDONLY);
	void *mapped = mmap(NULL, PAGES * PAGE, protection, flags, fd, 0);

	if (mapped == MAP_FAILED)
		die("mmap");
	close(fd);
	return mapped;
}

/*
 * Computed, so that a program has them in no place of its own, and others for each
 * dump: the stack of this process, which its children inherit, has had them.
 */
static void make_mark(volatile uint8_t *mark, unsigned int kind, unsigned int filter)
{
	unsigned int i;

	for (i = 0; i < MARK; i++)
		mark[i] = i * (37 + 2 * kind) + filter;
}

static void dump_core(unsigned int filter)
{
	uint8_t *private = map_file(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	uint8_t *anonymous = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *file = fopen("/proc/self/coredump_filter", "w");

	if (anonymous == MAP_FAILED || !file || fprintf(file, "%#x", filter) < 0 ||
	    fclose(file) != 0)
		die("coredump_filter");
	make_mark(anonymous + 100, 0, filter);
	make_mark(private + PAGE + 100, 1, filter);
	abort();
}

static bool has_mark(const uint8_t *core, size_t size, unsigned int kind, unsigned int filter)
{
	uint8_t mark[MARK];

	make_mark(mark, kind, filter);
	return memmem(core, size, mark, MARK) != NULL;
}

static void check_core(const char *name, unsigned int filter, bool expected)
{
	const pid_t child = fork();
	const uint8_t *core;
	struct stat st;
	int status, fd;
	bool found;

	if (child == 0)
		dump_core(filter);
	if (waitpid(child, &status, 0) != child || !WCOREDUMP(status))
		die("no core dump, status %#x", status);
	fd = open("/tmp/core", O_RDONLY);
	if (fd < 0 || fstat(fd, &st) != 0)
		die("/tmp/core");
	core = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (core == MAP_FAILED)
		die("mmap of /tmp/core");
	check("a core dump has the anonymous page", has_mark(core, st.st_size, 0, filter), "%lld bytes",
	      (long long)st.st_size);
	found = has_mark(core, st.st_size, 1, filter);
	check(name, found == expected, "%s, expected %s", found ? "has it" : "has it not",
	      expected ? "so" : "not so");
	munmap((void *)core, st.st_size);
	close(fd);
	unlink("/tmp/core");
}

static int wait_for(const uint8_t *mapped, int kind)
{
	const struct timespec time = { .tv_nsec = 10 * 1000 * 1000 };
	uint32_t value;

	memcpy(&value, mapped, sizeof(value));
	return ERRNO_OF(syscall(SYS_futex, mapped, FUTEX_WAIT | kind, value, &time, NULL, 0));
}

static void check_futexes(const char *shared_errno)
{
	const uint8_t *shared = map_file(PROT_READ, MAP_SHARED);
	uint8_t *private = map_file(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	int err;

	check_errno("a futex of one process", wait_for(shared, FUTEX_PRIVATE_FLAG), ETIMEDOUT);
	err = wait_for(shared, 0);
	check("a futex of all processes", strcmp(errno_name(err), shared_errno) == 0,
	      "%s, expected %s", errno_name(err), shared_errno);
	private[PAGE] ^= 0xff;
	check_errno("a futex in a private copy", wait_for(private + PAGE, 0), ETIMEDOUT);
	munmap((void *)shared, PAGES * PAGE);
	munmap(private, PAGES * PAGE);
}

int main(int argc, char **argv)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	if (argc != 3)
		die("wrong usage");
	if (setrlimit(RLIMIT_CORE, &unlimited) != 0)
		die("setrlimit");
	check_core("a core dump has a private copy of the file's page", FILTER_DEFAULT,
		   strcmp(argv[1], "always") == 0);
	check_core("and does where it is asked to", FILTER_DAX, true);
	check_futexes(argv[2]);
	return done();
}
