// SPDX-License-Identifier: MIT
// Mounts every image of the corpus in one virtual machine: the module refuses it, or fails on what
// is broken and serves the rest, and the kernel goes on as if nothing had been.
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { DEBUG_ROLE } from "@daxfs/qemu";
import { execa } from "execa";
import { beforeAll, expect, it } from "vitest";
import { BASE_NAMES, loadBase } from "../corpus/bases.js";
import { type CorpusRecord, dataDirectory, loadCorpus, loadRecords } from "../corpus/corpus.js";
import type { KernelOutcome } from "../corpus/corruptions/index.js";
import { compareWithExpectation } from "../corpus/expectation.js";
import { comparable } from "../corpus/view.js";
import { buildImageWalk, buildMountWalk } from "../image/programs.js";
import { describeGuest, type Preparation, type SuiteGuestOptions } from "../support/guest-suite.js";

const PAGE = 4096;

const PROGRAMS = ["find", "ls", "getfattr"];
const RUN_PROGRAMS = `
    run find /usr/local/bin/find /mnt -ls
    run ls /usr/local/bin/ls -lR /mnt
    run cat /usr/local/bin/find /mnt -type f -exec cat {} +
    run readlink /usr/local/bin/find /mnt -type l -exec readlink {} ';'
    run getfattr /usr/local/bin/getfattr -R -h -d -m - /mnt`;

/**
 * What the guest did with each image, in the order of /data/images; "=" begins an image. Programs of
 * others go over the tree as well, if the guest has any: on one kernel, as they take longer than all
 * the rest, and what they meet in an image is the same code on all kernels.
 */
const script = (programs: boolean) => `
run() {
  what=$1
  shift
  # With the whole paths of programs: timeout would take busybox's.
  timeout 60 "$@" >/tmp/output 2>/tmp/errors
  echo "ran $what $?"
}
while read -r name offset size; do
  dmesg -c >/dev/null
  echo "= $name"
  phys=$(printf '0x%x' $((IMAGE0_PHYS + offset)))
  if mount_memory $phys $size /mnt 2>/tmp/errors; then
    echo "mounted"
    run mount_walk /data/mount_walk /mnt
    sed 's/^/walk /' /tmp/output
${programs ? RUN_PROGRAMS : ""}
    if [ "$name" = parent-is-a-file ]; then
      # Place 4 is behind the entry that is broken.
      value twice "$(/data/mount_walk -e /mnt/sub 4)"
    fi
    umount /mnt || echo "still mounted"
  else
    sed 's/^/refused /' /tmp/errors
  fi
  dmesg -c | sed 's/^/kernel /'
done </data/images >/tmp/report
gzip /tmp/report
attach report /tmp/report.gz
rmmod daxfs && result "the module can be removed" pass
`;

interface Visit {
  readonly mounted: boolean;
  readonly refusal: string;
  readonly walk: readonly string[];
  readonly kernel: readonly string[];
  readonly other: readonly string[];
}

function parseReport(text: string): Map<string, Visit> {
  const visits = new Map<string, Visit>();
  for (const part of text.split(/^= /m).slice(1)) {
    const [name = "", ...lines] = part.split("\n").filter((line) => line !== "");
    const after = (prefix: string) =>
      lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length));
    visits.set(name, {
      mounted: lines[0] === "mounted",
      refusal: after("refused ").join("\n"),
      walk: after("walk "),
      kernel: after("kernel "),
      other: lines.filter((line) => /^(ran|still) /.test(line)),
    });
  }
  return visits;
}

/** Pages of zeros stay holes: half a gigabyte of images takes a few megabytes of disk. */
async function writeRegion(
  path: string,
  images: readonly { name: string; bytes: Uint8Array }[],
): Promise<string[]> {
  const zeros = Buffer.alloc(PAGE);
  const places: string[] = [];
  const file = await open(path, "w");
  try {
    let at = 0;
    for (const { name, bytes } of images) {
      places.push(`${name} ${at} ${bytes.length}`);
      for (let done = 0; done < bytes.length; done += PAGE) {
        const page = bytes.subarray(done, done + PAGE);
        if (!zeros.equals(page)) await file.write(page, 0, PAGE, at + done);
      }
      at += bytes.length;
    }
    await file.truncate(at);
  } finally {
    await file.close();
  }
  return places;
}

const bases = BASE_NAMES.map((name) => ({ name, bytes: loadBase(name, dataDirectory()) }));
let work: string;
let withPrograms: boolean;
let imageWalk: string;
let visits: Map<string, Visit>;

