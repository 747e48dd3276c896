/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What test_exporter.ko and its users share: an ioctl of /dev/test_exporter that
 * makes a dma-buf.
 */
#ifndef TEST_EXPORTER_H
#define TEST_EXPORTER_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum test_exporter_kind {
	/* As an exporter should be. */
	TEST_EXPORTER_PLAIN,
	/* Says that its memory is that of a device. */
	TEST_EXPORTER_IOMEM,
	/* Can't be mapped into the kernel. */
	TEST_EXPORTER_NO_VMAP,
	/* Refuses access by the CPU: EIO. */
	TEST_EXPORTER_NO_ACCESS,
	/* Moves its memory, as it says, while nobody has pinned it. */
	TEST_EXPORTER_MOVABLE,
	/* Has no memory for its last page, where the kernel's mapping has a hole. */
	TEST_EXPORTER_SHORT,
	TEST_EXPORTER_KINDS,
};

struct test_exporter_request {
	/* Bytes, whole pages. */
	__u64 size;
	__u32 kind;
	__u32 reserved;
};

/* Returns a file descriptor. */
#define TEST_EXPORTER_CREATE _IOW('T', 1, struct test_exporter_request)

#endif /* TEST_EXPORTER_H */
