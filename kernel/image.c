// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checked access to the bytes of a daxfs image; image.h has the picture.
 */
#include "image.h"

#ifdef __KERNEL__
#include <linux/align.h>
#include <linux/crc32.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/sched/signal.h>
#include <linux/stat.h>
#include <linux/string.h>
#endif

/* Steps of a list walk between two chances for others to run. */
#define DAXFS_WALK_SLICE 1024

/**
 * daxfs_defect() - say what is wrong
 * @defect: filled in
 * @ino: inode number that the field belongs to, 0 for the superblock
 * @field: name of the field
 * @expected: what it should have held, in words
 * @found: what it holds
 *
 * Return: -EUCLEAN.
 */
int daxfs_defect(struct daxfs_defect *defect, u32 ino, const char *field,
		 const char *expected, u64 found)
{
	defect->ino = ino;
	defect->field = field;
	defect->expected = expected;
	defect->found = found;
	return -EUCLEAN;
}

/* Whether [offset, offset + size) lies inside [start, end), without overflow. */
static bool daxfs_inside(u64 offset, u64 size, u64 start, u64 end)
{
	return offset >= start && offset <= end && size <= end - offset;
}

static int daxfs_check_crc(const struct daxfs_image *image,
			   const struct daxfs_superblock *raw,
			   struct daxfs_defect *defect)
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
		return daxfs_defect(defect, 0, "super_crc32",
				    "the CRC-32 of the superblock",
				    le32_to_cpu(raw->super_crc32));
	return 0;
}

/* The parts may come in any order, but no two may share a byte. */
static int daxfs_check_overlap(const struct daxfs_image *image,
			       struct daxfs_defect *defect)
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
				return daxfs_defect(defect, 0, parts[i].field,
						    "a part of its own",
						    parts[i].start);
		}
	}
	return 0;
}

static int daxfs_check_parts(struct daxfs_image *image,
			     const struct daxfs_superblock *raw,
			     struct daxfs_defect *defect)
{
	const u64 end = image->total_size;

	image->inode_offset = le64_to_cpu(raw->inode_offset);
	image->inode_count = le32_to_cpu(raw->inode_count);
	if (image->inode_count == 0)
		return daxfs_defect(defect, 0, "inode_count", "at least 1", 0);
	if (!daxfs_inside(image->inode_offset,
			  (u64)image->inode_count * sizeof(struct daxfs_inode),
			  DAXFS_SUPERBLOCK_SIZE, end))
		return daxfs_defect(defect, 0, "inode_offset",
				    "an inode table inside the image",
				    image->inode_offset);

	image->strtab_offset = le64_to_cpu(raw->strtab_offset);
	image->strtab_size = le64_to_cpu(raw->strtab_size);
	if (!daxfs_inside(image->strtab_offset, image->strtab_size,
			  DAXFS_SUPERBLOCK_SIZE, end))
		return daxfs_defect(defect, 0, "strtab_offset",
				    "a string table inside the image",
				    image->strtab_offset);

	image->data_offset = le64_to_cpu(raw->data_offset);
	if (image->data_offset < DAXFS_SUPERBLOCK_SIZE || image->data_offset > end ||
	    !IS_ALIGNED(image->data_offset, DAXFS_BLOCK_SIZE))
		return daxfs_defect(defect, 0, "data_offset",
				    "an aligned offset inside the image",
				    image->data_offset);

	if (!daxfs_image_has(image, DAXFS_FLAG_XATTRS))
		return 0;
	image->xattr_offset = le64_to_cpu(raw->xattr_offset);
	image->xattr_size = le64_to_cpu(raw->xattr_size);
	image->xattr_rows = le32_to_cpu(raw->xattr_rows);
	if (!IS_ALIGNED(image->xattr_offset, DAXFS_XATTR_SET_ALIGN) ||
	    !daxfs_inside(image->xattr_offset, image->xattr_size,
			  DAXFS_SUPERBLOCK_SIZE, end))
		return daxfs_defect(defect, 0, "xattr_offset",
				    "an aligned xattr area inside the image",
				    image->xattr_offset);
	if ((u64)image->xattr_rows * sizeof(struct daxfs_xattr_row) >
	    image->xattr_size)
		return daxfs_defect(defect, 0, "xattr_rows",
				    "an index inside the xattr area",
				    image->xattr_rows);
	return 0;
}

