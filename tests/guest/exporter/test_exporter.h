/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What test_exporter.ko and its users share: ioctls of /dev/test_exporter that
 * make dma-bufs and move their memory.
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
	/*
	 * These three move their memory when they are told to, unless it is pinned: by
	 * the operation for it, by an attachment, or by a mapping for a device. The
	 * kernel's mapping pins nothing.
	 */
	TEST_EXPORTER_PIN,
	TEST_EXPORTER_PIN_ON_ATTACH,
	TEST_EXPORTER_PIN_ON_MAP,
	/* Has a hole in the kernel's mapping, at its last page. */
	TEST_EXPORTER_HOLE,
	/* Refuses attachments: EBUSY. */
	TEST_EXPORTER_NO_ATTACH,
	/* Can't be mapped for a device: ENOSPC. */
	TEST_EXPORTER_NO_MAP,
	/* Maps all pages for a device but the last. */
	TEST_EXPORTER_SHORT,
	/* Maps for a device from the middle of a page on. */
	TEST_EXPORTER_ODD,
	/* Maps for a device other pages than into the kernel. */
	TEST_EXPORTER_OTHER_PAGES,
	/* Tells a device addresses and no pages. */
	TEST_EXPORTER_NO_PAGES,
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
/*
 * Moves the memory of the dma-buf that a descriptor names, as under memory pressure:
 * what was mapped before is overwritten. EBUSY where it is pinned, EOPNOTSUPP where
 * its kind does not move.
 */
#define TEST_EXPORTER_MOVE _IOW('T', 2, __u32)

#endif /* TEST_EXPORTER_H */
