// SPDX-License-Identifier: MIT
import { stat } from "node:fs/promises";
import type { Backing } from "./backings.js";

const MIB = 1024 * 1024;
/** Size of a large page: regions are multiples of it, so that the module can map with them. */
export const REGION_ALIGNMENT = 2 * MIB;
const PAGE = 4096;
/** QEMU's loader reads a file with one system call, and Linux ends that at this length. */
const LARGEST_IMAGE = 0x7fff_f000;

/** Where images go unless their address is given, and how much memory the guest has below. */
export const FIRST_IMAGE_ADDRESS = 0x4000_0000;
/** The kernel and its early allocations lie below this; an image there would overwrite them. */
const LOWEST_IMAGE_ADDRESS = 0x1000_0000;
/** End of the space for images, as the "pc" machine has its PCI hole above. */
const IMAGES_END = 0xc000_0000;
/**
 * With this much memory or more, the "pc" machine moves all beyond 3 GiB above 4 GiB ("q35" does so
 * from 2.75 GiB on). Below, memory is one piece from 0.
 */
const MEMORY_LIMIT = 0xe000_0000;

/** An image to place in guest physical memory. */
export interface GuestImage {
  path: string;
  /** The kind of memory it lies in; that of the guest by default. */
  backing?: Backing;
  /**
   * Multiple of 4096; by default the next free 2 MiB boundary from 0x40000000 upwards. An image in a
   * device can't have one.
   */
  physicalAddress?: number;
}

/** An image with its place decided. */
export interface PlacedImage {
  path: string;
  backing: Backing;
  physicalAddress: number;
  /** Size of the file. */
  size: number;
  /** The memory taken from the guest's kernel: the image, rounded to 2 MiB on both sides. */
  reserved: { start: number; size: number };
}

/** The guest's memory. */
export interface MemoryLayout {
  images: PlacedImage[];
  /** Size of the guest's memory, in MiB. */
  totalMib: number;
}

/** Gives every image without an address one. Throws if an image doesn't fit or two overlap. */
export async function placeImages(images: readonly GuestImage[]): Promise<PlacedImage[]> {
  const placed: PlacedImage[] = [];
  // Given addresses first, so that the others can go around them.
  const ordered = images
    .map((image, index) => ({ image, index }))
    .sort((a, b) => Number(isFree(a.image)) - Number(isFree(b.image)));
  const result = new Map<number, PlacedImage>();
  for (const { image, index } of ordered) {
    const size = (await stat(image.path)).size;
    if (size === 0) throw new Error(`${image.path} is empty`);
    const address = image.physicalAddress ?? firstGap(placed, size);
    const one = place(image, address, size);
    const other = placed.find((candidate) => overlap(candidate, one));
    if (other !== undefined) {
      throw new Error(
        `${describe(one)} overlaps ${describe(other)} (each takes whole 2 MiB of memory)`,
      );
    }
    placed.push(one);
    result.set(index, one);
  }
  return images.map((_, index) => result.get(index)).filter((one) => one !== undefined);
}

/**
 * Decides the size of the guest's memory: `systemMib` for the guest itself beside what the images
 * take, whatever the images reach to, and room above them for the initramfs, which QEMU puts at the
 * end of memory.
 */
export function layOutMemory(
  images: PlacedImage[],
  systemMib: number,
  initramfsSize: number,
): MemoryLayout {
  const imagesEnd = Math.max(0, ...images.map(reservedEnd));
  const firmwareTables = 16 * MIB;
  const above = roundUp(initramfsSize + firmwareTables, REGION_ALIGNMENT);
  const reserved = images.reduce((sum, image) => sum + image.reserved.size, 0);
  const total = Math.max(systemMib * MIB + reserved, imagesEnd === 0 ? 0 : imagesEnd + above);
  if (total >= MEMORY_LIMIT) {
    throw new Error(`the guest would need ${total / MIB} MiB, the limit is ${MEMORY_LIMIT / MIB}`);
  }
  if (initramfsSize * 2 > systemMib * MIB) {
    throw new Error(
      `${Math.ceil(initramfsSize / MIB)} MiB of files don't fit into a guest of ${systemMib} MiB`,
    );
  }
  return { images, totalMib: Math.ceil(total / MIB) };
}

/** An address the way the kernel's options take it. */
export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function place(image: GuestImage, address: number, size: number): PlacedImage {
  const { path, backing = "reserved" } = image;
  if (size > LARGEST_IMAGE) {
    throw new Error(`${path} has ${size} bytes; QEMU loads images of up to ${LARGEST_IMAGE}`);
  }
  if (!Number.isInteger(address) || address % PAGE !== 0) {
    throw new Error(`${path}: the address ${hex(address)} is not a multiple of ${PAGE}`);
  }
  const start = address - (address % REGION_ALIGNMENT);
  const end = roundUp(address + size, REGION_ALIGNMENT);
  const reserved = { start, size: end - start };
  const placed = { path, backing, physicalAddress: address, size, reserved };
  if (start < LOWEST_IMAGE_ADDRESS || end > IMAGES_END) {
    throw new Error(
      `${describe(placed)} is outside ${hex(LOWEST_IMAGE_ADDRESS)}..${hex(IMAGES_END)}: ` +
        "below is the guest's kernel, above are PCI devices",
    );
  }
  return placed;
}

function firstGap(placed: PlacedImage[], size: number): number {
  let address = FIRST_IMAGE_ADDRESS;
  for (const one of [...placed].sort((a, b) => a.reserved.start - b.reserved.start)) {
    if (address + roundUp(size, REGION_ALIGNMENT) <= one.reserved.start) break;
    address = Math.max(address, reservedEnd(one));
  }
  return address;
}

function isFree(image: GuestImage): boolean {
  return image.physicalAddress === undefined;
}

function reservedEnd(image: PlacedImage): number {
  return image.reserved.start + image.reserved.size;
}

function overlap(a: PlacedImage, b: PlacedImage): boolean {
  return a.reserved.start < reservedEnd(b) && b.reserved.start < reservedEnd(a);
}

function describe({ path, physicalAddress, size }: PlacedImage): string {
  return `${path} at ${hex(physicalAddress)}..${hex(physicalAddress + size)}`;
}

/** The next multiple, in bytes. */
export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
