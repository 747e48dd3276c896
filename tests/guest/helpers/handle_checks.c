// SPDX-License-Identifier: GPL-2.0-only
/*
 * handle_checks save DIRECTORY FILE: keeps the file handle of everything in
 * DIRECTORY, which is where a filesystem is mounted, in FILE.
 * handle_checks open DIRECTORY FILE: opens each of them, and looks whether it
 * leads to what has the name.
 * handle_checks foreign DIRECTORY FILE: opens each where another image is
 * mounted, which must say that it is stale.
 * handle_checks hostile DIRECTORY FILE: opens handles made of them that are
 * wrong, which must do no harm.
 * handle_checks numbers DIRECTORY COUNT: opens handles of the inodes 1 to COUNT,
 * made of that of the root, and prints what each gives.
 */
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

/* Of the content SAMPLE is compared; SPOILED handles are made wrong. */
enum { SAMPLE = 65536, HANDLE = 128, SPOILED = 20 };

struct record {
	char path[PATH_MAX];
	ino_t ino;
	mode_t mode;
	/* Of the beginning of a file, or of a target. */
	unsigned long long digest;
	/* struct file_handle, with room behind it. */
	unsigned int bytes;
	int type;
	unsigned char handle[HANDLE];
};

static FILE *records;
static unsigned int refused;

static struct file_handle *to_handle(const struct record *record)
{
	static union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + HANDLE];
	} all;

	all.handle.handle_bytes = record->bytes;
	all.handle.handle_type = record->type;
	memcpy(all.handle.f_handle, record->handle, HANDLE);
	return &all.handle;
}

/* FNV-1a. */
static unsigned long long digest_of(const char *content, ssize_t length)
{
	unsigned long long digest = 0xcbf29ce484222325;
	ssize_t i;

	for (i = 0; i < length; i++)
		digest = (digest ^ (unsigned char)content[i]) * 0x100000001b3;
	return digest;
}

/* The content of what @fd, opened with O_PATH, is; 0 for what has none. */
static unsigned long long content_of(int fd, mode_t mode)
{
	static char content[SAMPLE];
	char path[64];
	ssize_t length = 0;
	int file;

	if (S_ISLNK(mode)) {
		length = readlinkat(fd, "", content, sizeof(content));
	} else if (S_ISREG(mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		file = open(path, O_RDONLY);
		length = read(file, content, sizeof(content));
		close(file);
	}
	if (length < 0)
		die("content");
	return digest_of(content, length);
}

static int save_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	struct record record = { .ino = st->st_ino, .mode = st->st_mode, .bytes = HANDLE };
	struct file_handle *handle = to_handle(&record);
	int mount, fd;

	(void)kind;
	(void)place;
	if (name_to_handle_at(AT_FDCWD, path, handle, &mount, 0) != 0) {
		if (refused++ == 0)
			printf("%s has no handle (%s)\n", path, errno_name(errno));
		return 0;
	}
	record.bytes = handle->handle_bytes;
	record.type = handle->handle_type;
	memcpy(record.handle, handle->f_handle, HANDLE);
	snprintf(record.path, sizeof(record.path), "%s", path);
	fd = open(path, O_PATH | O_NOFOLLOW);
	record.digest = content_of(fd, st->st_mode);
	close(fd);
	if (fwrite(&record, sizeof(record), 1, records) != 1)
		die("write");
	return 0;
}

/* A directory that was found by its handle knows the way up. */
static bool has_path(int fd, const char *path)
{
	char link[64], found[PATH_MAX], real[PATH_MAX];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, found, sizeof(found) - 1);
	if (length < 0 || !realpath(path, real))
		return false;
	found[length] = '\0';
	return strcmp(found, real) == 0;
}

struct tally {
	unsigned int handles, files, directories;
	unsigned int failed, other_inode, other_content, lost;
};

static void report(unsigned int *count, const struct record *record, const char *what)
{
	if ((*count)++ < 3)
		printf("%s: %s (%s)\n", record->path, what, errno_name(errno));
}

static void open_one(int mount, const struct record *record, struct tally *tally)
{
	const int fd = open_by_handle_at(mount, to_handle(record), O_PATH | O_NOFOLLOW);
	struct stat st;

	tally->handles++;
	if (fd < 0 || fstat(fd, &st) != 0) {
		report(&tally->failed, record, "can't be opened");
		return;
	}
	errno = 0;
	if (st.st_ino != record->ino || st.st_mode != record->mode)
		report(&tally->other_inode, record, "is another inode");
	else if (content_of(fd, st.st_mode) != record->digest)
		report(&tally->other_content, record, "has other content");
	if (S_ISREG(st.st_mode))
		tally->files++;
	if (S_ISDIR(st.st_mode)) {
		tally->directories++;
		if (!has_path(fd, record->path))
			report(&tally->lost, record, "is not found by its path");
	}
	close(fd);
}

static struct record *load(const char *path, size_t *count)
{
	struct record *all;
	struct stat st;

	records = fopen(path, "r");
	if (!records || fstat(fileno(records), &st) != 0)
		die("open %s", path);
	*count = st.st_size / sizeof(*all);
	all = malloc(st.st_size + 1);
	if (!all || fread(all, sizeof(*all), *count, records) != *count)
		die("read %s", path);
	fclose(records);
	return all;
}

static bool same_handle(const struct record *a, const struct record *b)
{
	return a->bytes == b->bytes && a->type == b->type &&
	       memcmp(a->handle, b->handle, a->bytes) == 0;
}

