// SPDX-License-Identifier: MIT
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { execa } from "execa";
import { CpioArchive } from "./cpio.js";
import { moduleFileName, readModule, resolveModules } from "./kernel-modules.js";
import type { Kernel } from "./kernels.js";
import { findProgram, requireStatic, sharedLibraries } from "./programs.js";

/** A file to put into the guest, from a host file or from memory. */
export type GuestFile = { guestPath: string; mode?: number } & (
  | { hostPath: string }
  | { content: string | Buffer }
);

/** What an initramfs is made of, besides busybox. */
export interface InitramfsOptions {
  kernel: Kernel;
  /** Text of /init. */
  init: string;
  files?: readonly GuestFile[];
  /** Host programs, by name or path; they land in /usr/local/bin with their libraries. */
  programs?: readonly string[];
  /** Modules of the distribution's kernel, by name. */
  kernelModules?: readonly string[];
  /** Module files of one's own. */
  modules?: readonly string[];
}

/** Where the guest finds its modules; modules.list names them in the order of loading. */
export const GUEST_MODULES = "/vm/modules";

const EMPTY_DIRECTORIES = ["dev", "mnt", "proc", "root", "run", "sys", "var/tmp"];

/** Builds an initramfs: busybox with links for all its applets, and what `options` says. */
export async function buildInitramfs(options: InitramfsOptions): Promise<Buffer> {
  const archive = new CpioArchive();
  for (const directory of EMPTY_DIRECTORIES) archive.addDirectory(directory);
  archive.addDirectory("tmp", 0o1777);
  // Without it the kernel can't give /init an output before that has mounted /dev.
  archive.addCharacterDevice("dev/console", 5, 1);
  archive.addFile("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n");
  archive.addFile("etc/group", "root:x:0:\nnogroup:x:65534:\n");
  await addBusybox(archive);
  for (const program of options.programs ?? []) await addProgram(archive, program);
  await addModules(archive, options);
  archive.addFile("init", options.init, 0o755);
  for (const file of options.files ?? []) await addFile(archive, file);
  return archive.toBuffer();
}

async function addBusybox(archive: CpioArchive): Promise<void> {
  const busybox = await findProgram("busybox");
  await requireStatic(busybox, "busybox-static");
  const { stdout } = await execa(busybox, ["--list"]);
  for (const applet of stdout.split("\n")) archive.addSymlink(`bin/${applet}`, "busybox");
  archive.addFile("bin/busybox", await readFile(busybox), 0o755);
}

async function addProgram(archive: CpioArchive, name: string): Promise<void> {
  const program = await findProgram(name);
  archive.addFile(`usr/local/bin/${basename(program)}`, await readFile(program), 0o755);
  for (const library of await sharedLibraries(program)) {
    archive.addFile(library, await readFile(library), 0o755);
  }
}

async function addModules(archive: CpioArchive, options: InitramfsOptions): Promise<void> {
  const paths = await resolveModules(
    options.kernel,
    options.kernelModules ?? [],
    options.modules ?? [],
  );
  for (const path of paths) {
    archive.addFile(`${GUEST_MODULES}/${moduleFileName(path)}`, await readModule(path));
  }
  const list = paths.map((path) => `${moduleFileName(path)}\n`).join("");
  archive.addFile(`${GUEST_MODULES}/modules.list`, list);
}

async function addFile(archive: CpioArchive, file: GuestFile): Promise<void> {
  if ("content" in file) {
    archive.addFile(file.guestPath, file.content, file.mode ?? 0o644);
  } else {
    const mode = file.mode ?? (await stat(file.hostPath)).mode & 0o7777;
    archive.addFile(file.guestPath, await readFile(file.hostPath), mode);
  }
}
