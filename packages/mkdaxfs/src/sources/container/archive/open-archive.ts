// SPDX-License-Identifier: MIT
import type { ByteString } from "@daxfs/format";
import { BuildError } from "../../../errors.js";
import { cleanPath } from "../../../model/entry-path.js";
import type { ContainerContext, SourceContext } from "../../context.js";
import { readSmall } from "../../digest.js";
import { JsonValue } from "../../json.js";
import { parseHeader, TAR_BLOCK, TarError, type TarHeader } from "../../tar/header.js";
import type { ContainerImage } from "../container-image.js";
import { NotThere } from "./choice.js";
import { isDirectoryTransport, openDirectoryTransport } from "./directory-transport.js";
import { isDockerArchive, openDockerArchive } from "./docker-archive.js";
import { isLegacyArchive, openLegacyArchive } from "./docker-legacy.js";
import type { ImageFiles } from "./image-files.js";
import { isBareLayout, isOciLayout, openOciLayout, refuseHalfLayout } from "./oci-layout.js";

/**
 * Opens a container image that some files are. Docker writes OCI layouts that are docker archives
 * as well: the layout counts, unless only the archive has what is wanted.
 * @param choice tag or digest of one of several images
 * @returns undefined for files that are not a container image
 * @throws BuildError for an image that can't be used.
 */
export async function openImageFiles(
  files: ImageFiles,
  choice: string | undefined,
  context: ContainerContext,
): Promise<ContainerImage | undefined> {
  const image = await openImageHere(files, choice, context);
  if (image !== undefined) return image;
  const inside = await imageBelow(files);
  if (inside === undefined) {
    await warnOfBundle(files, context);
    return undefined;
  }
  context.warn(
    `${files.description} holds a container image and nothing else, which is read: ` +
      inside.description,
  );
  return openImageHere(inside, choice, context);
}

/** Directories that may lie around an image. */
const WRAPPERS_MAX = 2;

/**
 * The files of an image that was packed, or copied, together with the directory that it lies in:
 * there is nothing else beside it.
 * @throws BuildError for several images and nothing else
 */
async function imageBelow(files: ImageFiles): Promise<ImageFiles | undefined> {
  let within = files;
  for (let depth = 0; depth < WRAPPERS_MAX; depth++) {
    const names = within.rootNames;
    const images: ImageFiles[] = [];
    for (const name of names) {
      const inside = within.within(name);
      // The first that is not an image, as nearly everywhere the first one is, settles it.
      if (!(await isImage(inside))) break;
      images.push(inside);
    }
    const [first] = images;
    if (first !== undefined && images.length === names.length) {
      if (images.length === 1) return first;
      const list = images.slice(0, 20).map(({ description }) => description);
      throw new BuildError(
        `${files.description} holds ${images.length} images: ${list.join(", ")} (give one of them)`,
      );
    }
    const [only] = names;
    if (only === undefined || names.length > 1) return undefined;
    within = within.within(only);
  }
  return undefined;
}

async function isImage(files: ImageFiles): Promise<boolean> {
  try {
    return (
      isOciLayout(files) ||
      (await isDockerArchive(files)) ||
      isLegacyArchive(files) ||
      (await isDirectoryTransport(files)) ||
      (await isBareLayout(files))
    );
  } catch (error) {
    // Of ordinary trees, where such names may be symlinks, or unreadable.
    if (error instanceof BuildError) return false;
    throw error;
  }
}

/** Bytes that the config of a runtime bundle may have. */
const BUNDLE_CONFIG_LIMIT = 4 * 1024 * 1024;

/** An OCI runtime bundle is not an image: it is taken as a tree of files, and a warning says so. */
async function warnOfBundle(files: ImageFiles, { warn }: SourceContext): Promise<void> {
  try {
    const file = files.rootNames.includes("rootfs") ? files.find("config.json") : undefined;
    if (file === undefined || file.size > BUNDLE_CONFIG_LIMIT) return;
    const config = JsonValue.parse(
      await readSmall(file, BUNDLE_CONFIG_LIMIT, "config.json"),
      "config.json",
    );
    if (!config.get("ociVersion").present) return;
  } catch (error) {
    if (error instanceof BuildError) return;
    throw error;
  }
  warn(
    `${files.description} is an OCI runtime bundle, and all of it is taken ` +
      "(give its rootfs for the root filesystem)",
  );
}

/** Opens the image that lies in the root of some files. */
async function openImageHere(
  files: ImageFiles,
  choice: string | undefined,
  context: ContainerContext,
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
  if (await isDirectoryTransport(files)) return openDirectoryTransport(files, choice, context);
  if (await isBareLayout(files)) return openOciLayout(files, choice, context);
  refuseHalfLayout(files);
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
  /** The one directory that all members so far lie in; undefined once there are several. */
  let wrapper: ByteString | undefined = "";
  let mayHoldInside = false;
  for (let at = 0; at + TAR_BLOCK <= start.length; ) {
    const header = headerAt(start, at);
    if (header === undefined) break;
    // Longer paths than a header holds are cut short there, which is enough to know them.
    const path = cleanPath(header.path);
    if (IMAGE_MEMBERS.test(path)) return true;
    const slash = path.indexOf("/");
    if (path !== "" && wrapper !== undefined && !EXTRA_HEADERS.includes(header.type)) {
      const first: ByteString = slash < 0 ? path : path.slice(0, slash);
      if (wrapper !== "" && first !== wrapper) wrapper = undefined;
      else wrapper = first;
      mayHoldInside ||= slash > 0 && hasImageMember(path);
    }
    const oldDirectory = header.type === "\0" && header.path.endsWith("/");
    const size = oldDirectory || WITHOUT_CONTENT.includes(header.type) ? 0 : header.size;
    at += TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  }
  return wrapper !== undefined && mayHoldInside;
}

/** Whether a path is that of an image's member, in the root or in a directory around the image. */
export function hasImageMember(path: ByteString): boolean {
  const parts = path.split("/");
  return parts.some(
    (_, depth) => depth <= WRAPPERS_MAX && IMAGE_MEMBERS.test(parts.slice(depth).join("/")),
  );
}

/** Types of headers that say something of members to come. */
const EXTRA_HEADERS = "xXgLKV";

/** Types of members that have no content, whatever their size is said to be: links, devices… */
const WITHOUT_CONTENT: readonly string[] = ["1", "2", "3", "4", "5", "6"];

/** @returns undefined where the archive ends, or is damaged: its source is to say so. */
function headerAt(archive: Uint8Array, at: number): TarHeader | undefined {
  try {
    return parseHeader(archive.subarray(at, at + TAR_BLOCK));
  } catch (error) {
    if (error instanceof TarError) return undefined;
    throw error;
  }
}
