// SPDX-License-Identifier: MIT
// Whatever reads a whole Debian system, in whatever way, leaves not one page in the page cache.
import { stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { buildImage, CACHE, compileHelper, hostScript } from "../support/environment.js";
import { describeGuest } from "../support/guest-suite.js";
import { debianRootfs } from "../support/rootfs.js";

/** The methods of helpers/page_cache.c. */
const METHODS = ["read", "sendfile", "mmap shared", "mmap private and written", "readahead"];

/** Memory without struct pages is mapped in another way. */
const WITHOUT_PAGES = "mmap shared, nopages";
const READINGS = [...METHODS, WITHOUT_PAGES];

const MIB = 1024 * 1024;
/** Struct pages, and with them huge mappings, come for regions of whole 2 MiB. */
const REGION = 2 * MIB;
/** In the image, a filesystem that does have a page cache, with copies of files beside it. */
const CONTROL = "control.squashfs";
const CONTROLLED = "usr/lib/x86_64-linux-gnu";

/** What helpers/page_cache.c prints. */
interface Reading {
  files: number;
  bytes: number;
  /** Of the content, the same for every method. */
  sum: string;
  /** What the page cache grew by, in pages, from /proc/vmstat. */
  pages: number;
  /** The same from /proc/meminfo, in KiB. */
  cached: number;
}

await describeGuest("the page cache", "page-cache", {}, (guest) => {
  let onHost: Reading;

  guest.boot(async ({ directory }) => {
    const tree = join(directory, "tree");
    await hostScript('cp -a "$1" "$2"', await debianRootfs(CACHE), tree);
    // Uncompressed, so that what it caches can be compared with what was read.
    await hostScript(
      'mksquashfs "$1" "$2" -noI -noD -noF -noX -no-progress -quiet',
      join(tree, CONTROLLED),
      join(tree, CONTROL),
    );
    await hostScript('head -c 5M /dev/urandom >"$1/mapped"', tree);
    const helper = await compileHelper("page_cache", directory);
    const mincore = await compileHelper("mincore_checks", directory);
    onHost = reading(await hostScript('"$1" read "$2"', helper, tree));
    const image = await buildImage(tree, join(directory, "tree.daxfs"));
    await truncate(image, Math.ceil((await stat(image)).size / REGION) * REGION);

    return {
      kernelModules: ["loop", "squashfs"],
      images: [{ path: image }],
      programs: [helper, mincore, "vmtouch"],
      timeoutSeconds: 600,
      script: `
mount_image 0 /mnt || exit 1
take() { value "$1" "$(page_cache "$2" "$3" 2>&1)"; }
resident() { value "$1" "$(vmtouch -m 4G "$2" 2>&1)"; }

# What the measurement itself does to the cache: the same over files that are in memory anyhow.
mkdir /tmp/control && cp -a /mnt/${CONTROLLED} /tmp/control || exit 2
take "tmpfs: read" read /tmp/control
rm -r /tmp/control

${METHODS.map((method) => `take "${method}" "${method}" /mnt`).join("\n")}
resident vmtouch /mnt
mincore_checks direct /mnt/mapped >/tmp/mincore 2>&1
attach mincore /tmp/mincore
umount /mnt && mount_image 0 /mnt nopages || exit 4
take "${WITHOUT_PAGES}" "mmap shared" /mnt
mincore_checks direct /mnt/mapped >/tmp/mincore 2>&1
attach "nopages: mincore" /tmp/mincore

mkdir /squashfs
mount -t squashfs -o ro,loop /mnt/${CONTROL} /squashfs || exit 3
take "squashfs: read" read /squashfs
resident "squashfs: vmtouch" /squashfs
cp /mnt/mapped /tmp/mapped
mincore_checks cached /tmp/mapped >/tmp/mincore 2>&1
attach "tmpfs: mincore" /tmp/mincore
umount /squashfs && umount /mnt && rmmod daxfs
`,
    };
  });

  it("is left alone by a guest that comes to its end", () => {
    expect(guest.result.exitStatus).toBe(0);
  });

  it("does not grow when the whole system is read, by any method", () => {
    const readings = READINGS.map((method) => ({ method, ...measured(method) }));
    console.info(table(["tmpfs: read", ...READINGS, "squashfs: read"]));
    for (const { method, files, bytes, sum } of readings) {
      expect({ method, files, bytes, sum }).toEqual({
        method,
        files: onHost.files,
        bytes: onHost.bytes,
        sum: onHost.sum,
      });
    }
    expect(onHost.bytes).toBeGreaterThan(200 * MIB);
    expect(readings.map(({ pages }) => pages)).toEqual(READINGS.map(() => 0));
    expect(readings.map(({ cached }) => cached)).toEqual(READINGS.map(() => 0));
  });

  it("has no resident page of any file, for vmtouch", () => {
    const { files, resident, pages } = vmtouch("vmtouch");
    expect(resident).toBe(0);
    expect(files).toBeGreaterThan(5000);
    expect(pages).toBeGreaterThan((200 * MIB) / 4096);
  });

  it.each(["mincore", "nopages: mincore"])(
    "is not what %s shows: that is what the process has touched",
    (name) => {
      expect(guest.failures(name)).toEqual([]);
      expect(guest.checks(name)).toHaveLength(12);
    },
  );

  it("would be seen to grow, and to hold pages: the same files on squashfs", () => {
    const { bytes, pages } = measured("squashfs: read");
    expect(bytes).toBeGreaterThan(20 * MIB);
    expect(pages * 4096).toBeGreaterThan(bytes);
    const seen = vmtouch("squashfs: vmtouch");
    expect(seen.resident).toBe(seen.pages);
    expect(seen.pages * 4096).toBeGreaterThanOrEqual(bytes);
    expect(guest.failures("tmpfs: mincore")).toEqual([]);
  });

  /** The figures of some readings, as a table. */
  function table(names: readonly string[]): string {
    const rows = names.map((name) => {
      const { files, bytes, pages, cached } = measured(name);
      return `${name.padEnd(34)} ${files} files, ${(bytes / MIB).toFixed(1)} MiB: ${pages} pages, Cached ${cached} KiB`;
    });
    return rows.join("\n");
  }

  function measured(name: string): Reading {
    return reading(guest.value(name));
  }

  function vmtouch(name: string): { files: number; resident: number; pages: number } {
    const text = guest.value(name);
    const [, resident, pages] = /Resident Pages: (\d+)\/(\d+)/.exec(text) ?? [];
    const [, files] = /Files: (\d+)/.exec(text) ?? [];
    if (files === undefined) throw new Error(`${name} says:\n${text}`);
    return { files: Number(files), resident: Number(resident), pages: Number(pages) };
  }
});

function reading(text: string): Reading {
  const numbers = /^files=(\d+) bytes=(\d+) sum=(\d+) pages=(-?\d+) cached=(-?\d+)$/.exec(text);
  if (numbers === null) throw new Error(`page_cache says: ${text}`);
  const [files, bytes, , pages, cached] = numbers.slice(1).map(Number);
  return { files, bytes, sum: numbers[3], pages, cached } as Reading;
}