/**
 * daxfs_image_find_size() - read how long an image is
 * @base: first byte of a mapped superblock
 * @size: set to the bytes of the image, a multiple of 4096
 * @defect: says why, on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_find_size(const void *base, u64 *size,
			  struct daxfs_defect *defect)
{
	const struct daxfs_image image = { .base = base };
	struct daxfs_superblock raw;

	daxfs_image_copy(&image, 0, &raw, sizeof(raw));
	if (le32_to_cpu(raw.magic) != DAXFS_MAGIC)
		return daxfs_defect(defect, 0, "magic", "0x64646178",
				    le32_to_cpu(raw.magic));
	*size = le64_to_cpu(raw.total_size);
	if (*size < DAXFS_SUPERBLOCK_SIZE || !IS_ALIGNED(*size, DAXFS_BLOCK_SIZE))
		return daxfs_defect(defect, 0, "total_size",
				    "a multiple of 4096", *size);
	return 0;
}

static int daxfs_check_superblock(struct daxfs_image *image, u64 region_size,
				  struct daxfs_defect *defect)
{
	struct daxfs_superblock raw;
	u32 unknown;
	int err;

	if (region_size < DAXFS_SUPERBLOCK_SIZE)
		return daxfs_defect(defect, 0, "size",
				    "a region that holds a superblock",
				    region_size);
	daxfs_image_copy(image, 0, &raw, sizeof(raw));

	if (le32_to_cpu(raw.magic) != DAXFS_MAGIC)
		return daxfs_defect(defect, 0, "magic", "0x64646178",
				    le32_to_cpu(raw.magic));
	if (le32_to_cpu(raw.version) != DAXFS_VERSION)
		return daxfs_defect(defect, 0, "version", "1",
				    le32_to_cpu(raw.version));
	image->flags = le32_to_cpu(raw.flags);
	unknown = image->flags & DAXFS_INCOMPATIBLE_MASK & ~DAXFS_KNOWN_FLAGS;
	if (unknown)
		return daxfs_defect(defect, 0, "flags",
				    "no unknown incompatible feature", unknown);
	if (le32_to_cpu(raw.block_size) != DAXFS_BLOCK_SIZE)
		return daxfs_defect(defect, 0, "block_size", "4096",
				    le32_to_cpu(raw.block_size));

	image->total_size = le64_to_cpu(raw.total_size);
	if (image->total_size < DAXFS_SUPERBLOCK_SIZE ||
	    image->total_size > region_size ||
	    !IS_ALIGNED(image->total_size, DAXFS_BLOCK_SIZE))
		return daxfs_defect(defect, 0, "total_size",
				    "a multiple of 4096, at most the size of the region",
				    image->total_size);

	err = daxfs_check_parts(image, &raw, defect);
	if (!err)
		err = daxfs_check_overlap(image, defect);
	if (!err && daxfs_image_has(image, DAXFS_FLAG_CHECKSUMS))
		err = daxfs_check_crc(image, &raw, defect);
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
 * @defect: says why, on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_open(struct daxfs_image *image, const void *base,
		     u64 region_size, struct daxfs_defect *defect)
{
	struct daxfs_node root;
	int err;

	memset(image, 0, sizeof(*image));
	image->base = base;
	err = daxfs_check_superblock(image, region_size, defect);
	if (err)
		return err;

	if (image->root_ino == 0 || image->root_ino > image->inode_count)
		return daxfs_defect(defect, 0, "root_inode",
				    "a number in the inode table",
				    image->root_ino);
	err = daxfs_image_node(image, image->root_ino, &root, defect);
	if (err)
		return err;
	if (!S_ISDIR(root.mode))
		return daxfs_defect(defect, root.ino, "mode",
				    "a directory as root", root.mode);
	return 0;
}

static void daxfs_decode_inode(const struct daxfs_image *image,
			       const struct daxfs_inode *raw,
			       struct daxfs_node *node)
{
	const u32 mode = le32_to_cpu(raw->mode);
	const u32 first_child = le32_to_cpu(raw->first_child);
	const bool is_dir = S_ISDIR(mode);

	*node = (struct daxfs_node) {
		.ino = le32_to_cpu(raw->ino),
		.mode = mode,
		.uid = le32_to_cpu(raw->uid),
		.gid = le32_to_cpu(raw->gid),
		.size = le64_to_cpu(raw->size),
		.data_offset = le64_to_cpu(raw->data_offset),
		.name_offset = le32_to_cpu(raw->name_offset),
		.name_len = le32_to_cpu(raw->name_len),
		.parent_ino = le32_to_cpu(raw->parent_ino),
		.nlink = le32_to_cpu(raw->nlink),
		.next_sibling = le32_to_cpu(raw->next_sibling),
		.first_child = is_dir ? first_child : 0,
		.link_ino = !is_dir && daxfs_image_has(image, DAXFS_FLAG_LINKS) ?
			    first_child : 0,
		.mtime_ns = daxfs_image_has(image, DAXFS_FLAG_MTIME) ?
			    (s64)le64_to_cpu(raw->mtime_ns) : 0,
		.major = 0,
		.minor = 0,
	};
}

/* The fields that lookup and readdir lean on. */
static int daxfs_check_entry(const struct daxfs_image *image, u32 ino,
			     const struct daxfs_node *node,
			     struct daxfs_defect *defect)
{
	const bool root = ino == image->root_ino;

