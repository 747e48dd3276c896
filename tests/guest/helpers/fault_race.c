// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault_race make: writes the content that FILE is to have to its output.
 *
 * fault_race FILE SECONDS CASE...: small and huge faults meet in the first 2 MiB
 * of FILE, while they are unmapped all the time. In each CASE, which takes SECONDS,
 * one thread reads pages at random, itself and through system calls, another
 * empties the range and touches it, and a third does what the case is named after.
 * The content must be right wherever it is seen, nothing may fail, and the file must
 * be the same afterwards.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "pattern.h"

#define PAGE 4096UL
#define HUGE (2UL << 20)
#define SIZE (2 * HUGE)
#define PAGES (HUGE / PAGE)
/* Written to the first word of pages; what is read is the third. */
#define MARK 0x6d61726b6d61726bULL

/* What is raced on; the counts are of all threads. */
static int fd, protection, flags;
static uint8_t *mapped;
static volatile bool stop;
static long reads, zaps, thirds, wrong;
/* By error number. */
static long errors[256];

static void count(long *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static void failed(int number)
{
	count(&errors[number & 255]);
}

/* Names that begin with "race-small" have small faults where test_race.ko is there. */
static void begin(const char *name, int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	prctl(PR_SET_NAME, name);
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 8;
}

/*
 * Zeros where a page table would be, were a huge page taken for one: what is there
 * counts as an entry, and is not written to. The pattern elsewhere.
 */
static uint64_t content_word(size_t at)
{
	return at % HUGE < PAGE ? 0 : pattern_word(at);
}

static void check_word(uint64_t found, size_t at)
{
	if (found != content_word(at))
		count(&wrong);
}

/* Of the page, a word that nobody writes to, in a way that depends on the round. */
static void read_page(size_t page, unsigned int way, const int *ends)
{
	const size_t at = page * PAGE + 16;
	struct iovec to, from = { mapped + at, 8 };
	uint64_t word = 0;

	if (way == 0) {
		check_word(*(volatile uint64_t *)(mapped + at), at);
	} else if (way == 1 && ends[2]) {
		to = (struct iovec){ &word, 8 };
		if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 8)
			check_word(word, at);
		else
			failed(errno);
	} else if (write(ends[1], mapped + at, 8) == 8) {
		if (read(ends[0], &word, 8) != 8)
			failed(errno);
		check_word(word, at);
	} else {
		failed(errno);
	}
	count(&reads);
}

static void read_all(const char *name, int cpu, bool pins)
{
	uint32_t state = cpu + 1;
	int ends[3] = { 0, 0, pins };

	begin(name, cpu);
	if (pipe(ends) != 0)
		die("pipe");
	while (!stop)
		read_page(next_random(&state) % PAGES, next_random(&state) % 4, ends);
	close(ends[0]);
	close(ends[1]);
}

static void *read_small(void *pins)
{
	read_all("race-small", 0, pins != NULL);
	return NULL;
}

/*
 * A page table that a small fault has made stays until the range is mapped anew, on
 * most kernels: no huge fault comes before.
 */
static void zap_once(bool anew)
{
	if (!anew) {
		if (madvise(mapped, HUGE, MADV_DONTNEED) != 0)
			failed(errno);
	} else if (mmap(mapped, HUGE, protection, flags | MAP_FIXED, fd, 0) != mapped) {
		failed(errno);
	}
}

static void zap_and_touch(int cpu)
{
	uint32_t state = cpu;

	while (!stop) {
		const size_t at = next_random(&state) % PAGES * PAGE + 16;

		zap_once(next_random(&state) % 3 == 0);
		check_word(*(volatile uint64_t *)(mapped + at), at);
		count(&zaps);
	}
}

static void *zap(void *unused)
{
	(void)unused;
	begin("race-huge", 1);
	zap_and_touch(1);
	return NULL;
}

static void third_reads(void)
{
	read_all("race-small-2", 2, false);
}

static void third_pins(void)
{
	read_all("race-small-2", 2, true);
}

static void third_zaps(void)
{
	zap_and_touch(2);
}

/* 6.1 has a line in the log for each huge entry that it meets, so not too often. */
static void third_pages_out(void)
{
	while (!stop) {
		if (madvise(mapped, HUGE, MADV_PAGEOUT) != 0)
			failed(errno);
		count(&thirds);
		usleep(50000);
	}
}

/* Huge entries stay when they are no longer wanted. Not too often, as above. */
static void third_advises(void)
{
	while (!stop) {
		if (madvise(mapped, HUGE, MADV_NOHUGEPAGE) != 0 ||
		    madvise(mapped, HUGE, MADV_COLD) != 0)
			failed(errno);
		usleep(20000);
		if (madvise(mapped, HUGE, MADV_HUGEPAGE) != 0)
			failed(errno);
		count(&thirds);
		usleep(30000);
	}
}

