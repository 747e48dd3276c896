// SPDX-License-Identifier: GPL-2.0-only
/*
 * exporter_checks ADDRESS SIZE: mounts dma-bufs of test_exporter.ko, which must be
 * loaded, with the image of SIZE bytes, whole pages, at the physical ADDRESS.
 */
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/stat.h>

#include "../../../kernel/daxfs_ioctl.h"
#include "../../../tools/qemu/guest/dmabuf.h"
#include "../exporter/test_exporter.h"
#include "mount_buffer.h"

enum { PAGE = 4096 };

static const uint8_t *image;
static uint64_t image_size;

static int count_of(const char *name)
{
	char path[128];
	FILE *file;
	int count;

	snprintf(path, sizeof(path), "/sys/module/test_exporter/parameters/%s", name);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%d", &count) != 1)
		die("%s", path);
	fclose(file);
	return count;
}

/*
 * Checks how many times a buffer is mapped into the kernel, accessed, attached and mapped
 * for a device, which go together.
 */
static void check_counts(const char *name, int expected)
{
	const int mapped = count_of("mapped"), accessed = count_of("accessed");
	const int attached = count_of("attached"), device_mapped = count_of("device_mapped");

	check(name, mapped == expected && accessed == expected && attached == expected &&
	      device_mapped == expected,
	      "mapped %d, accessed %d, attached %d, mapped for a device %d, expected %d", mapped,
	      accessed, attached, device_mapped, expected);
}

/* Files are closed in their own time: waits for that up to 5 s. */
static void check_gone(const char *name)
{
	int tries;

	for (tries = 0; tries < 100 && count_of("buffers") != 0; tries++)
		poll(NULL, 0, 50);
	check(name, count_of("buffers") == 0, "%d buffers", count_of("buffers"));
}

