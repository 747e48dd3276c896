// SPDX-License-Identifier: MIT
// overlayfs over daxfs: what merges to what, copies, inode numbers and file handles, containers.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isSince } from "@daxfs/qemu";
import { expect, it } from "vitest";
import { DECORATION, decorate } from "../support/decoration.js";
import { buildImage, compileHelper, failedChecks, hostScript } from "../support/environment.js";
import { describeGuest } from "../support/guest-suite.js";
import {
  EXPECTED_MERGE,
  MAKE_ARCHIVES,
  MAKE_BASE,
  MAKE_MIDDLE,
  MAKE_TOP,
  MARKED_TREE,
  SHOW_ARCHIVES,
} from "../support/overlay-layers.js";
import {
  compareInGuest,
  comparison,
  hostManifest,
  manifestSetup,
} from "../support/tree-comparison.js";

const HELPERS = [
  "handle_checks",
  "idmap",
  "overlay_checks",
  "page_cache_checks",
  "user_namespace",
] as const;
const PROGRAMS = ["cat", "find", "getfacl", "mkfs.ext4", "setpriv", "stat", "touch"] as const;

const CONTAINERS = 20;
/** The first id of the containers' users, and how many they have. */
const SHIFT = 100_000;
const IDS = 65_536;

interface Variant {
  name: string;
  lowers: string;
  options: string;
  /** What overlay_checks is to expect. */
  features: string;
  /** Where the upper layer lies: on tmpfs or on ext4. */
  upper: "/memory" | "/disk";
}

const BASE = "/lower/base";
const ALL = "/lower/top:/lower/middle:/lower/base";

const VARIANTS: readonly Variant[] = [
  { name: "plain", lowers: BASE, options: "", features: "", upper: "/memory" },
  { name: "plain-ext4", lowers: BASE, options: "", features: "", upper: "/disk" },
  { name: "index", lowers: BASE, options: "index=on", features: "index", upper: "/memory" },
  { name: "xino", lowers: BASE, options: "xino=on", features: "xino", upper: "/memory" },
  {
    name: "redirect",
    lowers: BASE,
    options: "redirect_dir=on",
    features: "redirect",
    upper: "/memory",
  },
  {
    name: "metacopy",
    lowers: BASE,
    options: "redirect_dir=on,metacopy=on",
    features: "redirect metacopy",
    upper: "/disk",
  },
  {
    name: "export",
    lowers: BASE,
    options: "index=on,nfs_export=on",
    features: "index",
    upper: "/disk",
  },
  {
    name: "everything",
    lowers: BASE,
    options: "index=on,redirect_dir=on,metacopy=on,xino=on",
    features: "index redirect metacopy xino",
    upper: "/disk",
  },
  {
    name: "three-lowers",
    lowers: ALL,
    options: "index=on,redirect_dir=on,xino=on",
    features: "index redirect xino",
    upper: "/disk",
  },
];

/** After what counts the page cache: its journal is written in the background. */
const DISK = `
truncate -s 400M /memory/disk.ext4
# For attributes user.*, which tmpfs has from Linux 6.6 on.
/usr/local/bin/mkfs.ext4 -q -b 4096 -O ea_inode -E lazy_itable_init=0,lazy_journal_init=0 \
  /memory/disk.ext4 && mount -o loop /memory/disk.ext4 /disk || exit 2
`;

/** All of it is read and copied several times here, in an emulated machine. Parameter: its place. */
const SHRINK = `
rm -r "$1/many"
truncate -s 0 "$1/sizes/sparse"; truncate -s 4M "$1/sizes/sparse"
printf middle | dd of="$1/sizes/sparse" bs=1 seek=2000000 conv=notrunc status=none
`;

/** Mounts, changes, mounts anew and looks again. */
function runVariant({ name, lowers, options, features, upper }: Variant): string {
  const words = `/merged/checks ${upper}/${name}/upper/checks /tmp/${name}.state ${features}`;
  return `
overlay ${name} ${lowers} "${options}" ${upper} || exit 10
overlay_checks change ${words} >/tmp/${name}.change 2>&1
umount /merged || exit 11
attach "${name} change" /tmp/${name}.change
overlay ${name} ${lowers} "${options}" ${upper} || exit 12
overlay_checks again ${words} >/tmp/${name}.again 2>&1
umount /merged || exit 13
attach "${name} again" /tmp/${name}.again
rm -rf ${upper}/${name}
`;
}

