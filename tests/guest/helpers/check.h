/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reports of the helper programs: a line for each check, read by helperChecks
 * in tests/support/environment.ts, and a last one that proves that the program
 * came to its end.
 */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Weak, so that the files of a program share one count. */
__attribute__((weak)) unsigned int checks;

/* What @number is called in the manuals; "0" for none. */
static inline const char *errno_name(int number)
{
	const char *name = number ? strerrorname_np(number) : "0";

	return name ? name : "unknown";
}

/* Reports @name, which has no colon; the rest says what was found. */
static inline bool __attribute__((format(printf, 3, 4)))
check(const char *name, bool passed, const char *format, ...)
{
	va_list arguments;

	checks++;
	printf("%s %s: ", passed ? "pass" : "FAIL", name);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	/* What comes after a crash is lost, what came before it must not be. */
	fflush(stdout);
	return passed;
}

/* Checks that a call gave the error @expected, or 0 for none. */
static inline bool check_errno(const char *name, int found, int expected)
{
	return check(name, found == expected, "%s, expected %s",
		     errno_name(found), errno_name(expected));
}

/* errno where a call returned a negative number, else 0. */
#define ERRNO_OF(call) (errno = 0, (call) < 0 ? errno : 0)

/* Ends the program where what it needs for its checks fails. */
static inline void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	const int number = errno;
	va_list arguments;

	fputs("died: ", stdout);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf(" (%s)\n", errno_name(number));
	exit(1);
}

static inline int done(void)
{
	printf("done %u\n", checks);
	return 0;
}

#endif /* CHECK_H */
