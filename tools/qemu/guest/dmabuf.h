/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes dma-bufs with the exporters that a kernel has, and fills them. Every
 * function sets errno and returns -1 on failure.
 */
#ifndef DMABUF_H
#define DMABUF_H

#include <dirent.h>
#include <libdrm/drm.h>
#include <libdrm/drm_mode.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DMABUF_PAGE = 4096 };

/* Closes @fd and keeps errno, for the way out of a function that failed. */
static inline int dmabuf_close(int fd)
{
	const int number = errno;

	close(fd);
	errno = number;
	return -1;
}

static inline int dmabuf_from_heap(uint64_t size)
{
	struct dma_heap_allocation_data data = { .len = size, .fd_flags = O_RDWR | O_CLOEXEC };
	const int heap = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC);
	int failed;

	if (heap < 0)
		return -1;
	failed = ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data);
	dmabuf_close(heap);
	return failed ? -1 : (int)data.fd;
}

/* The driver's own limit is 64 MiB; only raised, since others may use it. */
static inline int udmabuf_allow(uint64_t size)
{
	static const char path[] = "/sys/module/udmabuf/parameters/size_limit_mb";
	const uint64_t wanted = (size >> 20) + 1;
	FILE *file = fopen(path, "r+");
	unsigned long long limit;
	int failed;

	if (!file)
		return -1;
	failed = fscanf(file, "%llu", &limit) != 1;
	if (!failed && limit < wanted) {
		rewind(file);
		failed = fprintf(file, "%llu\n", (unsigned long long)wanted) < 0;
	}
	return fclose(file) != 0 || failed ? -1 : 0;
}

static inline int dmabuf_from_memfd(uint64_t size)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = size };
	int device, memory, buffer;

	if (udmabuf_allow(size) != 0)
		return -1;
	device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (device < 0)
		return -1;
	memory = memfd_create("udmabuf", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (memory < 0)
		return dmabuf_close(device);
	create.memfd = memory;
	if (ftruncate(memory, size) != 0 || fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) != 0)
		buffer = -1;
	else
		buffer = ioctl(device, UDMABUF_CREATE, &create);
	dmabuf_close(memory);
	dmabuf_close(device);
	return buffer;
}

static inline int is_vgem(int fd)
{
	char name[8] = "";
	struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };

	return ioctl(fd, DRM_IOCTL_VERSION, &version) == 0 && strcmp(name, "vgem") == 0;
}

static inline int open_vgem(void)
{
	DIR *directory = opendir("/dev/dri");
	struct dirent *entry;
	int found = -1;

	if (!directory)
		return -1;
	while (found < 0 && (entry = readdir(directory))) {
		if (strncmp(entry->d_name, "card", 4) != 0)
			continue;
		found = openat(dirfd(directory), entry->d_name, O_RDWR | O_CLOEXEC);
		if (found >= 0 && !is_vgem(found)) {
			close(found);
			found = -1;
		}
	}
	closedir(directory);
	if (found < 0)
		errno = ENODEV;
	return found;
}

static inline int dmabuf_from_vgem(uint64_t size)
{
	/* A row of pixels is a page. */
	struct drm_mode_create_dumb dumb = {
		.width = DMABUF_PAGE / 4, .bpp = 32, .height = size / DMABUF_PAGE,
	};
	struct drm_prime_handle prime = { .flags = DRM_CLOEXEC | DRM_RDWR };
	const int device = open_vgem();

	if (device < 0)
		return -1;
	if (ioctl(device, DRM_IOCTL_MODE_CREATE_DUMB, &dumb) != 0)
		return dmabuf_close(device);
	if (dumb.size != size) {
		errno = EINVAL;
		return dmabuf_close(device);
	}
	prime.handle = dumb.handle;
	if (ioctl(device, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime) != 0)
		return dmabuf_close(device);
	/* The handle goes with the device's file; the dma-buf keeps the memory. */
	dmabuf_close(device);
	return prime.fd;
}

/*
 * A dma-buf of @size bytes, a multiple of the page size, from @exporter:
 * "dma-heap" (its "system" heap), "udmabuf" or "vgem".
 */
static inline int dmabuf_create(const char *exporter, uint64_t size)
{
	if (strcmp(exporter, "dma-heap") == 0)
		return dmabuf_from_heap(size);
	if (strcmp(exporter, "udmabuf") == 0)
		return dmabuf_from_memfd(size);
	if (strcmp(exporter, "vgem") == 0)
		return dmabuf_from_vgem(size);
	errno = EINVAL;
	return -1;
}

/* Copies @length bytes to the begin of the dma-buf @fd. */
static inline int dmabuf_fill(int fd, const void *content, uint64_t length)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE };
	void *mapped = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int failed;

	if (mapped == MAP_FAILED)
		return -1;
	failed = ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
	if (!failed) {
		memcpy(mapped, content, length);
		sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE;
		failed = ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
	}
	munmap(mapped, length);
	return failed;
}

/* Maps @length bytes of physical memory that is no System RAM, to be read. */
static inline const void *map_physical(uint64_t address, uint64_t length)
{
	const int fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
	void *mapped;

	if (fd < 0)
		return NULL;
	mapped = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, address);
	dmabuf_close(fd);
	return mapped == MAP_FAILED ? NULL : mapped;
}

/*
 * A dma-buf from @exporter with the @length bytes at the physical @address in
 * it, rounded to whole pages.
 */
static inline int dmabuf_of_physical(const char *exporter, uint64_t address, uint64_t length)
{
	const uint64_t size = (length + DMABUF_PAGE - 1) / DMABUF_PAGE * DMABUF_PAGE;
	const void *content = map_physical(address, size);
	int fd;

	if (!content)
		return -1;
	fd = dmabuf_create(exporter, size);
	if (fd >= 0 && dmabuf_fill(fd, content, length) != 0)
		fd = dmabuf_close(fd);
	munmap((void *)content, size);
	return fd;
}

#endif /* DMABUF_H */
