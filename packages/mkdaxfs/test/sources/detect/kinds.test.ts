// SPDX-License-Identifier: MIT
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { OpenContext } from "../../../src/sources/context.js";
import { openPath } from "../../../src/sources/detect/detect.js";
import { KINDS as COMPRESSIONS, packed } from "../../support/decompress.js";
import { LayoutMaker, messageOf, OCI, sha256, tarOf, testContext } from "../../support/image.js";
import { scratchDirectory } from "../../support/support.js";

const scratch = scratchDirectory();
const context = testContext();
let made = 0;

function fileOf(content: string | Buffer): string {
  const path = scratch(`file${made++}`);
  writeFileSync(path, content);
  return path;
}

async function read(path: string, other: Partial<OpenContext> = {}): Promise<void> {
  const { sources } = await openPath(path, { ...context, ...other });
  for (const source of sources) for await (const _ of source.entries());
}

/** Whether a program is missing, which is said. */
function isMissing(program: string): boolean {
  const path = `PATH=$PATH:/usr/sbin:/sbin; command -v ${program}`;
  if (spawnSync("sh", ["-c", path]).status === 0) return false;
  console.log(`skipped: ${program} is not installed`);
  return true;
}

/** What is wrong with a path, which is "P" in the message. */
const refusal = async (path: string) => (await messageOf(read(path))).replaceAll(path, "P");

/** Zeros with these bytes at an offset, and zeros behind them. */
function zerosWith(bytes: string, offset: number): Buffer {
  const content = Buffer.alloc(300_000);
  content.write(bytes, offset, "latin1");
  return content;
}

const MOUNT = "image (mount it and give the directory)";
const DISK = "(mount what is in it and give the directory)";
const UNPACK = "(unpack it and give the directory)";
const DECOMPRESS = "(decompress it into mkdaxfs -)";

describe("a file that begins with zeros is refused by what it is:", () => {
  it.each([
    ["\x53\xef", 1080, `an ext filesystem ${MOUNT}`],
    ["CD001", 32769, `an ISO 9660 ${MOUNT}`],
    ["BEA01", 32769, `a UDF ${MOUNT}`],
    ["\xe2\xe1\xf5\xe0", 1024, `an erofs ${MOUNT}`],
    ["\x10\x20\xf5\xf2", 1024, `an F2FS ${MOUNT}`],
    ["_BHRfS_M", 65600, `a btrfs ${MOUNT}`],
    ["ReIsEr2Fs", 65588, `a ReiserFS ${MOUNT}`],
    ["JFS1", 32768, `a JFS ${MOUNT}`],
    ["\x45\x3d\xcd\x28", 512, `a cramfs ${MOUNT}`],
    ["H+\0\x04", 1024, `an HFS+ ${MOUNT}`],
    ["\x7f\x13", 1040, `a Minix filesystem ${MOUNT}`],
    ["\x0c\xb1\xba\0\0\0\0\0", 131072, `a ZFS pool ${MOUNT}`],
    ["SWAPSPACE2", 4086, "swap space (give a directory or an archive)"],
    ["LABELONE", 512, `an LVM physical volume ${DISK}`],
    ["\xfc\x4e\x2b\xa9", 4096, `a member of an MD RAID ${DISK}`],
    ["EFI PART", 512, `a disk image with a GPT ${DISK}`],
    ["EFI PART", 4096, `a disk image with a GPT ${DISK}`],
    ["\x55\xaa", 510, `a disk image with a partition table or boot sector ${DISK}`],
    ["NTFS    ", 3, `an NTFS ${MOUNT}`],
    ["\0\0\0\x7b", 0, `a dar archive ${UNPACK}`],
  ])("%j at %i", async (bytes, offset, kind) => {
    const content = zerosWith(bytes, offset);
    expect(await refusal(fileOf(content))).toBe(`P is ${kind}`);
    expect(await refusal(fileOf(gzipSync(content)))).toBe(
      `P is gzip-compressed, and inside ${kind}`,
    );
  });

  it("zeros and nothing else", async () => {
    const kind =
      "nothing but zeros (it is an archive without entries, or a copy that failed: make it again)";
    for (const size of [1, 100, 512, 1024, 10_240, 100_000]) {
      expect(await refusal(fileOf(Buffer.alloc(size)))).toBe(`P is ${kind}`);
    }
    for (const compression of COMPRESSIONS) {
      expect(await refusal(fileOf(packed(compression, Buffer.alloc(10_240))))).toBe(
        `P is ${compression}-compressed, and inside ${kind}`,
      );
    }
    const long = fileOf("");
    truncateSync(long, 2 ** 40);
    expect(await refusal(long)).toBe(
      "P is not an archive: its first 262144 bytes are zeros (sources are directories, tar and zip " +
        "archives, and container images)",
    );
  });

  it("a tar archive behind zeros", async () => {
    const tar = await tarOf(["a", "1"]);
    for (const zeros of [512, 1024, 10_240]) {
      expect(await refusal(fileOf(Buffer.concat([Buffer.alloc(zeros), tar])))).toBe(
        `P is a tar archive behind ${zeros} bytes of zeros (cut them off: tail -c +${zeros + 1})`,
      );
    }
  });

  it("anything else behind zeros", async () => {
    expect(await refusal(fileOf(zerosWith("\x01\x02\x03", 1000)))).toContain(
      "P is not an archive: it begins with 1000 bytes of zeros, then the bytes 0102030000000000 (",
    );
    expect(await refusal(fileOf(zerosWith("\x01\x02\x03", 2)))).toContain(
      "P is not an archive: it begins with the bytes 0000010203000000 (",
    );
  });

  it("a layer that a digest vouches for", async () => {
    const content = zerosWith("\x53\xef", 1080);
    for (const layer of [content, gzipSync(content)]) {
      const layout = new LayoutMaker();
      const descriptor = layout.blob(layer, OCI.layer);
      layout.index([layout.image([{ descriptor, diffId: sha256(content) }])]);
      expect(await refusal(layout.writeTo(scratch(`layer${made++}`)))).toBe(
        `P: layer ${descriptor.digest}: is not a tar archive: it begins with zeros, and has data ` +
          "from byte 1080 on (make the image again)",
      );
    }
  });
});

