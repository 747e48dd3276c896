// SPDX-License-Identifier: GPL-2.0-only
/*
 * The superblock of an image.
 */
#include "image.h"

#ifdef __KERNEL__
#include <linux/align.h>
#include <linux/crc32.h>
#include <linux/kernel.h>
#include <linux/stat.h>
#endif

static int daxfs_check_crc(const struct daxfs_image *image,
			   const struct daxfs_superblock *raw,
			   struct daxfs_corruption *corruption)
{
	const size_t field = offsetof(struct daxfs_superblock, super_crc32);
	const size_t rest = field + sizeof(__le32);
	const u8 zero[sizeof(__le32)] = { 0 };
	u32 crc;

	crc = crc32_le(~0U, (const u8 *)raw, field);
	crc = crc32_le(crc, zero, sizeof(zero));
	crc = crc32_le(crc, (const u8 *)raw + rest, sizeof(*raw) - rest);
	crc = crc32_le(crc, image->base + sizeof(*raw),
		       DAXFS_SUPERBLOCK_SIZE - sizeof(*raw));
	if (~crc != le32_to_cpu(raw->super_crc32))
		return daxfs_corrupt(corruption, 0, "super_crc32",
				     "the CRC-32 of the superblock",
				     le32_to_cpu(raw->super_crc32));
	return 0;
}

/* The parts may be in any order, but must not overlap. */
static int daxfs_check_overlap(const struct daxfs_image *image,
			       struct daxfs_corruption *corruption)
{
	const struct {
		const char *field;
		u64 start;
		u64 size;
	} parts[] = {
		{ "magic", 0, DAXFS_SUPERBLOCK_SIZE },
		{ "inode_offset", image->inode_offset,
		  (u64)image->inode_count * sizeof(struct daxfs_inode) },
		{ "strtab_offset", image->strtab_offset, image->strtab_size },
		{ "xattr_offset", image->xattr_offset, image->xattr_size },
		{ "data_offset", image->data_offset,
		  image->total_size - image->data_offset },
	};
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		for (j = 0; j < i; j++) {
			if (parts[i].size == 0 || parts[j].size == 0)
				continue;
			if (parts[i].start < parts[j].start + parts[j].size &&
			    parts[j].start < parts[i].start + parts[i].size)
				return daxfs_corrupt(corruption, 0, parts[i].field,
						     "a part that overlaps no other",
						     parts[i].start);
		}
	}
	return 0;
}

static int daxfs_check_parts(struct daxfs_image *image,
			     const struct daxfs_superblock *raw,
			     struct daxfs_corruption *corruption)
{
	const u64 end = image->total_size;

	image->inode_offset = le64_to_cpu(raw->inode_offset);
	image->inode_count = le32_to_cpu(raw->inode_count);
	if (image->inode_count == 0)
		return daxfs_corrupt(corruption, 0, "inode_count", "at least 1", 0);
	if (!daxfs_is_inside(image->inode_offset,
			     (u64)image->inode_count * sizeof(struct daxfs_inode),
			     DAXFS_SUPERBLOCK_SIZE, end))
		return daxfs_corrupt(corruption, 0, "inode_offset",
				     "an inode table inside the image",
				     image->inode_offset);

	image->strtab_offset = le64_to_cpu(raw->strtab_offset);
	image->strtab_size = le64_to_cpu(raw->strtab_size);
	if (!daxfs_is_inside(image->strtab_offset, image->strtab_size,
			     DAXFS_SUPERBLOCK_SIZE, end))
		return daxfs_corrupt(corruption, 0, "strtab_offset",
				     "a string table inside the image",
				     image->strtab_offset);

	image->data_offset = le64_to_cpu(raw->data_offset);
	if (image->data_offset < DAXFS_SUPERBLOCK_SIZE || image->data_offset > end ||
	    !IS_ALIGNED(image->data_offset, DAXFS_BLOCK_SIZE))
		return daxfs_corrupt(corruption, 0, "data_offset",
				     "an aligned offset inside the image",
				     image->data_offset);

	if (!daxfs_image_has(image, DAXFS_FLAG_XATTRS))
		return 0;
	image->xattr_offset = le64_to_cpu(raw->xattr_offset);
	image->xattr_size = le64_to_cpu(raw->xattr_size);
	image->xattr_rows = le32_to_cpu(raw->xattr_rows);
	if (!IS_ALIGNED(image->xattr_offset, DAXFS_XATTR_SET_ALIGN) ||
	    !daxfs_is_inside(image->xattr_offset, image->xattr_size,
			     DAXFS_SUPERBLOCK_SIZE, end))
		return daxfs_corrupt(corruption, 0, "xattr_offset",
				     "an aligned xattr area inside the image",
				     image->xattr_offset);
	if ((u64)image->xattr_rows * sizeof(struct daxfs_xattr_row) >
	    image->xattr_size)
		return daxfs_corrupt(corruption, 0, "xattr_rows",
				     "an index inside the xattr area",
				     image->xattr_rows);
	return 0;
}

