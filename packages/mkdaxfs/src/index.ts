// SPDX-License-Identifier: MIT
export { buildImage } from "./build.js";
export { BuildError } from "./errors.js";
export type { BuildOptions, BuildReport, IdMapping, SourceSpec } from "./options.js";
export type { Platform } from "./platform.js";
export type { Progress } from "./progress.js";
