// SPDX-License-Identifier: MIT
export { BACKINGS, type Backing, isBacking, isDmaBuf, reasonUnavailable } from "./backings.js";
export {
  type BuildModuleOptions,
  buildModule,
  cachedModule,
  findBuildWarnings,
  runMake,
} from "./build-module.js";
export { fetchCheckpatch } from "./checkpatch.js";
export { findKernelWarnings, hasPhantomBreakpoint, kernelMessages } from "./console.js";
export { DEBUG_ROLE, droppedOptions, fetchDebugKernel } from "./debug-kernel.js";
export type { GuestSetup } from "./guest.js";
export { buildInitramfs, type GuestFile, type InitramfsOptions } from "./initramfs.js";
export { moduleFileName, moduleInfo, readModule, resolveModules } from "./kernel-modules.js";
export { KERNEL_ROLES, type KernelRole, kernelRole, ROLE_WORDS } from "./kernel-roles.js";
export { isSince } from "./kernel-version.js";
export {
  BUILD_ROOT_MODULE,
  type FetchKernelOptions,
  fetchKernel,
  type Kernel,
} from "./kernels.js";
export { type GuestImage, layOutMemory, type PlacedImage, placeImages } from "./memory.js";
export { findProgram, sharedLibraries } from "./programs.js";
export { type GuestRecord, parseReport, type RecordStatus } from "./report.js";
export { restarts } from "./restarts.js";
export { runShell } from "./shell.js";
export { type Archives, downloadPackages, SUITES, type Suite } from "./suites.js";
export { GuestError, type GuestOptions, type GuestResult, runGuest } from "./vm.js";