static int daxfs_check_magic(const struct daxfs_superblock *raw,
			     struct daxfs_corruption *corruption)
{
	const u32 magic = le32_to_cpu(raw->magic);

	if (magic != DAXFS_MAGIC)
		return daxfs_corrupt(corruption, 0, "magic", "0x64646178", magic);
	return 0;
}

/**
 * daxfs_image_find_size() - read the size of an image
 * @raw: copy of the superblock, not checked
 * @size: set to the bytes of the image, a multiple of 4096
 * @corruption: filled in on failure
 *
 * For a region of unknown size. daxfs_image_open() checks all of the superblock.
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_find_size(const struct daxfs_superblock *raw, u64 *size,
			  struct daxfs_corruption *corruption)
{
	int err = daxfs_check_magic(raw, corruption);

	if (err)
		return err;
	*size = le64_to_cpu(raw->total_size);
	if (*size < DAXFS_SUPERBLOCK_SIZE || !IS_ALIGNED(*size, DAXFS_BLOCK_SIZE))
		return daxfs_corrupt(corruption, 0, "total_size",
				     "a multiple of 4096", *size);
	return 0;
}

static int daxfs_check_superblock(struct daxfs_image *image, u64 region_size,
				  struct daxfs_corruption *corruption)
{
	struct daxfs_superblock raw;
	u32 unsupported;
	int err;

	if (region_size < DAXFS_SUPERBLOCK_SIZE)
		return daxfs_corrupt(corruption, 0, "size",
				     "a region with room for a superblock",
				     region_size);
	daxfs_image_copy(image, 0, &raw, sizeof(raw));

	err = daxfs_check_magic(&raw, corruption);
	if (err)
		return err;
	if (le32_to_cpu(raw.version) != DAXFS_VERSION)
		return daxfs_corrupt(corruption, 0, "version", "1",
				     le32_to_cpu(raw.version));
	image->flags = le32_to_cpu(raw.flags);
	unsupported = image->flags & DAXFS_INCOMPATIBLE_MASK &
		      ~DAXFS_SUPPORTED_INCOMPATIBLE;
	if (unsupported)
		return daxfs_corrupt(corruption, 0, "flags",
				     "incompatible features that this version supports",
				     unsupported);
	if (le32_to_cpu(raw.block_size) != DAXFS_BLOCK_SIZE)
		return daxfs_corrupt(corruption, 0, "block_size", "4096",
				     le32_to_cpu(raw.block_size));

	image->total_size = le64_to_cpu(raw.total_size);
	if (image->total_size < DAXFS_SUPERBLOCK_SIZE ||
	    image->total_size > region_size ||
	    !IS_ALIGNED(image->total_size, DAXFS_BLOCK_SIZE))
		return daxfs_corrupt(corruption, 0, "total_size",
				     "a multiple of 4096, at most the size of the region",
				     image->total_size);

	err = daxfs_check_parts(image, &raw, corruption);
	if (!err)
		err = daxfs_check_overlap(image, corruption);
	if (!err && daxfs_image_has(image, DAXFS_FLAG_CHECKSUMS))
		err = daxfs_check_crc(image, &raw, corruption);
	if (err)
		return err;

	image->root_ino = le32_to_cpu(raw.root_inode);
	memcpy(image->uuid, raw.uuid, sizeof(image->uuid));
	memcpy(image->label, raw.label, sizeof(image->label));
	return 0;
}

/**
 * daxfs_image_open() - check the superblock and the root of an image
 * @image: filled in
 * @base: first byte of the mapped region
 * @region_size: bytes of the region
 * @root: filled in with the checked entry of the root directory
 * @corruption: filled in on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_open(struct daxfs_image *image, const void *base,
		     u64 region_size, struct daxfs_node *root,
		     struct daxfs_corruption *corruption)
{
	int err;

	memset(image, 0, sizeof(*image));
	image->base = base;
	err = daxfs_check_superblock(image, region_size, corruption);
	if (err)
		return err;

	if (image->root_ino == 0 || image->root_ino > image->inode_count)
		return daxfs_corrupt(corruption, 0, "root_inode",
				     "a number in the inode table",
				     image->root_ino);
	err = daxfs_image_node(image, image->root_ino, root, corruption);
	if (err)
		return err;
	if (!S_ISDIR(root->mode))
		return daxfs_corrupt(corruption, root->ino, "mode",
				     "a directory as root", root->mode);
	return 0;
}
