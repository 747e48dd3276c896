// SPDX-License-Identifier: MIT
/** The kind of memory that the guest tests have their images in, from the environment. */
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

/** Named by DAXFS_BACKING; "reserved" without it. */
export const BACKING: Backing = fromEnvironment();

/** Whether the images of this backing are mounted by phys= and size=. */
export const MOUNTED_BY_ADDRESS = !isDmaBuf(BACKING);

/** A test of what phys= and size= do; where images are mounted otherwise it is skipped, and says so. */
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
 * `runGuest`, with the images in the backing under test. Scripts mount them with `mount_image`. The
 * console log is named after the backing as well. Throws if the kernel does not have the backing.
 */
export function runDaxfsGuest(options: GuestOptions): Promise<GuestResult> {
  const name = `${options.name ?? "guest"}-${BACKING}`;
  return runGuest({ ...options, backing: options.backing ?? BACKING, name });
}
