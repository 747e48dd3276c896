// SPDX-License-Identifier: MIT
export { type BuildOptions, type BuildReport, buildImage } from "./build.js";
export { BuildError } from "./errors.js";
