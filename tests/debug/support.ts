// SPDX-License-Identifier: MIT
/** What the tests on the debug kernel have in common. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  buildModule,
  fetchDebugKernel,
  type GuestResult,
  type Kernel,
  runGuest,
} from "@daxfs/qemu";
import { CACHE, type Daxfs, guestValue } from "../support/environment.js";
import type { GuestSuiteOptions } from "../support/guest-suite.js";

/** Builds the debug kernel, once, and the module (or that of DAXFS_MODULE_SOURCE) for it. */
export async function buildDebugDaxfs(): Promise<Daxfs> {
  const kernel = await fetchDebugKernel(CACHE);
  const source = process.env.DAXFS_MODULE_SOURCE ?? repositoryPath("kernel");
  return { kernel, module: await buildModule(kernel, source, modulesOf(kernel)) };
}

/** For `describeGuest`: guests with the debug kernel and the images in reserved memory. */
export const DEBUG_OPTIONS: GuestSuiteOptions = { build: buildDebugDaxfs, run: runGuest };

/** Builds the module in a directory of tests/debug. */
export function buildTestModule(kernel: Kernel, name: string): Promise<string> {
  return buildModule(kernel, repositoryPath("tests/debug", name), modulesOf(kernel));
}

function modulesOf(kernel: Kernel): string {
  return join(CACHE, "modules", kernel.release);
}

function repositoryPath(...parts: string[]): string {
  return join(fileURLToPath(new URL("../..", import.meta.url)), ...parts);
}

/**
 * Shell functions for the guest. "leaks NAME" reports what no pointer leads to any more. It takes
 * two scans to believe that, and objects that are older than five seconds.
 */
export const LEAK_FUNCTIONS = `
mount -t debugfs debugfs /sys/kernel/debug || exit 1
leaks() {
  echo scan >/sys/kernel/debug/kmemleak
  sleep 6
  echo scan >/sys/kernel/debug/kmemleak
  cat /sys/kernel/debug/kmemleak >/tmp/leaks
  attach "$1" /tmp/leaks
  value "$1" "$(grep -c '^unreferenced object' /tmp/leaks)"
}
`;

/** The leaks that "leaks NAME" found, with their stacks; empty if there were none. */
export function leaksOf(result: GuestResult, name: string): string {
  return guestValue(result, name) === "0" ? "" : String(result.attachments[name]);
}
