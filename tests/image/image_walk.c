// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks an image with kernel/image*.c in user space, in the way the VFS walks a
 * mount: readdir, lookup of every name, node, hard link, symlink, xattrs,
 * content.
 *
 *   image_walk IMAGE             prints the tree in the format of walk_report.h
 *   image_walk IMAGE MUTATIONS   walks the image once with each of the
 *                                mutations, and prints the outcomes
 *   image_walk --validate IMAGE [MUTATIONS]
 *                                the same with daxfs_image_validate() in place
 *                                of the walk: "valid", or "broken FIELD INO FOUND"
 *   image_walk --allocations IMAGE
 *                                validates it, and says in a further line how many
 *                                bytes that has allocated: "allocated LARGEST MOST",
 *                                at a time and at the same time
 *
 * An error line ends with the inode, field and value of the corruption. An image that
 * can't be opened gives only "refused FIELD INO FOUND".
 *
 * MUTATIONS is a run of records of little-endian numbers: u32 patches, then for
 * each u32 offset, u32 size and the bytes. A line "refused", "sound" or
 * "corruptions N" answers each.
 *
 * The image is in a heap block of exactly its size, so that the sanitizers find
 * a read outside it.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "image.h"
#include "walk_report.h"

/* Seeks to each entry of directories up to this length, to a few of larger ones. */
#define SEEK_ALL_MAX 64

/* What validation allocates: bytes now, and at most so far. */
static struct {
	size_t largest;
	size_t now;
	size_t most;
} allocations;

void *count_allocation(size_t size)
{
	size_t *memory = calloc(1, sizeof(max_align_t) + size);

	if (!memory)
		return NULL;
	*memory = size;
	allocations.now += size;
	if (size > allocations.largest)
		allocations.largest = size;
	if (allocations.now > allocations.most)
		allocations.most = allocations.now;
	return (char *)memory + sizeof(max_align_t);
}

void count_free(void *memory)
{
	size_t *start;

	if (!memory)
		return;
	start = (size_t *)((char *)memory - sizeof(max_align_t));
	allocations.now -= *start;
	free(start);
}

struct walk {
	struct daxfs_image image;
	bool quiet;
	bool validate;
	u64 entries;
	u64 corruptions;
	/* Keeps the compiler from dropping reads. */
	volatile u8 sink;
	char path[WALK_PATH_MAX];
};

static void *allocate(size_t size)
{
	/* One byte at least, so that NULL is always a failure. */
	void *memory = malloc(size ? size : 1);

	if (!memory) {
		perror("malloc");
		exit(2);
	}
	return memory;
}

static void found_corrupt(struct walk *walk, size_t path_size,
			  const char *operation, int err,
			  const struct daxfs_corruption *corruption)
{
	walk->corruptions++;
	if (walk->quiet)
		return;
	report_error(walk->path, path_size, operation, -err);
	if (err == -EUCLEAN)
		printf("\t%" PRIu32 "\t%s\t%" PRIu64, corruption->ino,
		       corruption->field, corruption->found);
	putchar('\n');
}

static void walk_xattrs(struct walk *walk, const struct daxfs_node *node,
			size_t path_size)
{
	const struct daxfs_image *image = &walk->image;
	struct daxfs_xattr_cursor cursor;
	struct daxfs_xattr *found = NULL;
	struct daxfs_corruption corruption;
	size_t count = 0, i;
	int err;

	err = daxfs_image_xattrs(image, node->ino, &cursor, &corruption);
	while (!err) {
		found = realloc(found, (count + 1) * sizeof(*found));
		if (!found) {
			perror("realloc");
			exit(2);
		}
		err = daxfs_image_next_xattr(image, &cursor, &found[count],
					     &corruption);
		if (err == 0)
			break;
		if (err > 0) {
			count++;
			err = 0;
		}
	}
	/* As listxattr(2): all or nothing. */
	if (err < 0) {
		found_corrupt(walk, path_size, "listxattr", err, &corruption);
		count = 0;
	}
	for (i = 0; i < count; i++) {
		u8 *value = allocate(found[i].value_len);

		daxfs_image_copy(image, found[i].value_offset, value,
				 found[i].value_len);
		if (!walk->quiet)
			report_xattr(walk->path, path_size, found[i].name,
				     found[i].name_len, value,
				     found[i].value_len);
		free(value);
	}
	free(found);
}

static void print_entry(struct walk *walk, const struct daxfs_node *node,
			const char *target, size_t path_size)
{
	const u8 *content = walk->image.base + node->data_offset;

	report_path("entry", walk->path, path_size);
	printf("\t%" PRIu32 "\t%o\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32
	       "\t%" PRIu64 "\t%" PRId64 "\t%" PRIu32 ":%" PRIu32 "\t",
	       node->ino, node->mode, node->nlink, node->uid, node->gid,
	       node->size, node->mtime_ns, node->major, node->minor);
	if (S_ISREG(node->mode))
		printf("%08lx", node->size == 0 ?
			crc32(0, Z_NULL, 0) :
			crc32_z(0, content, node->size));
	else if (target)
		report_bytes(target, node->size);
	else
		putchar('-');
	putchar('\n');
}

