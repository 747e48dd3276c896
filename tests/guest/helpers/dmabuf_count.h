/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many dma-bufs the kernel has, from debugfs, which must be mounted at
 * /sys/kernel/debug.
 */
#ifndef DMABUF_COUNT_H
#define DMABUF_COUNT_H

#include <poll.h>
#include <stdio.h>

#include "check.h"

/* "Total 2 objects, 8192 bytes" is the last line. */
static inline int dmabuf_count(void)
{
	FILE *file = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");
	char line[512];
	int count = -1;

	if (!file)
		die("/sys/kernel/debug/dma_buf/bufinfo");
	while (fgets(line, sizeof(line), file))
		sscanf(line, "Total %d objects", &count);
	fclose(file);
	if (count < 0)
		die("no number of dma-bufs");
	return count;
}

/* Waits up to 5 s for their number: files are closed in their own time. */
static inline int dmabuf_count_until(int expected)
{
	int tries;

	for (tries = 0; tries < 100 && dmabuf_count() != expected; tries++)
		poll(NULL, 0, 50);
	return dmabuf_count();
}

#endif /* DMABUF_COUNT_H */
