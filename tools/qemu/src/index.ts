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
export { DEBUG_FLAVOUR, droppedOptions, fetchDebugKernel } from "./debug-kernel.js";
export type { GuestSetup } from "./guest.js";
export { buildInitramfs, type GuestFile, type InitramfsOptions } from "./initramfs.js";
export { moduleFileName, moduleInfo, readModule, resolveModules } from "./kernel-modules.js";
export {
  BUILD_ROOT_MODULE,
  fetchKernel,
  isKernelFlavour,
  KERNEL_FLAVOURS,
  type Kernel,
  type KernelFlavour,
} from "./kernels.js";
export { type GuestImage, layOutMemory, type PlacedImage, placeImages } from "./memory.js";
export { findProgram, sharedLibraries } from "./programs.js";
export { type GuestRecord, parseReport, type RecordStatus } from "./report.js";
export { runShell } from "./shell.js";
export { GuestError, type GuestOptions, type GuestResult, runGuest } from "./vm.js";