describe("images that tools make are refused by what they are:", () => {
  it.each([
    ["mkfs.ext4", "mkfs.ext4 -q -d tree image 8m", `an ext filesystem ${MOUNT}`],
    ["mkfs.ext2", "mkfs.ext2 -q -b 1024 image 8m", `an ext filesystem ${MOUNT}`],
    ["mkfs.xfs", "truncate -s 320m image && mkfs.xfs -q image", `an XFS ${MOUNT}`],
    ["mkfs.btrfs", "truncate -s 128m image && mkfs.btrfs -q image", `a btrfs ${MOUNT}`],
    ["mkfs.vfat", "mkfs.vfat -C image 4096", `a FAT ${MOUNT}`],
    ["mkfs.erofs", "mkfs.erofs image tree", `an erofs ${MOUNT}`],
    ["mksquashfs", "mksquashfs tree image -quiet", `a squashfs ${MOUNT}`],
    ["genisoimage", "genisoimage -quiet -o image tree", `an ISO 9660 ${MOUNT}`],
    ["mkswap", "truncate -s 1m image && mkswap image", "swap space (give a directory"],
    ["qemu-img", "qemu-img create -f qcow2 image 8m", `a qcow2 disk image ${DISK}`],
    ["qemu-img", "qemu-img create -f vmdk image 8m", `a VMDK disk image ${DISK}`],
    ["qemu-img", "qemu-img create -f vdi image 8m", `a VDI disk image ${DISK}`],
    ["qemu-img", "qemu-img create -f vhdx image 8m", `a VHDX disk image ${DISK}`],
    ["qemu-img", "qemu-img create -f vpc image 8m", `a VHD disk image ${DISK}`],
    ["qemu-img", "qemu-img create -f vpc -o subformat=fixed image 8m", `a VHD disk image ${DISK}`],
    [
      "sfdisk",
      "truncate -s 8m image && echo label:gpt | sfdisk -q image",
      `a disk image with a GPT ${DISK}`,
    ],
    [
      "sfdisk",
      "truncate -s 8m image && echo label:dos | sfdisk -q image",
      `a disk image with a partition table or boot sector ${DISK}`,
    ],
  ])("%s: %s", async (program, command, kind) => {
    if (isMissing(program)) return;
    const directory = scratch(`made${made++}`);
    mkdirSync(join(directory, "tree"), { recursive: true });
    writeFileSync(join(directory, "tree/a"), "1");
    execFileSync("sh", ["-c", `PATH=$PATH:/usr/sbin:/sbin; ${command}`], {
      cwd: directory,
      stdio: "ignore",
    });
    expect(await refusal(join(directory, "image"))).toContain(`P is ${kind}`);
  });
});

