// SPDX-License-Identifier: MIT
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Kernel } from "./kernels.js";

/** The kinds of memory that a guest can have its images in. */
export const BACKINGS = [
  "reserved",
  "ivshmem",
  "nvdimm",
  "virtio-pmem",
  "dma-heap",
  "udmabuf",
  "vgem",
] as const;

/** A kind of memory that holds an image; see tools/qemu/README.md for each. */
export type Backing = (typeof BACKINGS)[number];

interface Traits {
  /** Where QEMU puts the image: in memory that the kernel leaves alone, or in a device's. */
  place: "ram" | "device";
  /** Whether the image is mounted from a dma-buf. */
  dmaBuf: boolean;
  /** Modules of the distribution's kernel that it takes. */
  kernelModules: readonly string[];
  /** Options of the kernel's configuration that it takes. */
  configuration: readonly string[];
}

const BY_ADDRESS = { place: "device", dmaBuf: false } as const;
const DMA_BUF = { place: "ram", dmaBuf: true } as const;

const TRAITS: Record<Backing, Traits> = {
  reserved: { place: "ram", dmaBuf: false, kernelModules: [], configuration: [] },
  ivshmem: { ...BY_ADDRESS, kernelModules: [], configuration: ["PCI"] },
  // Without the drivers for what lies in it, which would make a block device of it.
  nvdimm: { ...BY_ADDRESS, kernelModules: ["nfit"], configuration: ["ACPI_NFIT"] },
  "virtio-pmem": {
    ...BY_ADDRESS,
    kernelModules: ["virtio_pci", "virtio_pmem"],
    configuration: ["VIRTIO_PCI", "VIRTIO_PMEM"],
  },
  // These two are never modules.
  "dma-heap": { ...DMA_BUF, kernelModules: [], configuration: ["DMABUF_HEAPS_SYSTEM"] },
  udmabuf: { ...DMA_BUF, kernelModules: [], configuration: ["UDMABUF"] },
  vgem: { ...DMA_BUF, kernelModules: ["vgem"], configuration: ["DRM_VGEM"] },
};

/** Whether `name` is one of `BACKINGS`. */
export function isBacking(name: string): name is Backing {
  return BACKINGS.some((backing) => backing === name);
}

/** Whether images are mounted from a dma-buf in this backing, and not by a physical address. */
export function isDmaBuf(backing: Backing): boolean {
  return TRAITS[backing].dmaBuf;
}

/** Whether the image lies in a device's memory, and not in the guest's RAM. */
export function isInDevice(backing: Backing): boolean {
  return TRAITS[backing].place === "device";
}

/** The distribution's modules that backings take. */
export function backingModules(backings: readonly Backing[]): string[] {
  return [...new Set(backings.flatMap((backing) => TRAITS[backing].kernelModules))];
}

/** Why a kernel has no such backing, or undefined if it has. The kernel's configuration tells. */
export async function reasonUnavailable(
  kernel: Kernel,
  backing: Backing,
): Promise<string | undefined> {
  const { configuration } = TRAITS[backing];
  if (configuration.length === 0) return undefined;
  const lines = new Set((await readConfiguration(kernel)).split("\n"));
  const missing = configuration.find(
    (option) => !lines.has(`CONFIG_${option}=y`) && !lines.has(`CONFIG_${option}=m`),
  );
  return missing === undefined
    ? undefined
    : `${kernel.release} is built without CONFIG_${missing}, which ${backing} takes`;
}

/** Debian ships it beside the kernel: in /boot, or, newer ones, among the kernel's modules. */
async function readConfiguration({ image, release }: Kernel): Promise<string> {
  const directory = dirname(image);
  const name = basename(directory) === "boot" ? `config-${release}` : "config";
  return readFile(join(directory, name), "utf8");
}
