// SPDX-License-Identifier: GPL-2.0-only
/* Opening, mapping and touching of files, for all checks. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mapping.h"

static sigjmp_buf fault;
volatile sig_atomic_t fault_code;

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)context;
	fault_code = info->si_code;
	siglongjmp(fault, number);
}

void catch_faults(void)
{
	const struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

int touch(volatile uint8_t *at, bool write)
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

void check_signal(const char *name, int found, int expected)
{
	check(name, found == expected, "signal %d, expected %d", found, expected);
}

int open_file(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/mnt/%s", name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		die("open %s", path);
	return fd;
}

uint8_t *map(int fd, size_t length, int protection, int flags, off_t offset)
{
	uint8_t *mapped = mmap(NULL, length, protection, flags, fd, offset);

	if (mapped == MAP_FAILED)
		die("mmap of %zu bytes at %ld", length, (long)offset);
	return mapped;
}

bool is_pattern(const uint8_t *mapped, uint64_t at, size_t length)
{
	return pattern_match(mapped, at, length) == length;
}

bool is_zero(const uint8_t *bytes, size_t length)
{
	while (length > 0)
		if (bytes[--length] != 0)
			return false;
	return true;
}

bool file_is_pattern(int fd, size_t size)
{
	uint8_t *content = malloc(size + 1);
	const bool right = pread(fd, content, size + 1, 0) == (ssize_t)size &&
			   is_pattern(content, 0, size);

	free(content);
	return right;
}

int status_of(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child)
		die("fork");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}