const PREPARE = `
mkdir -p /lower/base /lower/middle /lower/top /lower/shifted /merged /memory /disk
mount_image 0 /lower/base && mount_image 1 /lower/middle && mount_image 2 /lower/top || exit 1
mount -t tmpfs tmpfs /memory
drop_caches() { sync; echo 3 >/proc/sys/vm/drop_caches; }
# overlay NAME LOWERS OPTIONS DIRECTORY: mounts at /merged, with its upper layer in DIRECTORY/NAME
overlay() {
  mkdir -p $4/$1/upper $4/$1/work
  mount -t overlay -o "lowerdir=$2,upperdir=$4/$1/upper,workdir=$4/$1/work\${3:+,$3}" overlay /merged
}
# Opens all for writing or sets their times to what they are: copies all up, and changes nothing.
copy_up_all() {
  find . -type f -exec sh -c 'for file; do : >>"$file"; done' sh {} + &&
    find . -depth ! -type f -exec sh -c 'for file; do /usr/local/bin/touch -c -h -r "$file" "$file"; done' sh {} +
}
`;

const MERGE = `
mount -t overlay -o lowerdir=${ALL},redirect_dir=follow,metacopy=on,xino=on overlay /merged || exit 20
${compareInGuest("merged", "/merged")}
touch /merged/new 2>/dev/null; value "writing without an upper layer" $?
umount /merged || exit 21
`;

/** The handles of daxfs itself: with caches dropped, and after the filesystem was mounted anew. */
const HANDLES = `
handle_checks save ${BASE} /tmp/handles >/tmp/out 2>&1; attach "daxfs handles save" /tmp/out
drop_caches
handle_checks open ${BASE} /tmp/handles >/tmp/out 2>&1; attach "daxfs handles open" /tmp/out
umount ${BASE} && mount_image 0 ${BASE} || exit 30
handle_checks open ${BASE} /tmp/handles >/tmp/out 2>&1; attach "daxfs handles again" /tmp/out
handle_checks hostile ${BASE} /tmp/handles >/tmp/out 2>&1; attach "daxfs handles hostile" /tmp/out
handle_checks foreign /lower/middle /tmp/handles >/tmp/out 2>&1; attach "daxfs handles foreign" /tmp/out
`;

/** Everything is copied up, and must be what it was, under the handles that it had. */
const COPY_UP = `
options=index=on,nfs_export=on,xino=on
numbers() { (cd /merged && find . -printf '%D %i %y %p\\n' | sort >$1); }
# The root of an overlay is that of its upper layer.
mkdir -p /disk/copied/upper && /usr/local/bin/touch -r ${BASE} /disk/copied/upper
overlay copied ${BASE} $options /disk || exit 40
numbers /tmp/numbers.before
handle_checks save /merged /tmp/handles >/tmp/out 2>&1; attach "overlay handles save" /tmp/out
drop_caches
handle_checks open /merged /tmp/handles >/tmp/out 2>&1; attach "overlay handles open" /tmp/out
value "copied before" "$(find /disk/copied/upper -mindepth 1 | wc -l)"
(cd /merged && copy_up_all); value "copying up" $?
value "copied after" "$(find /disk/copied/upper | wc -l)"
value "to be copied" "$(find ${BASE} | wc -l)"
numbers /tmp/numbers.after
cmp /tmp/numbers.before /tmp/numbers.after; value "numbers after copying up" $?
handle_checks open /merged /tmp/handles >/tmp/out 2>&1; attach "overlay handles copied" /tmp/out
${compareInGuest("copied", "/merged")}
umount /merged && drop_caches
overlay copied ${BASE} $options /disk || exit 41
handle_checks open /merged /tmp/handles >/tmp/out 2>&1; attach "overlay handles again" /tmp/out
handle_checks hostile /merged /tmp/handles >/tmp/out 2>&1; attach "overlay handles hostile" /tmp/out
find /merged >/dev/null
numbers /tmp/numbers.again
cmp /tmp/numbers.before /tmp/numbers.again; value "numbers after mounting anew" $?
umount /merged || exit 42
rm -rf /disk/copied
`;