/* What daxfs_iget() does with an entry. */
static int load_node(struct walk *walk, struct daxfs_node *node,
		     char target[DAXFS_SYMLINK_MAX + 1],
		     struct daxfs_corruption *corruption)
{
	int err = daxfs_image_resolve_link(&walk->image, node, corruption);

	if (!err && S_ISLNK(node->mode))
		err = daxfs_image_symlink(&walk->image, node, target, corruption);
	return err;
}

struct name {
	u32 size;
	char bytes[DAXFS_NAME_MAX + 1];
};

/* Seeking to a position must give the entry that a read from the start gives. */
static void check_seek(struct walk *walk, const struct daxfs_node *dir,
		       u64 index, const struct name *names, size_t count,
		       size_t path_size)
{
	char name[DAXFS_NAME_MAX + 1];
	struct daxfs_dir_cursor cursor;
	struct daxfs_corruption corruption;
	struct daxfs_node child;
	int err;

	err = daxfs_image_seek(&walk->image, dir, index, &cursor, &corruption);
	if (!err)
		err = daxfs_image_next(&walk->image, dir, &cursor, &child, name,
				       &corruption);
	if (err < 0)
		found_corrupt(walk, path_size, "seek", err, &corruption);
	else if (err != (index < count) ||
		 (err && strcmp(name, names[index].bytes) != 0))
		found_corrupt(walk, path_size, "seek-elsewhere", -EIO, &corruption);
}

static void check_seeks(struct walk *walk, const struct daxfs_node *dir,
			const struct name *names, size_t count,
			size_t path_size)
{
	const u64 beyond[] = { count, count + 1, U32_MAX, S64_MAX - 2 };
	const size_t step = count <= SEEK_ALL_MAX ? 1 : count / 5;
	size_t i;

	for (i = 0; i < count; i += step)
		check_seek(walk, dir, i, names, count, path_size);
	for (i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++)
		check_seek(walk, dir, beyond[i], names, count, path_size);
}

static void walk_node(struct walk *walk, const struct daxfs_node *node,
		      const char *target, size_t path_size);

static void walk_directory(struct walk *walk, const struct daxfs_node *dir,
			   size_t path_size)
{
	const struct daxfs_image *image = &walk->image;
	struct daxfs_dir_cursor cursor;
	struct daxfs_corruption corruption;
	struct name *names = NULL;
	size_t count = 0, room = 0, i;
	struct daxfs_node child;
	int err;

	err = daxfs_image_seek(image, dir, 0, &cursor, &corruption);
	while (!err) {
		if (count == room) {
			room = room ? 2 * room : 16;
			names = realloc(names, room * sizeof(*names));
			if (!names) {
				perror("realloc");
				exit(2);
			}
		}
		err = daxfs_image_next(image, dir, &cursor, &child,
				       names[count].bytes, &corruption);
		if (err == 0)
			break;
		if (err > 0) {
			names[count++].size = child.name_len;
			err = 0;
		}
	}
	if (err)
		found_corrupt(walk, path_size, "list", err, &corruption);
	else
		check_seeks(walk, dir, names, count, path_size);

	err = daxfs_image_lookup(image, dir, "no such name", 12, &child,
				 &corruption);
	if (err == 0) {
		walk->corruptions++;
		fprintf(stderr, "found what is not there\n");
	}

	for (i = 0; i < count; i++) {
		char own_target[DAXFS_SYMLINK_MAX + 1];
		size_t size = path_size + 1 + names[i].size;
		struct daxfs_node own;

		if (walk->entries >= WALK_ENTRIES_MAX || size > WALK_PATH_MAX)
			break;
		walk->path[path_size] = '/';
		memcpy(walk->path + path_size + 1, names[i].bytes,
		       names[i].size);
		err = daxfs_image_lookup(image, dir, names[i].bytes,
					 names[i].size, &own, &corruption);
		if (!err)
			err = load_node(walk, &own, own_target, &corruption);
		if (err)
			found_corrupt(walk, size, "stat", err, &corruption);
		else
			walk_node(walk, &own, own_target, size);
	}
	free(names);
}

static void walk_node(struct walk *walk, const struct daxfs_node *node,
		      const char *target, size_t path_size)
{
	walk->entries++;
	if (!walk->quiet)
		print_entry(walk, node, S_ISLNK(node->mode) ? target : NULL,
			    path_size);
	if (S_ISREG(node->mode) && node->size > 0) {
		walk->sink = walk->image.base[node->data_offset];
		walk->sink = walk->image.base[node->data_offset + node->size - 1];
	}
	walk_xattrs(walk, node, path_size);
	if (S_ISDIR(node->mode))
		walk_directory(walk, node, path_size);
}

