// SPDX-License-Identifier: MIT
import { execa } from "execa";
import { type GuestSetup, prepareGuest } from "./guest.js";
import { shellInit } from "./guest-scripts.js";

/**
 * Boots a virtual machine on the terminal with a shell in it. The modules are loaded and the images
 * mounted: one at /mnt, several at /mnt/0, /mnt/1 and so on. Returns QEMU's exit status.
 */
export async function runShell(setup: GuestSetup): Promise<number> {
  const commandLine = ["loglevel=4", ...(setup.commandLine ?? [])];
  // The terminal is the console, and QEMU's own commands are behind Ctrl-A.
  const guest = await prepareGuest({ ...setup, commandLine }, shellInit, [], () => ["mon:stdio"]);
  try {
    const end = await execa(guest.command, guest.commandArguments, {
      stdio: "inherit",
      reject: false,
    });
    return end.exitCode ?? 1;
  } finally {
    await guest.remove();
  }
}