/* The page tables go to another place, where they are unmapped; here are none then. */
static void third_moves(void)
{
	while (!stop) {
		uint8_t *moved = mremap(mapped, HUGE, HUGE,
					MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

		if (moved == MAP_FAILED) {
			failed(errno);
		} else {
			check_word(*(volatile uint64_t *)(moved + 16), 16);
			munmap(moved, HUGE);
		}
		count(&thirds);
	}
}

static void third_forks(void)
{
	while (!stop) {
		const pid_t child = fork();
		int status;

		if (child == 0) {
			size_t page;

			for (page = 0; page < PAGES; page += 37)
				if (*(volatile uint64_t *)(mapped + page * PAGE + 16) !=
				    content_word(page * PAGE + 16))
					_exit(1);
			_exit(0);
		}
		if (child < 0)
			failed(errno);
		else if (waitpid(child, &status, 0) != child || status != 0)
			count(&wrong);
		count(&thirds);
	}
}

/* Splits what is huge, so that there are page tables, with private pages in them. */
static void third_writes(void)
{
	uint32_t state = 99;

	while (!stop) {
		const size_t page = next_random(&state) % PAGES;
		volatile uint64_t *words = (volatile uint64_t *)(mapped + page * PAGE);

		words[0] = MARK;
		check_word(words[2], page * PAGE + 16);
		count(&thirds);
	}
}

static void third_changes_protection(void)
{
	while (!stop) {
		if (mprotect(mapped, HUGE, PROT_READ | PROT_EXEC) != 0 ||
		    mprotect(mapped, HUGE, PROT_READ) != 0)
			failed(errno);
		count(&thirds);
	}
}

static const struct race {
	const char *name;
	int flags;
	bool writable;
	bool pins;
	void (*third)(void);
} races[] = {
	{ "shared", MAP_SHARED, false, false, third_reads },
	{ "private", MAP_PRIVATE, false, false, third_reads },
	{ "zaps", MAP_SHARED, false, false, third_zaps },
	{ "pins", MAP_PRIVATE, false, true, third_pins },
	{ "pageout", MAP_SHARED, false, false, third_pages_out },
	{ "advice", MAP_SHARED, false, false, third_advises },
	{ "mremap", MAP_SHARED, false, false, third_moves },
	{ "fork", MAP_PRIVATE, false, false, third_forks },
	{ "writes", MAP_PRIVATE, true, false, third_writes },
	{ "mprotect", MAP_SHARED, false, false, third_changes_protection },
};

static void *run_third(void *race)
{
	begin("race-third", 2);
	((const struct race *)race)->third();
	return NULL;
}

/* Words of the file that are not what they were, read without a mapping. */
static long changed_words(void)
{
	static uint64_t content[SIZE / 8];
	long changed = 0;
	size_t i;

	if (pread(fd, content, SIZE, 0) != (ssize_t)SIZE)
		die("pread");
	for (i = 0; i < SIZE / 8; i++)
		changed += content[i] != content_word(i * 8);
	return changed;
}

static void report(const struct race *race, long changed)
{
	long failures = 0;
	char text[256] = "";
	char name[64];
	size_t i, used = 0;

	for (i = 0; i < 256; i++) {
		failures += errors[i];
		if (errors[i] && used < sizeof(text) - 32)
			used += snprintf(text + used, sizeof(text) - used, ", %s %ld",
					 errno_name(i), errors[i]);
	}
	snprintf(name, sizeof(name), "small and huge faults meet, %s", race->name);
	check(name, !changed && !wrong && !failures && reads && zaps,
	      "%ld words of the file changed, %ld seen wrong, %ld reads, %ld zaps, %ld others%s",
	      changed, wrong, reads, zaps, thirds, text);
}

static void run(const struct race *race, unsigned int seconds)
{
	pthread_t threads[3];
	long changed = 0;
	unsigned int i;

	protection = PROT_READ | (race->writable ? PROT_WRITE : 0);
	flags = race->flags;
	mapped = mmap(NULL, SIZE, protection, flags, fd, 0);
	if (mapped == MAP_FAILED || (uintptr_t)mapped % HUGE != 0)
		die("mmap gives %p", (void *)mapped);
	reads = zaps = thirds = wrong = 0;
	memset(errors, 0, sizeof(errors));
	stop = false;
	if (pthread_create(&threads[0], NULL, read_small, race->pins ? "" : NULL) ||
	    pthread_create(&threads[1], NULL, zap, NULL) ||
	    pthread_create(&threads[2], NULL, run_third, (void *)race))
		die("pthread_create");
	for (i = 0; i < seconds && !changed; i++) {
		sleep(1);
		changed = changed_words();
	}
	stop = true;
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	munmap(mapped, SIZE);
	report(race, changed_words());
}

static int make(void)
{
	size_t at;

	for (at = 0; at < SIZE; at += 8) {
		const uint64_t word = content_word(at);

		if (fwrite(&word, 8, 1, stdout) != 1)
			return 1;
	}
	return fflush(stdout) ? 1 : 0;
}

static void on_signal(int number)
{
	static const char text[] = "died: of a signal in a fault\n";

	if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0)
		_exit(number);
	_exit(number);
}

int main(int argc, char **argv)
{
	int i;
	size_t k;

	if (argc == 2)
		return make();
	if (argc < 4)
		die("wrong usage");
	signal(SIGSEGV, on_signal);
	signal(SIGBUS, on_signal);
	fd = open(argv[1], O_RDONLY);
	if (fd < 0)
		die("open %s", argv[1]);
	check("the file is as it should be", changed_words() == 0, "%lu bytes", SIZE);
	for (i = 3; i < argc; i++)
		for (k = 0; k < sizeof(races) / sizeof(races[0]); k++)
			if (strcmp(argv[i], races[k].name) == 0)
				run(&races[k], atoi(argv[2]));
	return done();
}
