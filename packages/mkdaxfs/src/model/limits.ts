// SPDX-License-Identifier: MIT
/** Limits that the command line and the build check alike. */

/** The largest owner or group; to Linux the next number, -1 in 32 bits, means none. */
export const ID_MAX = 2 ** 32 - 2;

/** The last modification time of an image, nanoseconds since 1970: a signed 64-bit number. */
export const TIME_MAX = 2n ** 63n - 1n;
/** The first one. */
export const TIME_MIN = -(2n ** 63n);

/** Threads of a build; more are past any use. */
export const JOBS_MAX = 256;

/** Bytes of a label. */
export const LABEL_MAX = 32;
