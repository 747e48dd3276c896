// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a mount can do beyond reading, on the file /mnt/large, 64 MiB of the
 * pattern on a 2 MiB boundary, in an image at a physical address:
 *
 *   feature_checks file PHYS        how the file is opened, read and described
 *   feature_checks pages MODE MOST  what its mappings can be used for; MODE is
 *                                   the mount's, default, pages or nopages; MOST
 *                                   the faults that 64 MiB may take
 *   feature_checks edge FILE        FILE is zeros, and off a 64 KiB boundary: small
 *                                   pages in front of a huge one
 *   feature_checks locks MOST       small faults of a mount without struct pages,
 *                                   and how often mmap_lock may be taken for them;
 *                                   tracefs is mounted
 *   feature_checks identity FILE    prints the UUID and the label of the filesystem,
 *                                   as ioctl(2) tells them
 *   feature_checks poke FILE CHAR   changes the first byte of the content in memory
 *   feature_checks pin              a page in a pipe outlives the mount, which
 *                                   this unmounts
 */
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../kernel/daxfs_ioctl.h"
#include "check.h"
#include "pattern.h"

#ifndef F_SETDELEG
#define F_SETDELEG 1040
#endif

#define FILE_NAME "/mnt/large"
#define SIZE (64UL << 20)
#define PAGE 4096UL

static uint8_t buffer[1 << 16];

static int open_file(int flags)
{
	int fd = open(FILE_NAME, O_RDONLY | flags);

	if (fd < 0)
		die("open %s", FILE_NAME);
	return fd;
}

static uint8_t *map_file(int protection, int flags)
{
	int fd = open_file(0);
	void *mapped = mmap(NULL, SIZE, protection, flags, fd, 0);

	if (mapped == MAP_FAILED)
		die("mmap");
	close(fd);
	return mapped;
}

static bool has_pattern(const void *content, uint64_t at, size_t size)
{
	return pattern_match(content, at, size) == size;
}

static void check_fiemap(int fd, uint64_t physical, uint64_t phys)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extents[2];
	} query = { .map = { .fm_length = UINT64_MAX, .fm_extent_count = 2 } };
	int err = ERRNO_OF(ioctl(fd, FS_IOC_FIEMAP, &query));
	const struct fiemap_extent *extent = query.map.fm_extents;

	check("fiemap gives one extent, the last",
	      err == 0 && query.map.fm_mapped_extents == 1 &&
	      extent->fe_logical == 0 && extent->fe_length == SIZE &&
	      extent->fe_flags & FIEMAP_EXTENT_LAST, "%s, %u extents",
	      errno_name(err), query.map.fm_mapped_extents);
	check("fiemap counts from the start of the image",
	      extent->fe_physical + phys == physical, "%#llx",
	      (unsigned long long)extent->fe_physical);
}

static void check_extent(int fd, uint64_t phys)
{
	struct daxfs_extent extent = { .offset = 5 * PAGE + 7 };
	int directory = open("/mnt", O_RDONLY);
	int err;

	err = ERRNO_OF(ioctl(fd, DAXFS_IOC_GET_EXTENT, &extent));
	check("an extent is found", err == 0 && extent.length == SIZE - 5 * PAGE - 7 &&
	      extent.physical % PAGE == 7 && extent.physical > phys,
	      "%s, %#llx, %llu bytes", errno_name(err),
	      (unsigned long long)extent.physical,
	      (unsigned long long)extent.length);
	check_fiemap(fd, extent.physical - 5 * PAGE - 7, phys);
	extent.offset = SIZE;
	check_errno("no extent at the end",
		    ERRNO_OF(ioctl(fd, DAXFS_IOC_GET_EXTENT, &extent)), ENXIO);
	check_errno("no extent of a directory",
		    ERRNO_OF(ioctl(directory, DAXFS_IOC_GET_EXTENT, &extent)), EINVAL);
	check_errno("an extent of nowhere",
		    ERRNO_OF(ioctl(fd, DAXFS_IOC_GET_EXTENT, 1)), EFAULT);
	check_errno("no dma-buf of physical memory",
		    ERRNO_OF(ioctl(directory, DAXFS_IOC_GET_DMABUF)), EOPNOTSUPP);
	check_errno("no other ioctl",
		    ERRNO_OF(ioctl(fd, _IO('D', 0xaf))), ENOTTY);
	if (seteuid(1000) < 0)
		die("seteuid");
	extent.offset = 0;
	check_errno("an extent is for root",
		    ERRNO_OF(ioctl(fd, DAXFS_IOC_GET_EXTENT, &extent)), EPERM);
	check_errno("a dma-buf is for root",
		    ERRNO_OF(ioctl(fd, DAXFS_IOC_GET_DMABUF)), EPERM);
	if (seteuid(0) < 0)
		die("seteuid");
	close(directory);
}

