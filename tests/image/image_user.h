/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What kernel/image*.c take from the kernel, for user-space builds.
 */
#ifndef _DAXFS_IMAGE_USER_H
#define _DAXFS_IMAGE_USER_H

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define U32_MAX UINT32_MAX
#define S64_MAX INT64_MAX

#define le16_to_cpu(value) le16toh(value)
#define le32_to_cpu(value) le32toh(value)
#define le64_to_cpu(value) le64toh(value)

#define fallthrough __attribute__((__fallthrough__))
#define cond_resched() ((void)0)
#define fatal_signal_pending(task) false
#define SZ_1M 0x100000
#define vzalloc(size) count_allocation(size)
#define vfree(memory) count_free(memory)
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define barrier() __asm__ __volatile__("" : : : "memory")
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define IS_ALIGNED(value, unit) (((value) & ((unit) - 1)) == 0)
#define round_up(value, unit) ((((value) - 1) | ((unit) - 1)) + 1)

/* Zeroed memory, or NULL, counted by image_walk.c. */
void *count_allocation(size_t size);
void count_free(void *memory);

/* The kernel's function leaves both inversions of CRC-32 to its caller. */
static inline u32 crc32_le(u32 crc, const void *bytes, size_t size)
{
	return ~(u32)crc32(~crc, bytes, (uInt)size);
}

#endif /* _DAXFS_IMAGE_USER_H */