	if (node->ino != ino)
		return daxfs_defect(defect, ino, "ino", "its own number",
				    node->ino);
	switch (node->mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		if (node->mode <= (S_IFMT | 07777))
			break;
		fallthrough;
	default:
		return daxfs_defect(defect, ino, "mode", "a known file type",
				    node->mode);
	}
	if (root ? node->name_len != 0 :
	    node->name_len == 0 || node->name_len > DAXFS_NAME_MAX)
		return daxfs_defect(defect, ino, "name_len",
				    "1 to 255, for the root 0", node->name_len);
	if (!root && !daxfs_inside(node->name_offset, node->name_len, 0,
				   image->strtab_size))
		return daxfs_defect(defect, ino, "name_offset",
				    "a name inside the string table",
				    node->name_offset);
	if (root ? node->parent_ino != 0 :
	    node->parent_ino == 0 || node->parent_ino > image->inode_count)
		return daxfs_defect(defect, ino, "parent_ino",
				    "a number in the table, for the root 0",
				    node->parent_ino);
	if (node->next_sibling > image->inode_count)
		return daxfs_defect(defect, ino, "next_sibling",
				    "0 or a number in the table",
				    node->next_sibling);
	if (node->link_ino >= ino)
		return daxfs_defect(defect, ino, "link_ino",
				    "0 or a lower number", node->link_ino);
	return 0;
}

static int daxfs_check_directory(const struct daxfs_image *image,
				 const struct daxfs_node *node,
				 struct daxfs_defect *defect)
{
	u64 children;

	if (node->first_child > image->inode_count)
		return daxfs_defect(defect, node->ino, "first_child",
				    "0 or a number in the table",
				    node->first_child);
	if (!daxfs_image_has(image, DAXFS_FLAG_SORTED))
		return 0;
	children = node->size / sizeof(struct daxfs_inode);
	if (node->size % sizeof(struct daxfs_inode) ||
	    children > image->inode_count)
		return daxfs_defect(defect, node->ino, "size",
				    "64 x the number of children", node->size);
	if (children == 0 ? node->first_child != 0 :
	    node->first_child == 0 ||
	    children > image->inode_count - (node->first_child - 1))
		return daxfs_defect(defect, node->ino, "first_child",
				    "children inside the table",
				    node->first_child);
	return 0;
}

static int daxfs_check_content(const struct daxfs_image *image,
			       struct daxfs_node *node,
			       struct daxfs_defect *defect)
{
	const u64 end = image->total_size;
	const u32 ino = node->ino;

