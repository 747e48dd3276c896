// SPDX-License-Identifier: MIT
import { BuildError } from "../errors.js";

/** The 16 bytes of a UUID. @throws BuildError when it is spelled otherwise than RFC 9562 has it. */
export function parseUuid(text: string): Uint8Array {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw new BuildError(
      `'${text}' is not a UUID (write it as 01234567-89ab-cdef-0123-456789abcdef)`,
    );
  }
  return Uint8Array.from(Buffer.from(text.replaceAll("-", ""), "hex"));
}

/** A UUID as RFC 9562 spells it. */
export function uuidText(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