/* As Samba takes them, and since 6.19 knfsd for directories. */
static void check_leases(int fd)
{
	struct {
		uint32_t flags;
		uint16_t type, pad;
	} delegation = { 0, F_RDLCK, 0 };
	int directory = open("/mnt", O_RDONLY);
	unsigned int major = 0, minor = 0;
	struct utsname name;

	check_errno("a lease to read", ERRNO_OF(fcntl(fd, F_SETLEASE, F_RDLCK)), 0);
	check("is there", fcntl(fd, F_GETLEASE) == F_RDLCK, "%d", fcntl(fd, F_GETLEASE));
	check_errno("and goes", ERRNO_OF(fcntl(fd, F_SETLEASE, F_UNLCK)), 0);
	uname(&name);
	sscanf(name.release, "%u.%u", &major, &minor);
	check_errno("a delegation of a directory",
		    ERRNO_OF(fcntl(directory, F_SETDELEG, &delegation)),
		    major > 6 || (major == 6 && minor >= 19) ? 0 : EINVAL);
	close(directory);
}

static void check_file(uint64_t phys)
{
	struct iovec vector = { buffer, sizeof(buffer) };
	struct statx found;
	int fd = open_file(O_DIRECT);
	ssize_t size;

	/* Not aligned to anything. */
	size = pread(fd, buffer + 1, 12345, 67);
	check("O_DIRECT reads", size == 12345 && has_pattern(buffer + 1, 67, 12345),
	      "%zd bytes", size);
	close(fd);
	fd = open_file(0);
	size = preadv2(fd, &vector, 1, 1 << 20, RWF_NOWAIT);
	check("RWF_NOWAIT reads", size == sizeof(buffer) &&
	      has_pattern(buffer, 1 << 20, sizeof(buffer)), "%zd bytes", size);
	check_errno("readahead does nothing", ERRNO_OF(readahead(fd, 0, SIZE)), 0);
	check_errno("fadvise does nothing",
		    posix_fadvise(fd, 0, SIZE, POSIX_FADV_WILLNEED), 0);
	check("data begins where it is asked for",
	      lseek(fd, 12345, SEEK_DATA) == 12345, "%lld",
	      (long long)lseek(fd, 0, SEEK_CUR));
	check("the only hole is the end", lseek(fd, 12345, SEEK_HOLE) == (off_t)SIZE,
	      "%lld", (long long)lseek(fd, 0, SEEK_CUR));
	if (statx(AT_FDCWD, FILE_NAME, 0, STATX_BASIC_STATS, &found) < 0)
		die("statx");
	check("statx says DAX", found.stx_attributes & found.stx_attributes_mask &
	      STATX_ATTR_DAX, "%#llx", (unsigned long long)found.stx_attributes);
	check("statx counts blocks", found.stx_blocks == SIZE / 512 &&
	      found.stx_blksize == PAGE, "%llu blocks, %u bytes",
	      (unsigned long long)found.stx_blocks, found.stx_blksize);
	check_extent(fd, phys);
	check_leases(fd);
	close(fd);
}

