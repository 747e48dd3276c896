// SPDX-License-Identifier: MIT
// A whole Debian system, and one of everything else, are the same in the image as on the disk.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { DECORATION, decorate } from "../support/decoration.js";
import { buildImage, CACHE, hostScript } from "../support/environment.js";
import { describeGuest } from "../support/guest-suite.js";
import { debianRootfs } from "../support/rootfs.js";
import {
  actualManifest,
  compareInGuest,
  comparison,
  difference,
  diffInGuest,
  hostManifest,
  manifestSetup,
} from "../support/tree-comparison.js";

/**
 * One change of each kind to a copy of the decoration, by the lines of the manifest it must show up
 * in: the path, the letter of the line, and the sides that have it.
 */
const ALTERATIONS: readonly { script: string; lines: readonly string[] }[] = [
  {
    script: "printf X | dd of=sizes/65537 bs=1 seek=65536 conv=notrunc status=none",
    lines: ["-./sizes/65537 H", "+./sizes/65537 H"],
  },
  {
    script: "touch -d '1969-12-31 23:59:59.000000002 UTC' times/just-before",
    lines: ["-./times/just-before S", "+./times/just-before S"],
  },
  { script: "chmod 0401 modes/0400", lines: ["-./modes/0400 S", "+./modes/0400 S"] },
  { script: "chown 1:0 sizes/1", lines: ["-./sizes/1 S", "+./sizes/1 S"] },
  {
    script: "setfattr -n user.binary -v 0x00ff00010203fe01 xattrs/user",
    lines: ["-./xattrs/user X", "+./xattrs/user X"],
  },
  { script: "setfattr -x trusted.of-link -h xattrs/link", lines: ["-./xattrs/link X"] },
  { script: "setfacl -m u:1000:- acls/access", lines: ["-./acls/access X", "+./acls/access X"] },
  {
    script: "ln -sfn /absolute/targeT symlinks/absolute",
    lines: ["-./symlinks/absolute S", "+./symlinks/absolute S"],
  },
  {
    script: "rm devices/loop; mknod -m 0644 devices/loop b 7 1",
    lines: ["-./devices/loop D", "+./devices/loop D"],
  },
  // The two names of one file become two files.
  {
    script: "cp -a xattrs/name-2 x; mv x xattrs/name-2",
    lines: [
      "-./xattrs/name-1 L",
      "-./xattrs/name-1 S",
      "-./xattrs/name-2 L",
      "-./xattrs/name-2 S",
      "+./xattrs/name-1 S",
      "+./xattrs/name-2 S",
    ],
  },
  { script: "rm -r empty", lines: ["-./empty S"] },
  { script: "touch many/entry-x", lines: ["+./many/entry-x H", "+./many/entry-x S"] },
  {
    script: "rm devices/fifo; touch devices/fifo",
    lines: ["-./devices/fifo S", "+./devices/fifo H", "+./devices/fifo S"],
  },
];

/**
 * Gives what a change makes anew the times of the original. A change of a mode or an owner alone
 * does not touch them.
 */
const RESTORE_TIMES = `
while IFS= read -r -d '' path; do
  case $path in ./times/just-before) continue ;; esac
  [ -e "$1/$path" ] || [ -L "$1/$path" ] || continue
  touch -h -r "$1/$path" "$path"
done < <(find . -depth -print0)
`;

