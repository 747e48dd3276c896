// SPDX-License-Identifier: MIT
import { type ByteString, byteStringOf } from "@daxfs/format";
import { BuildError } from "../../errors.js";
import type { HostPath } from "../../host/path.js";
import { isKnownKind } from "../detect/content-kind.js";
import { ArchiveFile, FileWindow } from "./archive-file.js";
import { findDirectory, LastVolume } from "./end-record.js";

/** What programs begin with: scripts, ELF, DOS and Windows, Mach-O of 32 and 64 bits, and fat ones. */
const PROGRAMS: readonly ByteString[] = [
  ...["#!", "\x7fELF", "MZ"],
  ...["\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf"],
  "\xca\xfe\xba\xbe",
];

/**
 * Begin images of filesystems and disks that no better magic bytes tell, and archives of cpio's old
 * format: many images begin with zeros, others with the jump of a boot sector.
 */
const IMAGES: readonly ByteString[] = [
  ...["\0\0\0\0\0\0\0\0", "\xeb\x3c\x90", "\xeb\x58\x90", "\xeb\x63\x90", "\xc7\x71"],
];

/** Whether something has files of its own, so that a zip archive at its end is one of them. */
function isContainer(start: Uint8Array): boolean {
  return !beginsWithProgram(start) && (isKnownKind(start) || beginsWithOneOf(IMAGES, start));
}

/** Whether something begins like a program that may have a zip archive at its end. */
export function beginsWithProgram(start: Uint8Array): boolean {
  return beginsWithOneOf(PROGRAMS, start);
}

/**
 * Whether a file that begins with something else is a zip archive all the same: an executable jar, a
 * Python zipapp, a self-extractor. Behind a program bytes may follow the archive, such as a
 * signature; else it has to end with the file.
 * @param start first bytes of the file, which are neither a tar archive's nor compressed
 * @throws BuildError when it can't be read.
 */
export function isZipBehindStub(path: HostPath, start: Uint8Array, description: string): boolean {
  if (isContainer(start)) return false;
  const file = new ArchiveFile(path, description);
  try {
    const { behind, count } = findDirectory(new FileWindow(file), file.size, description);
    return count > 0 && (behind === 0 || beginsWithProgram(start));
  } catch (error) {
    // It begins in the middle of a content; whoever opens it says what it is.
    if (error instanceof LastVolume) return error.behind === 0;
    if (error instanceof BuildError && error.cause === undefined) return false;
    throw error;
  } finally {
    file.close();
  }
}

function beginsWithOneOf(magics: readonly ByteString[], start: Uint8Array): boolean {
  const text = byteStringOf(start.subarray(0, 16));
  return magics.some((magic) => text.startsWith(magic));
}
