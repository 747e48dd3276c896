// SPDX-License-Identifier: MIT
export * from "./bytes.js";
export * from "./check.js";
export * from "./checksums.js";
export * from "./codec.js";
export * from "./reader.js";
export * from "./records.js";
export * from "./rules.js";
export * from "./schema.js";
export { describeFinding, type Finding, FormatError } from "./validate.js";
export * from "./xattr-names.js";