/* What statfs(2) and blkid(8) can't tell. */
static int print_identity(const char *name)
{
	struct {
		uint8_t length;
		uint8_t bytes[16];
	} uuid = { 0 };
	char label[256];
	int fd = open(name, O_RDONLY), err, i;

	if (fd < 0)
		die("open %s", name);
	memset(label, 'x', sizeof(label));
	err = ERRNO_OF(ioctl(fd, _IOR(0x15, 0, uuid), &uuid));
	printf("uuid %s ", errno_name(err));
	for (i = 0; i < uuid.length; i++)
		printf("%02x", uuid.bytes[i]);
	err = ERRNO_OF(ioctl(fd, _IOR(0x94, 49, label), label));
	printf(" label %s %s\n", errno_name(err), err ? "" : label);
	return 0;
}

static int poke(const char *name, char byte)
{
	struct daxfs_extent extent = { 0 };
	int fd = open(name, O_RDONLY), memory = open("/dev/mem", O_RDWR);
	char *mapped;

	if (fd < 0 || memory < 0 || ioctl(fd, DAXFS_IOC_GET_EXTENT, &extent) < 0)
		die("%s", name);
	mapped = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory,
		      extent.physical & -PAGE);
	if (mapped == MAP_FAILED)
		die("/dev/mem");
	mapped[extent.physical % PAGE] = byte;
	return 0;
}

#define TRACING "/sys/kernel/tracing/"

static void write_text(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_TRUNC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("write %s", name);
	close(fd);
}

static void check_locks(long most)
{
	static const char enable[] =
		TRACING "events/mmap_lock/mmap_lock_start_locking/enable";
	const unsigned int touches = 32;
	uint8_t *mapped = map_file(PROT_READ, MAP_SHARED);
	volatile uint8_t sink = 0;
	long locks = 0;
	char text[512];
	unsigned int i;
	FILE *trace;

	snprintf(text, sizeof(text), "%d", getpid());
	write_text(TRACING "set_event_pid", text);
	write_text(TRACING "trace", "");
	write_text(enable, "1");
	for (i = 0; i < touches; i++)
		sink += mapped[i * (SIZE / touches)];
	write_text(enable, "0");
	write_text(TRACING "set_event_pid", "");
	trace = fopen(TRACING "trace", "r");
	if (!trace)
		die("trace");
	while (fgets(text, sizeof(text), trace))
		locks += strstr(text, "mmap_lock_start_locking") != NULL;
	fclose(trace);
	check("small faults take mmap_lock", locks <= most, "%ld times for %u faults", locks,
	      touches);
	munmap(mapped, SIZE);
}

/* Whether the mode's mappings have struct pages behind them. */
static bool has_pages(const char *mode)
{
	return strcmp(mode, "nopages") != 0;
}

/* Pages that the kernel can't pin: the error is one of two, by kernel and call. */
static void check_refused(const char *name, ssize_t result)
{
	check(name, result < 0 && (errno == EFAULT || errno == EEXIST), "%s",
	      result < 0 ? errno_name(errno) : "taken");
}

static void check_splice(const uint8_t *mapped, bool pages)
{
	struct iovec vector = { (void *)(mapped + 8 * PAGE), PAGE };
	ssize_t size;
	int ends[2];

	if (pipe(ends) < 0)
		die("pipe");
	size = vmsplice(ends[1], &vector, 1, 0);
	if (!pages) {
		check_refused("vmsplice is refused", size);
	} else {
		size = size < 0 ? size : read(ends[0], buffer, PAGE);
		check("vmsplice gives the content", size == (ssize_t)PAGE &&
		      has_pattern(buffer, 8 * PAGE, PAGE), "%zd bytes", size);
	}
	close(ends[0]);
	close(ends[1]);
}

