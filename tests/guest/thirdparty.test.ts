// SPDX-License-Identifier: MIT
// Programs of others over a mounted image: fio, stress-ng, dpkg, git and SQLite, run from the mount.
import { mkdir, open, readFile, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { BACKING } from "../support/backing.js";
import { buildImage, CACHE, hostScript } from "../support/environment.js";
import {
  FIO_CONTROL,
  FIO_DIRECT_WAVES,
  FIO_WAVES,
  type FioOutcome,
  fioJobFile,
  layOutFioFiles,
  parseFio,
  successfulFio,
} from "../support/fio.js";
import { describeGuest } from "../support/guest-suite.js";
import { debianRootfs } from "../support/rootfs.js";
import { parseStressMetrics, stressCommand, stressorsOf } from "../support/stress-ng.js";

/** Struct pages, and with them huge mappings, come for regions of whole 2 MiB. */
const REGION = 2 * 1024 * 1024;
const EILSEQ = 84;
/** A file of a package that is changed after its installation. */
const CHANGED = "/usr/share/common-licenses/GPL-2";

/**
 * Copies programs of the host and the libraries that they load into a Debian tree. What is there
 * stays, so that no package's file is changed. Parameters: the tree, the programs.
 */
const COPY_PROGRAMS = `
tree=$1; shift
for name; do
  program=$(command -v "$name")
  cp -n "$program" "$tree/usr/bin/"
  for library in $(ldd "$program" | grep -o '/[^ ]*'); do
    mkdir -p "$tree$(dirname "$library")"
    cp -Ln "$library" "$tree$library"
  done
done
`;

/** A repository of 500 files with two commits, packed. Parameters: where, and what to put in. */
const MAKE_REPOSITORY = `
export GIT_CONFIG_NOSYSTEM=1 HOME=/nonexistent
git="git --git-dir $1 --work-tree $2 -c user.name=x -c user.email=x -c gc.auto=0"
git init --quiet --bare -b main "$1"
$git add --all . ':!*.pm'
$git commit --quiet -m first
$git add --all .
$git commit --quiet -m second
$git repack -adq
`;

const DATABASE_ROWS = 40_000;
const MAKE_DATABASE = `
PRAGMA page_size = 4096;
CREATE TABLE entry (id INTEGER PRIMARY KEY, name TEXT UNIQUE, content BLOB);
INSERT INTO entry SELECT value, 'name-' || (value * 7919 % 1000003), randomblob(value % 200)
  FROM generate_series(1, ${DATABASE_ROWS});
CREATE INDEX by_length ON entry (length(content));
`;
const QUERY = `
PRAGMA integrity_check;
SELECT count(*), sum(length(content)), sum(unicode(name)) FROM entry;
SELECT hex(content) FROM entry WHERE length(content) = 199 ORDER BY name LIMIT 3;
`;
const MMAP_SIZE = 2 ** 30;

/**
 * The system heap of 6.12 clears a whole buffer without a break. QEMU takes 2 s for the 324 MiB of
 * this image, but a minute where programs were run from that memory before: whatever it translated
 * from there it must drop as that is cleared. Twice this many seconds are a lockup.
 */
const HEAP_WATCHDOG = "watchdog_thresh=60";

await describeGuest("programs of others", "thirdparty", {}, (guest) => {
  let answers: string;
  let objects: string;

  guest.boot(async ({ directory }) => {
    const tree = join(directory, "tree");
    await hostScript('cp -a "$1" "$2"', await debianRootfs(CACHE), tree);
    await hostScript(COPY_PROGRAMS, tree, "fio", "git", "sqlite3", "stress-ng");
    await hostScript('echo >>"$1"', join(tree, CHANGED));
    await layOutFioFiles(join(tree, "fio"));
    const repository = join(tree, "repository.git");
    await hostScript(MAKE_REPOSITORY, repository, join(tree, "usr/lib/x86_64-linux-gnu/perl-base"));
    objects = await hostScript('git --git-dir "$1" rev-list --objects --all', repository);
    const database = join(tree, "database.sqlite");
    await hostScript('sqlite3 "$1" "$2"', database, MAKE_DATABASE);
    answers = await hostScript('sqlite3 -readonly "$1" "$2"', database, QUERY);
    const image = await buildImage(tree, join(directory, "tree.daxfs"));
    await truncate(image, Math.ceil((await stat(image)).size / REGION) * REGION);
    const corrupted = await corruptedImage(directory, join(tree, "fio"));

    const jobs = Object.entries({
      jobs: [FIO_WAVES, "/fio"],
      direct: [FIO_DIRECT_WAVES, "/fio"],
      control: [FIO_CONTROL, "/mnt"],
    } as const);
    const fio = (name: string) => `
system fio --readonly --output-format=json --output=/tmp/${name}.json /tmp/${name}.fio
value "fio ${name}" "$?"
gzip /mnt/tmp/${name}.json
attach "fio ${name}" /mnt/tmp/${name}.json.gz`;
    return {
      cpus: 2,
      images: [{ path: image }, { path: corrupted }],
      files: jobs.map(([name, [waves, where]]) => ({
        guestPath: `/root/${name}.fio`,
        content: fioJobFile(waves, where),
      })),
      commandLine: BACKING === "dma-heap" ? [HEAP_WATCHDOG] : [],
      timeoutSeconds: 800,
      script: `
# By its path, env is that of the image; by their names, busybox would take programs of its own.
system() { chroot /mnt /usr/bin/env "$@"; }
run() { name=$1; shift; value "$name" "$("$@" 2>&1; echo "status $?")"; }
enter() {
  mount_image 0 /mnt $1 || exit 1
  mount -t tmpfs -o mode=1777 tmpfs /mnt/tmp
  for name in dev proc sys; do mount --bind /$name /mnt/$name; done
  mount --bind /dev/shm /mnt/dev/shm
}
leave() { for name in dev/shm dev proc sys tmp; do umount /mnt/$name || exit 2; done; umount /mnt || exit 2; }
stress() {
  run "stress-ng $1" system setpriv --reuid $2 --regid $2 --clear-groups $3
  value "metrics $1" "$(cat /mnt/tmp/metrics)"
  rm /mnt/tmp/metrics
}

enter
run maps system grep -E ' (/usr/bin/grep|/usr/lib/.*/libc\\.so\\.6)$' /proc/self/maps
value device "$(awk '$5 == "/mnt" { print $3 }' /proc/self/mountinfo)"
cp /root/*.fio /mnt/tmp
mount_image 1 /mnt/mnt || exit 1
${fio("jobs")}
${fio("direct")}
${fio("control")}
umount /mnt/mnt
stress root 0 "${stressCommand(false, "/tmp/metrics")}"
stress user 65534 "${stressCommand(true, "/tmp/metrics")}"
run dpkg system dpkg --verify
run git system git --git-dir /repository.git fsck --full --strict --no-progress
run objects system git --git-dir /repository.git rev-list --objects --all
run sqlite system sqlite3 -readonly -cmd "PRAGMA mmap_size=${MMAP_SIZE}" /database.sqlite "${QUERY}"
run "immutable sqlite" system sqlite3 "file:/database.sqlite?immutable=1" "${QUERY}"
leave
# Memory without struct pages is mapped in another way.
enter nopages
stress "root, nopages" 0 "${stressCommand(false, "/tmp/metrics")}"
leave
rmmod daxfs || exit 3
`,
    };
  });

  it("are run from the mount, which can be unmounted after it all", () => {
    const maps = guest.value("maps").split("\n");
    expect(maps.pop()).toBe("status 0");
    expect(maps.length).toBeGreaterThan(4);
    const device = guest.value("device").split(":").map(Number);
    for (const line of maps) {
      const [, , , found = ""] = line.split(" ");
      expect(found.split(":").map((number) => Number.parseInt(number, 16))).toEqual(device);
    }
    expect(guest.result.exitStatus).toBe(0);
  });

  it("fio verifies its files with every engine", () => {
    report("fio", fio("jobs"));
    expect(fio("jobs")).toEqual(successfulFio(FIO_WAVES));
    expect(guest.value("fio jobs")).toBe("0");
  });

  it("fio verifies them with O_DIRECT as well", () => {
    report("fio", fio("direct"));
    expect(fio("direct")).toEqual(successfulFio(FIO_DIRECT_WAVES));
  });

  it("fio finds a byte that was changed in the image, with any engine", () => {
    report("fio over a changed byte", fio("control"));
    expect(fio("control").map(({ name, error }) => ({ name, error }))).toEqual(
      FIO_CONTROL.flat().map(({ name }) => ({ name, error: EILSEQ })),
    );
    expect(guest.value("fio control")).not.toBe("0");
  });

  it.each([
    ["root", false],
    ["user", true],
    ["root, nopages", false],
  ])("stress-ng finds nothing wrong as %s", (name, asUser) => {
    const stressors = stressorsOf(asUser);
    const metrics = parseStressMetrics(guest.value(`metrics ${name}`));
    const rows = stressors.map((stressor) => {
      const operations = metrics.get(stressor.name) ?? 0;
      return `stress-ng (${name}) ${stressor.name}: ${operations} bogo ops (${stressor.purpose})`;
    });
    console.info(rows.join("\n"));
    const output = guest.value(`stress-ng ${name}`);
    expect(output).not.toMatch(/fail:|error:|skip|unsuccessful/);
    expect(output).toMatch(/successful run completed in .*\nstatus 0$/);
    const unfinished = stressors.filter(
      (stressor) => !((metrics.get(stressor.name) ?? 0) >= stressor.operations),
    );
    expect(unfinished.map((stressor) => stressor.name)).toEqual([]);
  });

  it("dpkg finds the one file changed that was", () => {
    expect(guest.value("dpkg")).toMatch(new RegExp(`^\\?\\?5\\?+ {3}${CHANGED}\nstatus 0$`));
  });

  it("git finds every object of a packed repository sound", () => {
    expect(guest.value("git")).toBe("status 0");
    expect(guest.value("objects")).toBe(`${objects}\nstatus 0`);
    expect(objects.split("\n").length).toBeGreaterThan(200);
  });

  it("SQLite finds a database sound, through a mapping and without", () => {
    expect(guest.value("sqlite")).toBe(`${MMAP_SIZE}\n${answers}\nstatus 0`);
    expect(guest.value("immutable sqlite")).toBe(`${answers}\nstatus 0`);
    expect(answers).toContain(`ok\n${DATABASE_ROWS}|`);
  });

  function fio(name: string): FioOutcome[] {
    const json = guest.result.attachments[`fio ${name}`];
    if (json === undefined) throw new Error(`the guest sent no outcome of fio ${name}`);
    return parseFio(gunzipSync(json).toString("utf8"));
  }
});

function report(title: string, outcomes: readonly FioOutcome[]): void {
  const rows = outcomes.map(
    ({ name, error, bytes }) =>
      `${title}: ${name}: ${bytes} bytes, ${error === 0 ? "passed" : `error ${error}`}`,
  );
  console.info(rows.join("\n"));
}

/** An image of the file that FIO_CONTROL reads, with one bit of one byte changed after the build. */
async function corruptedImage(directory: string, fioFiles: string): Promise<string> {
  const tree = join(directory, "corrupted");
  await mkdir(tree);
  await hostScript('cp "$1/crc32c" "$2"', fioFiles, tree);
  const image = await buildImage(tree, join(directory, "corrupted.daxfs"));
  const content = await readFile(join(tree, "crc32c"));
  const at = 5_000_123;
  const start = (await readFile(image)).indexOf(content.subarray(at - 64, at + 64));
  expect(start).toBeGreaterThan(0);
  const file = await open(image, "r+");
  const changed = Buffer.of((content[at] ?? 0) ^ 0x10);
  await file.write(changed, 0, 1, start + 64);
  await file.close();
  return image;
}
