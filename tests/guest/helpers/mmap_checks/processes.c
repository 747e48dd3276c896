// SPDX-License-Identifier: GPL-2.0-only
/* Mappings across fork(2), and access to those of another process. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mapping.h"
#include "mmap_checks.h"

void check_fork(void)
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

/* Through /proc/PID/mem, as a debugger looks; what pins pages may be refused. */
void check_debugger(void)
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
void check_written_by_another(void)
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