static int new_buffer(enum test_exporter_kind kind)
{
	struct test_exporter_request request = { .size = image_size, .kind = kind };
	const int device = open("/dev/test_exporter", O_RDWR);
	const int buffer = ioctl(device, TEST_EXPORTER_CREATE, &request);
	uint64_t there = image_size;
	uint8_t *memory;

	if (buffer < 0)
		die("a buffer of kind %u", kind);
	close(device);
	if (kind == TEST_EXPORTER_HOLE)
		there -= PAGE;
	/* Not by dmabuf_fill(): that asks for access first, which one kind refuses. */
	memory = mmap(NULL, there, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	if (memory == MAP_FAILED)
		die("mmap of a buffer of kind %u", kind);
	memcpy(memory, image, there);
	munmap(memory, there);
	return buffer;
}

/* A mount gives its dma-buf back, as a descriptor like the first. */
static void check_given_back(int buffer, const char *directory)
{
	const int fd = open(directory, O_RDONLY | O_DIRECTORY);
	const int again = ioctl(fd, DAXFS_IOC_GET_DMABUF);
	struct stat first, second;

	check("the dma-buf is given back", again >= 0, "%s", again < 0 ? errno_name(errno) : "0");
	check("and is the same", fstat(buffer, &first) == 0 && fstat(again, &second) == 0 &&
	      first.st_dev == second.st_dev && first.st_ino == second.st_ino &&
	      lseek(again, 0, SEEK_END) == (off_t)image_size, "%lld bytes",
	      (long long)lseek(again, 0, SEEK_END));
	check("closed by exec", fcntl(again, F_GETFD) == FD_CLOEXEC, "%d", fcntl(again, F_GETFD));
	close(again);
	close(fd);
}

/* Mounted as often as it likes, the buffer is mapped and accessed once, until the last unmount. */
static void check_mounted(const char *kind, int buffer)
{
	const int mappings = count_of("mappings");
	int fd;

	check_errno(kind, mount_buffer(buffer, "/first"), 0);
	check("it has the file", file_is_right("/first/odd"), "/first/odd");
	check_given_back(buffer, "/first");
	check_errno("mounted again", mount_buffer(buffer, "/second"), 0);
	close(buffer);
	check_counts("it is mapped once", 1);
	check_errno("umount one", ERRNO_OF(umount2("/first", 0)), 0);
	check_counts("it is mapped still", 1);
	fd = open("/second/odd", O_RDONLY);
	check_errno("umount the other lazily", ERRNO_OF(umount2("/second", MNT_DETACH)), 0);
	check_counts("an open file keeps it mapped", 1);
	close(fd);
	check_gone("then the buffer is gone");
	check_counts("with all that was begun ended", 0);
	check("one mapping was made in all", count_of("mappings") == mappings + 1, "%d, then %d",
	      mappings, count_of("mappings"));
}

static void check_not_mounted(const char *name, enum test_exporter_kind kind, int expected,
			      const char *word)
{
	const int buffer = new_buffer(kind);
	const int err = mount_buffer(buffer, "/first");

	check_errno(name, err, expected);
	check_words("in words", word);
	check_counts("nothing is left mapped", 0);
	close(buffer);
	check_gone("and the buffer can go");
}

static int move(int buffer)
{
	const int device = open("/dev/test_exporter", O_RDWR);
	const uint32_t fd = buffer;
	const int err = ERRNO_OF(ioctl(device, TEST_EXPORTER_MOVE, &fd));

	close(device);
	return err;
}

static bool mapping_is_right(const char *path)
{
	const int fd = open(path, O_RDONLY);
	const uint8_t *content = mmap(NULL, ODD, PROT_READ, MAP_SHARED, fd, 0);
	bool right;

	close(fd);
	if (content == MAP_FAILED)
		return false;
	right = pattern_match(content, 0, ODD) == ODD;
	munmap((void *)content, ODD);
	return right;
}

/* The memory may move before the mount and after it, and stays while it is mounted. */
static void check_stays(const char *kind, enum test_exporter_kind number)
{
	const int buffer = new_buffer(number);

	check_errno(kind, move(buffer), 0);
	check_errno("it is mounted", mount_buffer(buffer, "/first"), 0);
	check("it has the file", file_is_right("/first/odd"), "/first/odd");
	check_counts("each of it once", 1);
	check_errno("it is kept in place", move(buffer), EBUSY);
	check("a read gives the file", file_is_right("/first/odd"), "/first/odd");
	check("a mapping gives the file", mapping_is_right("/first/odd"), "/first/odd");
	check_errno("it is mounted again", mount_buffer(buffer, "/second"), 0);
	check("it is pinned once", count_of("pinned") == 1, "%d", count_of("pinned"));
	check_errno("umount one", ERRNO_OF(umount2("/first", 0)), 0);
	check_errno("it is kept still", move(buffer), EBUSY);
	check_errno("umount the other", ERRNO_OF(umount2("/second", 0)), 0);
	check_counts("all that was begun is ended", 0);
	check("nothing is pinned", count_of("pinned") == 0, "%d", count_of("pinned"));
	check_errno("it may move again", move(buffer), 0);
	check_errno("it is mounted where it is now", mount_buffer(buffer, "/first"), 0);
	check("that has the file", file_is_right("/first/odd"), "/first/odd");
	close(buffer);
	check_errno("umount that", ERRNO_OF(umount2("/first", 0)), 0);
	check_gone("then the buffer is gone");
}

/* Where the exporter gives no pages, those of the kernel's mapping are mapped. */
static void check_without_pages(void)
{
	const int buffer = new_buffer(TEST_EXPORTER_NO_PAGES);

	check_errno("a buffer without struct pages for a device", mount_buffer(buffer, "/first"), 0);
	close(buffer);
	check("a read gives its file", file_is_right("/first/odd"), "/first/odd");
	check("a mapping gives its file", mapping_is_right("/first/odd"), "/first/odd");
	check_errno("umount", ERRNO_OF(umount2("/first", 0)), 0);
	check_gone("and the buffer is gone");
	check_counts("with nothing left mapped", 0);
}

static sigjmp_buf back;

static void jump_back(int signal)
{
	siglongjmp(back, signal);
}

/* The signal that writing to @byte gives, or 0. */
static int signal_of_write(volatile uint8_t *byte)
{
	int signal;

	sigaction(SIGBUS, &(struct sigaction){ .sa_handler = jump_back }, NULL);
	signal = sigsetjmp(back, 1);
	if (signal != 0)
		return signal;
	*byte = 1;
	return 0;
}

static int signal_of_read(const volatile uint8_t *byte)
{
	int signal;

	sigaction(SIGBUS, &(struct sigaction){ .sa_handler = jump_back }, NULL);
	signal = sigsetjmp(back, 1);
	if (signal != 0)
		return signal;
	*byte;
	return 0;
}

/* Where the content of a file begins in the image, which is in one piece. */
static uint64_t place_in_image(int fd)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extent;
	} query = { .map = { .fm_length = UINT64_MAX, .fm_extent_count = 1 } };

	if (ioctl(fd, FS_IOC_FIEMAP, &query) != 0 || query.map.fm_mapped_extents != 1)
		die("fiemap");
	return query.extent.fe_physical;
}

