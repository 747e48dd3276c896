// SPDX-License-Identifier: GPL-2.0-only
/*
 * directory_checks DIRECTORY COUNT ROOT: DIRECTORY holds the empty files
 * entry-00000, entry-00001 … and nothing else, COUNT of them. ROOT is a tree
 * to walk while the kernel drops its caches.
 */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { DROP_DENTRIES_AND_INODES = 2, WALKS = 4, WALKERS = 2, LOOKUP_THREADS = 4, READ_THREADS = 2 };

static const char *directory;
static unsigned int count;

/* Number in "entry-01234", or -1. */
static int entry_number(const char *name)
{
	unsigned int number;
	char again[32];

	if (sscanf(name, "entry-%5u", &number) != 1)
		return -1;
	snprintf(again, sizeof(again), "entry-%05u", number);
	return strcmp(name, again) == 0 && number < count ? (int)number : -1;
}

/* Marks an entry as seen. Return: whether it is right, and seen for the first time. */
static bool see(bool *seen, const char *name)
{
	const int number = entry_number(name);

	if (number < 0 || seen[number])
		return false;
	seen[number] = true;
	return true;
}

/* Reads all that is left. Return: the entries besides the dots, -1 if a wrong one was among them. */
static int read_rest(DIR *dir, bool *seen)
{
	struct dirent *entry;
	int entries = 0;

	while ((errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (!see(seen, entry->d_name))
			return -1;
		entries++;
	}
	return errno ? -1 : entries;
}

static DIR *open_directory(void)
{
	DIR *dir = opendir(directory);

	if (!dir)
		die("opendir %s", directory);
	return dir;
}

static void check_rewind(void)
{
	bool *seen = calloc(count, sizeof(*seen));
	DIR *dir = open_directory();
	int entries = read_rest(dir, seen);

	check("readdir gives every entry once", entries == (int)count, "%d", entries);
	check("readdir at the end gives nothing", !readdir(dir) && errno == 0, "%s",
	      errno_name(errno));
	rewinddir(dir);
	memset(seen, 0, count);
	entries = read_rest(dir, seen);
	check("readdir after rewinddir gives every entry once", entries == (int)count, "%d",
	      entries);
	rewinddir(dir);
	for (int i = 0; i < 1000; i++)
		readdir(dir);
	rewinddir(dir);
	memset(seen, 0, count);
	entries = read_rest(dir, seen);
	check("so it does after a rewinddir in the middle", entries == (int)count, "%d", entries);
	closedir(dir);
	free(seen);
}

static void check_seek(void)
{
	const unsigned int places = count + 2;
	char (*names)[256] = calloc(places, sizeof(*names));
	long *where = calloc(places + 1, sizeof(*where));
	DIR *dir = open_directory();
	struct dirent *entry;
	unsigned int i, right;

	for (i = 0; i < places; i++) {
		where[i] = telldir(dir);
		entry = readdir(dir);
		if (!entry)
			die("readdir ends after %u", i);
		strcpy(names[i], entry->d_name);
	}
	where[places] = telldir(dir);

	srandom(2);
	for (right = 0; right < 3000; right++) {
		i = random() % places;
		seekdir(dir, where[i]);
		entry = readdir(dir);
		if (!entry || strcmp(entry->d_name, names[i]) != 0)
			break;
		/* A second one, which must not come from the place before the seek. */
		entry = readdir(dir);
		if (i + 1 < places ? !entry || strcmp(entry->d_name, names[i + 1]) != 0 : !!entry)
			break;
	}
	check("seekdir leads back to where telldir was", right == 3000, "%u of 3000", right);

	for (i = places; i > 0; i--) {
		seekdir(dir, where[i - 1]);
		entry = readdir(dir);
		if (!entry || strcmp(entry->d_name, names[i - 1]) != 0)
			break;
	}
	check("backwards, entry by entry", i == 0, "%u left", i);
	seekdir(dir, where[places]);
	entry = readdir(dir);
	check("seekdir to the end", !entry, "%s", entry ? entry->d_name : "nothing");
	closedir(dir);
	free(where);
	free(names);
}

/* Reads with the system call and a buffer of @size. Return: as read_rest(). */
static int read_raw(int fd, size_t size, bool *seen, unsigned int *calls)
{
	char *buffer = malloc(size);
	int entries = 0;
	long length;

	for (*calls = 0; (length = syscall(SYS_getdents64, fd, buffer, size)) > 0; (*calls)++) {
		long at;

		for (at = 0; at < length;) {
			struct dirent64 *entry = (struct dirent64 *)(buffer + at);

			at += entry->d_reclen;
			if (entry->d_name[0] == '.')
				continue;
			if (!see(seen, entry->d_name)) {
				free(buffer);
				return -1;
			}
			entries++;
		}
	}
	free(buffer);
	return length < 0 ? -1 : entries;
}

static void check_small_buffers(void)
{
	static const size_t sizes[] = { 32, 33, 64, 100, 280, 1000, 4096, 1 << 20 };
	bool *seen = calloc(count, sizeof(*seen));
	const int fd = open(directory, O_RDONLY | O_DIRECTORY);
	unsigned int calls;
	char name[64];
	char tiny[8];
	size_t i;
	int entries;

	if (fd < 0)
		die("open %s", directory);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(seen, 0, count);
		lseek(fd, 0, SEEK_SET);
		entries = read_raw(fd, sizes[i], seen, &calls);
		snprintf(name, sizeof(name), "getdents with %zu bytes", sizes[i]);
		check(name, entries == (int)count, "%d entries in %u calls", entries, calls);
	}

	/* Nothing may be lost by a call that had no room. */
	memset(seen, 0, count);
	lseek(fd, 0, SEEK_SET);
	check_errno("getdents with 8 bytes", ERRNO_OF(syscall(SYS_getdents64, fd, tiny, 8)), EINVAL);
	entries = read_raw(fd, 4096, seen, &calls);
	check("getdents goes on after it", entries == (int)count, "%d", entries);
	check_errno("getdents into nowhere at the end",
		    ERRNO_OF(syscall(SYS_getdents64, fd, NULL, 4096)), 0);
	lseek(fd, 0, SEEK_SET);
	check_errno("getdents into nowhere", ERRNO_OF(syscall(SYS_getdents64, fd, NULL, 4096)),
		    EFAULT);
	close(fd);
	free(seen);
}

