// SPDX-License-Identifier: GPL-2.0-only
/* Mappings that remain after umount(2). */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "mapping.h"
#include "mmap_checks.h"

static void *unmap_bit_by_bit(void *mapped)
{
	for (size_t at = 0; at < LARGE; at += 64 * PAGE)
		munmap((uint8_t *)mapped + at, 64 * PAGE);
	return NULL;
}

/* Last: there is no mount afterwards. */
void check_umount(void)
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
