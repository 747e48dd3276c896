// SPDX-License-Identifier: MIT
// A whole Debian boots with systemd from a daxfs root under overlayfs: to its login prompts, through
// a login on a serial line, an installation with apt, and a clean power-off.
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DEBUG_ROLE,
  downloadPackages,
  type GuestOptions,
  type GuestResult,
  runGuest,
  SUITES,
} from "@daxfs/qemu";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildImage, CACHE, hostScript, removeDirectory } from "../support/environment.js";
import { describeGuest } from "../support/guest-suite.js";
import { debianRootfs } from "../support/rootfs.js";
import { SerialSession } from "../support/serial-session.js";

const skip =
  process.env.DAXFS_KERNEL === DEBUG_ROLE
    ? "the debug kernel has not all that systemd takes"
    : undefined;

const HOST = "daxfs-guest";
const PASSWORD = "from memory";
/** For one step, in seconds; other machines may run beside this one. */
const WAIT = 300;

/** What Debian's installer has and `debootstrap --variant=minbase` leaves out, as far as it boots. */
const SYSTEM = ["dbus", "libpam-systemd", "systemd-sysv", "udev"];

/** What is installed in the guest: a program and the libraries that the system does not have. */
const INSTALLED = ["jq", "libjq1", "libonig5"];

/** Units that have nothing to do in this machine, with the reason. */
const MASKED: Readonly<Record<string, string>> = {
  "apt-daily.timer": "it would take dpkg's lock while the test installs, and there is no network",
  "apt-daily-upgrade.timer": "the same",
  "getty@tty1.service": "the machine has no screen",
  "e2scrub_reap.service": "there is no LVM",
};

/** The initramfs's /init, the snippet of docs/overlay.md with two images in place of one. */
const BOOT = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
fail() { echo "E 1" >/dev/ttyS1; exit 1; }
mount -t proc proc /proc && mount -t sysfs sysfs /sys && mount -t devtmpfs devtmpfs /dev || fail
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs /run || fail
stty -F /dev/ttyS1 raw -echo
. /vm/environment.sh
. /vm/functions.sh
for module in $(cat /vm/modules/modules.list); do insmod /vm/modules/$module || fail; done

mkdir -p /run/daxfs/debian /run/daxfs/machine /run/daxfs/overlay /system
mount -t daxfs -o phys=$IMAGE0_PHYS,size=$IMAGE0_SIZE none /run/daxfs/debian || fail
mount -t daxfs -o phys=$IMAGE1_PHYS,size=$IMAGE1_SIZE none /run/daxfs/machine || fail
mount -t tmpfs -o mode=0755 tmpfs /run/daxfs/overlay || fail
mkdir /run/daxfs/overlay/upper /run/daxfs/overlay/work
layers=lowerdir=/run/daxfs/machine:/run/daxfs/debian
layers=$layers,upperdir=/run/daxfs/overlay/upper,workdir=/run/daxfs/overlay/work
mount -t overlay -o $layers overlay /system || fail
cp /vm/functions.sh /run/daxfs/functions.sh
for directory in proc sys dev run; do mount --move /$directory /system/$directory || fail; done
exec switch_root /system /sbin/init
`;

/** Run by hand, as it were, after the login. */
const CHECKS = `
. /run/daxfs/functions.sh
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
value state "$(systemctl is-system-running --wait)"
value failed "$(systemctl list-units --failed --no-legend --plain)"
value root "$(findmnt --noheadings --output FSTYPE /)"
value layers "$(findmnt --noheadings --output OPTIONS /)"
value user "$(id -un) on $(tty)"
value session "$(loginctl show-session --property=Name --property=TTY --property=State "$XDG_SESSION_ID")"
value init "$(readlink /proc/1/exe)"
value uptime "$(systemd-analyze time)"

command -v jq; value "jq before" $?
{ apt-get update && apt-get install --yes jq; } >/tmp/apt 2>&1; value "apt status" $?
attach apt /tmp/apt
value packages "$(dpkg-query --show --showformat '\${Package} \${db:Status-Status}\\n' ${INSTALLED.join(" ")})"
value verified "$(dpkg --verify ${INSTALLED.join(" ")} 2>&1)"
value jq "$(echo '{"layers": [1, 2, 39]}' | jq '.layers | add' 2>&1)"
[ -f /run/daxfs/overlay/upper/usr/bin/jq ]; value "jq in the upper layer" $?
[ -e /run/daxfs/debian/usr/bin/jq ]; value "jq in the image" $?
`;

/** The last to run, when all filesystems are unmounted or read-only; $1 says how it ends. */
const SHUTDOWN = `#!/bin/sh
[ "$1" = poweroff ] && status=0 || status=2
echo "E $status" >/dev/ttyS1
`;

/**
 * The layer of this one machine, over the image that all share. Parameters: the directory for it,
 * the Debian tree, the texts of the checks and of the last program. There are packages in
 * srv/repository.
 */
const MAKE_MACHINE = `
cd "$1"
mkdir -p etc/apt etc/systemd/system/getty.target.wants root usr/lib/systemd/system-shutdown
chmod 0700 root
echo ${HOST} >etc/hostname
printf '127.0.0.1 localhost ${HOST}\\n' >etc/hosts
# Empty: each boot makes an id of its own.
: >etc/machine-id
hash=$(openssl passwd -6 "${PASSWORD}")
sed "s|^root:[^:]*:|root:$hash:|" "$2/etc/shadow" >etc/shadow
chown 0:42 etc/shadow; chmod 0640 etc/shadow
# The console is the log. This line is for the login.
ln -s /lib/systemd/system/serial-getty@.service etc/systemd/system/getty.target.wants/serial-getty@ttyS2.service
# It shares its interrupt with the console, and 6.1 warns when both are hung up at the same time.
mkdir etc/systemd/system/serial-getty@ttyS2.service.d
printf '[Service]\\nTTYVHangup=no\\n' >etc/systemd/system/serial-getty@ttyS2.service.d/hangup.conf
for unit in ${Object.keys(MASKED).join(" ")}; do ln -s /dev/null etc/systemd/system/$unit; done
printf %s "$3" >root/checks.sh
printf %s "$4" >usr/lib/systemd/system-shutdown/report
chmod 0755 usr/lib/systemd/system-shutdown/report

