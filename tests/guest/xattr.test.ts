// SPDX-License-Identifier: MIT
// What a user without capabilities gets of extended attributes and ACLs, also while the memory changes.
import { join } from "node:path";
import { runGuest } from "@daxfs/qemu";
import { expect, it } from "vitest";
import { buildImage, compileHelper, failedChecks, hostScript } from "../support/environment.js";
import { describeGuest } from "../support/guest-suite.js";

/** Each is asked for once: after that the kernel knows its ACL. */
const FILES = 3000;

/** In $1. Equal sets of attributes are stored once, so that all files change at once. */
const MAKE_TREE = `
mkdir -p "$1/files"; cd "$1"
touch listed
setfattr -n user.seen -v 1 listed
setfattr -n trusted.hidden -v 1 listed
cd files
seq ${FILES} | xargs touch
seq ${FILES} | xargs chmod 640
seq ${FILES} | xargs setfacl -m u:1000:r,m::r,o::r
`;

/** CAP_SYS_ADMIN, and CAP_OPT_NOAUDIT. */
const CAPABILITY = 21;
const NO_AUDIT = 2;

const SCRIPT = `
mount -t daxfs -o phys=$IMAGE0_PHYS,size=$IMAGE0_SIZE,nopages none /mnt || exit 1
cd /sys/kernel && mount -t tracefs tracefs tracing && cd tracing || exit 2
echo 'p:ask security_capable capability=%dx:u32 options=%cx:u32' >kprobe_events || exit 3
echo 'capability == ${CAPABILITY}' >events/kprobes/ask/filter || exit 4
echo 0 >tracing_on
echo 1 >events/kprobes/ask/enable
xattr_checks list /mnt/listed /sys/kernel/tracing/tracing_on >/tmp/list 2>&1; attach list /tmp/list
value asked "$(grep xattr_checks trace | sed 's/.*capability=/capability=/')"
echo 0 >events/kprobes/ask/enable
echo >kprobe_events
cd /
xattr_checks acl /mnt/files $IMAGE0_SIZE $IMAGE0_PHYS >/tmp/acl 2>&1; attach acl /tmp/acl
umount /mnt || exit 5
`;

await describeGuest("a user without capabilities", "xattr", { run: runGuest }, (guest) => {
  guest.boot(async ({ directory }) => {
    const tree = join(directory, "tree");
    await hostScript(MAKE_TREE, tree);
    const image = await buildImage(tree, join(directory, "tree.daxfs"));
    return {
      cpus: 2,
      images: [{ path: image }],
      programs: [await compileHelper("xattr_checks", directory)],
      script: SCRIPT,
    };
  });

  it("comes to its end", () => {
    expect(guest.result.exitStatus).toBe(0);
  });

  it("sees no trusted attributes, and leaves no audit record of that", () => {
    const checks = guest.checks("list");
    expect(failedChecks(checks)).toEqual([]);
    expect(checks).toHaveLength(2);
    // Asked once for the one name, and denied.
    expect(guest.value("asked")).toBe(`capability=${CAPABILITY} options=${NO_AUDIT}`);
  });

  it("may read what an ACL allows, while its size changes", () => {
    console.info(String(guest.result.attachments.acl));
    const checks = guest.checks("acl");
    expect(failedChecks(checks)).toEqual([]);
    expect(checks).toHaveLength(3);
  });
});