	if (node->nlink == 0)
		return daxfs_defect(defect, ino, "nlink", "at least 1", 0);
	if (node->size > S64_MAX)
		return daxfs_defect(defect, ino, "size", "at most 2^63 - 1",
				    node->size);
	switch (node->mode & S_IFMT) {
	case S_IFDIR:
		return daxfs_check_directory(image, node, defect);
	case S_IFREG:
		if (node->size == 0) {
			if (node->data_offset > end)
				return daxfs_defect(defect, ino, "data_offset",
						    "an offset inside the image",
						    node->data_offset);
			return 0;
		}
		if (!IS_ALIGNED(node->data_offset, DAXFS_BLOCK_SIZE) ||
		    !daxfs_inside(node->data_offset, node->size,
				  image->data_offset, end))
			return daxfs_defect(defect, ino, "data_offset",
					    "aligned content inside the data area",
					    node->data_offset);
		return 0;
	case S_IFLNK:
		if (node->size == 0 || node->size > DAXFS_SYMLINK_MAX)
			return daxfs_defect(defect, ino, "size", "1 to 4095",
					    node->size);
		/* The NUL behind the target belongs to it. */
		if (!daxfs_inside(node->data_offset, node->size + 1,
				  image->data_offset, end))
			return daxfs_defect(defect, ino, "data_offset",
					    "a target inside the data area",
					    node->data_offset);
		return 0;
	default:
		if (node->size != 0)
			return daxfs_defect(defect, ino, "size", "0",
					    node->size);
		if (!S_ISCHR(node->mode) && !S_ISBLK(node->mode))
			return 0;
		node->major = node->data_offset >> 32;
		node->minor = (u32)node->data_offset;
		if (node->major > DAXFS_DEVICE_MAJOR_MAX ||
		    node->minor > DAXFS_DEVICE_MINOR_MAX)
			return daxfs_defect(defect, ino, "data_offset",
					    "a device number",
					    node->data_offset);
		return 0;
	}
}

/* Copies an entry out and checks what lookup and readdir lean on. */
static int daxfs_image_entry(const struct daxfs_image *image, u32 ino,
			     struct daxfs_node *node,
			     struct daxfs_defect *defect)
{
	struct daxfs_inode raw;

	if (ino == 0 || ino > image->inode_count)
		return daxfs_defect(defect, ino, "ino", "a number in the table",
				    ino);
	daxfs_image_copy(image,
			 image->inode_offset + (u64)(ino - 1) * sizeof(raw),
			 &raw, sizeof(raw));
	daxfs_decode_inode(image, &raw, node);
	return daxfs_check_entry(image, ino, node, defect);
}

/**
 * daxfs_image_node() - copy an entry of the inode table and check it
 * @image: the image
 * @ino: number of the entry
 * @node: filled in
 * @defect: says why, on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_node(const struct daxfs_image *image, u32 ino,
		     struct daxfs_node *node, struct daxfs_defect *defect)
{
	int err = daxfs_image_entry(image, ino, node, defect);

	return err ? err : daxfs_check_content(image, node, defect);
}

/**
 * daxfs_image_identity() - go from any name of a file to the file
 * @image: the image
 * @node: a checked entry; replaced by the first name's entry where it is a
 *	  further name of a hard-linked file
 * @defect: says why, on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_identity(const struct daxfs_image *image,
			 struct daxfs_node *node, struct daxfs_defect *defect)
{
	struct daxfs_node first;
	int err;

	if (node->link_ino == 0)
		return 0;
	err = daxfs_image_node(image, node->link_ino, &first, defect);
	if (err)
		return err;
	if (S_ISDIR(first.mode) || first.link_ino != 0 ||
	    first.mode != node->mode || first.size != node->size ||
	    first.data_offset != node->data_offset)
		return daxfs_defect(defect, node->ino, "link_ino",
				    "the first name of the same file",
				    node->link_ino);
	*node = first;
	return 0;
}

static int daxfs_check_parent(const struct daxfs_node *dir,
			      const struct daxfs_node *child,
			      struct daxfs_defect *defect)
{
	if (child->parent_ino != dir->ino)
		return daxfs_defect(defect, child->ino, "parent_ino",
				    "the directory that lists it",
				    child->parent_ino);
	return 0;
}

/* Byte order, a prefix before what it is a prefix of. */
static int daxfs_compare(const struct daxfs_image *image,
			 const struct daxfs_node *node, const char *name,
			 u32 name_len)
{
	const u8 *own = image->base + image->strtab_offset + node->name_offset;
	int order = memcmp(name, own, min_t(u32, name_len, node->name_len));

	if (order != 0)
		return order;
	return name_len < node->name_len ? -1 : name_len > node->name_len;
}

