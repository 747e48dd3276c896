// SPDX-License-Identifier: MIT
import { createHash, randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  BACKINGS,
  type Backing,
  fetchKernel,
  type GuestResult,
  isBacking,
  isDmaBuf,
  type Kernel,
  reasonUnavailable,
  runGuest,
} from "../src/index.js";
import { CACHE, temporaryDirectory } from "./support.js";

const MIB = 1024 * 1024;

let directory: string;
let kernel: Kernel;

beforeAll(async () => {
  directory = await temporaryDirectory();
  kernel = await fetchKernel("oldest", CACHE);
});

describe("backings", () => {
  it("are known by name", () => {
    expect(BACKINGS.filter(isDmaBuf)).toEqual(["dma-heap", "udmabuf", "vgem"]);
    expect(isBacking("nvdimm")).toBe(true);
    expect(isBacking("tape")).toBe(false);
  });

  it("are told from what a kernel lacks by its configuration", async () => {
    const missing = await Promise.all(BACKINGS.map((one) => reasonUnavailable(kernel, one)));
    const reasons = missing.filter((reason) => reason !== undefined);
    expect(reasons).toEqual([
      `${kernel.release} is built without CONFIG_DMABUF_HEAPS_SYSTEM, which dma-heap takes`,
      `${kernel.release} is built without CONFIG_UDMABUF, which udmabuf takes`,
    ]);
  });

  it("that a kernel lacks are refused before anything boots", async () => {
    const options = { kernel, logDirectory: directory, script: "" };
    await expect(runGuest({ ...options, backing: "dma-heap" })).rejects.toThrow(
      /built without CONFIG_DMABUF_HEAPS_SYSTEM/,
    );
  });

  it("in devices take no address", async () => {
    const path = join(directory, "placed");
    await writeFile(path, "x");
    const images = [{ path, backing: "nvdimm" as const, physicalAddress: 0x40000000 }];
    await expect(runGuest({ kernel, logDirectory: directory, images, script: "" })).rejects.toThrow(
      /placed: an image in nvdimm memory can't be given an address/,
    );
  });
});

describe("a guest with images in every kind of memory", () => {
  /** Mixed, so that their order means something; none fills its memory. */
  const kinds: readonly Backing[] = [
    ...(["virtio-pmem", "ivshmem", "nvdimm", "reserved"] as const),
    ...(["ivshmem", "nvdimm", "virtio-pmem", "vgem"] as const),
  ];
  const images = kinds.map((_, index) => randomBytes((index + 1) * MIB + 4));
  let result: GuestResult;

  beforeAll(async () => {
    for (const [index, content] of images.entries()) {
      await writeFile(join(directory, `image-${index}`), content);
    }
    result = await runGuest({
      kernel,
      logDirectory: directory,
      backing: "ivshmem",
      images: kinds.map((backing, index) => ({
        path: join(directory, `image-${index}`),
        backing,
      })),
      script: `
value backing "$BACKING"
index=0
while [ $index -lt $IMAGE_COUNT ]; do
  eval "phys=\\$IMAGE\${index}_PHYS size=\\$IMAGE\${index}_SIZE kind=\\$IMAGE\${index}_BACKING"
  value "$index" "$kind $((phys % 0x200000)) $((size)) $(devmem $phys 32) $(devmem $((phys + size - 4)) 32)"
  # Behind an image are zeros, and what a guest writes does not get into the image's file.
  value "$index behind" "$(devmem $((phys + size)) 32)"
  [ $kind = reserved ] || [ $kind = vgem ] || devmem $phys 32 0x12345678
  index=$((index + 1))
done
value modules "$(lsmod | cut -d' ' -f1)"
mount_image 7 /mnt 2>/tmp/error; value "mount" "$? $(cat /tmp/error)"
`,
    });
  });

  it("is told its backing, and has the drivers", () => {
    expect(result.exitStatus).toBe(0);
    expect(result.values.backing).toBe("ivshmem");
    expect(result.values.modules?.split("\n")).toEqual(
      expect.arrayContaining(["nfit", "virtio_pmem", "vgem"]),
    );
    // It would make a block device of the memory.
    expect(result.values.modules).not.toContain("nd_pmem");
  });

  it.each(kinds.map((backing, index) => [index, backing] as const))(
    "finds image %i in %s memory, on a 2 MiB boundary",
    (index, backing) => {
      const content = images[index] ?? Buffer.alloc(0);
      const words = (result.values[index] ?? "").split(" ");
      expect(words.slice(0, 3)).toEqual([backing, "0", String(content.length)]);
      expect(words.slice(3).map(Number)).toEqual([
        content.readUInt32LE(0),
        content.readUInt32LE(content.length - 4),
      ]);
      expect(Number(result.values[`${index} behind`])).toBe(0);
    },
  );

  it("leaves the images' files alone", async () => {
    const digest = (content: Buffer) => createHash("sha256").update(content).digest("hex");
    for (const [index, content] of images.entries()) {
      const now = await readFile(join(directory, `image-${index}`));
      expect(digest(now)).toBe(digest(content));
    }
  });

  it("says why a dma-buf can't be mounted", () => {
    // There is no filesystem to mount it: the module is not loaded.
    expect(result.values.mount).toBe("1 mount_dmabuf: fsopen: No such device");
  });
});