cd srv/repository
dpkg-scanpackages . >Packages 2>/dev/null
echo 'deb [trusted=yes] file:/srv/repository ./' >../../etc/apt/sources.list
`;

let login: string;
let session: SerialSession;
let sockets: string;

/** Runs the guest and, beside it, what somebody at its terminal does. */
async function runDriven(options: GuestOptions): Promise<GuestResult> {
  const guest = runGuest(options).finally(() => session.close());
  // Where the guest ends too early, both have something to say.
  const [ended, driven] = await Promise.allSettled([guest, drive(session)]);
  if (ended.status === "rejected" || driven.status === "rejected") {
    throw new Error(
      [ended, driven]
        .map((one) => (one.status === "rejected" ? String(one.reason) : ""))
        .join("\n"),
    );
  }
  login = driven.value;
  return ended.value;
}

const OPTIONS = { skip, run: runDriven };

await describeGuest("a Debian system that boots from memory", "systemd", OPTIONS, (guest) => {
  afterAll(() => removeDirectory(sockets));

  guest.boot(async ({ directory, kernel }) => {
    const debian = await debianRootfs(CACHE, { packages: SYSTEM });
    const machine = join(directory, "machine");
    const repository = join(machine, "srv/repository");
    await mkdir(repository, { recursive: true });
    await downloadPackages(INSTALLED, SUITES.bookworm, repository, kernel.cacheDirectory);
    await hostScript(MAKE_MACHINE, machine, debian, CHECKS, SHUTDOWN);
    const images = [
      await buildImage(debian, join(directory, "debian.daxfs")),
      await buildImage(machine, join(directory, "machine.daxfs")),
    ];
    // A socket's path must be short, which the cache's need not be.
    sockets = await mkdtemp(join(tmpdir(), "daxfs-systemd-"));
    session = new SerialSession(join(sockets, "login"));
    return {
      kernelModules: ["overlay", "autofs4"],
      images: images.map((path) => ({ path })),
      files: [{ guestPath: "vm/boot", content: BOOT, mode: 0o755 }],
      commandLine: ["rdinit=/vm/boot"],
      qemuArguments: session.qemuArguments,
      timeoutSeconds: 2 * WAIT,
      // The init of these machines does not run, nor does its script.
      script: "",
    };
  });
  beforeAll(() => console.info(guest.value("uptime")));

  it("powers off cleanly, with no warning of the kernel", () => {
    // A warning makes runGuest throw.
    expect(guest.result.exitStatus).toBe(0);
    expect(guest.result.kernelMessages.at(-1)).toMatch(/reboot: Power down$/);
  });

  it("shows a login prompt on the console", () => {
    expect(guest.result.consoleLog).toMatch(/^Debian GNU\/Linux 12 daxfs-guest ttyS0$/m);
    expect(guest.result.consoleLog).toMatch(/^daxfs-guest login: /m);
  });

  it("lets root log in with the password, on a terminal that logind knows", () => {
    expect(login).toMatch(/^daxfs-guest login: root\nPassword: \n/m);
    expect(guest.value("user")).toBe("root on /dev/ttyS2");
    expect(guest.value("session")).toBe("Name=root\nTTY=ttyS2\nState=active");
  });

  it("is running, and no unit has failed", () => {
    expect(guest.value("failed")).toBe("");
    expect(guest.value("state")).toBe("running");
  });

  it("runs from the images, under overlayfs", () => {
    expect(guest.value("root")).toBe("overlay");
    expect(guest.value("layers")).toContain(
      "lowerdir=/run/daxfs/machine:/run/daxfs/debian,upperdir=/run/daxfs/overlay/upper",
    );
    expect(guest.value("init")).toBe("/usr/lib/systemd/systemd");
  });

  it("installs a package and what that depends on with apt, into the upper layer", () => {
    expect(guest.result.attachments.apt?.toString()).toMatch(/Setting up jq /);
    expect(guest.value("apt status")).toBe("0");
    expect(guest.value("packages")).toBe(INSTALLED.map((name) => `${name} installed`).join("\n"));
    expect(guest.value("verified")).toBe("");
    expect(guest.value("jq before")).not.toBe("0");
    expect(guest.value("jq in the upper layer")).toBe("0");
    expect(guest.value("jq in the image")).toBe("1");
  });

  it("runs the program that was installed", () => {
    expect(guest.value("jq")).toBe("42");
  });
});

/** What somebody at the terminal would do; returns what that showed. */
async function drive(session: SerialSession): Promise<string> {
  await session.wait(new RegExp(`^${HOST} login: $`, "m"), WAIT);
  session.type("root");
  await session.wait(/Password: $/, WAIT);
  session.type(PASSWORD);
  await session.wait(/root@daxfs-guest:~# $/, WAIT);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the guest's shell fills it in.
  session.type('. /root/checks.sh; echo "checks: ${?}"');
  await session.wait(/checks: \d+\n/, WAIT);
  session.type("systemctl poweroff");
  return session.text;
}
