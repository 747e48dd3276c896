// SPDX-License-Identifier: GPL-2.0-only
/*
 * overlay_checks change MERGED UPPER STATE [index] [metacopy] [redirect] [xino]
 *		  [userxattr]
 * overlay_checks again MERGED UPPER STATE [...]
 *
 * Changes the files that tests/support/overlay-layers.ts made for it in a lower
 * layer, through an overlay that is mounted at MERGED with the upper layer UPPER
 * and these features; and looks at them again after the overlay was mounted
 * anew. STATE is a file that keeps inode numbers between the two.
 *
 * With userxattr it expects to be in a user namespace.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"
#include "pattern.h"

enum { SIZE = 100003, PAGE = 4096, LATER = 1700000000 };

static const char *upper;
static bool has_index, has_metacopy, has_redirect, has_xino, has_userxattr;

static struct stat status(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		die("lstat %s", path);
	return st;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* What is at @path in the upper layer. Return: false if nothing is. */
static bool upper_status(const char *path, struct stat *st)
{
	char name[4096];

	snprintf(name, sizeof(name), "%s/%s", upper, path);
	return lstat(name, st) == 0;
}

static bool is_whiteout(const char *path)
{
	struct stat st;

	return upper_status(path, &st) && S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
}

/*
 * Return: whether the upper layer has an attribute of overlayfs, with the one
 * byte @value if that is not 0.
 */
static bool upper_attribute(const char *path, const char *attribute, char value)
{
	char name[4096], full[64], found[256];
	ssize_t length;

	snprintf(name, sizeof(name), "%s/%s", upper, path);
	snprintf(full, sizeof(full), "%s.overlay.%s", has_userxattr ? "user" : "trusted",
		 attribute);
	length = lgetxattr(name, full, found, sizeof(found));
	return length >= 0 && (!value || (length == 1 && found[0] == value));
}

static int open_file(const char *path, int flags)
{
	const int fd = open(path, flags, 0644);

	if (fd < 0)
		die("open %s", path);
	return fd;
}

/* Return: whether the file holds the pattern from @from on, up to @to. */
static bool holds_pattern(int fd, off_t from, off_t to)
{
	static uint8_t content[SIZE];
	const size_t length = to - from;

	return pread(fd, content, length, from) == (ssize_t)length &&
	       pattern_match(content, from, length) == length;
}

static bool holds_text(const char *path, const char *text)
{
	char content[256];
	const int fd = open(path, O_RDONLY);
	ssize_t length;

	if (fd < 0)
		return false;
	length = read(fd, content, sizeof(content));
	close(fd);
	return length == (ssize_t)strlen(text) && memcmp(content, text, length) == 0;
}

static void write_text(const char *path, int flags, const char *text)
{
	const int fd = open_file(path, O_WRONLY | flags);

	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("write to %s", path);
	close(fd);
}

/* A copy-up keeps what a file is: all that stat tells, to the nanosecond. */
static void check_same(const char *what, const struct stat *before, const struct stat *after,
		       bool identity)
{
	char name[128];

	snprintf(name, sizeof(name), "%s, copied up, keeps its mode, owner and size", what);
	check(name, before->st_mode == after->st_mode && before->st_uid == after->st_uid &&
	      before->st_gid == after->st_gid && before->st_rdev == after->st_rdev &&
	      (S_ISDIR(before->st_mode) || before->st_size == after->st_size),
	      "%o %u:%u %lld, then %o %u:%u %lld", before->st_mode, before->st_uid,
	      before->st_gid, (long long)before->st_size, after->st_mode, after->st_uid,
	      after->st_gid, (long long)after->st_size);
	snprintf(name, sizeof(name), "%s, copied up, keeps its time", what);
	check(name, before->st_mtim.tv_sec == after->st_mtim.tv_sec &&
	      before->st_mtim.tv_nsec == after->st_mtim.tv_nsec, "%lld.%09ld, then %lld.%09ld",
	      (long long)before->st_mtim.tv_sec, before->st_mtim.tv_nsec,
	      (long long)after->st_mtim.tv_sec, after->st_mtim.tv_nsec);
	if (!identity)
		return;
	snprintf(name, sizeof(name), "%s, copied up, keeps its device and inode number", what);
	check(name, before->st_dev == after->st_dev && before->st_ino == after->st_ino,
	      "%llx %llu, then %llx %llu", (unsigned long long)before->st_dev,
	      (unsigned long long)before->st_ino, (unsigned long long)after->st_dev,
	      (unsigned long long)after->st_ino);
}

