// SPDX-License-Identifier: GPL-2.0-only
/*
 * allocation_failures MEMORY WRONG: does everything a user of a mount can do
 * again and again while the kernel lets the first allocation fail, then the
 * second and so on, until there is none left to fail (/proc/PID/fail-nth of a
 * kernel with fault injection). MEMORY (see mount_memory.h) has an image, which
 * is mounted at /image or not, WRONG has none.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"
#include "mount_memory.h"

enum { MOST = 2000, USER = 1000 };

static struct memory right, wrong;

/* Calls that need more than their name say here what they leave to be undone. */
static int opened = -1;
static void *mapped = MAP_FAILED;

/* Two huge pages; and a few small ones, for each of which copying takes an allocation. */
static const size_t MAPPED = 4 << 20, WRITTEN = 4 << 12;

struct operation {
	const char *name;
	/* errno of the whole of it. */
	int (*run)(void);
	/* Where no allocation fails. */
	int expected;
	void (*undo)(void);
};

static int close_after(int fd, int err)
{
	close(fd);
	return err;
}

static int open_errno(const char *path)
{
	const int fd = open(path, O_RDONLY);

	return fd < 0 ? errno : close_after(fd, 0);
}

static int do_mount(void)
{
	return memory_mount(&right, "/other");
}

static int do_mount_by_context(void)
{
	return memory_mount_by_context(&right, "/other");
}

static int do_wrong_mount(void)
{
	return memory_mount(&wrong, "/other");
}

static int do_wrong_mount_by_context(void)
{
	return memory_mount_by_context(&wrong, "/other");
}

static void unmount_other(void)
{
	umount2("/other", 0);
}

static int do_stat(void)
{
	struct stat status;

	return ERRNO_OF(stat("/image/links/a/deep/four", &status));
}

static int do_missing(void)
{
	struct stat status;

	return ERRNO_OF(stat("/image/links/a/missing", &status));
}

static int do_readdir(void)
{
	DIR *directory = opendir("/image/many");
	int err;

	if (!directory)
		return errno;
	errno = 0;
	while (readdir(directory))
		;
	err = errno;
	closedir(directory);
	return err;
}

static int do_read(void)
{
	static char content[1 << 16];
	const int fd = open("/image/odd", O_RDONLY);
	ssize_t length;

	if (fd < 0)
		return errno;
	length = read(fd, content, sizeof(content));
	return close_after(fd, length < 0 ? errno : 0);
}

static int do_sendfile(void)
{
	const int fd = open("/image/odd", O_RDONLY);

	if (fd < 0)
		return errno;
	return close_after(fd, ERRNO_OF(sendfile(opened, fd, NULL, 1 << 14)));
}

static int do_readlink(void)
{
	char target[64];

	return ERRNO_OF(readlink("/image/link", target, sizeof(target)));
}

static int do_getxattr(void)
{
	char value[64];

	return ERRNO_OF(getxattr("/image/xattrs", "user.one", value, sizeof(value)));
}

static int do_listxattr(void)
{
	char list[1024];

	return ERRNO_OF(listxattr("/image/xattrs", list, sizeof(list)));
}

static int do_get_acl(void)
{
	char value[1024];

	return ERRNO_OF(getxattr("/image/acl/user", "system.posix_acl_access", value, sizeof(value)));
}

/* An ACL that can't be read must not let anyone in. */
static int as_user(const char *path)
{
	int err;

	/* These are silent when they fail. */
	setfsuid(USER);
	err = setfsuid(-1) == USER ? open_errno(path) : ENOMEM;
	while (setfsuid(0) != 0)
		;
	return err;
}

static int do_allowed(void)
{
	return as_user("/image/acl/user");
}

static int do_denied(void)
{
	return as_user("/image/acl/denied");
}

static int do_statfs(void)
{
	struct statfs status;

	return ERRNO_OF(statfs("/image/odd", &status));
}

