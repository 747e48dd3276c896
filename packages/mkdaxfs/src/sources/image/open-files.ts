// SPDX-License-Identifier: MIT
import type { SourceContext } from "../context.js";
import { cleanPath } from "../entry-path.js";
import { parseHeader, TAR_BLOCK, TarFault, type TarHeader } from "../tar/header.js";
import { NotThere } from "./choice.js";
import { isDockerArchive, openDockerArchive } from "./docker-archive.js";
import { isLegacyArchive, openLegacyArchive } from "./docker-legacy.js";
import type { ContainerImage } from "./image.js";
import type { ImageFiles } from "./image-files.js";
import { isOciLayout, openOciLayout } from "./oci-layout.js";

/**
 * Opens a container image that some files are. Docker writes OCI layouts that are docker archives
 * as well: the layout counts, unless only the archive has what is wanted.
 * @param choice tag or digest of one of several images
 * @returns undefined for files that are no container image
 * @throws BuildError for an image that can't be used.
 */
export async function openImageFiles(
  files: ImageFiles,
  choice: string | undefined,
  context: SourceContext,
): Promise<ContainerImage | undefined> {
  if (isOciLayout(files)) {
    try {
      return await openOciLayout(files, choice, context);
    } catch (error) {
      if (!(error instanceof NotThere) || !(await isDockerArchive(files))) throw error;
    }
  }
  if (await isDockerArchive(files)) return openDockerArchive(files, choice, context);
  if (isLegacyArchive(files)) return openLegacyArchive(files, choice);
  return undefined;
}

/**
 * What archives of images have in them: the files of OCI layouts and docker archives, and in the
 * root what tools call configs and layers.
 */
const IMAGE_MEMBERS = new RegExp(
  [
    "oci-layout|repositories|(index|manifest|config)\\.json",
    "(blobs|[0-9a-f]{64})(/.*)?",
    "(sha256:)?[0-9a-f]{12,64}(\\.json)?",
    "[^/]+(\\.tar(\\.\\w+)?|\\.tgz)",
  ]
    .map((pattern) => `^(${pattern})$`)
    .join("|"),
  "s",
);

/**
 * Whether a tar archive may be that of an image, by the members at its start. A root filesystem has
 * none that an image has; where it does, the whole archive has to be looked through.
 * @param start of the archive, uncompressed
 */
export function mayHoldImage(start: Uint8Array): boolean {
  for (let at = 0; at + TAR_BLOCK <= start.length; ) {
    const header = headerAt(start, at);
    if (header === undefined) return false;
    // Longer paths than a header holds are cut short there, which is enough to know them.
    if (IMAGE_MEMBERS.test(cleanPath(header.path))) return true;
    const oldDirectory = header.type === "\0" && header.path.endsWith("/");
    const size = oldDirectory || WITHOUT_CONTENT.includes(header.type) ? 0 : header.size;
    at += TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  }
  return false;
}

/** Types of members that have no content, whatever their size is said to be: links, devices… */
const WITHOUT_CONTENT: readonly string[] = ["1", "2", "3", "4", "5", "6"];

/** @returns undefined where the archive ends, or is damaged: its source is to say so. */
function headerAt(archive: Uint8Array, at: number): TarHeader | undefined {
  try {
    return parseHeader(archive.subarray(at, at + TAR_BLOCK));
  } catch (error) {
    if (error instanceof TarFault) return undefined;
    throw error;
  }
}