static int daxfs_lookup_sorted(const struct daxfs_image *image,
			       const struct daxfs_node *dir, const char *name,
			       u32 name_len, u32 *ino,
			       struct daxfs_defect *defect)
{
	u32 low = 0;
	u32 high = dir->size / sizeof(struct daxfs_inode);

	while (low < high) {
		const u32 middle = low + (high - low) / 2;
		struct daxfs_node node;
		int order, err;

		err = daxfs_image_entry(image, dir->first_child + middle, &node,
					defect);
		if (!err)
			err = daxfs_check_parent(dir, &node, defect);
		if (err)
			return err;
		order = daxfs_compare(image, &node, name, name_len);
		if (order == 0) {
			*ino = node.ino;
			return 0;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -ENOENT;
}

/*
 * Walks the list of children until @steps entries are behind, or with a @name
 * until the entry of that name. Brent's way finds a loop long before the bound
 * on the number of steps does. Return: 0 with the entry's number in @ino, 0 at
 * the end of the list.
 */
static int daxfs_walk(const struct daxfs_image *image,
		      const struct daxfs_node *dir, u64 steps, const char *name,
		      u32 name_len, u32 *ino, struct daxfs_defect *defect)
{
	u32 at = dir->first_child;
	u32 landmark = 0;
	u64 next_landmark = 1;
	u64 step;

	for (step = 0; at != 0 && step < steps; step++) {
		struct daxfs_node node;
		int err;

		if (at == landmark || step >= image->inode_count)
			return daxfs_defect(defect, at, "next_sibling",
					    "a list that ends", at);
		if (step == next_landmark) {
			landmark = at;
			next_landmark *= 2;
		}
		err = daxfs_image_entry(image, at, &node, defect);
		if (!err)
			err = daxfs_check_parent(dir, &node, defect);
		if (err)
			return err;
		if (name && daxfs_compare(image, &node, name, name_len) == 0)
			break;
		at = node.next_sibling;
		if (step % DAXFS_WALK_SLICE == DAXFS_WALK_SLICE - 1) {
			cond_resched();
			if (fatal_signal_pending(current))
				return -EINTR;
		}
	}
	*ino = at;
	return 0;
}

/**
 * daxfs_image_lookup() - find a name in a directory
 * @image: the image
 * @dir: the directory, checked
 * @name: the name, without '/' and NUL
 * @name_len: its bytes
 * @ino: number of the entry that has the name
 * @defect: says why, on -EUCLEAN
 *
 * Return: 0, -ENOENT, -EUCLEAN, or -EINTR where a signal kills the process.
 */
int daxfs_image_lookup(const struct daxfs_image *image,
		       const struct daxfs_node *dir, const char *name,
		       u32 name_len, u32 *ino, struct daxfs_defect *defect)
{
	int err;

	if (daxfs_image_has(image, DAXFS_FLAG_SORTED))
		return daxfs_lookup_sorted(image, dir, name, name_len, ino,
					   defect);
	err = daxfs_walk(image, dir, S64_MAX, name, name_len, ino, defect);
	if (err)
		return err;
	return *ino ? 0 : -ENOENT;
}

/* The n-th child of a sorted directory, 0 past the end. */
static u32 daxfs_sorted_child(const struct daxfs_node *dir, u64 index)
{
	if (index >= dir->size / sizeof(struct daxfs_inode))
		return 0;
	return dir->first_child + index;
}

/**
 * daxfs_image_seek() - go to the n-th entry of a directory
 * @image: the image
 * @dir: the directory, checked
 * @index: entries to leave behind; past the end is the end
 * @cursor: filled in; left as it is on failure
 * @defect: says why, on failure
 *
 * Arithmetic where the directory is sorted, a walk elsewhere.
 *
 * Return: 0, -EUCLEAN, or -EINTR where a signal kills the process.
 */
int daxfs_image_seek(const struct daxfs_image *image,
		     const struct daxfs_node *dir, u64 index,
		     struct daxfs_dir_cursor *cursor,
		     struct daxfs_defect *defect)
{
	u32 ino = 0;
	int err;

	if (!daxfs_image_has(image, DAXFS_FLAG_SORTED)) {
		err = daxfs_walk(image, dir, index, NULL, 0, &ino, defect);
		if (err)
			return err;
	} else {
		ino = daxfs_sorted_child(dir, index);
	}
	cursor->index = index;
	cursor->ino = ino;
	return 0;
}

/* A word whose bytes are 1. */
#define DAXFS_EACH_BYTE 0x0101010101010101ULL

/* Whether a byte of a word is zero, the classic way. */
static bool daxfs_has_zero(u64 word)
{
	return (word - DAXFS_EACH_BYTE) & ~word & (DAXFS_EACH_BYTE << 7);
}

/**
 * daxfs_image_name() - copy the name of an entry and check it
 * @image: the image
 * @node: the entry, checked
 * @name: filled in, with a NUL behind
 * @defect: says why, on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_name(const struct daxfs_image *image,
		     const struct daxfs_node *node,
		     char name[DAXFS_NAME_MAX + 1], struct daxfs_defect *defect)
{
	const u32 len = node->name_len;
	u32 i;

	daxfs_image_copy(image, image->strtab_offset + node->name_offset, name,
			 len);
	name[len] = '\0';
	for (i = 0; i + sizeof(u64) <= len; i += sizeof(u64)) {
		u64 word;

		memcpy(&word, name + i, sizeof(word));
		if (daxfs_has_zero(word) ||
		    daxfs_has_zero(word ^ DAXFS_EACH_BYTE * '/'))
			break;
	}
	while (i < len && name[i] != '/' && name[i] != '\0')
		i++;
	if (i < len || (name[0] == '.' &&
			(len == 1 || (len == 2 && name[1] == '.'))))
		return daxfs_defect(defect, node->ino, "name",
				    "no '/', no NUL, neither '.' nor '..'",
				    node->name_offset);
	return 0;
}

/**
 * daxfs_image_next() - read the entry at a place in a directory
 * @image: the image
 * @dir: the directory, checked
 * @cursor: the place; moved to the next one
 * @child: filled in; its content fields are not checked
 * @name: filled in, with a NUL behind
 * @defect: says why, on failure
 *
 * Return: 1, 0 at the end, or -EUCLEAN.
 */
int daxfs_image_next(const struct daxfs_image *image,
		     const struct daxfs_node *dir,
		     struct daxfs_dir_cursor *cursor, struct daxfs_node *child,
		     char name[DAXFS_NAME_MAX + 1], struct daxfs_defect *defect)
{
	int err;

	if (cursor->ino == 0)
		return 0;
	if (cursor->index >= image->inode_count)
		return daxfs_defect(defect, cursor->ino, "next_sibling",
				    "a list that ends", cursor->ino);
	err = daxfs_image_entry(image, cursor->ino, child, defect);
	if (!err)
		err = daxfs_check_parent(dir, child, defect);
	if (!err)
		err = daxfs_image_name(image, child, name, defect);
	if (err)
		return err;

	cursor->index++;
	if (daxfs_image_has(image, DAXFS_FLAG_SORTED))
		cursor->ino = daxfs_sorted_child(dir, cursor->index);
	else
		cursor->ino = child->next_sibling;
	return 1;
}

/**
 * daxfs_image_symlink() - copy the target of a symlink
 * @image: the image
 * @node: the symlink, checked
 * @target: room for its size and a NUL
 * @defect: says why, on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_symlink(const struct daxfs_image *image,
			const struct daxfs_node *node, char *target,
			struct daxfs_defect *defect)
{
	const size_t size = node->size;

	daxfs_image_copy(image, node->data_offset, target, size + 1);
	if (memchr(target, '\0', size + 1) != target + size) {
		target[size] = '\0';
		return daxfs_defect(defect, node->ino, "size",
				    "the length of the target", size);
	}
	return 0;
}

/**
 * daxfs_image_xattr_set() - go to a set of extended attributes
 * @image: the image
 * @ino: number of an inode that has the set
 * @place: where the set starts in the xattr area, in units of 8 bytes
 * @cursor: filled in
 * @defect: says why, on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_xattr_set(const struct daxfs_image *image, u32 ino, u32 place,
			  struct daxfs_xattr_cursor *cursor,
			  struct daxfs_defect *defect)
{
	const u64 end = image->xattr_offset + image->xattr_size;
	const u64 index_end = image->xattr_offset +
		(u64)image->xattr_rows * sizeof(struct daxfs_xattr_row);
	const u64 offset = image->xattr_offset +
		(u64)place * DAXFS_XATTR_SET_ALIGN;
	struct daxfs_xattr_set set;

	if (!daxfs_inside(offset, sizeof(set), index_end, end))
		return daxfs_defect(defect, ino, "set",
				    "a set inside the xattr area", place);
	daxfs_image_copy(image, offset, &set, sizeof(set));
	/* A walk through more would take long, and no file has them. */
	if (le32_to_cpu(set.count) > DAXFS_XATTR_COUNT_MAX)
		return daxfs_defect(defect, ino, "count", "at most 32768",
				    le32_to_cpu(set.count));
	cursor->offset = offset + sizeof(set);
	cursor->left = le32_to_cpu(set.count);
	cursor->ino = ino;
	return 0;
}

/**
 * daxfs_image_xattrs() - find the extended attributes of an inode
 * @image: the image
 * @ino: its number, that of the first name where it has several
 * @cursor: filled in; has nothing left where the inode has none
 * @defect: says why, on failure
 *
 * Return: 0, or -EUCLEAN.
 */
int daxfs_image_xattrs(const struct daxfs_image *image, u32 ino,
		       struct daxfs_xattr_cursor *cursor,
		       struct daxfs_defect *defect)
{
	u32 low = 0;
	u32 high = image->xattr_rows;

