// SPDX-License-Identifier: MIT
/** The kind of memory that holds the images of guest tests, set by the environment. */
import {
  BACKINGS,
  type Backing,
  type GuestOptions,
  type GuestResult,
  isBacking,
  isDmaBuf,
  runGuest,
} from "@daxfs/qemu";
import { it } from "vitest";

/** The value of DAXFS_BACKING; "reserved" by default. */
export const BACKING: Backing = fromEnvironment();

/** Whether images in this backing are mounted with phys= and size=. */
export const MOUNTED_BY_ADDRESS = !isDmaBuf(BACKING);

/** A test of phys= and size=. It is skipped, with the reason, if images are mounted otherwise. */
export function itByAddress(name: string, test: () => void): void {
  if (MOUNTED_BY_ADDRESS) it(name, test);
  else it.skip(`${name} (images in ${BACKING} are mounted from dma-bufs, not by phys=)`, test);
}

function fromEnvironment(): Backing {
  const name = process.env.DAXFS_BACKING ?? "reserved";
  if (!isBacking(name)) {
    throw new Error(`DAXFS_BACKING is ${name}, expected one of: ${BACKINGS.join(", ")}`);
  }
  return name;
}

/**
 * Calls `runGuest` with the images in the backing under test. Scripts mount them with `mount_image`.
 * The name of the console log ends with the backing. Throws if the kernel lacks the backing.
 */
export function runDaxfsGuest(options: GuestOptions): Promise<GuestResult> {
  const name = `${options.name ?? "guest"}-${BACKING}`;
  return runGuest({ ...options, backing: options.backing ?? BACKING, name });
}
