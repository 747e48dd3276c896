// SPDX-License-Identifier: GPL-2.0-only
/*
 * file_checks DIRECTORY SCRATCH: system calls on the files of a mount, whose
 * DIRECTORY has what tests/guest/mount.test.ts puts there. SCRATCH is a
 * directory of another filesystem, which can be written.
 */
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"
#include "pattern.h"

/* Of "odd", with a last page of 579 bytes; in the tree of the test as well. */
#define ODD_SIZE 1000003
#define SPARSE_SIZE (3 << 20)

static const char *scratch;

static int open_error(const char *path, int flags)
{
	const int fd = open(path, flags, 0644);
	const int err = fd < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

static void check_read_only(void)
{
	const struct timespec times[2] = { { 1, 0 }, { 1, 0 } };

	check_errno("open O_RDWR", open_error("odd", O_RDWR), EROFS);
	check_errno("open O_WRONLY", open_error("odd", O_WRONLY), EROFS);
	check_errno("open O_WRONLY and O_APPEND", open_error("odd", O_WRONLY | O_APPEND), EROFS);
	check_errno("open O_RDONLY and O_TRUNC", open_error("odd", O_RDONLY | O_TRUNC), EROFS);
	check_errno("open O_CREAT", open_error("new", O_RDONLY | O_CREAT), EROFS);
	check_errno("open O_CREAT of a file that is there", open_error("odd", O_RDONLY | O_CREAT), 0);
	check_errno("open O_EXCL", open_error("new", O_WRONLY | O_CREAT | O_EXCL), EROFS);
	check_errno("open O_TMPFILE", open_error(".", O_RDWR | O_TMPFILE), EROFS);
	check_errno("truncate", ERRNO_OF(truncate("odd", 0)), EROFS);
	check_errno("unlink", ERRNO_OF(unlink("odd")), EROFS);
	check_errno("rmdir", ERRNO_OF(rmdir("empty")), EROFS);
	check_errno("mkdir", ERRNO_OF(mkdir("new", 0755)), EROFS);
	check_errno("mknod", ERRNO_OF(mknod("new", S_IFCHR | 0600, makedev(1, 3))), EROFS);
	check_errno("mkfifo", ERRNO_OF(mkfifo("new", 0600)), EROFS);
	check_errno("symlink", ERRNO_OF(symlink("target", "new")), EROFS);
	check_errno("link", ERRNO_OF(link("odd", "new")), EROFS);
	check_errno("rename", ERRNO_OF(rename("odd", "new")), EROFS);
	check_errno("exchange", ERRNO_OF(renameat2(AT_FDCWD, "odd", AT_FDCWD, "sparse",
						   RENAME_EXCHANGE)), EROFS);
	check_errno("chmod", ERRNO_OF(chmod("odd", 0600)), EROFS);
	check_errno("chown", ERRNO_OF(chown("odd", 1, 1)), EROFS);
	check_errno("lchown", ERRNO_OF(lchown("link", 1, 1)), EROFS);
	check_errno("utimensat", ERRNO_OF(utimensat(AT_FDCWD, "odd", times, 0)), EROFS);
	check_errno("utimensat to now", ERRNO_OF(utimensat(AT_FDCWD, "odd", NULL, 0)), EROFS);
	check_errno("setxattr", ERRNO_OF(setxattr("odd", "user.x", "y", 1, 0)), EROFS);
	check_errno("setxattr trusted", ERRNO_OF(setxattr("odd", "trusted.x", "y", 1, 0)), EROFS);
	check_errno("setxattr security", ERRNO_OF(setxattr("odd", "security.x", "y", 1, 0)), EROFS);
	check_errno("removexattr", ERRNO_OF(removexattr("xattrs", "user.one")), EROFS);
	check_errno("access W_OK", ERRNO_OF(access("odd", W_OK)), EROFS);
	check_errno("access R_OK", ERRNO_OF(access("odd", R_OK)), 0);
	/* Writing to a device or a pipe is not writing to the filesystem. */
	check_errno("open a device for writing", open_error("null", O_RDWR), 0);
	check_errno("open a fifo for writing", open_error("fifo", O_RDWR | O_NONBLOCK), 0);
}

/* A file lies in one piece; where, is told as its place in the image. */
static void check_extents(int fd)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extents[2];
	} found = { .map = { .fm_length = FIEMAP_MAX_OFFSET, .fm_extent_count = 2 } };
	const struct fiemap_extent *extent = &found.extents[0];

	check_errno("FS_IOC_FIEMAP", ERRNO_OF(ioctl(fd, FS_IOC_FIEMAP, &found)), 0);
	check("one extent has the file", found.map.fm_mapped_extents == 1 &&
	      extent->fe_logical == 0 && extent->fe_length == ODD_SIZE &&
	      extent->fe_physical > 0 && extent->fe_physical % 4096 == 0 &&
	      extent->fe_flags == FIEMAP_EXTENT_LAST,
	      "%u extents, the first of %llu bytes at %llu, flags %#x",
	      found.map.fm_mapped_extents, (unsigned long long)extent->fe_length,
	      (unsigned long long)extent->fe_physical, extent->fe_flags);
}