	cursor->offset = 0;
	cursor->left = 0;
	cursor->ino = ino;
	while (low < high) {
		const u32 middle = low + (high - low) / 2;
		struct daxfs_xattr_row row;

		daxfs_image_copy(image,
				 image->xattr_offset + (u64)middle * sizeof(row),
				 &row, sizeof(row));
		if (le32_to_cpu(row.ino) < ino)
			low = middle + 1;
		else if (le32_to_cpu(row.ino) > ino)
			high = middle;
		else
			return daxfs_image_xattr_set(image, ino,
						     le32_to_cpu(row.set),
						     cursor, defect);
	}
	return 0;
}

/**
 * daxfs_image_next_xattr() - read the attribute at a place in a set
 * @image: the image
 * @cursor: the place; moved to the next one
 * @xattr: filled in; the value stays where it is
 * @defect: says why, on failure
 *
 * Return: 1, 0 at the end, or -EUCLEAN.
 */
int daxfs_image_next_xattr(const struct daxfs_image *image,
			   struct daxfs_xattr_cursor *cursor,
			   struct daxfs_xattr *xattr,
			   struct daxfs_defect *defect)
{
	const u64 end = image->xattr_offset + image->xattr_size;
	struct daxfs_xattr_entry header;
	u64 offset = cursor->offset;
	u64 room;