await describeGuest("a Debian system in memory", "rootfs", {}, (guest) => {
  let manifest: string;
  let installed: number;
  let altered: { name: string; line: string }[];

  guest.boot(async ({ directory }) => {
    const rootfs = await debianRootfs(CACHE);
    const tree = join(directory, "tree");
    await hostScript('cp -a "$1" "$2"', rootfs, tree);
    await mkdir(join(directory, "programs"));
    await decorate(tree, join(directory, "programs"));
    manifest = await hostManifest(tree);
    const image = await buildImage(tree, join(directory, "tree.daxfs"));

    // The second comparison's image is made of another tree than its manifest.
    const original = join(tree, DECORATION);
    const changed = join(directory, "changed");
    const decoration = await hostManifest(original);
    await hostScript('cp -a "$1" "$2"', original, changed);
    const changes = ALTERATIONS.map(({ script }) => script).join("\n");
    await hostScript(`cd "$2"\n${changes}\n${RESTORE_TIMES}`, original, changed);
    const changedImage = await buildImage(changed, join(directory, "changed.daxfs"));

    altered = alterOneLineOfEach(manifest);
    const { files, programs } = await manifestSetup({
      rootfs: manifest,
      changed: decoration,
      ...Object.fromEntries(altered.map(({ name, line }) => [name, replaceLine(manifest, line)])),
    });
    const status = join(tree, "var/lib/dpkg/status");
    installed = Number(await hostScript('grep -c "^Status: install ok installed$" "$1"', status));

    const PROGRAMS = `/mnt/${DECORATION}/programs`;
    return {
      images: [{ path: image }, { path: changedImage }],
      programs: [...programs, "setpriv"],
      files,
      timeoutSeconds: 600,
      script: `
mkdir /changed
mount_image 0 /mnt || exit 1
mount_image 1 /changed || exit 1
${compareInGuest("rootfs", "/mnt")}
${compareInGuest("changed", "/changed")}
${altered.map(({ name }) => diffInGuest(name, actualManifest("rootfs"))).join("\n")}
run() { name=$1; shift; value "$name" "$("$@" 2>&1; echo "status $?")"; }
user() { setpriv --reuid 1000 --regid 1000 --clear-groups "$@"; }
value packages "$(chroot /mnt /usr/bin/dpkg -l | grep -c '^ii ')"
run perl chroot /mnt /usr/bin/perl -e 'use POSIX; use List::Util qw(sum); print sum(map { $_ * $_ } 1 .. 5), strftime(" %Y\\n", gmtime(86400 * 365))'
run bash chroot /mnt /bin/bash -c 'set -o pipefail; ls -l /usr/bin | wc -l >/dev/null && echo "\${BASH_VERSINFO[0]}"'
run static ${PROGRAMS}/static one two
run dynamic ${PROGRAMS}/dynamic three
run "dynamic in its system" chroot /mnt /${DECORATION}/programs/dynamic four
run "shell script" ${PROGRAMS}/shell-script five
run "perl script" chroot /mnt /${DECORATION}/programs/perl-script 20 22
run setuid user ${PROGRAMS}/setuid
run capable user ${PROGRAMS}/capable
run "not executable" /mnt/etc/debian_version
umount /mnt && umount /changed && rmmod daxfs
`,
    };
  });

  it("is the same as on the disk, in every name, attribute and byte", () => {
    const outcome = comparison(guest.result, "rootfs");
    console.info(`${outcome.lines} lines of manifest in ${outcome.seconds} s of the guest's time`);
    expect(outcome.errors).toBe("");
    expect(outcome.difference).toEqual([]);
    expect(outcome.status).toBe(0);
    expect(outcome.lines).toBe(manifest.split("\n").length - 1);
  });

  it("is more than the minimum, with every kind of line", () => {
    const kinds = new Map<string, number>();
    for (const line of manifest.trimEnd().split("\n")) {
      const kind = /\t([SDLHX]) (?:[a-z] )?/.exec(line)?.[0].trim() ?? line;
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    expect([...kinds.keys()].sort()).toEqual(
      ["D", "H", "L", "S b", "S c", "S d", "S f", "S l", "S p", "S s", "X"].sort(),
    );
    expect(kinds.get("S f")).toBeGreaterThan(6000);
    for (const special of [
      "security.capability",
      "system.posix_acl_access",
      "system.posix_acl_default",
      "trusted.secret",
      "\xff\xfe-not-utf8",
      "/new\\nline\t",
      "/tab\\there\t",
    ]) {
      expect(manifest).toContain(special);
    }
  });

  it("is found different where it is: one line of the manifest altered", () => {
    expect(altered.map(({ name }) => name)).toHaveLength(5);
    for (const { name, line } of altered) {
      expect(difference(guest.result, name)).toEqual([`-${alterLine(line)}`, `+${line}`]);
    }
  });

  it("is found different where it is: one thing of each kind changed in the tree", () => {
    const outcome = comparison(guest.result, "changed");
    expect(outcome.status).toBe(0);
    const lines = outcome.difference.map((line) => {
      const [path = "", fact = ""] = line.split("\t");
      return `${path} ${fact.charAt(0)}`;
    });
    expect(lines.sort()).toEqual(ALTERATIONS.flatMap((alteration) => alteration.lines).sort());
  });

  it("runs dpkg, perl and bash", () => {
    expect(installed).toBeGreaterThan(80);
    expect(Number(guest.value("packages"))).toBe(installed);
    expect(guest.value("perl")).toBe("55 1971\nstatus 0");
    expect(guest.value("bash")).toBe("5\nstatus 0");
  });

  it("runs static and dynamic programs and scripts from the mount", () => {
    const root = "uid=0 euid=0 gid=0 egid=0 caps=000001ffffffffff";
    expect(guest.value("static")).toBe(`${root} one two\nstatus 0`);
    expect(guest.value("dynamic")).toBe(`${root} three\nstatus 0`);
    expect(guest.value("dynamic in its system")).toBe(`${root} four\nstatus 0`);
    expect(guest.value("shell script")).toBe(
      `script /mnt/${DECORATION}/programs/shell-script five\nstatus 0`,
    );
    expect(guest.value("perl script")).toBe("perl 42 2\nstatus 0");
    expect(guest.value("not executable")).toMatch(/Permission denied\nstatus 126$/);
  });

  it("gives a program its owner's rights and its capabilities", () => {
    expect(guest.value("setuid")).toBe(
      "uid=1000 euid=1234 gid=1000 egid=2345 caps=0000000000000000\nstatus 0",
    );
    // CAP_NET_RAW is 13, CAP_SYS_TIME 25.
    expect(guest.value("capable")).toBe(
      "uid=1000 euid=1000 gid=1000 egid=1000 caps=0000000002002000\nstatus 0",
    );
  });
});

/** One line of each kind, from the middle of the manifest, with a name for its comparison. */
function alterOneLineOfEach(manifest: string): { name: string; line: string }[] {
  const lines = manifest.trimEnd().split("\n");
  return ["S", "D", "L", "H", "X"].map((kind) => {
    const candidates = lines.filter((line) => line.includes(`\t${kind} `));
    const line = candidates[Math.floor(candidates.length / 2)];
    if (line === undefined) throw new Error(`the manifest has no line of the kind ${kind}`);
    return { name: `altered-${kind}`, line };
  });
}

/** Changes the last character of a line. */
function alterLine(line: string): string {
  return line.slice(0, -1) + (line.endsWith("0") ? "1" : "0");
}

function replaceLine(manifest: string, line: string): string {
  return `\n${manifest}`.replace(`\n${line}\n`, () => `\n${alterLine(line)}\n`).slice(1);
}
