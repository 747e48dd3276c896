// SPDX-License-Identifier: GPL-2.0-only
/*
 * large_file_checks FILE SIZE OFFSET...: FILE has SIZE bytes, of which all are zero
 * but 16 at each OFFSET, which are the number of that offset in 16 decimal digits.
 */
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../kernel/daxfs_ioctl.h"
#include "check.h"

enum { MARK = 16, HUGE = 2 << 20 };

static bool is_mark(const void *content, uint64_t offset)
{
	char mark[MARK + 1];

	snprintf(mark, sizeof(mark), "%016llu", (unsigned long long)offset);
	return memcmp(content, mark, MARK) == 0;
}

static void check_size(int fd, uint64_t size)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extent;
	} query = { .map = { .fm_length = UINT64_MAX, .fm_extent_count = 1 } };
	struct stat st;

	if (fstat(fd, &st) != 0 || ioctl(fd, FS_IOC_FIEMAP, &query) != 0)
		die("the file");
	check("stat has the size", (uint64_t)st.st_size == size &&
	      (uint64_t)st.st_blocks == size / 512, "%lld", (long long)st.st_size);
	check("FIEMAP has it", query.extent.fe_length == size, "%llu",
	      (unsigned long long)query.extent.fe_length);
	check("SEEK_HOLE has it", (uint64_t)lseek(fd, size / 2, SEEK_HOLE) == size, "%lld",
	      (long long)lseek(fd, 0, SEEK_CUR));
	check("nothing is read behind it", pread(fd, &st, 1, size) == 0, "at %llu",
	      (unsigned long long)size);
}

static void check_sendfile(int fd, uint64_t offset)
{
	off_t at = offset;
	char content[MARK];
	int ends[2];
	ssize_t sent;

	if (pipe(ends) != 0)
		die("pipe");
	sent = sendfile(ends[1], fd, &at, MARK);
	check("sendfile", sent == MARK && read(ends[0], content, MARK) == MARK &&
	      is_mark(content, offset) && (uint64_t)at == offset + MARK, "%zd bytes", sent);
	close(ends[0]);
	close(ends[1]);
}

/* The 2 MiB around the mark, and the 2 MiB behind, in which it may end. */
static void check_mapping(int fd, uint64_t offset, uint64_t size)
{
	const uint64_t start = offset / HUGE * HUGE;
	const size_t length = size - start < 2 * HUGE ? size - start : 2 * HUGE;
	const char *mapped = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, start);
	size_t i, other = 0;

	if (mapped == MAP_FAILED)
		die("mmap at %llu", (unsigned long long)start);
	for (i = 0; i < length; i++)
		other += mapped[i] != 0 && (i < offset - start || i >= offset - start + MARK);
	check("mmap", is_mark(mapped + (offset - start), offset) && other == 0,
	      "%zu other bytes", other);
	munmap((void *)mapped, length);
}

static void check_mark(int fd, uint64_t offset, uint64_t size)
{
	struct daxfs_extent first = { 0 }, extent = { .offset = offset };
	char content[3 * MARK] = "";
	const size_t before = offset < MARK ? offset : MARK;
	ssize_t got = pread(fd, content, before + MARK, offset - before);
	size_t zeros = 0;

	while (zeros < before && content[zeros] == 0)
		zeros++;
	check("pread", got == (ssize_t)before + MARK && zeros == before &&
	      is_mark(content + before, offset), "%zd bytes at %llu", got,
	      (unsigned long long)offset);
	check_sendfile(fd, offset);
	check_mapping(fd, offset, size);
	if (ioctl(fd, DAXFS_IOC_GET_EXTENT, &first) != 0 ||
	    ioctl(fd, DAXFS_IOC_GET_EXTENT, &extent) != 0)
		die("extent at %llu", (unsigned long long)offset);
	check("its extent", extent.physical == first.physical + offset &&
	      first.length == size && extent.length == size - offset, "%#llx, %llu bytes",
	      (unsigned long long)extent.physical, (unsigned long long)extent.length);
}

int main(int argc, char **argv)
{
	uint64_t size;
	int fd, i;

	if (argc < 4)
		die("wrong usage");
	fd = open(argv[1], O_RDONLY);
	size = strtoull(argv[2], NULL, 0);
	if (fd < 0)
		die("open %s", argv[1]);
	check_size(fd, size);
	for (i = 3; i < argc; i++)
		check_mark(fd, strtoull(argv[i], NULL, 0), size);
	return done();
}
