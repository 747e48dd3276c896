// SPDX-License-Identifier: MIT
import { rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  type Backing,
  backingModules,
  isDmaBuf,
  isInDevice,
  reasonUnavailable,
} from "./backings.js";
import { temporaryDirectory } from "./cache.js";
import { copyToDevices, type DeviceImage } from "./devices.js";
import { environmentScript, functionsScript, GUEST_FILES } from "./guest-scripts.js";
import { buildInitramfs, type GuestFile } from "./initramfs.js";
import type { Kernel } from "./kernels.js";
import { type GuestImage, layOutMemory, type PlacedImage, placeImages } from "./memory.js";
import { buildMountDmabuf, readBackingFunctions } from "./mount-dmabuf.js";
import { findProgram } from "./programs.js";
import { qemuArguments } from "./qemu.js";

const MIB = 1024 * 1024;
const DEFAULT_BACKING: Backing = "reserved";

/** What a guest consists of, whoever uses it. */
export interface GuestSetup {
  kernel: Kernel;
  /** Module files to load, such as daxfs.ko; what they depend on is loaded before them. */
  modules?: readonly string[];
  /** Modules of the distribution's kernel to load, by name, before `modules`. */
  kernelModules?: readonly string[];
  /** Images to place in the guest's physical memory, outside what its kernel manages. */
  images?: readonly GuestImage[];
  /** The kind of memory that images without one of their own lie in; "reserved" by default. */
  backing?: Backing;
  files?: readonly GuestFile[];
  /**
   * Host programs, by name or path; they land in /usr/local/bin with their libraries. In the script
   * they win over busybox's applets, but `xargs NAME` or `timeout 5 NAME` needs the whole path.
   */
  programs?: readonly string[];
  /** Processors; 2 by default. */
  cpus?: number;
  /** Memory for the guest besides the images, in MiB; 1024 by default. */
  memoryMib?: number;
  /** Further kernel parameters. */
  commandLine?: readonly string[];
  /** Further QEMU arguments; the last -cpu wins. */
  qemuArguments?: readonly string[];
}

/** A command that starts a guest, and the temporary directory it needs until it has ended. */
export interface PreparedGuest {
  command: string;
  commandArguments: string[];
  directory: string;
  remove: () => Promise<void>;
}

/** Builds a guest's initramfs and lays out its memory. */
export async function prepareGuest(
  setup: GuestSetup,
  init: string,
  files: readonly GuestFile[],
  serialPorts: (directory: string) => string[],
): Promise<PreparedGuest> {
  const qemu = await findProgram("qemu-system-x86_64");
  // Without it a QEMU could outlive a Node process that is killed hard.
  const setpriv = await findProgram("setpriv");
  const directory = await temporaryDirectory(join(setup.kernel.cacheDirectory, "guests"), "guest");
  const remove = () => rm(directory, { recursive: true, force: true });
  let machine: string[];
  try {
    machine = await prepareMachine(setup, init, files, directory, serialPorts(directory));
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    command: setpriv,
    commandArguments: ["--pdeathsig", "KILL", qemu, ...machine],
    directory,
    remove,
  };
}

/** Fills a guest's temporary directory and returns QEMU's arguments. */
async function prepareMachine(
  setup: GuestSetup,
  init: string,
  files: readonly GuestFile[],
  directory: string,
  serialPorts: string[],
): Promise<string[]> {
  const images = await placeEach(setup, directory);
  const archive = await buildInitramfs({
    kernel: setup.kernel,
    init,
    modules: setup.modules ?? [],
    kernelModules: [...backingModules(backingsOf(setup)), ...(setup.kernelModules ?? [])],
    programs: setup.programs ?? [],
    files: [
      {
        guestPath: GUEST_FILES.environment,
        content: environmentScript(setup.backing ?? DEFAULT_BACKING, images.all),
      },
      {
        guestPath: GUEST_FILES.functions,
        content: functionsScript(setup.programs ?? []) + (await readBackingFunctions()),
      },
      ...(await dmaBufPrograms(setup)),
      ...files,
      ...(setup.files ?? []),
    ],
  });
  const initramfs = join(directory, "initramfs.cpio");
  await writeFile(initramfs, archive);
  const copies = images.inRam.filter(({ backing }) => isDmaBuf(backing));
  const copiesMib = copies.reduce((sum, { size }) => sum + Math.ceil(size / MIB), 0);
  return qemuArguments({
    kernel: setup.kernel,
    initramfs,
    memory: layOutMemory(images.inRam, (setup.memoryMib ?? 1024) + copiesMib, archive.length),
    devices: images.inDevices,
    cpus: setup.cpus ?? 2,
    commandLine: setup.commandLine ?? [],
    qemuArguments: setup.qemuArguments ?? [],
    serialPorts,
  });
}

/** The backings that a guest uses. Its own may be used by its script, on a part of an image. */
function backingsOf(setup: GuestSetup): Backing[] {
  const own = setup.backing ?? DEFAULT_BACKING;
  return [...new Set([own, ...(setup.images ?? []).map((image) => image.backing ?? own)])];
}

/** Gives every image its place. Throws if the kernel lacks what a backing takes. */
async function placeEach(
  setup: GuestSetup,
  directory: string,
): Promise<{
  inRam: PlacedImage[];
  inDevices: DeviceImage[];
  /** All of them, in the order they were given. */
  all: (PlacedImage | DeviceImage)[];
}> {
  for (const backing of backingsOf(setup)) {
    const reason = await reasonUnavailable(setup.kernel, backing);
    if (reason !== undefined) throw new Error(reason);
  }
  const images = (setup.images ?? []).map((image) => ({
    ...image,
    path: resolve(image.path),
    backing: image.backing ?? setup.backing ?? DEFAULT_BACKING,
  }));
  const inRam = await placeImages(images.filter(({ backing }) => !isInDevice(backing)));
  const inDevices = await copyToDevices(
    images.filter(({ backing }) => isInDevice(backing)),
    directory,
  );
  const rest = { ram: [...inRam], devices: [...inDevices] };
  const all = images
    .map(({ backing }) => (isInDevice(backing) ? rest.devices.shift() : rest.ram.shift()))
    .filter((image) => image !== undefined);
  return { inRam, inDevices, all };
}

async function dmaBufPrograms(setup: GuestSetup): Promise<GuestFile[]> {
  if (!backingsOf(setup).some(isDmaBuf)) return [];
  const hostPath = await buildMountDmabuf(setup.kernel.cacheDirectory);
  return [{ guestPath: "/usr/local/bin/mount_dmabuf", hostPath, mode: 0o755 }];
}