/* Copies up without changing anything: an owner is set to what it is. */
static void copy_up_kinds(void)
{
	static const char * const kinds[] = { "link", "fifo", "device", "directory" };
	const char *names[] = { "a symlink", "a fifo", "a device", "a directory" };
	struct stat in_upper;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct stat before = status(kinds[i]);
		struct stat after;

		/* Nobody makes devices in a user namespace. */
		if (has_userxattr && S_ISCHR(before.st_mode))
			continue;
		if (lchown(kinds[i], before.st_uid, before.st_gid) != 0)
			die("chown %s", kinds[i]);
		if (!upper_status(kinds[i], &in_upper))
			check(names[i], false, "was not copied up");
		after = status(kinds[i]);
		check_same(names[i], &before, &after, has_xino || !S_ISDIR(before.st_mode));
	}
}

static void copy_up_file(void)
{
	const struct stat before = status("file");
	const int reader = open_file("file", O_RDONLY);
	struct stat after, in_upper;
	int writer;

	check("a file of the lower layer reads right", holds_pattern(reader, 0, SIZE), "pattern");
	check("is not copied up by reading", !upper_status("file", &in_upper), "upper layer");
	writer = open_file("file", O_RDWR);
	after = status("file");
	check_same("a file", &before, &after, true);
	check("is copied up by opening it for writing",
	      upper_status("file", &in_upper) && in_upper.st_size == SIZE, "upper layer");
	check("the copy holds the same", holds_pattern(writer, 0, SIZE), "pattern");
	if (pwrite(writer, "changed", 7, PAGE - 3) != 7)
		die("pwrite");
	check("a change changes what it should alone",
	      holds_pattern(writer, 0, PAGE - 3) && holds_pattern(writer, PAGE + 4, SIZE) &&
	      !holds_pattern(writer, PAGE - 3, PAGE + 4), "pattern around it");
	/* Since 4.19, one that was opened before sees the change. */
	check("a reader from before sees the change", !holds_pattern(reader, PAGE - 3, PAGE + 4),
	      "pattern");
	close(reader);
	close(writer);

	write_text("truncated", O_TRUNC, "short");
	check("a file is truncated", holds_text("truncated", "short"), "content");
	write_text("appended", O_APPEND, "end");
	writer = open_file("appended", O_RDONLY);
	check("a file is appended to", holds_pattern(writer, 0, SIZE) &&
	      status("appended").st_size == SIZE + 3, "content");
	close(writer);
	if (truncate("cut", PAGE + 1) != 0)
		die("truncate");
	writer = open_file("cut", O_RDONLY);
	check("a file is cut", holds_pattern(writer, 0, PAGE + 1) &&
	      status("cut").st_size == PAGE + 1, "content");
	close(writer);
}