/* Each mapping gets page tables of its own. */
static int map(int protection, int advice)
{
	static uintptr_t place = 0x100000000000;
	const int fd = open("/image/large", O_RDONLY);

	if (fd < 0)
		return errno;
	place += 1 << 30;
	mapped = mmap((void *)place, MAPPED, protection,
		      MAP_FIXED_NOREPLACE | (protection & PROT_WRITE ? MAP_PRIVATE : MAP_SHARED),
		      fd, 0);
	if (mapped == MAP_FAILED)
		return close_after(fd, errno);
	close(fd);
	if (!advice)
		return 0;
	return ERRNO_OF(madvise(mapped, protection & PROT_WRITE ? WRITTEN : MAPPED, advice));
}

static int do_populate(void)
{
	return map(PROT_READ, MADV_POPULATE_READ);
}

static int do_populate_written(void)
{
	return map(PROT_READ | PROT_WRITE, MADV_POPULATE_WRITE);
}

/* The kernel tries such a fault again until there is memory. */
static int do_touch(void)
{
	const int err = map(PROT_READ, 0);

	if (!err)
		*(volatile char *)mapped;
	return err;
}

static int do_touch_written(void)
{
	const int err = map(PROT_READ | PROT_WRITE, 0);

	if (!err) {
		*(volatile char *)mapped;
		*(volatile char *)mapped = 1;
	}
	return err;
}

static void unmap(void)
{
	if (mapped != MAP_FAILED)
		munmap(mapped, MAPPED);
	mapped = MAP_FAILED;
}

static struct {
	struct file_handle handle;
	unsigned char room[MAX_HANDLE_SZ];
} file_handle;

static int do_handle(void)
{
	int mount_id;

	file_handle.handle.handle_bytes = MAX_HANDLE_SZ;
	return ERRNO_OF(name_to_handle_at(AT_FDCWD, "/image/links/a/deep", &file_handle.handle,
					  &mount_id, 0));
}

static int do_open_handle(void)
{
	const int root = open("/image", O_RDONLY | O_DIRECTORY);
	int fd, err;

	if (root < 0)
		return errno;
	fd = open_by_handle_at(root, &file_handle.handle, O_RDONLY);
	err = fd < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	return close_after(root, err);
}

/* A mount of its own, and one more of a superblock that is there. */
static const struct operation mounts[] = {
	{ "mount", do_mount, 0, unmount_other },
	{ "mount by fsopen", do_mount_by_context, 0, unmount_other },
};

static const struct operation wrong_mounts[] = {
	{ "mount what is no image", do_wrong_mount, EINVAL, unmount_other },
	{ "mount what is no image by fsopen", do_wrong_mount_by_context, EINVAL, unmount_other },
};

static const struct operation uses[] = {
	{ "stat", do_stat, 0, NULL },
	{ "stat a name that is missing", do_missing, ENOENT, NULL },
	{ "readdir", do_readdir, 0, NULL },
	{ "read", do_read, 0, NULL },
	{ "sendfile", do_sendfile, 0, NULL },
	{ "readlink", do_readlink, 0, NULL },
	{ "getxattr", do_getxattr, 0, NULL },
	{ "listxattr", do_listxattr, 0, NULL },
	{ "getxattr of an ACL", do_get_acl, 0, NULL },
	{ "open what an ACL allows", do_allowed, 0, NULL },
	{ "open what an ACL denies", do_denied, EACCES, NULL },
	{ "statfs", do_statfs, 0, NULL },
	{ "mmap and populate", do_populate, 0, unmap },
	{ "mmap privately and populate", do_populate_written, 0, unmap },
	{ "mmap and touch", do_touch, 0, unmap },
	{ "mmap privately and write", do_touch_written, 0, unmap },
	{ "name_to_handle_at", do_handle, 0, NULL },
	{ "open_by_handle_at", do_open_handle, 0, NULL },
};

static void write_file(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s", path);
	close(fd);
}

/* Dentries and inodes. */
static void drop_caches(void)
{
	write_file("/proc/sys/vm/drop_caches", "2");
}

static void set_failure(int fail_nth, int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	if (pwrite(fail_nth, text, strlen(text), 0) < 0)
		die("fail-nth");
}