/** A volatile overlay is not to be mounted again, as it may have lost something. */
const VOLATILE = `
overlay volatile ${BASE} volatile /memory || exit 50
overlay_checks change /merged/checks /memory/volatile/upper/checks /tmp/state >/tmp/out 2>&1
attach "volatile change" /tmp/out
umount /merged || exit 51
overlay volatile ${BASE} volatile /memory; value "volatile again" $?
rm -rf /memory/volatile
`;

/** Many containers over one image: each has its own changes, none sees another's. */
const CONTAINERS_SCRIPT = `
page_cache_checks ${BASE} >/tmp/out 2>&1; attach "daxfs page cache" /tmp/out
for i in $(seq ${CONTAINERS}); do
  mkdir -p /memory/c$i/upper /memory/c$i/work /memory/c$i/merged
  layers=lowerdir=${BASE},upperdir=/memory/c$i/upper,workdir=/memory/c$i/work
  mount -t overlay -o $layers overlay /memory/c$i/merged || exit 60
done
for i in $(seq ${CONTAINERS}); do
  cd /memory/c$i/merged/checks
  echo "of $i" >links/one; echo "$i" >own; rm -r moved; mkdir moved
done
cd /
wrong=0
for i in $(seq ${CONTAINERS}); do
  cd /memory/c$i/merged/checks
  [ "$(cat links/one)" = "of $i" ] && [ "$(cat own)" = "$i" ] && [ -z "$(ls moved)" ] &&
    cmp -s file ${BASE}/checks/file && [ "$(cat links/two)" = linked ] || wrong=$((wrong + 1))
done
cd /
value "containers that are wrong" $wrong
page_cache_checks /memory/c1/merged/${DECORATION} >/tmp/out 2>&1
attach "overlay page cache" /tmp/out
cached() { grep '^Cached:' /proc/meminfo | tr -dc 0-9; }
before=$(cached)
for i in $(seq ${CONTAINERS}); do cat /memory/c$i/merged/${DECORATION}/sizes/2097152 >/dev/null; done
value "KiB cached by ${CONTAINERS} readers" $(($(cached) - before))
for i in $(seq ${CONTAINERS}); do umount /memory/c$i/merged || exit 61; done
rm -rf /memory/c*
`;

/** Numbers of owners, in two trees, path by path. */
const IDMAPPED = `
cd /
value "idmapped mount" "$(idmap ${BASE} /lower/shifted 0 ${SHIFT} ${IDS} 2>&1)"
owners() { (cd $1 && find . -printf '%U %G %p\\0' | tr '\\n\\0' '?\\n' | sort -k 3); }
owners ${BASE} | awk -v shift=${SHIFT} -v ids=${IDS} '
  function id(n) { return n < ids ? n + shift : 65534 }
  { $1 = id($1); $2 = id($2); print }' >/tmp/owners.expected
owners /lower/shifted | awk '{ $1 = $1; print }' >/tmp/owners.found
cmp /tmp/owners.expected /tmp/owners.found; value "idmapped owners" $?
acl() { (cd $1 && getfacl --numeric --omit-header ${DECORATION}/acls/access); }
value "acl" "$(acl ${BASE})"
value "idmapped acl" "$(acl /lower/shifted)"
as() { setpriv --reuid $1 --regid $1 --clear-groups cat $2/checks/private 2>&1; }
value "private file, its owner" "$(as ${SHIFT} /lower/shifted)"
value "private file, somebody" "$(as 1000 /lower/shifted)"

mkdir -p /disk/shifted/upper && chown ${SHIFT}:${SHIFT} /disk/shifted/upper
overlay shifted /lower/shifted "" /disk || exit 70
owners /merged | awk '{ $1 = $1; print }' >/tmp/owners.found
cmp /tmp/owners.expected /tmp/owners.found; value "overlay of idmapped owners" $?
: >>/merged/checks/private; : >>/merged/${DECORATION}/acls/access
value "idmapped owner, copied up" "$(stat -c %u:%g /disk/shifted/upper/checks/private)"
value "idmapped acl, copied up" "$(acl /disk/shifted/upper)"
umount /merged
rm -rf /disk/shifted
`;

/** What runs in a container's user namespace. $1: the lower layer, $2: directory of the container. */
const IN_CONTAINER = `
layers=lowerdir=$1,upperdir=$2/upper,workdir=$2/work
mount -t overlay -o $layers,userxattr overlay $2/merged || exit 1
stat -c "%u:%g" $2/merged/checks/private
overlay_checks change $2/merged/checks $2/upper/checks /tmp/state userxattr >/tmp/in-container
`;

