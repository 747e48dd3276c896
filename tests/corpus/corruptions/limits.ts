// SPDX-License-Identifier: MIT
/** Limits of the integer types of the format. */

export const U32_MAX = 0xffffffff;
export const S64_MAX = (1n << 63n) - 1n;
/** One more than the greatest u64. */
export const U64_LIMIT = 1n << 64n;
