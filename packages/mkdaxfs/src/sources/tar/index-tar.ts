// SPDX-License-Identifier: MIT
import type { ByteString } from "@daxfs/format";
import type { HostPath } from "../../host-path.js";
import { cleanPath } from "../entry-path.js";
import { FileTarInput } from "./input.js";
import { TarReader, WAIT } from "./reader.js";

/** Where the content of a member of a tar archive lies. */
export interface TarMember {
  /** First byte, from the start of the file that holds the archive. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/** As many symlinks as Linux follows. */
const LINKS_MAX = 40;

/**
 * Lists the regular files of an uncompressed tar archive that lies in a file: clean path -> where
 * its content lies. Hard links and symlinks to regular files of the archive are listed too, with
 * the place of what they lead to; links that lead to nothing are left out, and so are sparse
 * members, whose content lies nowhere in one piece. Of a repeated path the last one counts.
 * @param offset where the archive begins in the file
 * @param size bytes of the archive
 * @param description of the archive, for messages
 * @throws BuildError for what is not a tar archive, or one that is damaged or cut short.
 */
export async function indexTar(
  path: HostPath,
  offset: number,
  size: number,
  description: string,
): Promise<ReadonlyMap<ByteString, TarMember>> {
  const input = new FileTarInput(path, offset, size);
  try {
    const places = new Map<ByteString, TarMember | Link>();
    const reader = new TarReader(input, description, () => "excluded");
    for (const entry of reader.entries()) {
      // A file is never waited for.
      if (entry === WAIT) continue;
      const clean = cleanPath(entry.path);
      if (entry.sparse !== undefined) {
        // Of no use to whoever looks for the parts of an image, and of no harm elsewhere.
        places.delete(clean);
      } else if (entry.kind === "file") {
        places.set(clean, { offset: offset + input.position, size: entry.storedSize });
      } else if (entry.kind === "link") {
        places.set(clean, { target: cleanPath(entry.linkPath) });
      } else if (entry.kind === "symlink") {
        places.set(clean, { target: symlinkTarget(clean, entry.linkPath) });
      } else {
        places.delete(clean);
      }
    }
    return resolved(places);
  } finally {
    await input.close();
  }
}

export interface Link {
  /** Clean path from the archive's root. */
  readonly target: ByteString;
}

/** What a symlink leads to in an archive, as a clean path. */
export function symlinkTarget(path: ByteString, linkPath: ByteString): ByteString {
  if (linkPath.startsWith("/")) return cleanPath(linkPath);
  return cleanPath(`${path.slice(0, path.lastIndexOf("/") + 1)}${linkPath}`);
}

/** Gives links the place of what they lead to, and leaves out those that lead to nothing. */
export function resolved<Place extends object>(
  places: ReadonlyMap<ByteString, Place | Link>,
): Map<ByteString, Place> {
  const files = new Map<ByteString, Place>();
  for (const [path, first] of places) {
    let place: Place | Link | undefined = first;
    for (let links = 0; place !== undefined && "target" in place && links < LINKS_MAX; links++) {
      place = places.get(place.target);
    }
    if (place !== undefined && !("target" in place)) files.set(path, place);
  }
  return files;
}