	if (cursor->left == 0)
		return 0;
	if (!daxfs_inside(offset, sizeof(header), image->xattr_offset, end))
		return daxfs_defect(defect, cursor->ino, "count",
				    "entries inside the xattr area",
				    cursor->left);
	daxfs_image_copy(image, offset, &header, sizeof(header));
	offset += sizeof(header);
	room = end - offset;
	xattr->name_len = le16_to_cpu(header.name_len);
	xattr->value_len = le32_to_cpu(header.value_len);
	if (xattr->name_len == 0 || xattr->name_len > DAXFS_XATTR_NAME_MAX ||
	    xattr->name_len > room)
		return daxfs_defect(defect, cursor->ino, "name_len",
				    "an xattr name of 1 to 255 bytes",
				    xattr->name_len);
	room -= xattr->name_len;
	if (xattr->value_len > DAXFS_XATTR_VALUE_MAX ||
	    xattr->value_len > room)
		return daxfs_defect(defect, cursor->ino, "value_len",
				    "an xattr value inside the area",
				    xattr->value_len);
	daxfs_image_copy(image, offset, xattr->name, xattr->name_len);
	xattr->name[xattr->name_len] = '\0';
	if (memchr(xattr->name, '\0', xattr->name_len))
		return daxfs_defect(defect, cursor->ino, "name",
				    "an xattr name without NUL", offset);
	xattr->value_offset = offset + xattr->name_len;
	cursor->offset = round_up(xattr->value_offset + xattr->value_len, 4);
	cursor->left--;
	return 1;
}