/* Return: whether the image could be opened. */
static bool walk_image(struct walk *walk, const u8 *bytes, size_t size)
{
	struct daxfs_corruption corruption;
	struct daxfs_node root;
	u32 ino;
	int err;

	walk->entries = 0;
	walk->corruptions = 0;
	err = daxfs_image_open(&walk->image, bytes, size, &root, &corruption);
	if (err) {
		if (!walk->quiet)
			printf("refused\t%s\t%" PRIu32 "\t%" PRIu64 "\n",
			       corruption.field, corruption.ino, corruption.found);
		return false;
	}
	err = load_node(walk, &root, NULL, &corruption);
	if (err)
		found_corrupt(walk, 0, "stat", err, &corruption);
	else
		walk_node(walk, &root, NULL, 0);

	/* Every entry by its number too, whether or not the tree reaches it. */
	for (ino = 1; ino <= walk->image.inode_count; ino++) {
		char target[DAXFS_SYMLINK_MAX + 1];
		struct daxfs_node node;

		if (daxfs_image_node(&walk->image, ino, &node, &corruption) == 0 &&
		    load_node(walk, &node, target, &corruption) == 0 &&
		    S_ISREG(node.mode) && node.size > 0)
			walk->sink = bytes[node.data_offset + node.size - 1];
	}
	/* Numbers that are not in the table. */
	if (daxfs_image_node(&walk->image, 0, &root, &corruption) != -EUCLEAN ||
	    (walk->image.inode_count < U32_MAX &&
	     daxfs_image_node(&walk->image, walk->image.inode_count + 1, &root,
			      &corruption) != -EUCLEAN)) {
		walk->corruptions++;
		fprintf(stderr, "found a node that is not there\n");
	}
	return true;
}

/* Return: whether the image could be opened. */
static bool validate_image(struct walk *walk, const u8 *bytes, size_t size)
{
	struct daxfs_corruption corruption;
	struct daxfs_node root;
	int err;

	err = daxfs_image_open(&walk->image, bytes, size, &root, &corruption);
	if (err)
		return false;
	err = daxfs_image_validate(&walk->image, &corruption);
	if (err == 0)
		puts("valid");
	else if (err == -EUCLEAN)
		printf("broken\t%s\t%" PRIu32 "\t%" PRIu64 "\n", corruption.field,
		       corruption.ino, corruption.found);
	else
		printf("error\t%d\n", err);
	return true;
}

static u8 *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	u8 *bytes;
	long end;

	if (!file || fseek(file, 0, SEEK_END) != 0 || (end = ftell(file)) < 0) {
		perror(path);
		exit(2);
	}
	rewind(file);
	bytes = allocate(end);
	*size = fread(bytes, 1, end, file);
	if (*size != (size_t)end) {
		perror(path);
		exit(2);
	}
	fclose(file);
	return bytes;
}

static u32 take_u32(const u8 **at)
{
	__le32 value;

	memcpy(&value, *at, sizeof(value));
	*at += sizeof(value);
	return le32_to_cpu(value);
}

static void walk_mutations(struct walk *walk, const u8 *base, size_t size,
			   const u8 *mutations, size_t mutations_size)
{
	const u8 *at = mutations;

	walk->quiet = true;
	while (at < mutations + mutations_size) {
		u8 *image = allocate(size);
		u32 patches = take_u32(&at);

		memcpy(image, base, size);
		while (patches-- > 0) {
			const u32 offset = take_u32(&at);
			const u32 length = take_u32(&at);

			if (offset > size || length > size - offset) {
				fprintf(stderr, "a patch outside the image\n");
				exit(2);
			}
			memcpy(image + offset, at, length);
			at += length;
		}
		if (walk->validate) {
			if (!validate_image(walk, image, size))
				puts("refused");
		} else if (!walk_image(walk, image, size))
			puts("refused");
		else if (walk->corruptions == 0)
			puts("sound");
		else
			printf("corruptions %" PRIu64 "\n", walk->corruptions);
		free(image);
	}
}

int main(int argc, char **argv)
{
	static struct walk walk;
	u8 *image, *mutations;
	size_t size, mutations_size;
	bool count = false;

	if (argc > 1 && (strcmp(argv[1], "--validate") == 0 ||
			 strcmp(argv[1], "--allocations") == 0)) {
		count = strcmp(argv[1], "--allocations") == 0;
		walk.validate = true;
		argc--;
		argv++;
	}
	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: image_walk [--validate | --allocations] IMAGE [MUTATIONS]\n");
		return 2;
	}
	image = read_file(argv[1], &size);
	if (argc == 3) {
		mutations = read_file(argv[2], &mutations_size);
		walk_mutations(&walk, image, size, mutations, mutations_size);
		free(mutations);
	} else if (walk.validate) {
		if (!validate_image(&walk, image, size))
			puts("refused");
		if (count)
			printf("allocated\t%zu\t%zu\n", allocations.largest,
			       allocations.most);
	} else {
		walk_image(&walk, image, size);
	}
	free(image);
	return 0;
}
