// SPDX-License-Identifier: MIT
import type { ByteString } from "./bytes.js";

export const ACCESS_ACL = "system.posix_acl_access";
export const DEFAULT_ACL = "system.posix_acl_default";

/** Whether an attribute is one of the two POSIX ACLs. */
export function isPosixAcl(name: ByteString): boolean {
  return name === ACCESS_ACL || name === DEFAULT_ACL;
}

/**
 * Whether a mounted image shows attributes of this name: those of the namespaces that Linux has for
 * every filesystem, and POSIX ACLs. A name that is only a namespace can't be asked for.
 */
export function isShownByMount(name: ByteString): boolean {
  return isPosixAcl(name) || /^(?:user|trusted|security)\../s.test(name);
}
