/* SPDX-License-Identifier: GPL-2.0-only */
/* The checks, by the file that has them. */
#ifndef MMAP_CHECKS_H
#define MMAP_CHECKS_H

#include <stdbool.h>

/* content.c */
void check_shared(void);
void check_private(void);
void check_calls(void);

/* ranges.c */
void check_end(void);
void check_sizes(void);
void check_offsets(void);

/* remap.c */
void check_split(void);
void check_remap(void);

/* processes.c */
void check_fork(void);
void check_debugger(void);
void check_written_by_another(void);

/* faults.c */
void check_advice(void);
void check_populate(void);
void check_fault_count(void);

/* threads.c */
void check_threads(bool write, const char *name);
void check_races(void);

/* umount.c */
void check_umount(void);

#endif /* MMAP_CHECKS_H */
