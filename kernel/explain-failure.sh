#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# After a build that failed for the kernel release $1: says in one line whether
# the kernel is newer than the module knows, and where to look then.
tested=$(sed -n 's/^#define DAXFS_NEWEST_TESTED "\(.*\)"$/\1/p' \
	"$(dirname "$0")/compat.h")
series=$(expr "$1" : '\([0-9]*\.[0-9]*\)') || exit 0
newest=$(printf '%s\n' "$tested" "$series" | sort -V | tail -n 1)
if [ "$newest" != "$tested" ]; then
	echo "daxfs does not build for Linux $series yet, it is tested up to" \
		"$tested: what differs between kernels is in kernel/compat.h"
fi