static uint8_t *map(int fd, int protection, int flags)
{
	uint8_t *at = mmap(NULL, SIZE, protection, flags, fd, 0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static void mappings(void)
{
	const int before = open_file("mapped", O_RDONLY);
	uint8_t *shared = map(before, PROT_READ, MAP_SHARED);
	uint8_t *private = map(before, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	uint8_t *late = map(before, PROT_READ, MAP_SHARED);
	uint8_t *new_map;
	int writer;

	check("a shared mapping of a lower file", pattern_match(shared, 0, SIZE) == SIZE,
	      "pattern");
	private[PAGE] ^= 0xff;
	check("a private mapping of a lower file", pattern_match(private, 0, PAGE) == PAGE &&
	      (private[PAGE] ^ pattern_byte(PAGE)) == 0xff &&
	      pattern_match(private + PAGE + 1, PAGE + 1, SIZE - PAGE - 1) == SIZE - PAGE - 1,
	      "pattern, but for the byte that was written");

	writer = open_file("mapped", O_RDWR);
	if (pwrite(writer, "changed", 7, 0) != 7)
		die("pwrite");
	/* Documented: a mapping from before the copy-up stays one of the lower file. */
	check("a mapping from before the copy-up keeps the lower file",
	      pattern_match(shared, 0, SIZE) == SIZE, "pattern");
	check("so does one that was not touched before", pattern_match(late, 0, SIZE) == SIZE,
	      "pattern");
	new_map = map(writer, PROT_READ | PROT_WRITE, MAP_SHARED);
	check("a mapping from after it has the copy", memcmp(new_map, "changed", 7) == 0 &&
	      pattern_match(new_map + 7, 7, SIZE - 7) == SIZE - 7, "pattern and the change");
	new_map[PAGE * 3] ^= 0xff;
	if (msync(new_map, SIZE, MS_SYNC) != 0)
		die("msync");
	check("what is written to it is in the file",
	      !holds_pattern(writer, PAGE * 3, PAGE * 3 + 1) &&
	      holds_pattern(writer, PAGE * 3 + 1, SIZE), "pattern and the change");
	close(before);
	check("a mapping outlives its file descriptor", pattern_match(late, 0, SIZE) == SIZE,
	      "pattern");
	munmap(shared, SIZE);
	munmap(private, SIZE);
	munmap(late, SIZE);
	munmap(new_map, SIZE);
	close(writer);
}

static int run(const char *program)
{
	const pid_t child = fork();
	int wait_status;

	if (child == 0) {
		dup2(open("/dev/null", O_WRONLY), 1);
		execl(program, program, NULL);
		_exit(255);
	}
	if (child < 0 || waitpid(child, &wait_status, 0) != child)
		die("a child");
	return wait_status;
}

static void programs(void)
{
	const char * const program = "program";
	struct stat in_upper;

	check("a program of the lower layer runs", run(program) == 0, "status");
	check("running does not copy it up", !upper_status(program, &in_upper), "upper layer");
	close(open_file(program, O_RDWR));
	check("its copy runs", upper_status(program, &in_upper) && run(program) == 0, "status");
}

static void hard_links(void)
{
	const struct stat before = status("links/one");
	struct stat one, two;

	write_text("links/one", O_TRUNC, "changed");
	one = status("links/one");
	two = status("links/two");
	check("hard links count their names", before.st_nlink == 3, "%u",
	      (unsigned int)before.st_nlink);
	if (!has_index) {
		check("without an index, a copy-up breaks a hard link",
		      holds_text("links/two", "linked\n") && one.st_ino != two.st_ino,
		      "content and inode number");
		return;
	}
	check("with an index, all names are the copy", holds_text("links/two", "changed") &&
	      holds_text("links/deep/three", "changed"), "content");
	check("with an index, all names are one file", one.st_ino == two.st_ino &&
	      one.st_dev == two.st_dev && one.st_nlink == 3 && two.st_nlink == 3,
	      "%llu and %llu", (unsigned long long)one.st_ino, (unsigned long long)two.st_ino);
	check("with an index, a copy-up keeps the inode number of a hard link",
	      before.st_ino == one.st_ino && before.st_dev == one.st_dev, "%llu, then %llu",
	      (unsigned long long)before.st_ino, (unsigned long long)one.st_ino);
	if (link("links/two", "links/four") != 0 || unlink("links/deep/three") != 0 ||
	    unlink("links/one") != 0)
		die("links");
	check("names come and go", status("links/four").st_nlink == 2 &&
	      status("links/two").st_ino == one.st_ino, "nlink %u",
	      (unsigned int)status("links/four").st_nlink);
}

static void removals(void)
{
	struct stat in_upper;

	if (unlink("removed") != 0)
		die("unlink");
	check("a removed file is gone", !exists("removed") && is_whiteout("removed"),
	      "a whiteout in the upper layer");
	check_errno("what is gone can't be removed", ERRNO_OF(unlink("removed")), ENOENT);
	check_errno("a directory that holds something stays", ERRNO_OF(rmdir("emptied")),
		    ENOTEMPTY);
	if (unlink("emptied/one") != 0 || unlink("emptied/two") != 0)
		die("unlink");
	check_errno("one that was emptied goes", ERRNO_OF(rmdir("emptied")), 0);
	check("and is gone", !exists("emptied") && is_whiteout("emptied"), "a whiteout");
	if (mkdir("emptied", 0700) != 0)
		die("mkdir");
	check("made again it is empty", !exists("emptied/one") && status("emptied").st_nlink >= 1,
	      "no old content");
	check("and opaque", upper_attribute("emptied", "opaque", 'y'),
	      "trusted.overlay.opaque");
	write_text("emptied/one", O_CREAT | O_EXCL, "new");

	write_text("removed", O_CREAT | O_EXCL, "made again");
	check("a removed file is made again", holds_text("removed", "made again") &&
	      upper_status("removed", &in_upper) && S_ISREG(in_upper.st_mode), "content");
	if (unlink("turned") != 0 || mkdir("turned", 0755) != 0)
		die("turn a file into a directory");
	write_text("turned/inside", O_CREAT, "x");
	check("a file turns into a directory", holds_text("turned/inside", "x"), "content");
}

static void renames(void)
{
	int error;

	check_errno("a file is renamed", ERRNO_OF(rename("renamed", "renamed-to")), 0);
	check("and leaves a whiteout", !exists("renamed") && is_whiteout("renamed"), "whiteout");
	check_errno("a file is renamed over another",
		    ERRNO_OF(rename("renamed-too", "renamed-over")), 0);
	check("and replaces it", holds_text("renamed-over", "renamed-too\n"), "content");
	check_errno("a name that is there is not replaced with RENAME_NOREPLACE",
		    ERRNO_OF(renameat2(AT_FDCWD, "exchanged", AT_FDCWD, "file", RENAME_NOREPLACE)),
		    EEXIST);
	check_errno("two files of the lower layer are exchanged",
		    ERRNO_OF(renameat2(AT_FDCWD, "exchanged", AT_FDCWD, "exchanged-with",
				       RENAME_EXCHANGE)), 0);
	check("and are", holds_text("exchanged", "exchanged-with\n") &&
	      holds_text("exchanged-with", "exchanged\n"), "content");

	error = ERRNO_OF(rename("moved", "moved-to"));
	if (!has_redirect) {
		check_errno("a directory can't be renamed without redirect_dir", error, EXDEV);
		return;
	}
	check_errno("a directory is renamed", error, 0);
	check("with all that is in it", !exists("moved") &&
	      holds_text("moved-to/deep/er/inside", "inside\n") && holds_text("moved-to/a", "a\n"),
	      "content");
	check("by a redirect alone", upper_attribute("moved-to", "redirect", 0),
	      "trusted.overlay.redirect");
	check_errno("and once more, below another directory",
		    ERRNO_OF(rename("moved-to", "directory/moved")), 0);
	check("with all that is in it, again",
	      holds_text("directory/moved/deep/er/inside", "inside\n"), "content");
}

static void metadata(void)
{
	struct stat before = status("metadata"), after, in_upper;
	const struct timespec times[2] = { { 1, 2 }, { LATER, 123456789 } };
	int fd;

	if (chmod("metadata", 0640) != 0 || utimensat(AT_FDCWD, "metadata", times, 0) != 0)
		die("change of metadata");
	after = status("metadata");
	check("metadata change", (after.st_mode & 07777) == 0640 &&
	      after.st_mtim.tv_sec == LATER && after.st_mtim.tv_nsec == 123456789 &&
	      before.st_ino == after.st_ino, "%o %lld", after.st_mode,
	      (long long)after.st_mtim.tv_sec);
	if (!upper_status("metadata", &in_upper)) {
		check("metadata is copied up", false, "not there");
		return;
	}
	/* Attributes may take a block. */
	check("of data as much is copied up as it should be",
	      has_metacopy ? in_upper.st_blocks <= PAGE / 512 : in_upper.st_blocks >= SIZE / 512,
	      "%lld blocks", (long long)in_upper.st_blocks);
	check("the attribute for it is there when it should be",
	      upper_attribute("metadata", "metacopy", 0) == has_metacopy,
	      "trusted.overlay.metacopy");
	fd = open_file("metadata", O_RDONLY);
	check("the data are those of the lower layer", holds_pattern(fd, 0, SIZE), "pattern");
	close(fd);
	close(open_file("metadata-then-data", O_RDONLY));
	if (chmod("metadata-then-data", 0600) != 0)
		die("chmod");
	fd = open_file("metadata-then-data", O_RDWR);
	check("data are copied up when they are to change", holds_pattern(fd, 0, SIZE) &&
	      upper_status("metadata-then-data", &in_upper) &&
	      in_upper.st_blocks >= SIZE / 512 &&
	      !upper_attribute("metadata-then-data", "metacopy", 0),
	      "%lld blocks", (long long)in_upper.st_blocks);
	close(fd);
}

static void attributes(void)
{
	const char *unchanged = has_userxattr ? "user.kept" : "trusted.kept";
	const char *changed = has_userxattr ? "user.changed" : "trusted.changed";
	char value[64];

	check_errno("an attribute of a lower file is changed",
		    ERRNO_OF(setxattr("attributes", changed, "new", 3, XATTR_REPLACE)), 0);
	check("and the others stay", getxattr("attributes", unchanged, value, 64) == 4 &&
	      memcmp(value, "kept", 4) == 0 &&
	      getxattr("attributes", changed, value, 64) == 3 && memcmp(value, "new", 3) == 0,
	      "getxattr");
	check_errno("one is removed", ERRNO_OF(removexattr("attributes", changed)), 0);
	check_errno("and is gone", ERRNO_OF(getxattr("attributes", changed, value, 64)), ENODATA);
	/* The error is another one in newer kernels. */
	check("attributes of the overlay are not shown",
	      getxattr("emptied", "trusted.overlay.opaque", value, 64) < 0, "getxattr");
}

/* What is to be the same after the overlay was mounted anew. */
static const char * const kept[] = {
	"file", "link", "fifo", "device", "removed", "renamed-to", "metadata", "untouched",
	"directory", "links/two",
};

static void save(const char *path)
{
	FILE *file = fopen(path, "w");
	size_t i;

	if (!file)
		die("open %s", path);
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		fprintf(file, "%llu\n", (unsigned long long)status(kept[i]).st_ino);
	if (fclose(file) != 0)
		die("write %s", path);
}

static void again(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t i;

	if (!file)
		die("open %s", path);
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		const struct stat st = status(kept[i]);
		unsigned long long ino;
		char name[128];

		if (fscanf(file, "%llu", &ino) != 1)
			die("read %s", path);
		if (S_ISDIR(st.st_mode) && !has_xino)
			continue;
		snprintf(name, sizeof(name), "%s has its inode number again", kept[i]);
		check(name, st.st_ino == ino, "%llu, was %llu", (unsigned long long)st.st_ino, ino);
	}
	fclose(file);
	check("a removed directory stays empty", !exists("emptied/two") &&
	      holds_text("emptied/one", "new"), "content");
	check("a file made again stays", holds_text("removed", "made again"), "content");
	check("a renamed file stays", !exists("renamed") && exists("renamed-to"), "names");
	check("a truncated file stays", holds_text("truncated", "short"), "content");
	if (has_index)
		check("hard links stay", status("links/two").st_nlink == 2 &&
		      status("links/two").st_ino == status("links/four").st_ino &&
		      holds_text("links/four", "changed") && !exists("links/one"), "links");
	if (has_redirect)
		check("a renamed directory stays", !exists("moved") &&
		      holds_text("directory/moved/deep/er/inside", "inside\n"), "content");
}

int main(int argc, char **argv)
{
	int i;

	if (argc < 5 || chdir(argv[2]) != 0)
		die("wrong usage");
	upper = argv[3];
	for (i = 5; i < argc; i++) {
		has_index |= strcmp(argv[i], "index") == 0;
		has_metacopy |= strcmp(argv[i], "metacopy") == 0;
		has_redirect |= strcmp(argv[i], "redirect") == 0;
		has_xino |= strcmp(argv[i], "xino") == 0;
		has_userxattr |= strcmp(argv[i], "userxattr") == 0;
	}
	umask(0);
	if (strcmp(argv[1], "again") == 0) {
		again(argv[4]);
		return done();
	}
	copy_up_kinds();
	copy_up_file();
	mappings();
	programs();
	hard_links();
	removals();
	renames();
	metadata();
	attributes();
	save(argv[4]);
	return done();
}
