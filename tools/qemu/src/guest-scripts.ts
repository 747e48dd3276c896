// SPDX-License-Identifier: MIT
import { basename } from "node:path";
import type { Backing } from "./backings.js";
import { GUEST_MODULES } from "./initramfs.js";
import { hex } from "./memory.js";

/** Where the guest finds its script and what belongs to it. */
export const GUEST_FILES = {
  environment: "/vm/environment.sh",
  functions: "/vm/functions.sh",
  script: "/vm/script.sh",
};

/** What a guest is told about an image; the place of one in a device it finds out itself. */
export interface ImageFacts {
  backing: Backing;
  size: number;
  physicalAddress?: number;
}

/** Variables of the guest: its backing, and the backing, place and size of every image. */
export function environmentScript(backing: Backing, images: readonly ImageFacts[]): string {
  const lines = [`export BACKING=${backing}`, `export IMAGE_COUNT=${images.length}`];
  images.forEach((image, index) => {
    lines.push(`export IMAGE${index}_BACKING=${image.backing}`);
    lines.push(`export IMAGE${index}_SIZE=${hex(image.size)}`);
    if (image.physicalAddress !== undefined) {
      lines.push(`export IMAGE${index}_PHYS=${hex(image.physicalAddress)}`);
    }
  });
  return `${lines.join("\n")}\n`;
}

/**
 * Shell functions that make the given host programs win over busybox's applets: its shell runs an
 * applet whatever PATH says, unless a function has the name.
 */
function programFunctions(programs: readonly string[]): string {
  return programs
    .map((program) => basename(program))
    .filter((name) => /^[A-Za-z_]\w*$/.test(name))
    .map((name) => `${name}() { /usr/local/bin/${name} "$@"; }\n`)
    .join("");
}

/** The shell functions of a guest's script. */
export function functionsScript(programs: readonly string[]): string {
  return REPORT_FUNCTIONS + programFunctions(programs);
}

/**
 * Shell functions that write frames to the second serial port. Each frame is made whole in a file
 * first and written at once, and closing the port waits until all is sent.
 */
const REPORT_FUNCTIONS = `\
vm_encode() { base64 -w 0; }
vm_send() {
  vm_frame=$(mktemp /run/frame.XXXXXX)
  cat >"$vm_frame"
  cat "$vm_frame" >/dev/ttyS1
  rm -f "$vm_frame"
}
# result NAME pass|fail|skip|info [FILE]
result() {
  {
    printf 'R %s %s ' "$(printf %s "$1" | vm_encode)" "$2"
    if [ -n "\${3:-}" ]; then vm_encode <"$3"; fi
    echo
  } | vm_send
}
# value NAME TEXT
value() {
  printf 'V %s %s\\n' "$(printf %s "$1" | vm_encode)" "$(printf %s "$2" | vm_encode)" | vm_send
}
# attach NAME FILE
attach() {
  {
    printf 'A %s ' "$(printf %s "$1" | vm_encode)"
    vm_encode <"$2"
    echo
  } | vm_send
}
`;

const PREPARE = `\
#!/bin/sh
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
ln -s /proc/self/fd /dev/fd
cd /root
. ${GUEST_FILES.environment}
. ${GUEST_FILES.functions}
`;

/** Sets its variables to the first module that can't be loaded, and why. */
const LOAD_MODULES = `\
load_modules() {
  for module in $(cat ${GUEST_MODULES}/modules.list); do
    problem=$(insmod ${GUEST_MODULES}/$module 2>&1) || {
      problem="insmod $module: \${problem#insmod: }"
      return 1
    }
  done
}
`;

/**
 * /init of a guest that runs a script: reports that it began, prepares, runs it, reports its exit
 * status, powers off.
 */
export const runInit = `${PREPARE}${LOAD_MODULES}
# No translation of line ends.
stty -F /dev/ttyS1 raw -echo
echo B | vm_send
if load_modules && find_images; then
  sh -c '. ${GUEST_FILES.functions}; . ${GUEST_FILES.script}' </dev/null
  echo "E $?" | vm_send
else
  echo "F $(printf %s "$problem" | vm_encode)" | vm_send
fi
# Setting the console's modes waits until what programs wrote to it has been sent.
stty -F /dev/console -echo
poweroff -f
`;

/** /init of a guest with a person at the terminal: mounts the images and starts a shell. */
export const shellInit = `${PREPARE}${LOAD_MODULES}
load_modules && find_images || echo "$problem"
directory=/mnt
index=0
while [ $index -lt $IMAGE_COUNT ]; do
  [ $IMAGE_COUNT -eq 1 ] || directory=/mnt/$index
  mkdir -p $directory
  echo "mount_image $index $directory"
  mount_image $index $directory
  index=$((index + 1))
done
echo "Leave with exit, or with Ctrl-A X at any time."
setsid cttyhack sh
poweroff -f
`;
