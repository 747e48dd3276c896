// SPDX-License-Identifier: MIT
export { type BuildModuleOptions, buildModule, findBuildWarnings } from "./build-module.js";
export { fetchCheckpatch } from "./checkpatch.js";
export { findKernelWarnings, kernelMessages } from "./console.js";
export type { GuestSetup } from "./guest.js";
export { buildInitramfs, type GuestFile, type InitramfsOptions } from "./initramfs.js";
export { moduleInfo, resolveModules } from "./kernel-modules.js";
export { fetchKernel, type Kernel, type KernelFlavour } from "./kernels.js";
export { type GuestImage, layOutMemory, type PlacedImage, placeImages } from "./memory.js";
export { findProgram } from "./programs.js";
export { type GuestRecord, parseReport, type RecordStatus } from "./report.js";
export { runShell } from "./shell.js";
export { GuestError, type GuestOptions, type GuestResult, runGuest } from "./vm.js";
