// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints what executing this file made of the process: its users, groups and
 * effective capabilities. The arguments follow.
 */
#include <linux/capability.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	int i;

	if (syscall(SYS_capget, &header, data) != 0) {
		perror("capget");
		return 1;
	}
	printf("uid=%u euid=%u gid=%u egid=%u caps=%08x%08x", getuid(),
	       geteuid(), getgid(), getegid(), data[1].effective,
	       data[0].effective);
	for (i = 1; i < argc; i++)
		printf(" %s", argv[i]);
	putchar('\n');
	return 0;
}
