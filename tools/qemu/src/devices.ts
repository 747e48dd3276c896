// SPDX-License-Identifier: MIT
import { stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import type { Backing } from "./backings.js";
import { type GuestImage, REGION_ALIGNMENT, roundUp } from "./memory.js";

/** An image in the memory of a device. Where that is, the guest finds out. */
export interface DeviceImage {
  path: string;
  backing: Backing;
  /** Size of the file. */
  size: number;
  /** The file that is the device's memory, and its size: a copy of the image, with zeros behind. */
  memory: { path: string; size: number };
}

/** What devices ask of the machine. */
export interface DeviceArguments {
  /** Further properties of -machine. */
  machine: string[];
  /** Devices that are plugged in as memory: their number, and the bytes they have together. */
  plugged: { slots: number; size: number };
  /** The arguments for the devices themselves. */
  devices: string[];
}

/**
 * Copies images to `directory` as the memory of their devices: a device's memory has a size of its
 * own, and QEMU makes a file that is smaller grow. Holes stay holes.
 */
export async function copyToDevices(
  images: readonly (GuestImage & { backing: Backing })[],
  directory: string,
): Promise<DeviceImage[]> {
  const copies: DeviceImage[] = [];
  for (const { path, backing, physicalAddress } of images) {
    if (physicalAddress !== undefined) {
      throw new Error(`${path}: an image in ${backing} memory can't be given an address`);
    }
    const { size } = await stat(path);
    if (size === 0) throw new Error(`${path} is empty`);
    const memory = {
      path: join(directory, `device-${copies.length}`),
      size: backing === "ivshmem" ? powerOfTwo(size) : roundUp(size, REGION_ALIGNMENT),
    };
    await execa("cp", ["--sparse=auto", "--", path, memory.path]);
    await truncate(memory.path, memory.size);
    copies.push({ path, backing, size, memory });
  }
  return copies;
}

/**
 * QEMU's arguments for devices. It numbers PCI slots and places memory in the order of the
 * arguments, so that the guest can tell several devices of a kind apart.
 */
export function deviceArguments(images: readonly DeviceImage[]): DeviceArguments {
  const devices = images.flatMap(({ backing, memory }, index) => {
    const id = `device-memory-${index}`;
    const path = memory.path.replaceAll(",", ",,");
    const backend = [
      `memory-backend-file,id=${id},mem-path=${path},size=${memory.size},share=on`,
      `align=${REGION_ALIGNMENT}`,
    ].join(",");
    return ["-object", backend, "-device", `${DEVICES[backing] ?? backing},memdev=${id}`];
  });
  const plugged = images.filter(({ backing }) => backing !== "ivshmem");
  return {
    machine: plugged.some(({ backing }) => backing === "nvdimm") ? ["nvdimm=on"] : [],
    plugged: {
      slots: plugged.length,
      size: plugged.reduce((sum, { memory }) => sum + memory.size, 0),
    },
    devices,
  };
}

/** QEMU's names where they are not ours. */
const DEVICES: Partial<Record<Backing, string>> = {
  ivshmem: "ivshmem-plain",
  "virtio-pmem": "virtio-pmem-pci",
};

/** The region of a PCI device is a power of two, and lies on a multiple of it. */
function powerOfTwo(size: number): number {
  let power = REGION_ALIGNMENT;
  while (power < size) power *= 2;
  return power;
}