const USER_NAMESPACE = `
cat >/tmp/in-container.sh <<'END'
${IN_CONTAINER}
END
mkdir -p /disk/container/upper /disk/container/work /disk/container/merged
chown -R ${SHIFT}:${SHIFT} /disk/container
: >/tmp/in-container; chmod 666 /tmp/in-container
value "in a user namespace" "$(user_namespace 0 ${SHIFT} ${IDS} /bin/sh /tmp/in-container.sh /lower/shifted /disk/container 2>&1; echo "status $?")"
attach "container change" /tmp/in-container
value "owner of what a container wrote" "$(stat -c %u:%g /disk/container/upper/checks/file)"
cat >/tmp/rootless.sh <<'END'
mount -t overlay -o lowerdir=/lower/middle:${BASE},userxattr overlay /merged || exit 1
cd /merged/layers
ls user-opaque; ls opaque; ls -d whited-out brought-back 2>/dev/null; cat file-to-directory
END
value "lowers in a user namespace" "$(user_namespace 0 ${SHIFT} ${IDS} /bin/sh /tmp/rootless.sh 2>&1; echo "status $?")"
umount /lower/shifted 2>/dev/null
`;

const END = `
umount /disk /lower/base /lower/middle /lower/top || exit 90
rmmod overlay && rmmod daxfs || exit 91
`;