static void check_descriptor(void)
{
	const int fd = open("odd", O_RDONLY);
	const int directory = open(".", O_RDONLY | O_DIRECTORY);
	int block = 0;
	long flags;
	int err;

	if (fd < 0 || directory < 0)
		die("open odd");
	check_errno("write to a descriptor for reading", ERRNO_OF(write(fd, "x", 1)), EBADF);
	check_errno("fchmod", ERRNO_OF(fchmod(fd, 0600)), EROFS);
	check_errno("fchown", ERRNO_OF(fchown(fd, 1, 1)), EROFS);
	check_errno("fsetxattr", ERRNO_OF(fsetxattr(fd, "user.x", "y", 1, 0)), EROFS);
	check_errno("fallocate", ERRNO_OF(fallocate(fd, 0, 0, 4096)), EBADF);
	check_errno("ftruncate", ERRNO_OF(ftruncate(fd, 0)), EINVAL);
	check_errno("FIBMAP", ERRNO_OF(ioctl(fd, FIBMAP, &block)), EINVAL);
	check_extents(fd);
	check_errno("FS_IOC_GETFLAGS", ERRNO_OF(ioctl(fd, FS_IOC_GETFLAGS, &flags)), ENOTTY);
	check_errno("FITRIM", ERRNO_OF(ioctl(fd, FITRIM, &flags)), ENOTTY);
	check_errno("flock", ERRNO_OF(flock(fd, LOCK_EX)), 0);
	check_errno("syncfs", ERRNO_OF(syncfs(fd)), 0);
	check_errno("posix_fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED), 0);
	check_errno("posix_fadvise DONTNEED", posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	err = ERRNO_OF(readahead(fd, 0, ODD_SIZE));
	check("readahead does no harm", err == 0 || err == EINVAL, "%s", errno_name(err));
	err = ERRNO_OF(fsync(fd));
	check("fsync does no harm", err == 0 || err == EINVAL, "%s", errno_name(err));
	err = ERRNO_OF(swapon("odd", 0));
	check("swapon is refused", err != 0, "%s", errno_name(err));
	check_errno("read a directory", ERRNO_OF(read(directory, &block, 1)), EISDIR);
	check_errno("fsync a directory", ERRNO_OF(fsync(directory)) == EINVAL ? 0 : errno, 0);
	close(directory);
	close(fd);

	/* Either is right: what O_DIRECT asks for is what every read does. */
	{
		const int direct = open("odd", O_RDONLY | O_DIRECT);
		static char aligned[8192] __attribute__((aligned(4096)));

		err = direct < 0 ? errno : 0;
		if (err == 0 && (pread(direct, aligned, 8192, 4096) != 8192 ||
				 pattern_match(aligned, 4096, 8192) != 8192))
			err = EIO;
		check("open O_DIRECT is refused or reads", err == 0 || err == EINVAL, "%s",
		      errno_name(err));
		if (direct >= 0)
			close(direct);
	}
}

/* Reads with pread and holds all against what must come. */
static bool reads_right(int fd, off_t at, size_t length, ssize_t *got)
{
	const size_t expected = at >= ODD_SIZE ? 0 :
		(off_t)length > ODD_SIZE - at ? (size_t)(ODD_SIZE - at) : length;
	uint8_t *buffer = malloc(length + 1);
	bool right;

	buffer[length] = 0xa5;
	*got = pread(fd, buffer, length, at);
	right = *got == (ssize_t)expected &&
		pattern_match(buffer, at, expected) == expected &&
		buffer[length] == 0xa5;
	free(buffer);
	return right;
}

static void check_pread(int fd)
{
	static const struct {
		const char *name;
		off_t at;
		size_t length;
	} reads[] = {
		{ "pread of the first byte", 0, 1 },
		{ "pread of nothing", 17, 0 },
		{ "pread across a page", 4090, 13 },
		{ "pread of many pages at an odd offset", 12345, 765433 },
		{ "pread of the whole file", 0, ODD_SIZE },
		{ "pread of the last byte", ODD_SIZE - 1, 1 },
		{ "pread across the end", ODD_SIZE - 5, 4096 },
		{ "pread across the end of the last page", ODD_SIZE - 1, 10000 },
		{ "pread at the end", ODD_SIZE, 4096 },
		{ "pread behind the end, in the last page", ODD_SIZE + 1, 100 },
		{ "pread behind the last page", ODD_SIZE + 5000, 4096 },
		{ "pread far behind the end", (off_t)1 << 40, 4096 },
		{ "pread at the largest offset", INT64_MAX - 4096, 4096 },
	};
	char byte;
	ssize_t got;
	size_t i;

	for (i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		const bool right = reads_right(fd, reads[i].at, reads[i].length, &got);

		check(reads[i].name, right, "%zd bytes", got);
	}
	check_errno("pread at a negative offset", ERRNO_OF(pread(fd, &byte, 1, -1)), EINVAL);

	srandom(1);
	for (i = 0; i < 400; i++) {
		const off_t at = random() % (ODD_SIZE + 5000);

		if (!reads_right(fd, at, random() % 20000, &got))
			break;
	}
	check("400 preads at random", i == 400, "%zu right", i);
}

static void check_vectors(int fd)
{
	static uint8_t one[3], two[4099], three[100001];
	struct iovec vector[] = {
		{ one, sizeof(one) }, { NULL, 0 }, { two, sizeof(two) }, { three, sizeof(three) },
	};
	const size_t all = sizeof(one) + sizeof(two) + sizeof(three);
	ssize_t got;

	lseek(fd, 4001, SEEK_SET);
	got = readv(fd, vector, 4);
	check("readv",
	      got == (ssize_t)all && pattern_match(one, 4001, 3) == 3 &&
	      pattern_match(two, 4004, sizeof(two)) == sizeof(two) &&
	      pattern_match(three, 4004 + sizeof(two), sizeof(three)) == sizeof(three),
	      "%zd bytes", got);
	check("readv moves the position", lseek(fd, 0, SEEK_CUR) == (off_t)(4001 + all), "%ld",
	      (long)lseek(fd, 0, SEEK_CUR));
	got = preadv(fd, vector, 4, ODD_SIZE - 10);
	check("preadv across the end",
	      got == 10 && pattern_match(one, ODD_SIZE - 10, 3) == 3 &&
	      pattern_match(two, ODD_SIZE - 7, 7) == 7, "%zd bytes", got);
	got = preadv2(fd, vector, 4, 8191, RWF_NOWAIT);
	check("preadv2 RWF_NOWAIT is refused or reads",
	      (got < 0 && errno == EOPNOTSUPP) ||
	      (got == (ssize_t)all && pattern_match(one, 8191, 3) == 3), "%zd bytes", got);
}

/* Buffers that are not there, or only in part. */
static void check_bad_buffers(int fd)
{
	uint8_t *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ssize_t got;

	if (pages == MAP_FAILED || munmap(pages + 4096, 4096) != 0)
		die("mmap");
	check_errno("read into nowhere", ERRNO_OF(pread(fd, pages + 4096, 100, 0)), EFAULT);
	check_errno("read into the kernel",
		    ERRNO_OF(pread(fd, (void *)0xffff888000000000, 100, 0)), EFAULT);
	got = pread(fd, pages + 4096 - 100, 300, 7);
	check("read into a buffer that ends early",
	      got > 0 && got <= 100 && pattern_match(pages + 4096 - 100, 7, got) == (size_t)got,
	      "%zd bytes", got);
	munmap(pages, 4096);
}

static void check_seek(int fd)
{
	const int sparse = open("sparse", O_RDONLY);
	char byte;
	off_t at;

	if (sparse < 0)
		die("open sparse");
	check("SEEK_END", lseek(fd, -3, SEEK_END) == ODD_SIZE - 3, "%ld",
	      (long)lseek(fd, 0, SEEK_CUR));
	check("read after SEEK_END", read(fd, &byte, 1) == 1 &&
	      (uint8_t)byte == pattern_byte(ODD_SIZE - 3), "%#x", (uint8_t)byte);
	check("seek behind the end", lseek(fd, ODD_SIZE + 100, SEEK_SET) == ODD_SIZE + 100 &&
	      read(fd, &byte, 1) == 0, "nothing to read");
	check_errno("seek to a negative offset", ERRNO_OF(lseek(fd, -1, SEEK_SET)), EINVAL);
	check_errno("seek beyond all", ERRNO_OF(lseek(fd, INT64_MAX, SEEK_END)),
		    EINVAL);
	check("SEEK_DATA in data", lseek(fd, 12345, SEEK_DATA) == 12345, "%ld",
	      (long)lseek(fd, 0, SEEK_CUR));
	check("SEEK_HOLE without holes", lseek(fd, 12345, SEEK_HOLE) == ODD_SIZE, "%ld",
	      (long)lseek(fd, 0, SEEK_CUR));
	check_errno("SEEK_DATA at the end", ERRNO_OF(lseek(fd, ODD_SIZE, SEEK_DATA)), ENXIO);
	check_errno("SEEK_HOLE behind the end", ERRNO_OF(lseek(fd, ODD_SIZE + 1, SEEK_HOLE)),
		    ENXIO);
	/* A file may say that all of it is data; what it calls a hole must be one. */
	at = lseek(sparse, 0, SEEK_HOLE);
	check("SEEK_HOLE in a sparse file", at >= 0 && at <= SPARSE_SIZE, "%ld", (long)at);
	at = lseek(sparse, SPARSE_SIZE - 1, SEEK_DATA);
	check("SEEK_DATA in a sparse file", at == SPARSE_SIZE - 1 || errno == ENXIO, "%ld",
	      (long)at);
	close(sparse);
}

static int scratch_file(void)
{
	const int fd = open(scratch, O_RDWR | O_TMPFILE, 0600);

	if (fd < 0)
		die("open a file in %s", scratch);
	return fd;
}

/* Whether a scratch file holds @length bytes of the pattern from @at on. */
static bool holds(int fd, off_t at, size_t length)
{
	uint8_t *buffer = malloc(length + 1);
	const bool right = pread(fd, buffer, length + 1, 0) == (ssize_t)length &&
			   pattern_match(buffer, at, length) == length;

	free(buffer);
	return right;
}

static void check_sendfile(int fd)
{
	const size_t behind = ODD_SIZE - 4097;
	const int to = scratch_file();
	off_t at = 4097;
	ssize_t sent = 0;
	ssize_t got;

	while ((got = sendfile(to, fd, &at, ODD_SIZE)) > 0)
		sent += got;
	check("sendfile from an odd offset past the end",
	      got == 0 && sent == (ssize_t)behind && at == ODD_SIZE && holds(to, 4097, behind),
	      "%zd bytes", sent);
	at = ODD_SIZE + 10;
	got = sendfile(to, fd, &at, 4096);
	check("sendfile behind the end", got == 0 && at == ODD_SIZE + 10, "%zd bytes", got);
	close(to);
}

static void check_sendfile_socket(int fd)
{
	static uint8_t buffer[100000];
	off_t at = 99;
	int pair[2];
	ssize_t sent;
	ssize_t got = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		die("socketpair");
	sent = sendfile(pair[0], fd, &at, 50001);
	shutdown(pair[0], SHUT_WR);
	while (got < (ssize_t)sizeof(buffer)) {
		const ssize_t now = read(pair[1], buffer + got, sizeof(buffer) - got);

		if (now <= 0)
			break;
		got += now;
	}
	check("sendfile to a socket",
	      sent > 0 && got == sent && pattern_match(buffer, 99, got) == (size_t)got,
	      "%zd bytes", sent);
	close(pair[0]);
	close(pair[1]);
}

static void check_splice(int fd)
{
	const off_t start = ODD_SIZE - 100001;
	const int to = scratch_file();
	off_t at = start;
	ssize_t moved = 0;
	int ends[2];
	ssize_t got;

	if (pipe(ends) != 0)
		die("pipe");
	while ((got = splice(fd, &at, ends[1], NULL, 30000, 0)) > 0) {
		moved += got;
		while (got > 0) {
			const ssize_t now = splice(ends[0], NULL, to, NULL, got, 0);

			if (now <= 0)
				die("splice to a file");
			got -= now;
		}
	}
	check("splice from an odd offset to the end",
	      got == 0 && moved == 100001 && holds(to, start, moved), "%zd bytes", moved);
	at = ODD_SIZE;
	got = splice(fd, &at, ends[1], NULL, 4096, SPLICE_F_NONBLOCK);
	check("splice at the end", got == 0, "%zd bytes", got);
	got = splice(ends[0], NULL, fd, NULL, 4096, SPLICE_F_NONBLOCK);
	check("splice into the file", got < 0 && errno == EBADF, "%s", errno_name(errno));
	close(ends[0]);
	close(ends[1]);
	close(to);
}

static void check_copy_file_range(int fd)
{
	const int to = scratch_file();
	off_t at = 1001;
	ssize_t copied = 0;
	ssize_t got;

	while ((got = copy_file_range(fd, &at, to, NULL, ODD_SIZE, 0)) > 0)
		copied += got;
	/* 5.19 and later refuse it between filesystems of two kinds; cp(1) then reads. */
	check("copy_file_range to tmpfs is refused or copies",
	      (got < 0 && errno == EXDEV) ||
	      (got == 0 && copied == ODD_SIZE - 1001 && holds(to, 1001, copied)),
	      "%zd bytes, %s", copied, errno_name(got < 0 ? errno : 0));
	close(to);
}

static void check_stat(void)
{
	struct statx extended;
	struct stat status;

	if (stat("odd", &status) != 0 || statx(AT_FDCWD, "odd", 0, STATX_ALL, &extended) != 0)
		die("stat");
	check("st_size", status.st_size == ODD_SIZE, "%ld", (long)status.st_size);
	check("st_blksize", status.st_blksize == 4096, "%ld", (long)status.st_blksize);
	check("st_blocks", status.st_blocks == (ODD_SIZE + 4095) / 4096 * 8, "%ld",
	      (long)status.st_blocks);
	check("statx", extended.stx_size == ODD_SIZE &&
	      extended.stx_ino == (uint64_t)status.st_ino, "%llu",
	      (unsigned long long)extended.stx_size);
}

static void check_links(void)
{
	static const char *const names[] = {
		"links/a/one", "links/b/two", "links/three", "links/a/deep/four",
	};
	struct stat first, status;
	unsigned int same = 0;
	size_t i;

	if (stat(names[0], &first) != 0)
		die("stat %s", names[0]);
	for (i = 0; i < 4; i++)
		same += stat(names[i], &status) == 0 && status.st_ino == first.st_ino &&
			status.st_dev == first.st_dev && status.st_nlink == 4;
	check("names of one file have one number and its link count", same == 4,
	      "%u of 4, number %lu, %lu links", same, (unsigned long)first.st_ino,
	      (unsigned long)first.st_nlink);
	check("another file has another number",
	      stat("odd", &status) == 0 && status.st_ino != first.st_ino && status.st_nlink == 1,
	      "%lu", (unsigned long)status.st_ino);
}

static unsigned long cached_kib(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long sum = 0, amount;
	char line[256];

	if (!file)
		die("/proc/meminfo");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Cached: %lu", &amount) == 1 ||
		    sscanf(line, "Buffers: %lu", &amount) == 1)
			sum += amount;
	fclose(file);
	return sum;
}

/* Reading takes no memory for what it reads; tmpfs shows that it would be seen. */
static void check_page_cache(void)
{
	const int fd = open("large", O_RDONLY);
	const int null = open("/dev/null", O_WRONLY);
	static uint8_t buffer[1 << 17];
	unsigned long before, after;
	volatile uint8_t sink = 0;
	uint64_t size = 0;
	off_t position = 0;
	uint8_t *mapped;
	ssize_t got;
	uint64_t i;
	int copy;

	if (fd < 0 || null < 0)
		die("open large");
	before = cached_kib();
	while ((got = read(fd, buffer, sizeof(buffer))) > 0)
		size += got;
	while (sendfile(null, fd, &position, 1 << 20) > 0)
		;
	mapped = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		die("mmap");
	for (i = 0; i < size; i += 4096)
		sink += mapped[i];
	after = cached_kib();
	check("reading, sending and mapping a large file adds nothing to the page cache",
	      size >= 32 << 20 && after < before + 512, "%ld KiB for %lu MiB",
	      (long)(after - before), (unsigned long)(size >> 20));
	munmap(mapped, size);

	before = cached_kib();
	copy = scratch_file();
	for (i = 0; i < 64; i++)
		if (write(copy, buffer, sizeof(buffer)) != sizeof(buffer))
			die("write");
	after = cached_kib();
	check("8 MiB in tmpfs do", after >= before + 7500, "%ld KiB", (long)(after - before));
	close(copy);
	close(null);
	close(fd);
}

int main(int argc, char **argv)
{
	int fd;

	if (argc != 3 || chdir(argv[1]) != 0)
		die("wrong usage");
	scratch = argv[2];
	check_read_only();
	check_descriptor();
	fd = open("odd", O_RDONLY);
	if (fd < 0)
		die("open odd");
	check_pread(fd);
	check_vectors(fd);
	check_bad_buffers(fd);
	check_seek(fd);
	check_sendfile(fd);
	check_sendfile_socket(fd);
	check_splice(fd);
	check_copy_file_range(fd);
	close(fd);
	check_stat();
	check_links();
	check_page_cache();
	return done();
}
