// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmabuf_checks EXPORTER ADDRESS SIZE: mounts dma-bufs of EXPORTER, right and
 * wrong, with the image of SIZE bytes, whole pages, at the physical ADDRESS.
 */
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "../../../tools/qemu/guest/dmabuf.h"
#include "dmabuf_count.h"
#include "mount_buffer.h"

static const char *exporter;
static const uint8_t *image;
static uint64_t image_size;

/* A dma-buf of @size bytes that begins with as much of the image. */
static int new_buffer(uint64_t size)
{
	const int buffer = dmabuf_create(exporter, size);

	if (buffer < 0 || dmabuf_fill(buffer, image, size < image_size ? size : image_size) != 0)
		die("a dma-buf of %llu bytes", (unsigned long long)size);
	return buffer;
}

/* Refused: one error, and one message that says @word. */
static void check_refused(const char *name, int err, const char *word)
{
	char check_name[128];

	check_errno(name, err, EINVAL);
	snprintf(check_name, sizeof(check_name), "%s, in words", name);
	check_words(check_name, word);
}

static void check_refused_file(const char *name, int fd)
{
	if (fd < 0)
		die("%s", name);
	check_refused(name, mount_buffer(fd, "/first"), "dma");
	close(fd);
}

/* Files that are no dma-bufs, whatever they hold. */
static void check_other_files(void)
{
	const int memory = memfd_create("image", MFD_CLOEXEC);
	int context, err, ends[2];

	if (memory < 0 || write(memory, image, 4096) != 4096 || pipe(ends) != 0)
		die("memfd");
	check_refused_file("a memfd", memory);
	check_refused_file("/dev/null", open("/dev/null", O_RDWR));
	check_refused_file("/dev/mem", open("/dev/mem", O_RDWR));
	check_refused_file("a directory", open("/", O_RDONLY | O_DIRECTORY));
	check_refused_file("a file", open("/proc/version", O_RDONLY));
	check_refused_file("an eventfd", eventfd(0, 0));
	check_refused_file("a pipe", ends[0]);
	check_refused_file("a context of a mount", new_context());
	/* Were it kept, it would hold itself, and the module could not be removed. */
	context = new_context();
	err = set_buffer(context, context);
	end_context(context);
	check_refused("the context that it is given to", err, "dmabuf");
	close(ends[1]);
	check_errno("a descriptor that is closed", mount_buffer(ends[1], "/first"), EBADF);
	check_errno("descriptor -1", mount_buffer(-1, "/first"), EINVAL);
}

/* The right buffer in the wrong kind of parameter. */
static void check_other_parameters(int buffer)
{
	static const char *const keys[] = { "phys", "size", "source", "bogus" };
	char number[32], option[64];
	int context, err;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char name[64];

		context = new_context();
		err = ERRNO_OF(fsconfig(context, FSCONFIG_SET_FD, keys[i], NULL, buffer));
		end_context(context);
		snprintf(name, sizeof(name), "a descriptor as %s", keys[i]);
		check_refused(name, err, keys[i]);
	}
	snprintf(number, sizeof(number), "%d", buffer);
	context = new_context();
	err = set_string(context, "dmabuf", number) ?: create(context);
	end_context(context);
	check_refused("the number of the descriptor as a string", err, "dmabuf");

	snprintf(option, sizeof(option), "dmabuf=%d", buffer);
	check_errno("the same by mount(2)", ERRNO_OF(mount("none", "/first", "daxfs", 0, option)),
		    EINVAL);
	context = new_context();
	err = ERRNO_OF(fsconfig(context, FSCONFIG_SET_FLAG, "dmabuf", NULL, 0));
	end_context(context);
	check_refused("dmabuf as a flag", err, "dmabuf");
	context = new_context();
	err = ERRNO_OF(fsconfig(context, FSCONFIG_SET_BINARY, "dmabuf", &buffer, sizeof(buffer)));
	end_context(context);
	check_refused("dmabuf as bytes", err, "dmabuf");
	context = new_context();
	err = ERRNO_OF(fsconfig(context, FSCONFIG_SET_PATH, "dmabuf", "/dev/null", AT_FDCWD));
	end_context(context);
	check_refused("dmabuf as a path", err, "dmabuf");
}