/* Names of one file have one handle, and different files different ones. */
static void check_identity(const struct record *all, size_t count)
{
	unsigned int wrong = 0, links = 0;
	size_t i, j;

	for (i = 0; i < count; i++)
		for (j = i + 1; j < count; j++) {
			const bool same = all[i].ino == all[j].ino;

			links += same;
			wrong += same != same_handle(&all[i], &all[j]);
		}
	check("names have the same handle where they are the same file", wrong == 0, "%u wrong",
	      wrong);
	check("there are hard links among them", links > 0, "%u", links);
}

static void open_all(int mount, const struct record *all, size_t count)
{
	struct tally tally = { 0 };
	size_t i = count;

	/* Those that lie deepest first, so that nothing above is known yet. */
	while (i-- > 0)
		open_one(mount, &all[i], &tally);
	check("every handle can be opened", tally.failed == 0, "%u of %u can't", tally.failed,
	      tally.handles);
	check("every handle leads to its inode", tally.other_inode == 0, "%u of %u do not",
	      tally.other_inode, tally.handles);
	check("every handle leads to its content", tally.other_content == 0, "%u of %u do not",
	      tally.other_content, tally.handles);
	check("every directory knows its path", tally.lost == 0, "%u of %u do not", tally.lost,
	      tally.directories);
	check("there are files and directories among them",
	      tally.files > 0 && tally.directories > 0, "%u and %u", tally.files,
	      tally.directories);
}

static void foreign(int mount, const struct record *all, size_t count)
{
	unsigned int other = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		const int fd = open_by_handle_at(mount, to_handle(&all[i]), O_PATH | O_NOFOLLOW);

		if (fd < 0 && errno == ESTALE)
			continue;
		report(&other, &all[i], fd < 0 ? "is refused otherwise" : "is opened");
		close(fd);
	}
	check("handles of another image are stale", count > 0 && other == 0, "%u of %zu are not",
	      other, count);
}

/* Return: whether opening the handle gave an error that it may give, or a file. */
static bool harmless(int mount, const struct record *record, unsigned int *opened)
{
	const int fd = open_by_handle_at(mount, to_handle(record), O_PATH | O_NOFOLLOW);
	struct stat st;
	bool fine;

	if (fd < 0)
		return errno == ESTALE || errno == EINVAL || errno == EOVERFLOW;
	(*opened)++;
	fine = fstat(fd, &st) == 0;
	close(fd);
	return fine;
}

static void hostile(int mount, const struct record *all, size_t count)
{
	static const unsigned int words[] = { 0, 2, 0x80000000, 0xffffffff };
	unsigned int harm = 0, opened = 0, tried = 0, random_opened = 0;
	size_t i, at, word;

	srand(1);
	for (i = 0; i < count && i < SPOILED; i++) {
		struct record wrong = all[i];

		for (wrong.bytes = 0; wrong.bytes < all[i].bytes; wrong.bytes++, tried++)
			harm += !harmless(mount, &wrong, &opened);
		wrong = all[i];
		wrong.bytes = HANDLE;
		for (wrong.type = 0; wrong.type < 256; wrong.type += 1 + wrong.type / 8, tried++)
			harm += !harmless(mount, &wrong, &opened);
		for (at = 0; at + sizeof(words[0]) <= all[i].bytes; at++)
			for (word = 0; word < sizeof(words) / sizeof(words[0]); word++, tried++) {
				wrong = all[i];
				memcpy(wrong.handle + at, &words[word], sizeof(words[0]));
				harm += !harmless(mount, &wrong, &opened);
			}
		wrong = all[i];
		for (at = 0; at < all[i].bytes; at++)
			wrong.handle[at] = rand();
		tried++;
		harm += !harmless(mount, &wrong, &random_opened);
	}
	check("wrong handles give an error, or some file", harm == 0, "%u of %u do not", harm,
	      tried);
	check("handles of random bytes give an error", random_opened == 0, "%u of %u do not",
	      random_opened, SPOILED);
	printf("%u of %u wrong handles led to a file\n", opened, tried);
}

static void numbers(int mount, uint32_t count)
{
	struct record record = { .bytes = HANDLE };
	struct file_handle *handle = to_handle(&record);
	uint32_t number;
	int mount_id, fd;

	if (name_to_handle_at(mount, "", handle, &mount_id, AT_EMPTY_PATH) != 0)
		die("name_to_handle_at");
	for (number = 1; number <= count; number++) {
		memcpy(handle->f_handle, &number, sizeof(number));
		fd = open_by_handle_at(mount, handle, O_PATH | O_NOFOLLOW);
		printf("inode %u: %s\n", number, fd < 0 ? errno_name(errno) : "opened");
		if (fd >= 0)
			close(fd);
	}
}

int main(int argc, char **argv)
{
	struct record *all;
	size_t count;
	int mount;

	if (argc != 4)
		die("wrong usage");
	if (strcmp(argv[1], "save") == 0) {
		records = fopen(argv[3], "w");
		if (!records || nftw(argv[2], save_one, 64, FTW_PHYS) != 0 || fclose(records) != 0)
			die("save");
		check("everything has a handle", refused == 0, "%u have not", refused);
		return done();
	}
	mount = open(argv[2], O_RDONLY | O_DIRECTORY);
	if (mount < 0)
		die("open %s", argv[2]);
	if (strcmp(argv[1], "numbers") == 0) {
		numbers(mount, atoi(argv[3]));
		return done();
	}
	all = load(argv[3], &count);
	if (strcmp(argv[1], "hostile") == 0) {
		hostile(mount, all, count);
		return done();
	}
	if (strcmp(argv[1], "foreign") == 0) {
		foreign(mount, all, count);
		return done();
	}
	check_identity(all, count);
	open_all(mount, all, count);
	return done();
}
