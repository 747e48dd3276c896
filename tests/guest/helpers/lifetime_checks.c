// SPDX-License-Identifier: GPL-2.0-only
/*
 * lifetime_checks OPTIONS SIZE: mounts and unmounts the image that OPTIONS name,
 * of SIZE bytes, at /first and /second, with its files in use and not.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "pattern.h"

enum { MAGIC = 0x64646178, CYCLES = 200, ODD_SIZE = 1000003 };

static const char *options;

static int mount_at(const char *directory)
{
	return ERRNO_OF(mount("none", directory, "daxfs", 0, options));
}

static int unload(void)
{
	return ERRNO_OF(syscall(SYS_delete_module, "daxfs", O_NONBLOCK));
}

static int module_users(void)
{
	FILE *file = fopen("/sys/module/daxfs/refcnt", "r");
	int users = -1;

	if (!file || fscanf(file, "%d", &users) != 1)
		die("/sys/module/daxfs/refcnt");
	fclose(file);
	return users;
}

/* The end of a mount that is in use is not the unmount. */
static int users_at_rest(void)
{
	int tries;

	for (tries = 0; tries < 100 && module_users() > 0; tries++)
		poll(NULL, 0, 50);
	return module_users();
}

/* What the kernel has mapped for mounts. */
static int kernel_mappings(void)
{
	FILE *file = fopen("/proc/vmallocinfo", "r");
	int mappings = 0;
	char line[512];

	if (!file)
		die("/proc/vmallocinfo");
	while (fgets(line, sizeof(line), file))
		mappings += strstr(line, "memremap") != NULL;
	fclose(file);
	return mappings;
}

static bool file_is_right(const char *path)
{
	static uint8_t content[ODD_SIZE + 1];
	const int fd = open(path, O_RDONLY);
	const ssize_t length = read(fd, content, sizeof(content));

	close(fd);
	return length == ODD_SIZE && pattern_match(content, 0, ODD_SIZE) == ODD_SIZE;
}

/* The options of a mount as /proc/mounts has them; none where there is no mount. */
static const char *shown_options(const char *directory)
{
	static char shown[4096];
	FILE *file = fopen("/proc/mounts", "r");
	char at[256], type[64];
	const char *found = "";

	while (file && fscanf(file, "%*s %255s %63s %4095s %*d %*d", at, type, shown) == 3)
		if (strcmp(at, directory) == 0 && strcmp(type, "daxfs") == 0) {
			found = shown;
			break;
		}
	fclose(file);
	return found;
}

static bool has_word(const char *list, const char *word)
{
	char *copy = strdup(list), *rest = copy, *one;
	bool found = false;

	while (!found && (one = strsep(&rest, ",")))
		found = strcmp(one, word) == 0;
	free(copy);
	return found;
}

static void check_options(void)
{
	char *copy = strdup(options), *rest = copy, *option;
	const char *shown = shown_options("/first");
	char *again;

	check("the mount is shown read-only", has_word(shown, "ro"), "%s", shown);
	while ((option = strsep(&rest, ","))) {
		char name[64];

		snprintf(name, sizeof(name), "the mount shows %.*s=", (int)strcspn(option, "="),
			 option);
		check(name, has_word(shown, option), "%s", shown);
	}
	free(copy);

	/* What is shown names the region, so that it serves for a mount. */
	again = strstr(shown, "phys=");
	check_errno("the options shown mount the image again",
		    ERRNO_OF(mount("none", "/second", "daxfs", 0, again)), 0);
	check_errno("umount it", ERRNO_OF(umount2("/second", 0)), 0);
}