/** What the guest is prepared with: all images in one region. */
async function prepare({ directory, kernel }: Preparation): Promise<SuiteGuestOptions> {
  work = directory;
  withPrograms = kernel.role === "newest" || kernel.role === DEBUG_ROLE;
  imageWalk = await buildImageWalk(directory);
  const mountWalk = await buildMountWalk(directory);
  const region = join(directory, "region");
  // The valid images come last: after all that, they have to be what they were.
  const places = await writeRegion(region, [...loadCorpus(), ...bases]);
  return {
    images: [{ path: region }],
    programs: PROGRAMS,
    files: [
      { guestPath: "/data/images", content: `${places.join("\n")}\n` },
      { guestPath: "/data/mount_walk", hostPath: mountWalk, mode: 0o755 },
    ],
    script: script(withPrograms),
    timeoutSeconds: 840,
  };
}

async function walkInUserSpace(bytes: Uint8Array): Promise<string[]> {
  const path = join(work, "image");
  await writeFile(path, bytes);
  const { stdout } = await execa(imageWalk, [path], { maxBuffer: 64 * 1024 * 1024 });
  return stdout.split("\n").filter((line) => line !== "");
}

function visitOf(name: string): Visit {
  const visit = visits.get(name);
  if (visit === undefined) throw new Error(`the guest did not come to ${name}`);
  return visit;
}

/** What the module logs when an operation meets a corruption. */
const REPORT =
  /daxfs \(\d+:\d+\): corrupt image: inode [1-9]\d*: \w+ is (0x[0-9a-f]+|0), expected .+; run mkdaxfs check on it$/;

/** Statuses that timeout(1) of busybox or coreutils ends with when time is up. */
const TIMED_OUT = /^ran \S+ (124|137|143)$/;

function expectToEnd(visit: Visit): void {
  expect(visit.other.filter((line) => TIMED_OUT.test(line) || line.startsWith("still"))).toEqual(
    [],
  );
  expect(visit.other).toHaveLength(withPrograms ? 6 : 1);
}

function checkRefusal(outcome: Extract<KernelOutcome, { mount: "refused" }>, visit: Visit): void {
  expect(visit.mounted).toBe(false);
  expect(visit.refusal).toMatch(/Invalid argument$/);
  expect(outcome.errno).toBe("EINVAL");
  // From a dma-buf it is mounted by fsconfig(2), which gives the messages to the caller.
  expect([...visit.kernel, visit.refusal].join("\n")).toMatch(
    new RegExp(
      `not a valid image: (superblock|inode [1-9]\\d*): ${outcome.field} is (0x[0-9a-f]+|0), expected `,
    ),
  );
}

const OPTIONS = { needsRoot: false };

await describeGuest("the corpus in a virtual machine", "corpus", OPTIONS, (guest) => {
  let images: Map<string, Uint8Array>;

  guest.boot(prepare);
  beforeAll(() => {
    const report = guest.result.attachments.report!;
    visits = parseReport(gunzipSync(report).toString("latin1"));
    images = new Map([...loadCorpus()].map((image) => [image.name, image.bytes] as const));
  });

  it.each(loadRecords().map((record) => [record.name, record] as [string, CorpusRecord]))(
    "%s",
    async (name, { kernel }) => {
      const visit = visitOf(name);
      if (kernel.mount === "refused") {
        checkRefusal(kernel, visit);
        return;
      }
      expect(visit.mounted, visit.refusal).toBe(true);
      expectToEnd(visit);
      expect(compareWithExpectation(kernel, visit.walk)).toEqual([]);
      // The same code in user space sees the same, down to every error.
      expect(visit.walk).toEqual(comparable(await walkInUserSpace(images.get(name)!)));
    },
  );

  it.each(bases)(
    "$name, which is valid, is served whole after all that",
    async ({ name, bytes }) => {
      const visit = visitOf(name);
      expect(visit.mounted, visit.refusal).toBe(true);
      expectToEnd(visit);
      expect(visit.other.filter((line) => !line.endsWith(" 0"))).toEqual([]);
      expect(visit.walk).toEqual(await walkInUserSpace(bytes));
      expect(visit.kernel).toEqual([]);
    },
  );

  it("fails again when a directory is read again behind a broken entry", () => {
    expect(guest.result.values.twice?.split("\n")).toEqual(["EUCLEAN", "EUCLEAN"]);
  });

  it("leaves a module that can be removed, and nothing to complain about", () => {
    expect(guest.result.exitStatus).toBe(0);
    expect(guest.result.records.map(({ name, status }) => `${name}: ${status}`)).toEqual([
      "the module can be removed: pass",
    ]);
    const errors = guest.result.kernelMessages.filter((line) => /daxfs/.test(line));
    expect(errors.length).toBeGreaterThan(0);
    // Of what was mounted: the module names the mount.
    const reports = errors.filter((line) => /daxfs \(/.test(line));
    expect(reports.length).toBeGreaterThan(0);
    for (const line of reports) expect(line).toMatch(REPORT);
  });
});
