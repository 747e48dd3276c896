// SPDX-License-Identifier: MIT

export { buildImage } from "./build.js";
export { BuildError } from "./errors.js";
export type { BuildOptions, BuildReport, IdMapping, Progress, SourceSpec } from "./options.js";
export type { Platform } from "./platform.js";