static void check_remount(void)
{
	check_errno("remount,ro", ERRNO_OF(mount("none", "/first", NULL, MS_REMOUNT | MS_RDONLY, NULL)), 0);
	/* Whether it is refused or does nothing, nothing can be written. */
	mount("none", "/first", NULL, MS_REMOUNT, NULL);
	check("remount,rw leaves the mount read-only", has_word(shown_options("/first"), "ro"), "%s",
	      shown_options("/first"));
	check_errno("nothing can be made after remount,rw", ERRNO_OF(mkdir("/first/new", 0755)), EROFS);
	check_errno("nothing can be opened for writing", ERRNO_OF(open("/first/odd", O_RDWR)), EROFS);
	mount("none", "/first", NULL, MS_REMOUNT | MS_BIND, NULL);
	check_errno("nor after remount,bind,rw", ERRNO_OF(mkdir("/first/new", 0755)), EROFS);
	mount("none", "/first", NULL, MS_REMOUNT | MS_RDONLY, "phys=0x1000,size=0x1000");
	check("a remount does not change the region", file_is_right("/first/odd") &&
	      strstr(shown_options("/first"), options), "%s", shown_options("/first"));
}

static void check_statfs(uint64_t size)
{
	struct statfs status;

	if (statfs("/first", &status) != 0)
		die("statfs");
	check("f_type", status.f_type == MAGIC, "%#lx", (long)status.f_type);
	check("f_bsize", status.f_bsize == 4096 && status.f_frsize == 4096, "%ld, %ld",
	      (long)status.f_bsize, (long)status.f_frsize);
	check("f_blocks", status.f_blocks * 4096 == size, "%lu", (unsigned long)status.f_blocks);
	check("nothing is free", status.f_bfree == 0 && status.f_bavail == 0 && status.f_ffree == 0,
	      "%lu, %lu, %lu", (unsigned long)status.f_bfree, (unsigned long)status.f_bavail,
	      (unsigned long)status.f_ffree);
	check("f_namelen", status.f_namelen == 255, "%ld", (long)status.f_namelen);
	check("f_flags", status.f_flags & ST_RDONLY, "%#lx", (long)status.f_flags);
	check("f_fsid", status.f_fsid.__val[0] || status.f_fsid.__val[1], "%#x, %#x",
	      status.f_fsid.__val[0], status.f_fsid.__val[1]);
	printf("files %lu\n", (unsigned long)status.f_files);
}

static void check_two_mounts(void)
{
	struct stat first, second;
	int fd;

	check_errno("mount the region a second time", mount_at("/second"), 0);
	check("both mounts have the file", file_is_right("/first/odd") && file_is_right("/second/odd"),
	      "/first/odd, /second/odd");
	if (stat("/first/odd", &first) != 0 || stat("/second/odd", &second) != 0)
		die("stat");
	check("they are one filesystem", first.st_dev == second.st_dev && first.st_ino == second.st_ino,
	      "%#lx, %#lx", (long)first.st_dev, (long)second.st_dev);
	fd = open("/first/odd", O_RDONLY);
	check_errno("umount of the other while one is in use", ERRNO_OF(umount2("/second", 0)), 0);
	check("the one stays", file_is_right("/first/odd"), "/first/odd");
	check_errno("umount of a mount in use", ERRNO_OF(umount2("/first", 0)), EBUSY);
	close(fd);
}