/*
 * Memory that can't be read, as lines that the hardware reports as poisoned: what
 * is before it is read, it gives an error, and nobody falls over it.
 */
static void check_unreadable(void)
{
	const int buffer = new_buffer(TEST_EXPORTER_HOLE);
	static uint8_t content[3 * PAGE];
	struct daxfs_extent extent;
	uint64_t bad;
	uint8_t *mapped;
	int fd, signal;
	ssize_t got;

	check_errno("a buffer that lacks a page", mount_buffer(buffer, "/first"), 0);
	close(buffer);
	fd = open("/first/odd", O_RDONLY);
	/* The offset in the file of the last page of the image. */
	bad = image_size - PAGE - place_in_image(fd);
	if (bad < 2 * PAGE || bad >= ODD)
		die("the last page is not of the file but at %lld in it", (long long)bad);
	got = pread(fd, content, sizeof(content), bad - 2 * PAGE + 5);
	check("a read ends where the memory does", got == 2 * PAGE - 5 &&
	      pattern_match(content, bad - 2 * PAGE + 5, got) == (size_t)got, "%zd bytes", got);
	check_errno("a read of it fails", ERRNO_OF(pread(fd, content, 1, bad)), EIO);
	mapped = mmap(NULL, ODD, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (mapped == MAP_FAILED)
		die("mmap");
	signal = signal_of_write(mapped + bad - 1);
	check("a private write before it", signal == 0, "signal %d", signal);
	signal = signal_of_write(mapped + bad);
	check("a private write to it gives SIGBUS", signal == SIGBUS, "signal %d", signal);
	munmap(mapped, ODD);
	mapped = mmap(NULL, ODD, PROT_READ, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		die("mmap");
	signal = signal_of_read(mapped + bad - 1);
	check("a shared read before it", signal == 0, "signal %d", signal);
	signal = signal_of_read(mapped + bad);
	check("a shared read of it gives SIGBUS", signal == SIGBUS, "signal %d", signal);
	munmap(mapped, ODD);
	extent = (struct daxfs_extent){ .offset = bad };
	check_errno("it has no physical address",
		    ERRNO_OF(ioctl(fd, DAXFS_IOC_GET_EXTENT, &extent)), EIO);
	close(fd);
	check_errno("umount", ERRNO_OF(umount2("/first", 0)), 0);
	check_gone("and the buffer is gone");
}

int main(int argc, char **argv)
{
	if (argc != 3)
		die("wrong usage");
	image_size = strtoull(argv[2], NULL, 0);
	image = map_physical(strtoull(argv[1], NULL, 0), image_size);
	if (!image)
		die("the image");
	mkdir("/first", 0755);
	mkdir("/second", 0755);

	check_mounted("mount a buffer", new_buffer(TEST_EXPORTER_PLAIN));
	check_not_mounted("a buffer in I/O memory", TEST_EXPORTER_IOMEM, EINVAL, "iomem");
	check_not_mounted("a buffer that can't be mapped", TEST_EXPORTER_NO_VMAP, EINVAL, "map");
	check_not_mounted("a buffer that refuses access", TEST_EXPORTER_NO_ACCESS, EIO, "access");
	check_not_mounted("a buffer that refuses attachments", TEST_EXPORTER_NO_ATTACH, EBUSY,
			  "attach");
	check_not_mounted("a buffer that can't be mapped for a device", TEST_EXPORTER_NO_MAP, ENOSPC,
			  "device");
	check_not_mounted("a buffer of which a page is not mapped", TEST_EXPORTER_SHORT, EINVAL,
			  "bytes of its");
	check_not_mounted("a buffer that begins inside a page", TEST_EXPORTER_ODD, EINVAL,
			  "parts of pages");
	check_not_mounted("a buffer of two places", TEST_EXPORTER_OTHER_PAGES, EINVAL,
			  "other pages");
	check_unreadable();
	check_without_pages();
	check_stays("a buffer that is pinned when asked for", TEST_EXPORTER_PIN);
	check_stays("a buffer that is pinned by an attachment", TEST_EXPORTER_PIN_ON_ATTACH);
	check_stays("a buffer that is pinned by a mapping", TEST_EXPORTER_PIN_ON_MAP);
	return done();
}
