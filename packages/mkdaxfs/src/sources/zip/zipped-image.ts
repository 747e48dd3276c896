// SPDX-License-Identifier: MIT
/** Container images in zip archives: layouts and docker archives that were zipped as directories. */
import type { ByteString } from "@daxfs/format";
import { contentPath } from "../../model/content.js";
import { entryPath, joinPath } from "../../model/entry-path.js";
import { hasContent } from "../../model/inode.js";
import type { Source, SourceEntry } from "../../model/source.js";
import {
  type FileInput,
  filesOfMembers,
  type ImageFiles,
} from "../container/archive/image-files.js";
import { hasImageMember } from "../container/archive/open-archive.js";
import { type Link, resolved, symlinkTarget } from "../tar/index-tar.js";
import type { ZipSource } from "./zip-source.js";

/** A zip archive that was read because of the names in it. */
export interface ReadZip {
  readonly files: ImageFiles;
  /** The same as a tree, for files that turn out not to be an image. */
  readonly source: Source;
}

/**
 * Documents that lead to all else of an image: one of them is in every image, and a tree that has none
 * need not be unpacked to know that it is not an image.
 */
const DOCUMENTS = /(?:^|\/)(?:oci-layout|repositories|(?:index|manifest)\.json|version|json)$/;

/** Whether an archive may hold an image, by the names of its entries. */
export function mayBeImage(names: Iterable<ByteString>): boolean {
  let hasDocument = false;
  let hasOther = false;
  for (const name of names) {
    const { directory, name: last } = entryPath(name);
    const path = joinPath(directory, last);
    if (DOCUMENTS.test(path)) hasDocument = true;
    else if (hasImageMember(path)) hasOther = true;
    if (hasDocument && hasOther) return true;
  }
  return false;
}

/**
 * Unpacks an archive.
 * @param zip has to stay open as long as what is returned is used
 * @throws BuildError
 */
export async function readZip(zip: ZipSource): Promise<ReadZip> {
  const batches: (readonly SourceEntry[])[] = [];
  const places = new Map<ByteString, FileInput | Link>();
  for await (const batch of zip.entries()) {
    batches.push(batch);
    for (const entry of batch) {
      const path = joinPath(entry.directory, entry.name);
      const place = placeOf(entry, path);
      if (place === undefined) places.delete(path);
      else places.set(path, place);
    }
  }
  return {
    files: filesOfMembers(resolved(places), zip.description),
    source: {
      description: zip.description,
      isLayer: zip.isLayer,
      async *entries() {
        yield* batches;
      },
      close: () => zip.close(),
    },
  };
}

function placeOf(entry: SourceEntry, path: ByteString): FileInput | Link | undefined {
  if (entry.kind !== "inode") return undefined;
  const { inode } = entry;
  if (inode.kind === "symlink") return { target: symlinkTarget(path, inode.target) };
  if (!hasContent(inode)) return undefined;
  const { content, size } = inode;
  return { kind: "file", path: contentPath(content), offset: content.offset, size };
}