static void check_other_memory(int buffer, uint64_t address)
{
	char phys[32], size[32];
	int context, err, other;

	snprintf(phys, sizeof(phys), "%#llx", (unsigned long long)address);
	snprintf(size, sizeof(size), "%#llx", (unsigned long long)image_size + 4096);
	context = new_context();
	err = set_buffer(context, buffer) ?: set_string(context, "phys", phys) ?: create(context);
	end_context(context);
	check_refused("phys beside a dma-buf", err, "dmabuf");
	context = new_context();
	err = set_string(context, "phys", phys) ?: set_buffer(context, buffer) ?: create(context);
	end_context(context);
	check_refused("a dma-buf beside phys", err, "dmabuf");
	context = new_context();
	err = set_buffer(context, buffer) ?: set_string(context, "size", size) ?: create(context);
	end_context(context);
	check_refused("size beyond the dma-buf", err, "size");

	other = dmabuf_create(exporter, image_size);
	check_refused("a dma-buf of zeros", mount_buffer(other, "/first"), "magic");
	close(other);
	other = new_buffer(4096);
	check_refused("a dma-buf of one page", mount_buffer(other, "/first"), "total_size");
	close(other);
	other = new_buffer(image_size - 4096);
	check_refused("a dma-buf that lacks a page", mount_buffer(other, "/first"), "total_size");
	close(other);
}

static dev_t device_of(const char *directory)
{
	struct stat status;

	if (stat(directory, &status) != 0)
		die("stat %s", directory);
	return status.st_dev;
}

/* One filesystem for each buffer, however often it is mounted. */
static void check_sharing(int buffer)
{
	const int same = dup(buffer);
	const int other = new_buffer(image_size);

	check_errno("mount a dma-buf", mount_buffer(buffer, "/first"), 0);
	check("it has the file", file_is_right("/first/odd"), "/first/odd");
	check_errno("mount it again, by another descriptor", mount_buffer(same, "/second"), 0);
	check("both are one filesystem", device_of("/first") == device_of("/second"), "%#lx, %#lx",
	      (long)device_of("/first"), (long)device_of("/second"));
	check_errno("mount another with the same content", mount_buffer(other, "/third"), 0);
	check("that is another filesystem", device_of("/first") != device_of("/third"), "%#lx, %#lx",
	      (long)device_of("/first"), (long)device_of("/third"));
	check_errno("umount the first", ERRNO_OF(umount2("/first", 0)), 0);
	check("the second has the file still", file_is_right("/second/odd"), "/second/odd");
	check_errno("umount the second", ERRNO_OF(umount2("/second", 0)), 0);
	check("the third has the file still", file_is_right("/third/odd"), "/third/odd");
	check_errno("umount the third", ERRNO_OF(umount2("/third", 0)), 0);
	close(same);
	close(other);
}