await describeGuest("overlayfs over images in memory", "overlay", {}, (guest) => {
  guest.boot(async ({ directory, kernel }) => {
    const programs = join(directory, "programs");
    await mkdir(programs);
    await compileHelper("identity", programs);
    await compileHelper("pattern", programs);
    const helpers = await Promise.all(HELPERS.map((name) => compileHelper(name, directory)));

    const [base = "", middle = "", top = "", merged = ""] = ["base", "middle", "top", "merged"].map(
      (name) => join(directory, name),
    );
    await mkdir(base);
    await decorate(base, programs);
    await hostScript(SHRINK, join(base, DECORATION));
    await hostScript(MAKE_BASE, base, programs);
    await hostScript(MAKE_MIDDLE, middle, base);
    await hostScript(MAKE_TOP, top);
    await hostScript(EXPECTED_MERGE, merged, base, middle, top);
    const { files, programs: manifestPrograms } = await manifestSetup({
      merged: await hostManifest(merged),
      copied: await hostManifest(base),
    });
    const images = await Promise.all(
      [base, middle, top].map((tree) => buildImage(tree, `${tree}.daxfs`)),
    );
    await hostScript(MAKE_ARCHIVES, directory);
    for (const archive of ["lower.tar", "upper.tar"].map((name) => join(directory, name))) {
      images.push(await buildImage(archive, `${archive}.daxfs`, ["--whiteouts=overlay"]));
    }

    return {
      cpus: 2,
      // Until Linux 6.14, ext4 asks for a checksum's module by a name that nobody resolves here.
      kernelModules: [
        "overlay",
        "loop",
        ...(isSince(kernel, "6.15") ? [] : ["crc32c_generic"]),
        "ext4",
      ],
      images: images.map((path) => ({ path })),
      programs: [...new Set([...helpers, ...manifestPrograms, ...PROGRAMS])],
      files,
      timeoutSeconds: 600,
      script: [
        PREPARE,
        MERGE,
        SHOW_ARCHIVES,
        HANDLES,
        CONTAINERS_SCRIPT,
        VOLATILE,
        DISK,
        ...VARIANTS.map(runVariant),
        COPY_UP,
        IDMAPPED,
        USER_NAMESPACE,
        END,
      ].join("\n"),
    };
  });

  it("comes to its end", () => {
    expect(guest.result.exitStatus).toBe(0);
  });

  it("merges three images as their layers say, without an upper layer", () => {
    const { difference, errors, status, lines } = comparison(guest.result, "merged");
    expect(errors).toBe("");
    expect(difference).toEqual([]);
    expect(status).toBe(0);
    expect(lines).toBeGreaterThan(1000);
    expect(guest.value("writing without an upper layer")).toBe("1");
  });

  it("merges a layer of a container image by its whiteouts, whatever their order", () => {
    expect(guest.value("marked layers").split(" ").sort().join(" ").trim()).toBe(MARKED_TREE);
    expect(guest.value("entries that can't be looked up")).toBe("0");
  });

  it.each(VARIANTS)("is changed through an overlay, which keeps it: $name", ({ name }) => {
    expect(failedChecks(guest.checks(`${name} change`))).toEqual([]);
    expect(failedChecks(guest.checks(`${name} again`))).toEqual([]);
  });

  it("is changed through a volatile overlay, which can't be mounted again", () => {
    expect(failedChecks(guest.checks("volatile change"))).toEqual([]);
    expect(guest.value("volatile again")).not.toBe("0");
  });

  it("has all the features asked for: overlayfs falls back to nothing less", () => {
    const messages = guest.result.kernelMessages
      .filter((line) => line.includes("overlayfs:"))
      .filter((line) => !/"xino" feature enabled using \d+ upper inode bits/.test(line));
    // What wrong handles and the mounting of a volatile overlay again are refused with.
    expect(messages.filter((line) => !/failed to decode file handle/.test(line))).toEqual([
      expect.stringContaining("incompat feature 'volatile'"),
    ]);
  });

  it.each(["save", "open", "again", "hostile", "foreign"])(
    "has file handles of its own: %s",
    (step) => {
      expect(failedChecks(guest.checks(`daxfs handles ${step}`))).toEqual([]);
    },
  );

  it.each(["save", "open", "copied", "again", "hostile"])(
    "has file handles through an overlay: %s",
    (step) => {
      expect(failedChecks(guest.checks(`overlay handles ${step}`))).toEqual([]);
    },
  );

  it("is the same after everything was copied up", () => {
    const { difference, errors, status } = comparison(guest.result, "copied");
    expect(guest.value("copied before")).toBe("0");
    expect(guest.value("copying up")).toBe("0");
    expect(guest.value("copied after")).toBe(guest.value("to be copied"));
    expect(errors).toBe("");
    expect(difference).toEqual([]);
    expect(status).toBe(0);
  });

  it("keeps every inode number, copied up and mounted anew", () => {
    expect(guest.value("numbers after copying up")).toBe("0");
    expect(guest.value("numbers after mounting anew")).toBe("0");
  });

  it(`serves ${CONTAINERS} containers at once`, () => {
    expect(guest.value("containers that are wrong")).toBe("0");
  });

  it("takes no page cache, read directly or through an overlay", () => {
    expect(failedChecks(guest.checks("daxfs page cache"))).toEqual([]);
    expect(failedChecks(guest.checks("overlay page cache"))).toEqual([]);
    expect(Number(guest.value(`KiB cached by ${CONTAINERS} readers`))).toBeLessThan(1024);
  });

  it("can be mounted with other owners", () => {
    expect(guest.value("idmapped mount")).toBe("0");
    expect(guest.value("idmapped owners")).toBe("0");
    expect(guest.value("private file, its owner")).toBe("of root");
    expect(guest.value("private file, somebody")).toMatch(/Permission denied/);
    const acl = guest.value("acl");
    expect(acl).toMatch(/^user:1000:r--$/m);
    expect(guest.value("idmapped acl")).toBe(shiftedAcl(acl));
  });

  it("can be a lower layer with other owners", () => {
    expect(guest.value("overlay of idmapped owners")).toBe("0");
    expect(guest.value("idmapped owner, copied up")).toBe(`${SHIFT}:${SHIFT}`);
    expect(guest.value("idmapped acl, copied up")).toBe(shiftedAcl(guest.value("acl")));
  });

  it("can be the lower layer of a container in a user namespace", () => {
    expect(guest.value("in a user namespace")).toBe("0:0\nstatus 0");
    expect(failedChecks(guest.checks("container change"))).toEqual([]);
    expect(guest.value("owner of what a container wrote")).toBe(`${SHIFT + 12}:${SHIFT + 34}`);
  });

  it("has whiteouts and user.overlay attributes that hold in a user namespace", () => {
    expect(guest.value("lowers in a user namespace")).toBe(
      // trusted.overlay.opaque counts for nothing there.
      "new\ndeep\nnew\nold\nbase\nstatus 0",
    );
  });
});

/** An ACL as getfacl prints it, with the ids of an idmapped mount. */
function shiftedAcl(acl: string): string {
  return acl.replace(/^((?:user|group):)(\d+)/gm, (_, kind, id) => kind + (Number(id) + SHIFT));
}