/* From the mapping to a block device, without a copy in between. */
static void check_direct(const uint8_t *mapped, bool pages)
{
	const size_t size = 3 * PAGE;
	int device = open("/dev/ram0", O_RDWR | O_DIRECT);
	void *back = aligned_alloc(PAGE, size);
	ssize_t written, got = -1;

	if (device < 0 || !back)
		die("open /dev/ram0");
	written = pwrite(device, mapped + (33UL << 20), size, 0);
	if (!pages) {
		check_refused("O_DIRECT from a mapping is refused", written);
	} else {
		got = pread(device, back, size, 0);
		check("O_DIRECT from a mapping writes the content",
		      written == (ssize_t)size && got == (ssize_t)size &&
		      has_pattern(back, 33UL << 20, size), "%zd, %zd bytes",
		      written, got);
	}
	free(back);
	close(device);
}

static pid_t start_child(const uint8_t *touched)
{
	volatile uint8_t sink;
	int ready[2];
	pid_t child;
	char byte;

	if (pipe(ready) < 0)
		die("pipe");
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		sink = *touched;
		(void)sink;
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	if (read(ready[0], &byte, 1) != 1)
		die("a child that does not start");
	close(ready[0]);
	close(ready[1]);
	return child;
}

static void check_debugger(const uint8_t *shared, uint8_t *private, bool pages)
{
	uint8_t *at = private + 300 * PAGE;
	/* Nothing is mapped here in the parent: it is not the one that knows. */
	pid_t child = start_child(at);
	struct iovec own = { buffer, 2 * PAGE };
	struct iovec others = { (void *)(shared + 700 * PAGE), 2 * PAGE };
	char name[64];
	ssize_t size;
	int memory;

	size = process_vm_readv(child, &own, 1, &others, 1, 0);
	if (pages)
		check("process_vm_readv reads", size == (ssize_t)(2 * PAGE) &&
		      has_pattern(buffer, 700 * PAGE, 2 * PAGE), "%zd bytes", size);
	else
		check_refused("process_vm_readv is refused", size);

	snprintf(name, sizeof(name), "/proc/%d/mem", child);
	memory = open(name, O_RDWR);
	if (memory < 0)
		die("%s", name);
	size = pread(memory, buffer, 5000, (off_t)(uintptr_t)(shared + 77777));
	check("a debugger reads", size == 5000 && has_pattern(buffer, 77777, 5000),
	      "%zd bytes", size);
	if (pages) {
		/* The parent's mapping of it would give the kernel zeros. */
		if (madvise(private, SIZE, MADV_DONTNEED) < 0 ||
		    mprotect(at, PAGE, PROT_NONE) < 0)
			die("mprotect");
		size = pwrite(memory, "\xcc", 1, (off_t)(uintptr_t)(at + 5));
		if (size == 1)
			size = pread(memory, buffer, PAGE, (off_t)(uintptr_t)at);
		check("a breakpoint changes its byte and no other",
		      size == (ssize_t)PAGE && buffer[5] == 0xcc &&
		      has_pattern(buffer, 300 * PAGE, 5) &&
		      has_pattern(buffer + 6, 300 * PAGE + 6, PAGE - 6),
		      "%zd bytes, %#x", size, buffer[5]);
		check("the file has kept it", has_pattern(shared + 300 * PAGE,
							  300 * PAGE, PAGE), "shared mapping");
	}
	close(memory);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static long faults_so_far(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

static void check_faults(const uint8_t *mapped, long most)
{
	const long before = faults_so_far();
	volatile uint8_t sink = 0;
	long faults;
	size_t at;

	for (at = 0; at < SIZE; at += PAGE)
		sink += mapped[at];
	faults = faults_so_far() - before;
	check("faults of 64 MiB", faults > 0 && faults <= most, "%ld", faults);
	check("the content of 64 MiB", has_pattern(mapped, 0, SIZE), "mapped");
}

/* What goes through all page tables must get along with every kind of entry. */
static void check_tables(const char *name)
{
	int fd = open(name, O_RDONLY);
	ssize_t size, total = 0;

	if (fd < 0)
		die("%s", name);
	while ((size = read(fd, buffer, sizeof(buffer))) > 0)
		total += size;
	check(name, size == 0 && total > 0, "%zd bytes", total);
	close(fd);
}

static void check_advice(uint8_t *mapped)
{
	check_errno("MADV_COLD", ERRNO_OF(madvise(mapped, SIZE, MADV_COLD)), 0);
	check_errno("MADV_PAGEOUT", ERRNO_OF(madvise(mapped, SIZE, MADV_PAGEOUT)), 0);
	check_errno("MADV_POPULATE_READ",
		    ERRNO_OF(madvise(mapped, SIZE, MADV_POPULATE_READ)), 0);
	check_errno("MADV_DONTNEED", ERRNO_OF(madvise(mapped, SIZE, MADV_DONTNEED)), 0);
	check("the content after all advice", has_pattern(mapped, 0, SIZE), "mapped");
}

static void check_private(uint8_t *private)
{
	const uint8_t wanted = pattern_byte(5 * PAGE) ^ 0xff;

	private[5 * PAGE] = wanted;
	check("a private write stays in its page",
	      private[5 * PAGE] == wanted &&
	      has_pattern(private + 6 * PAGE, 6 * PAGE, PAGE), "%#x", private[5 * PAGE]);
	munmap(private + (3UL << 20) + PAGE, 2 * PAGE);
	mprotect(private + (5UL << 20) + PAGE, PAGE, PROT_READ);
	check("the neighbours of what was cut out stay",
	      has_pattern(private + (3UL << 20) + 3 * PAGE, (3UL << 20) + 3 * PAGE, PAGE) &&
	      has_pattern(private + (5UL << 20), 5UL << 20, 3 * PAGE), "mapped");
}

/* @most and @most_private: faults that a mapping of the kind may take. */
static void check_pages(const char *mode, long most, long most_private)
{
	uint8_t *shared = map_file(PROT_READ, MAP_SHARED);
	uint8_t *private = map_file(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	int clear = open("/proc/self/clear_refs", O_WRONLY);

	check_faults(shared, most);
	check_faults(private, most_private);
	check_tables("/proc/self/smaps");
	check_tables("/proc/self/numa_maps");
	if (clear < 0 || write(clear, "1", 1) != 1 || write(clear, "4", 1) != 1)
		die("clear_refs");
	close(clear);
	check_splice(shared, has_pages(mode));
	check_direct(shared, has_pages(mode));
	check_debugger(shared, private, has_pages(mode));
	munmap(private, SIZE);
	private = map_file(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	check_faults(private, most_private);
	check_private(private);
	check_advice(shared);
	munmap(private, SIZE);
	munmap(shared, SIZE);
}

/*
 * The pages around a fault must not be sought in the page table of a huge
 * mapping behind them: there is none, and the file would be taken for it.
 */
static void check_edge(const char *name)
{
	const size_t huge = 2UL << 20, size = 8UL << 20;
	struct daxfs_extent extent = { 0 };
	int fd = open(name, O_RDONLY);
	uint8_t *area, *mapped;
	size_t page, at;

	if (fd < 0 || ioctl(fd, DAXFS_IOC_GET_EXTENT, &extent) < 0)
		die("%s", name);
	check("the file is off a boundary", extent.physical % (16 * PAGE) != 0,
	      "%#llx", (unsigned long long)extent.physical);
	/* The first byte that can begin a huge mapping. */
	at = (huge - extent.physical % huge) % huge + huge;
	area = mmap(NULL, size + 2 * huge, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		die("mmap");
	area += huge - (uintptr_t)area % huge;
	/* From 16 pages before it, so that what is before it is no huge page. */
	mapped = mmap(area + huge - 16 * PAGE, 16 * PAGE + huge, PROT_READ,
		      MAP_SHARED | MAP_FIXED, fd, at - 16 * PAGE);
	if (mapped == MAP_FAILED)
		die("mmap");
	check("the huge page reads", mapped[16 * PAGE] == 0, "%#x",
	      mapped[16 * PAGE]);
	for (page = 16; page-- > 0;)
		check("a page before it reads", mapped[page * PAGE] == 0,
		      "page %zu", page);
	for (at = 0; at < size; at += sizeof(buffer)) {
		static const uint8_t zeros[sizeof(buffer)];

		if (pread(fd, buffer, sizeof(buffer), at) != sizeof(buffer) ||
		    memcmp(buffer, zeros, sizeof(buffer)) != 0)
			break;
	}
	check("the file is what it was", at == size, "up to %zu", at);
	munmap(mapped, 16 * PAGE + huge);
	close(fd);
}

static long module_users(void)
{
	char text[32] = "";
	int fd = open("/sys/module/daxfs/refcnt", O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		die("refcnt");
	close(fd);
	return atol(text);
}

/* How often work of a name was begun in some seconds. */
static long works_in(const char *name, unsigned int seconds)
{
	static const char enable[] =
		TRACING "events/workqueue/workqueue_execute_start/enable";
	long works = 0;
	char text[512];
	FILE *trace;

	write_text(TRACING "trace", "");
	write_text(enable, "1");
	sleep(seconds);
	write_text(enable, "0");
	trace = fopen(TRACING "trace", "r");
	if (!trace)
		die("trace");
	while (fgets(text, sizeof(text), trace))
		works += strstr(text, name) != NULL;
	fclose(trace);
	return works;
}

static void check_pin(void)
{
	long looks;
	uint8_t *mapped = map_file(PROT_READ, MAP_SHARED);
	struct iovec vector = { mapped + 9 * PAGE, PAGE };
	int ends[2], tries, err;

	if (pipe(ends) < 0)
		die("pipe");
	if (vmsplice(ends[1], &vector, 1, 0) != (ssize_t)PAGE)
		die("vmsplice");
	munmap(mapped, SIZE);
	err = ERRNO_OF(umount("/mnt"));
	check_errno("unmount with a page in a pipe", err, 0);
	check("the module stays for the page", module_users() == 1, "%ld users",
	      module_users());
	looks = works_in("daxfs_pagemap_release_work", 4);
	check("it is looked for pins, and less and less often", looks > 0 && looks <= 8,
	      "%ld times in 4 s", looks);
	check("the page is there", read(ends[0], buffer, PAGE) == (ssize_t)PAGE &&
	      has_pattern(buffer, 9 * PAGE, PAGE), "in the pipe");
	close(ends[0]);
	close(ends[1]);
	for (tries = 0; tries < 100 && module_users() > 0; tries++)
		usleep(100000);
	check("then the module is free", module_users() == 0, "after %d tries", tries);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "file") == 0)
		check_file(strtoull(argv[2], NULL, 0));
	else if (argc == 5 && strcmp(argv[1], "pages") == 0)
		check_pages(argv[2], atol(argv[3]), atol(argv[4]));
	else if (argc == 3 && strcmp(argv[1], "edge") == 0)
		check_edge(argv[2]);
	else if (argc == 3 && strcmp(argv[1], "locks") == 0)
		check_locks(atol(argv[2]));
	else if (argc == 3 && strcmp(argv[1], "identity") == 0)
		return print_identity(argv[2]);
	else if (argc == 4 && strcmp(argv[1], "poke") == 0)
		return poke(argv[2], argv[3][0]);
	else if (argc == 2 && strcmp(argv[1], "pin") == 0)
		check_pin();
	else
		return 2;
	return done();
}