static void check_odd_positions(void)
{
	static const off_t positions[] = {
		1, 2, 3, 1000000, INT32_MAX, (off_t)UINT32_MAX + 3, (off_t)1 << 62, INT64_MAX,
	};
	const int fd = open(directory, O_RDONLY | O_DIRECTORY);
	static char buffer[4096];
	char name[64];
	size_t i;

	if (fd < 0)
		die("open %s", directory);
	for (i = 0; i < sizeof(positions) / sizeof(positions[0]); i++) {
		const off_t to = lseek(fd, positions[i], SEEK_SET);
		const long length = syscall(SYS_getdents64, fd, buffer, sizeof(buffer));
		const bool inside = positions[i] < (off_t)count + 2;

		snprintf(name, sizeof(name), "getdents at %ld", (long)positions[i]);
		/* That far away, lseek may refuse, and the place stays what it was. */
		check(name, to < 0 || (inside ? length > 0 : length == 0), "lseek %ld, %ld bytes",
		      (long)to, length);
		lseek(fd, 0, SEEK_SET);
	}
	check_errno("lseek of a directory to a negative position",
		    ERRNO_OF(lseek(fd, -1, SEEK_SET)), EINVAL);
	close(fd);
}

static void check_entries(void)
{
	DIR *dir = open_directory();
	struct dirent *entry;
	unsigned int wrong = 0;
	struct stat status;

	while ((entry = readdir(dir)))
		if (fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
		    status.st_ino != entry->d_ino || IFTODT(status.st_mode) != entry->d_type)
			wrong++;
	check("d_ino and d_type are those of stat, dots included", wrong == 0, "%u wrong", wrong);
	closedir(dir);
}

/* As above for a tree with files of all types and several names. */
static unsigned int entries_wrong, entries_seen;

static int compare_entries(const char *path, const struct stat *unused, int type, struct FTW *ftw)
{
	struct dirent *entry;
	struct stat status;
	DIR *dir;

	(void)unused;
	(void)ftw;
	if (type != FTW_D)
		return 0;
	dir = opendir(path);
	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		/* ".." of the root of the mount is that of the directory it is on. */
		if (strcmp(entry->d_name, "..") == 0)
			continue;
		entries_seen++;
		if (fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
		    status.st_ino != entry->d_ino || IFTODT(status.st_mode) != entry->d_type)
			entries_wrong++;
	}
	closedir(dir);
	return 0;
}

static volatile bool stop;

static void *look_up(void *seed)
{
	unsigned int state = (uintptr_t)seed;
	uintptr_t wrong = 0;
	struct stat status;
	char path[4096];

	for (unsigned int i = 0; i < 2000; i++) {
		const unsigned int number = rand_r(&state) % (2 * count);
		const int expected = number < count ? 0 : -1;

		snprintf(path, sizeof(path), "%s/entry-%05u", directory, number);
		if (stat(path, &status) != expected || (expected && errno != ENOENT))
			wrong++;
	}
	return (void *)wrong;
}

