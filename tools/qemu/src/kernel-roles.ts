// SPDX-License-Identifier: MIT
import { SUITES, type Suite } from "./suites.js";

/**
 * The kernels that the module is tested on, by their place among those it supports. Which version a
 * role has is found at run time.
 */
export const KERNEL_ROLES = ["oldest", "middle", "newest"] as const;

/** A place among the kernels that the module supports. */
export type KernelRole = (typeof KERNEL_ROLES)[number];

/** Where the kernel of a role comes from. */
export interface RoleSource {
  /** The series it has to be of; without one, the newest that Debian has serves. */
  series?: string;
  /** Suites that may have it, the best first. */
  suites: readonly Suite[];
}

/** Where the kernels come from, by role. */
export const ROLE_SOURCES: Readonly<Record<KernelRole, RoleSource>> = {
  // The oldest series that the module supports.
  oldest: { series: "6.1", suites: [SUITES.bookworm] },
  // Debian 13's own, once the backports of Debian 12 are archived.
  middle: { series: "6.12", suites: [SUITES["bookworm-backports"], SUITES.trixie] },
  newest: { suites: [SUITES.testing, SUITES.unstable] },
};

/** Roles as words for a user: "oldest (6.1), middle (6.12), newest". */
export const ROLE_WORDS = KERNEL_ROLES.map((role) => {
  const { series } = ROLE_SOURCES[role];
  return series === undefined ? role : `${role} (${series})`;
}).join(", ");

/** The role that a word names, itself or by its series ("6.12"); undefined if it names none. */
export function kernelRole(word: string): KernelRole | undefined {
  return KERNEL_ROLES.find((role) => role === word || ROLE_SOURCES[role].series === word);
}
