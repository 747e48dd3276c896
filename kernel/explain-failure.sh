#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run after a failed build for kernel release $1. If that kernel is newer than
# the newest one tested, prints one line that says so and names the file to change.
tested=$(sed -n 's/^#define DAXFS_NEWEST_TESTED "\(.*\)"$/\1/p' \
	"$(dirname "$0")/compat.h")
series=$(expr "$1" : '\([0-9]*\.[0-9]*\)') || exit 0
newest=$(printf '%s\n' "$tested" "$series" | sort -V | tail -n 1)
if [ "$newest" != "$tested" ]; then
	echo "daxfs does not build for Linux $series yet (tested up to $tested):" \
		"version differences are handled in kernel/compat.h"
fi