/* A context for another buffer, on a mount that exists. */
static void check_reconfigure(int buffer)
{
	const int other = new_buffer(image_size);
	int context;

	check_errno("mount for a change", mount_buffer(buffer, "/first"), 0);
	context = fspick(AT_FDCWD, "/first", 0);
	if (context < 0)
		die("fspick");
	/* Whether it is refused or does nothing, the mount stays what it is. */
	if (set_buffer(context, other) == 0)
		fsconfig(context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
	end_context(context);
	close(other);
	check("a mount keeps its dma-buf", file_is_right("/first/odd"), "/first/odd");
	check_errno("and shares it", mount_buffer(buffer, "/second"), 0);
	check("by both names", device_of("/first") == device_of("/second"), "%#lx, %#lx",
	      (long)device_of("/first"), (long)device_of("/second"));
	check_errno("umount one", ERRNO_OF(umount2("/first", 0)), 0);
	check_errno("umount the other", ERRNO_OF(umount2("/second", 0)), 0);
}

/* The mount is the memory: what is written there is in the file. */
static void check_same_memory(int buffer)
{
	uint8_t *mapped = mmap(NULL, image_size, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	static const char mark[] = "written into the dma-buf";
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };
	char found[sizeof(mark)] = "";
	const uint8_t *seen;
	uint8_t begin[64];
	uint8_t *at;
	int fd;

	check_errno("mount to write behind it", mount_buffer(buffer, "/first"), 0);
	fd = open("/first/odd", O_RDONLY);
	seen = mmap(NULL, ODD, PROT_READ, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED || seen == MAP_FAILED ||
	    pread(fd, begin, sizeof(begin), 0) != sizeof(begin))
		die("mapping the dma-buf and the file");
	at = memmem(mapped, image_size, begin, sizeof(begin));
	if (!at || ioctl(buffer, DMA_BUF_IOCTL_SYNC, &sync) != 0)
		die("the file in the dma-buf");
	memcpy(at, mark, sizeof(mark));
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	ioctl(buffer, DMA_BUF_IOCTL_SYNC, &sync);
	check("read gives what was written into the dma-buf",
	      pread(fd, found, sizeof(found), 0) == sizeof(found) &&
	      memcmp(found, mark, sizeof(mark)) == 0, "%.*s", (int)sizeof(found), found);
	check("so does a mapping", memcmp(seen, mark, sizeof(mark)) == 0, "%.*s",
	      (int)sizeof(mark), (const char *)seen);
	munmap(mapped, image_size);
	munmap((void *)seen, ODD);
	close(fd);
	check_errno("umount it", ERRNO_OF(umount2("/first", 0)), 0);
}

/* Who holds the dma-buf: each step leaves the number of them as it says. */
static void check_references(void)
{
	const int before = dmabuf_count();
	int context, buffer, twice;

	buffer = new_buffer(image_size);
	check("a dma-buf is counted", dmabuf_count() == before + 1, "%d, then %d", before,
	      dmabuf_count());
	context = new_context();
	check_errno("give it to a context", set_buffer(context, buffer), 0);
	close(buffer);
	check("the context holds it", dmabuf_count_until(before) == before + 1, "%d, then %d", before,
	      dmabuf_count());
	check_errno("create, with its descriptor closed", create(context), 0);
	check_errno("mount that", mount_context(context, "/first"), 0);
	end_context(context);
	check("the mount holds it", dmabuf_count_until(before) == before + 1 &&
	      file_is_right("/first/odd"), "%d, then %d", before, dmabuf_count());
	check_errno("umount that", ERRNO_OF(umount2("/first", 0)), 0);
	check("after the umount it is gone", dmabuf_count_until(before) == before, "%d, then %d",
	      before, dmabuf_count());

	context = new_context();
	buffer = new_buffer(image_size);
	twice = new_buffer(image_size);
	set_buffer(context, buffer);
	set_buffer(context, twice);
	close(buffer);
	close(twice);
	end_context(context);
	check("after a context that was given two and not used they are gone",
	      dmabuf_count_until(before) == before, "%d, then %d", before, dmabuf_count());

	context = new_context();
	buffer = new_buffer(4096);
	check("a create that fails", set_buffer(context, buffer) == 0 && create(context) == EINVAL,
	      "%s", errno_name(errno));
	close(buffer);
	end_context(context);
	check("leaves no dma-buf", dmabuf_count_until(before) == before, "%d, then %d", before,
	      dmabuf_count());
}

int main(int argc, char **argv)
{
	uint64_t address;
	int buffer, before;

	if (argc != 4)
		die("wrong usage");
	exporter = argv[1];
	address = strtoull(argv[2], NULL, 0);
	image_size = strtoull(argv[3], NULL, 0);
	image = map_physical(address, image_size);
	if (!image)
		die("the image at %#llx", (unsigned long long)address);
	mkdir("/first", 0755);
	mkdir("/second", 0755);
	mkdir("/third", 0755);

	before = dmabuf_count();
	buffer = new_buffer(image_size);
	check_sharing(buffer);
	check_other_files();
	check_other_parameters(buffer);
	check_other_memory(buffer, address);
	check_reconfigure(buffer);
	check_same_memory(buffer);
	close(buffer);
	check("of all this no dma-buf is left", dmabuf_count_until(before) == before,
	      "%d before, %d after", before, dmabuf_count());
	check_references();
	return done();
}
