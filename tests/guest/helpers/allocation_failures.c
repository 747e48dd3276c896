// SPDX-License-Identifier: GPL-2.0-only
/*
 * allocation_failures OPTIONS WRONG: does everything a user of a mount can do
 * again and again while the kernel lets the first allocation fail, then the
 * second and so on, until there is none left to fail (/proc/PID/fail-nth of a
 * kernel with fault injection). OPTIONS name an image, WRONG something else.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"

enum { MOST = 2000, USER = 1000 };

static const char *options, *wrong;

/* Calls that need more than their name say here what they leave to be undone. */
static int opened = -1;
static void *mapped = MAP_FAILED;

static const size_t MAPPED = 4 << 20;

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
	return ERRNO_OF(mount("none", "/other", "daxfs", 0, options));
}

static int do_wrong_mount(void)
{
	return ERRNO_OF(mount("none", "/other", "daxfs", 0, wrong));
}

static void unmount_other(void)
{
	umount2("/other", 0);
}

/* By the calls of fsopen(2), where messages are kept for who reads them. */
static int do_context(const char *list)
{
	const int context = fsopen("daxfs", FSOPEN_CLOEXEC);
	char copy[256], message[256], *rest = copy, *key;
	int err = context < 0 ? errno : 0;

	if (err)
		return err;
	snprintf(copy, sizeof(copy), "%s", list);
	while (!err && (key = strsep(&rest, ","))) {
		char *value = strchr(key, '=');

		*value++ = '\0';
		err = ERRNO_OF(fsconfig(context, FSCONFIG_SET_STRING, key, value, 0));
	}
	if (!err)
		err = ERRNO_OF(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	while (read(context, message, sizeof(message)) > 0)
		;
	return close_after(context, err);
}

static int do_right_context(void)
{
	return do_context(options);
}

static int do_wrong_context(void)
{
	return do_context(wrong);
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

	setfsuid(USER);
	err = open_errno(path);
	setfsuid(0);
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
	return advice ? ERRNO_OF(madvise(mapped, MAPPED, advice)) : 0;
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

static const struct operation operations[] = {
	{ "mount", do_mount, 0, unmount_other },
	{ "mount what is no image", do_wrong_mount, EINVAL, unmount_other },
	{ "fsopen, fsconfig", do_right_context, 0, NULL },
	{ "fsopen, fsconfig with what is no image", do_wrong_context, EINVAL, NULL },
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
			set_failure(open("/proc/thread-self/fail-nth", O_RDWR), n);
			execl("/image/plain/program", "program", NULL);
			_exit(errno == ENOMEM ? 100 : 101);
		}
		if (child < 0 || waitid(P_PID, child, &info, WEXITED | WNOWAIT) != 0)
			die("fork");
		snprintf(path, sizeof(path), "/proc/%d/fail-nth", child);
		fail_nth = open(path, O_RDWR);
		failed = has_failed(fail_nth);
		close(fail_nth);
		waitpid(child, &status, 0);
		if (failed && WIFEXITED(status) && WEXITSTATUS(status) == 100)
			refused++;
		else if (failed && WIFSIGNALED(status))
			killed++;
		else if (status != 0)
			strange = status;
	}
	check("execve", !failed && n > 2 && status == 0 && strange == 0,
	      "%d allocations failed, %d times ENOMEM, %d killed; strange: %#x; without: %#x",
	      n - 2, refused, killed, strange, status);
}

int main(int argc, char **argv)
{
	int fail_nth;
	size_t i;

	if (argc != 3)
		die("wrong usage");
	options = argv[1];
	wrong = argv[2];
	mkdir("/image", 0755);
	mkdir("/other", 0755);
	if (mount("none", "/image", "daxfs", 0, options) != 0)
		die("mount");
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR);
	opened = open("/dev/null", O_WRONLY);
	if (fail_nth < 0 || opened < 0)
		die("fail-nth");
	/* From here on without a message each time. */
	write_file("/proc/sys/vm/drop_caches", "4");
	for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		sweep(fail_nth, &operations[i]);
	sweep_exec();
	check_errno("umount", ERRNO_OF(umount2("/image", 0)), 0);
	return done();
}