static void *read_again_and_again(void *unused)
{
	bool *seen = calloc(count, sizeof(*seen));
	uintptr_t wrong = 0;

	(void)unused;
	do {
		DIR *dir = open_directory();

		memset(seen, 0, count);
		if (read_rest(dir, seen) != (int)count)
			wrong++;
		closedir(dir);
	} while (!stop);
	free(seen);
	return (void *)wrong;
}

/* Until it is killed. */
static pid_t drop_caches(void)
{
	const pid_t child = fork();

	if (child < 0)
		die("fork");
	while (child == 0) {
		const int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

		if (fd < 0 || dprintf(fd, "%d", DROP_DENTRIES_AND_INODES) < 0)
			_exit(1);
		close(fd);
	}
	return child;
}

/* Return: whether it was still at work. */
static bool end(pid_t child)
{
	const bool alive = waitpid(child, NULL, WNOHANG) == 0;

	if (alive) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	return alive;
}

static void check_concurrency(void)
{
	pthread_t lookups[LOOKUP_THREADS], readers[READ_THREADS];
	const pid_t dropper = drop_caches();
	uintptr_t wrong_lookups = 0, wrong_reads = 0;
	void *wrong;

	for (uintptr_t i = 0; i < LOOKUP_THREADS; i++)
		pthread_create(&lookups[i], NULL, look_up, (void *)(i + 1));
	for (int i = 0; i < READ_THREADS; i++)
		pthread_create(&readers[i], NULL, read_again_and_again, NULL);
	for (int i = 0; i < LOOKUP_THREADS; i++) {
		pthread_join(lookups[i], &wrong);
		wrong_lookups += (uintptr_t)wrong;
	}
	stop = true;
	for (int i = 0; i < READ_THREADS; i++) {
		pthread_join(readers[i], &wrong);
		wrong_reads += (uintptr_t)wrong;
	}
	check("caches were dropped meanwhile", end(dropper), "all the time");
	check("lookups beside readdir find what is there and nothing else", wrong_lookups == 0,
	      "%lu wrong", wrong_lookups);
	check("readdir beside lookups gives every entry once", wrong_reads == 0, "%lu wrong",
	      wrong_reads);
}

static uint64_t digest;
static unsigned int digested;

static void add(const void *bytes, size_t length)
{
	/* FNV-1a */
	for (size_t i = 0; i < length; i++)
		digest = (digest ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
}

static int add_file(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type == FTW_NS || type == FTW_DNR)
		return -1;
	add(path, strlen(path));
	add(&status->st_ino, sizeof(status->st_ino));
	add(&status->st_mode, sizeof(status->st_mode));
	add(&status->st_nlink, sizeof(status->st_nlink));
	add(&status->st_uid, sizeof(status->st_uid));
	add(&status->st_gid, sizeof(status->st_gid));
	add(&status->st_rdev, sizeof(status->st_rdev));
	add(&status->st_size, sizeof(status->st_size));
	add(&status->st_mtim, sizeof(status->st_mtim));
	digested++;
	return 0;
}

static uint64_t walk(const char *root)
{
	digest = 0xcbf29ce484222325;
	digested = 0;
	if (nftw(root, add_file, 32, FTW_PHYS) != 0)
		die("walk of %s", root);
	return digest;
}

static void check_walks(const char *root)
{
	const uint64_t first = walk(root);
	const pid_t dropper = drop_caches();
	pid_t walkers[WALKERS];
	int same = 0;

	for (int i = 0; i < WALKERS; i++) {
		walkers[i] = fork();
		if (walkers[i] != 0)
			continue;
		for (int j = 0; j < WALKS; j++)
			if (walk(root) != first)
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i < WALKERS; i++) {
		int status;

		waitpid(walkers[i], &status, 0);
		same += status == 0;
	}
	check("stat of all files stays the same while caches are dropped",
	      end(dropper) && same == WALKERS && digested > count, "%u files, %d walks, %d of %d right",
	      digested, WALKS, same, WALKERS);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		die("wrong usage");
	directory = argv[1];
	count = strtoul(argv[2], NULL, 10);
	check_rewind();
	check_seek();
	check_small_buffers();
	check_odd_positions();
	check_entries();
	if (nftw(argv[3], compare_entries, 32, FTW_PHYS) != 0)
		die("walk of %s", argv[3]);
	check("so they are in the whole tree", entries_seen > count && entries_wrong == 0,
	      "%u wrong of %u", entries_wrong, entries_seen);
	check_concurrency();
	check_walks(argv[3]);
	return done();
}