/* A mount that was detached lives on in what is open. */
static void check_lazy_unmount(void)
{
	const int fd = open("/first/odd", O_RDONLY);
	const int root = open("/first", O_RDONLY | O_DIRECTORY);
	static uint8_t content[ODD_SIZE];
	const uint8_t *mapped = mmap(NULL, ODD_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	int entries = 0;
	DIR *dir;
	int inside;

	if (fd < 0 || root < 0 || mapped == MAP_FAILED)
		die("open /first");
	check("the first page of a mapping", pattern_match(mapped, 0, 4096) == 4096, "4096 bytes");
	check_errno("unload the module while mounted", unload(), EAGAIN);
	check_errno("umount -l of a mount in use", ERRNO_OF(umount2("/first", MNT_DETACH)), 0);
	check_errno("it is gone from its place", ERRNO_OF(access("/first/odd", F_OK)), ENOENT);
	check_errno("unload the module with files open", unload(), EAGAIN);
	check("an open file can be read", pread(fd, content, ODD_SIZE, 0) == ODD_SIZE &&
	      pattern_match(content, 0, ODD_SIZE) == ODD_SIZE, "%d bytes", ODD_SIZE);
	check("a mapping can be touched for the first time",
	      pattern_match(mapped, 0, ODD_SIZE) == ODD_SIZE, "%d bytes", ODD_SIZE);
	inside = openat(root, "odd", O_RDONLY);
	check("a file can be opened below an open directory", inside >= 0, "%s",
	      errno_name(inside < 0 ? errno : 0));
	dir = fdopendir(dup(root));
	while (dir && readdir(dir))
		entries++;
	check("an open directory can be read", entries > 5, "%d entries", entries);
	closedir(dir);

	check_errno("the region can be mounted again meanwhile", mount_at("/first"), 0);
	check("and read", file_is_right("/first/odd"), "/first/odd");
	check_errno("and unmounted", ERRNO_OF(umount2("/first", 0)), 0);

	close(inside);
	close(root);
	close(fd);
	check("the mapping alone keeps the mount", module_users() > 0 &&
	      pattern_match(mapped, 0, ODD_SIZE) == ODD_SIZE, "%d users", module_users());
	check_errno("unload the module with a mapping", unload(), EAGAIN);
	munmap((void *)mapped, ODD_SIZE);
	check("after the last use nothing is left", users_at_rest() == 0, "%d users", module_users());
}

static void check_working_directory(void)
{
	char path[4096];

	check_errno("mount", mount_at("/first"), 0);
	if (chdir("/first/links/a") != 0)
		die("chdir");
	check_errno("umount of a working directory", ERRNO_OF(umount2("/first", 0)), EBUSY);
	check_errno("umount -l of a working directory", ERRNO_OF(umount2("/first", MNT_DETACH)), 0);
	check_errno("a file below it", ERRNO_OF(access("deep/four", R_OK)), 0);
	check_errno("a file above it", ERRNO_OF(access("../b/two", R_OK)), 0);
	check("getcwd does no harm", !getcwd(path, sizeof(path)) || path[0] != '\0', "%s", path);
	if (chdir("/") != 0)
		die("chdir");
	check("after leaving it nothing is left", users_at_rest() == 0, "%d users", module_users());
}

static void check_namespace(void)
{
	const int here = open("/proc/self/ns/mnt", O_RDONLY);

	check_errno("mount for two namespaces", mount_at("/first"), 0);
	if (here < 0 || unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		die("unshare");
	check("another namespace has the mount", file_is_right("/first/odd"), "/first/odd");
	if (setns(here, CLONE_NEWNS) != 0)
		die("setns");
	close(here);
	check_errno("umount in one of them", ERRNO_OF(umount2("/first", 0)), 0);
	check("with the other namespace it goes", users_at_rest() == 0, "%d users", module_users());
}

static void check_cycles(void)
{
	const int before = kernel_mappings();
	int cycles;

	for (cycles = 0; cycles < CYCLES; cycles++) {
		volatile uint8_t byte;
		uint8_t *mapped;
		struct stat status;
		int fd;

		if (mount_at("/first") != 0)
			break;
		fd = open("/first/odd", O_RDONLY);
		mapped = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
		if (mapped == MAP_FAILED || stat("/first/links/a/one", &status) != 0)
			break;
		byte = mapped[cycles];
		munmap(mapped, 4096);
		close(fd);
		if (byte != pattern_byte(cycles) || umount2("/first", 0) != 0)
			break;
	}
	check("200 times mount, use, umount", cycles == CYCLES, "%d, then %s", cycles,
	      errno_name(cycles == CYCLES ? 0 : errno));
	check("no mapping of the kernel is left", kernel_mappings() == before, "%d before, %d after",
	      before, kernel_mappings());
	check("nobody uses the module", users_at_rest() == 0, "%d users", module_users());
}

int main(int argc, char **argv)
{
	int without;

	if (argc != 3)
		die("wrong usage");
	options = argv[1];
	mkdir("/first", 0755);
	mkdir("/second", 0755);
	without = kernel_mappings();
	check_errno("mount the image", mount_at("/first"), 0);
	check("the kernel has a mapping for it", kernel_mappings() == without + 1,
	      "%d before, %d after", without, kernel_mappings());
	check_options();
	check_remount();
	check_statfs(strtoull(argv[2], NULL, 0));
	check_two_mounts();
	check_lazy_unmount();
	check_working_directory();
	check_namespace();
	check_cycles();
	check_errno("unload the module", unload(), 0);
	return done();
}
