/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MAPPING_H
#define MAPPING_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../check.h"
#include "../pattern.h"

enum { PAGE = 4096, THREADS = 4, LARGE = 16 << 20, ODD = 1000003, ODD_PAGES = 245 };

/* si_code of the last signal that touch() returned. */
extern volatile sig_atomic_t fault_code;

/* Lets touch() catch SIGSEGV and SIGBUS. */
void catch_faults(void);
/* Reads or writes a byte. Return: the signal that this raised, or 0. */
int touch(volatile uint8_t *at, bool write);
void check_signal(const char *name, int found, int expected);

/* Opens a file of /mnt, or ends the program. */
int open_file(const char *name);
/* mmap(2), or ends the program. */
uint8_t *map(int fd, size_t length, int protection, int flags, off_t offset);

/* Whether memory has the bytes of the pattern from its byte @at on. */
bool is_pattern(const uint8_t *mapped, uint64_t at, size_t length);
bool is_zero(const uint8_t *bytes, size_t length);
/* Whether read(2) gives the pattern, and @size bytes of it. */
bool file_is_pattern(int fd, size_t size);

/* Waits for a child. Return: its exit status, or 1000 + the signal that ended it. */
int status_of(pid_t child);

#endif /* MAPPING_H */
