/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The content of files that is known without reading them: no two places of it
 * look the same, so that a page or a byte in the wrong place is found.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stddef.h>
#include <stdint.h>

/* The eight bytes from @at on, which is a multiple of 8, as a little-endian number. */
static inline uint64_t pattern_word(uint64_t at)
{
	/* The mixing function of SplitMix64, on the number of the word. */
	uint64_t z = (at / 8 + 1) * 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static inline uint8_t pattern_byte(uint64_t at)
{
	return pattern_word(at) >> at % 8 * 8;
}

/* Number of bytes from @at on that are as they should be, up to @length. */
static inline size_t pattern_match(const void *content, uint64_t at,
				   size_t length)
{
	const uint8_t *bytes = content;
	size_t i;

	for (i = 0; i < length; i++)
		if (bytes[i] != pattern_byte(at + i))
			break;
	return i;
}

#endif /* PATTERN_H */
