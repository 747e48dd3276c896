// SPDX-License-Identifier: GPL-2.0-only
/* pattern SIZE: writes a file of known content, see pattern.h, to its output. */
#include <stdio.h>
#include <stdlib.h>

#include "pattern.h"

int main(int argc, char **argv)
{
	const uint64_t size = argc == 2 ? strtoull(argv[1], NULL, 0) : 0;
	uint64_t at;

	for (at = 0; at < size; at++)
		putchar_unlocked(pattern_byte(at));
	return fflush(stdout) == 0 ? 0 : 1;
}