describe("other files are refused by what they are:", () => {
  const text = Buffer.from("a text, and again a text\n".repeat(20));

  it.each([
    ["xz", ["--format=lzma", "-c"], "lzma-compressed"],
    ["lz4", ["-c"], "lz4-compressed"],
    ["lz4", ["-l", "-c"], "lz4-compressed in the legacy format"],
    ["lzop", ["-c"], "lzop-compressed"],
    ["lrzip", ["-q", "-o", "-"], "lrzip-compressed"],
    ["lzip", ["-c"], "lzip-compressed"],
    ["pigz", ["-z", "-c"], "zlib-compressed"],
  ] as const)("what %s %j makes", async (program, options, kind) => {
    if (isMissing(program)) return;
    const pipes = ["pipe", "pipe", "ignore"] as const;
    const bytes = execFileSync(program, options, { input: text, stdio: [...pipes] });
    expect(await refusal(fileOf(bytes))).toBe(`P is ${kind} ${DECOMPRESS}`);
  });

  it.each([
    ["\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff", `lzma-compressed ${DECOMPRESS}`],
    ["\x5d\0\0\0\x04\x10\0\0\0\0\0\0\0", `lzma-compressed ${DECOMPRESS}`],
    ["\x02\x21\x4c\x18", `lz4-compressed in the legacy format ${DECOMPRESS}`],
    ["\x89LZO\0\r\n\x1a\n", `lzop-compressed ${DECOMPRESS}`],
    ["LRZI\0\x06", `lrzip-compressed ${DECOMPRESS}`],
    ["LZIP\x01", `lzip-compressed ${DECOMPRESS}`],
    ["\x25\xb5\x2f\xfd", `zstd-compressed by a version before 0.8 ${DECOMPRESS}`],
    ["MSCF\0\0\0\0", `a cabinet archive ${UNPACK}`],
    ["xar!\0\x1c", `a xar archive ${UNPACK}`],
    ["\xed\xab\xee\xdb\x03", `an RPM package ${UNPACK}`],
    ["MSWIM\0\0\0", `a WIM archive ${UNPACK}`],
    ["..-lh5-..", `an LHA archive ${UNPACK}`],
    ["LUKS\xba\xbe\0\x02", "a LUKS volume (decrypt it into mkdaxfs -)"],
    ["xadd", "a daxfs image already"],
    ["-rom1fs-", `a romfs ${MOUNT}`],
  ])("%j", async (bytes, kind) => {
    const content = Buffer.concat([Buffer.from(bytes, "latin1"), Buffer.alloc(1000)]);
    expect(await refusal(fileOf(content))).toBe(`P is ${kind}`);
  });

  it("an Apple disk image, by its end", async () => {
    const content = Buffer.alloc(2000, 7);
    content.write("koly", 2000 - 512);
    expect(await refusal(fileOf(content))).toBe(`P is an Apple disk image ${DISK}`);
  });

  it("what is compressed twice", async () => {
    const tar = await tarOf(["a", "1"]);
    for (const compression of COMPRESSIONS) {
      expect(await refusal(fileOf(gzipSync(packed(compression, tar))))).toBe(
        `P is gzip-compressed, and inside ${compression}-compressed ${DECOMPRESS}`,
      );
    }
  });

  it("formats that begin with a name, by that", async () => {
    for (const [bytes, shown] of [
      ["SQLite format 3\0\x10\0", '"SQLite format 3"'],
      ["%PDF-1.7\n%\x01\x02", '"%PDF-1.7"'],
      ["\x89PNG\r\n\x1a\n\0", '"?PNG"'],
      ["GGUF\x03\0\0\0", '"GGUF"'],
      ["Obj\x01\x04\x16avro.schema", '"Obj"'],
      ["\x01\x02ab\0", "the bytes 0102616200000000"],
    ] as const) {
      const content = Buffer.concat([Buffer.from(bytes, "latin1"), Buffer.alloc(100)]);
      expect(await refusal(fileOf(content))).toBe(
        `P is not an archive: it begins with ${shown} (sources are directories, tar and zip ` +
          "archives, and container images)",
      );
    }
  });
});
