// SPDX-License-Identifier: GPL-2.0-only
/* Faults, mmap(2) and munmap(2) in several threads. */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mapping.h"
#include "mmap_checks.h"

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

void check_threads(bool write, const char *name)
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
void check_races(void)
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