/* Whether the failure that was set has come; nothing fails from here on. */
static bool has_failed(int fail_nth)
{
	char text[16] = "";

	if (pread(fail_nth, text, sizeof(text) - 1, 0) <= 0)
		die("fail-nth");
	set_failure(fail_nth, 0);
	return atoi(text) == 0;
}

static void sweep(int fail_nth, const struct operation *operation)
{
	int n, err, errors = 0, strange = 0, strange_at = 0;
	bool failed = true;

	for (n = 1; n <= MOST; n++) {
		drop_caches();
		set_failure(fail_nth, n);
		err = operation->run();
		failed = has_failed(fail_nth);
		if (operation->undo)
			operation->undo();
		if (!failed)
			break;
		errors += err == ENOMEM;
		if (err != ENOMEM && err != operation->expected) {
			strange = err ?: -1;
			strange_at = n;
		}
	}
	check(operation->name, !failed && n > 1 && err == operation->expected && strange == 0,
	      "%d allocations failed, %d times ENOMEM; at %d: %s; without: %s", n - 1, errors,
	      strange_at, strange < 0 ? "success" : errno_name(strange), errno_name(err));
}

/*
 * The failure goes on with the program that is started, in whose faults it may
 * come. It ends the program, makes no difference, or is the error of execve(2).
 */
static void sweep_exec(void)
{
	int n, status = 0, strange = 0, refused = 0, killed = 0;
	bool failed = true;

	for (n = 1; n <= MOST && failed; n++) {
		char path[64];
		siginfo_t info;
		pid_t child;
		int fail_nth;

		drop_caches();
		child = fork();
		if (child == 0) {
			fail_nth = open("/proc/thread-self/fail-nth", O_RDWR);
			dup2(opened, 1);
			/* A C library that was refused memory may wait for itself. */
			alarm(5);
			set_failure(fail_nth, n);
			execl("/image/plain/program", "program", NULL);
			/*
			 * The kernel's loader also says E2BIG or ENOEXEC where it gets no
			 * memory; these two would be the filesystem's.
			 */
			_exit(errno == EIO || errno == EUCLEAN ? errno : 100);
		}
		if (child < 0 || waitid(P_PID, child, &info, WEXITED | WNOWAIT) != 0)
			die("fork");
		snprintf(path, sizeof(path), "/proc/%d/fail-nth", child);
		fail_nth = open(path, O_RDWR);
		failed = has_failed(fail_nth);
		close(fail_nth);
		waitpid(child, &status, 0);
		/* 127 is how the program's loader says that it got no memory. */
		if (failed && WIFEXITED(status) &&
		    (WEXITSTATUS(status) == 100 || WEXITSTATUS(status) == 127))
			refused++;
		else if (failed && WIFSIGNALED(status))
			killed++;
		else if (status != 0)
			strange = status;
	}
	check("execve", !failed && n > 2 && status == 0 && strange == 0,
	      "%d allocations failed, %d times an error, %d killed; strange: %#x; without: %#x",
	      n - 2, refused, killed, strange, status);
}

#define SWEEP(fail_nth, operations)							\
	for (size_t i = 0; i < sizeof(operations) / sizeof((operations)[0]); i++)	\
		sweep(fail_nth, &(operations)[i])

int main(int argc, char **argv)
{
	int fail_nth;

	if (argc != 3)
		die("wrong usage");
	right = memory_parse(argv[1]);
	wrong = memory_parse(argv[2]);
	mkdir("/image", 0755);
	mkdir("/other", 0755);
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR);
	opened = open("/dev/null", O_WRONLY);
	if (fail_nth < 0 || opened < 0)
		die("fail-nth");
	/* From here on without a message each time. */
	write_file("/proc/sys/vm/drop_caches", "4");
	/* Of a dma-buf not, since the kernel's own code warns when one can't be mapped. */
	if (right.buffer < 0) {
		SWEEP(fail_nth, mounts);
		SWEEP(fail_nth, wrong_mounts);
	}
	if (memory_mount(&right, "/image") != 0)
		die("mount");
	SWEEP(fail_nth, mounts);
	SWEEP(fail_nth, uses);
	sweep_exec();
	check_errno("umount", ERRNO_OF(umount2("/image", 0)), 0);
	return done();
}
