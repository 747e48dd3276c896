// SPDX-License-Identifier: GPL-2.0-only
/*
 * exporter_checks ADDRESS SIZE movable|pinned: mounts dma-bufs of test_exporter.ko,
 * which must be loaded, with the image of SIZE bytes, whole pages, at the physical
 * ADDRESS. The last word says whether exporters of this kernel may move a buffer
 * while the kernel has it mapped, so that such must be refused.
 */
#include <poll.h>
#include <sys/stat.h>

#include "../../../tools/qemu/guest/dmabuf.h"
#include "../exporter/test_exporter.h"
#include "mount_buffer.h"

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

/* Checks how many times a buffer is mapped, and accessed, which go together. */
static void check_counts(const char *name, int expected)
{
	const int mapped = count_of("mapped"), accessed = count_of("accessed");

	check(name, mapped == expected && accessed == expected, "mapped %d, accessed %d, expected %d",
	      mapped, accessed, expected);
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
	uint8_t *memory;

	if (buffer < 0)
		die("a buffer of kind %u", kind);
	close(device);
	/* Not by dmabuf_fill(): that asks for access first, which one kind refuses. */
	memory = mmap(NULL, image_size, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	if (memory == MAP_FAILED)
		die("mmap of a buffer of kind %u", kind);
	memcpy(memory, image, image_size);
	munmap(memory, image_size);
	return buffer;
}

/* Mounted as often as it likes, the buffer is mapped and accessed once, until the last unmount. */
static void check_mounted(const char *kind, int buffer)
{
	const int mappings = count_of("mappings");
	int fd;

	check_errno(kind, mount_buffer(buffer, "/first"), 0);
	check("it has the file", file_is_right("/first/odd"), "/first/odd");
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

int main(int argc, char **argv)
{
	if (argc != 4)
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
	if (strcmp(argv[3], "pinned") == 0)
		check_mounted("mount a buffer that may move", new_buffer(TEST_EXPORTER_MOVABLE));
	else
		check_not_mounted("a buffer that may move", TEST_EXPORTER_MOVABLE, EINVAL, "move");
	return done();
}
