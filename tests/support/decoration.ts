// SPDX-License-Identifier: MIT
import { join } from "node:path";
import { compileHelper, hostScript } from "./environment.js";

/** Directory that `decorate` makes in a tree. */
export const DECORATION = "decoration";

/** Runs in the directory of the decoration. Parameter: the directory of the compiled programs. */
const SCRIPT = String.raw`
# Hard links, in directories that are not walked in the order of their creation.
mkdir -p links/b links/a/deep links/c
echo shared >links/b/second
ln links/b/second links/a/deep/first
ln links/b/second links/c/third
ln links/b/second links/zz
ln -s ../target links/symlink
ln -P links/symlink links/a/symlink-too
mkfifo links/fifo; ln links/fifo links/a/fifo-too

mkdir xattrs
echo x >xattrs/user; setfattr -n user.text -v value xattrs/user
setfattr -n user.binary -v 0x00ff00010203fe00 xattrs/user
setfattr -n user.empty xattrs/user
echo x >xattrs/trusted; setfattr -n trusted.secret -v 0x80818200 xattrs/trusted
setfattr -n user.name-with-$'\xc3\xa9' -v x xattrs/trusted
echo x >xattrs/long; setfattr -n user.long -v "$(head -c 3000 /dev/zero | tr '\0' x)" xattrs/long
echo x >xattrs/many; for i in $(seq 50); do setfattr -n user.number$i -v $i xattrs/many; done
setfattr -n user.directory -v yes xattrs
ln -s user xattrs/link; setfattr -h -n trusted.of-link -v yes xattrs/link
echo linked >xattrs/name-1; setfattr -n user.both -v names xattrs/name-1; ln xattrs/name-1 xattrs/name-2

mkdir acls
echo x >acls/access; setfacl -m u:1000:r,u:1001:-,g:2000:rw,m::rw acls/access
mkdir acls/directory; setfacl -m u:1000:rwx,d:u:1000:rx,d:g:2000:-,d:o:- acls/directory

mkdir devices
mknod devices/null c 1 3; mknod devices/loop b 7 0
mknod devices/largest c 4095 1048575; mknod -m 0600 devices/block b 259 65537
mkfifo devices/fifo
perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) && bind(S, sockaddr_un($ARGV[0])) or die' devices/socket

mkdir names
touch names/$'\xff\xfe-not-utf8' names/$'new\nline' names/$'tab\there' 'names/back\slash' 'names/a space'
touch names/-dash 'names/*' names/caf$'\xc3\xa9' names/' ' names/$'\x01\x02' names/.hidden names/a.b names/a names/ab
touch "names/$(head -c 255 /dev/zero | tr '\0' n)"
mkdir names/$'dir-\xe9'; touch names/$'dir-\xe9'/inside

mkdir times
touch times/before-1970 times/fraction times/just-before times/far times/epoch
touch -d '1923-04-05 06:07:08.123456789 UTC' times/before-1970
touch -d '1969-12-31 23:59:59.000000001 UTC' times/just-before
touch -d '1970-01-01 00:00:00 UTC' times/epoch
touch -d '2261-12-31 23:59:59.999999999 UTC' times/far
touch -d '2024-02-29 12:00:00.000000001 UTC' times/fraction
ln -s nothing times/link; touch -h -d '1999-09-09 09:09:09.999999999 UTC' times/link

mkdir sizes
for size in 0 1 4095 4096 4097 65537 2097151 2097152 2097153; do
  head -c $size /dev/urandom >sizes/$size
done
cp sizes/4097 sizes/4097-again
truncate -s 40M sizes/sparse
printf middle | dd of=sizes/sparse bs=1 seek=20000000 conv=notrunc status=none
truncate -s 3000000 sizes/all-hole
: >sizes/empty-too

mkdir modes
for mode in 0000 0400 0777 1755 2755 4755 6711 7777; do echo $mode >modes/$mode; chmod $mode modes/$mode; done
mkdir modes/directory-1777 modes/directory-2770 modes/directory-0000
chmod 1777 modes/directory-1777; chmod 2770 modes/directory-2770; chmod 0 modes/directory-0000
echo x >modes/owners; chown 4000000000:3999999999 modes/owners

mkdir symlinks
ln -s /absolute/target symlinks/absolute; ln -s . symlinks/loop
ln -s "$(printf '%4095s' '' | tr ' ' t)" symlinks/longest; ln -s $'\xff\n\t\\' symlinks/bytes

mkdir -p "$(seq -s / 1 60)"
mkdir empty many
(cd many && seq -f 'entry-%04g' 1500 | xargs touch)

mkdir programs
cp "$1/identity" programs/static
cp "$1/identity-dynamic" programs/dynamic
cp programs/static programs/capable; setcap cap_net_raw,cap_sys_time+ep programs/capable
cp programs/static programs/setuid; chown 1234:2345 programs/setuid; chmod 6755 programs/setuid
cat >programs/shell-script <<'END'
#!/bin/sh
echo "script $0 $1"
END
cat >programs/perl-script <<'END'
#!/usr/bin/perl
use strict; use List::Util qw(sum); use POSIX ();
print "perl ", sum(@ARGV), " ", POSIX::floor(2.5), "\n";
END
chmod 0755 programs/shell-script programs/perl-script
`;

/** Adds files of all kinds and with all attributes to a tree on disk. Needs root. */
export async function decorate(tree: string, programs: string): Promise<void> {
  await compileHelper("identity", programs);
  await compileHelper("identity", programs, { dynamic: true });
  const directory = join(tree, DECORATION);
  await hostScript(`mkdir "$2"; cd "$2"\n${SCRIPT}`, programs, directory);
}
