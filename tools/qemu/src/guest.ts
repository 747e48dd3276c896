// SPDX-License-Identifier: MIT
import { rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { temporaryDirectory } from "./cache.js";
import { environmentScript, functionsScript, GUEST_FILES } from "./guest-scripts.js";
import { buildInitramfs, type GuestFile } from "./initramfs.js";
import type { Kernel } from "./kernels.js";
import { type GuestImage, layOutMemory, placeImages } from "./memory.js";
import { findProgram } from "./programs.js";
import { qemuArguments } from "./qemu.js";

/** What a guest consists of, whoever uses it. */
export interface GuestSetup {
  kernel: Kernel;
  /** Module files to load, such as daxfs.ko; what they depend on is loaded before them. */
  modules?: readonly string[];
  /** Modules of the distribution's kernel to load, by name, before `modules`. */
  kernelModules?: readonly string[];
  /** Images to place in the guest's physical memory, outside what its kernel manages. */
  images?: readonly GuestImage[];
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
  const absolute = (setup.images ?? []).map((image) => ({ ...image, path: resolve(image.path) }));
  const images = await placeImages(absolute);
  const archive = await buildInitramfs({
    kernel: setup.kernel,
    init,
    modules: setup.modules ?? [],
    kernelModules: setup.kernelModules ?? [],
    programs: setup.programs ?? [],
    files: [
      { guestPath: GUEST_FILES.environment, content: environmentScript(images) },
      { guestPath: GUEST_FILES.functions, content: functionsScript(setup.programs ?? []) },
      ...files,
      ...(setup.files ?? []),
    ],
  });
  const memory = layOutMemory(images, setup.memoryMib ?? 1024, archive.length);
  const directory = await temporaryDirectory(join(setup.kernel.cacheDirectory, "guests"), "guest");
  const initramfs = join(directory, "initramfs.cpio");
  await writeFile(initramfs, archive);
  const machine = qemuArguments({
    kernel: setup.kernel,
    initramfs,
    memory,
    cpus: setup.cpus ?? 2,
    commandLine: setup.commandLine ?? [],
    qemuArguments: setup.qemuArguments ?? [],
    serialPorts: serialPorts(directory),
  });
  return {
    command: setpriv,
    commandArguments: ["--pdeathsig", "KILL", qemu, ...machine],
    directory,
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
