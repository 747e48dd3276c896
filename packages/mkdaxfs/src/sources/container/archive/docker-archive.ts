// SPDX-License-Identifier: MIT
import { type ByteString, byteStringOfText } from "@daxfs/format";
import { BuildError } from "../../../errors.js";
import { shown } from "../../../host/path.js";
import { cleanPath } from "../../../model/entry-path.js";
import type { ContainerContext } from "../../context.js";
import { digestOf, readSmall, verifyBytes } from "../../digest.js";
import { JsonValue, shownText } from "../../json.js";
import type { ContainerImage, LayerBlob } from "../container-image.js";
import { descriptorOf } from "../oci/descriptor.js";
import { CONFIG_LIMIT, MANIFEST_LIMIT, parseConfig } from "../oci/manifest.js";
import { warnOfPlatform } from "../oci/resolve.js";
import { describeChoice, imagesNamed, type NamedImage, severalImages } from "./choice.js";
import type { FileInput, ImageFiles } from "./image-files.js";

/** One image of manifest.json. */
interface ArchivedImage extends NamedImage {
  /** Clean path of its config. */
  readonly config: ByteString;
  /** Clean paths of its layers, from the lowest to the highest. */
  readonly layers: readonly ByteString[];
  /** Descriptors of layers that the archive lacks since they are foreign, by diffID. */
  readonly sources: JsonValue;
}

/**
 * Whether some files are what `docker save` has written since docker 1.10: with a manifest.json
 * that lists files which are there, or that claims some outside. It may also be a file of that name
 * in a root filesystem.
 */
export async function isDockerArchive(files: ImageFiles): Promise<boolean> {
  const file = files.find("manifest.json");
  if (file === undefined || file.size > MANIFEST_LIMIT) return false;
  let images: readonly ArchivedImage[];
  try {
    images = await readManifest(files, file);
    return images.some(({ config, layers }) =>
      [config, ...layers].some((path) => files.find(path) !== undefined),
    );
  } catch (error) {
    if (error instanceof LeavesArchive) return true;
    if (error instanceof BuildError) return false;
    throw error;
  }
}

/**
 * Opens an image in an archive of `docker save`, packed or not, by its manifest.json. The layers lie
 * in `ID/layer.tar`, or in `DIGEST.tar` where podman and skopeo wrote it, or among the blobs of an
 * OCI layout since docker 25; whether they are compressed is theirs to tell.
 * @param choice a tag of the image, or the digest of its config; needed where there are several
 * @throws BuildError when there is no such image, or it is damaged.
 */
export async function openDockerArchive(
  files: ImageFiles,
  choice: string | undefined,
  context: ContainerContext,
): Promise<ContainerImage> {
  const manifest = files.find("manifest.json");
  if (manifest === undefined) throw new BuildError(`${files.description} has no manifest.json`);
  const named = await Promise.all(
    (await readManifest(files, manifest)).map((image) => withDigest(image, files)),
  );
  const images = imagesNamed(named, choice, files.description);
  const [image] = images;
  if (image === undefined) throw new BuildError(`${files.description} has no images in it`);
  if (images.length > 1) throw severalImages(images, files.description);

  const description = describeChoice(files.description, choice);
  const diffIds = await readConfig(image, files, description, context);
  const layers = image.layers.map((path, index) =>
    layerBlob(path, diffIds[index] ?? "", image, files, description),
  );
  return { description, digest: undefined, layers, close: () => {} };
}

async function readManifest(files: ImageFiles, file: FileInput): Promise<ArchivedImage[]> {
  const what = `${files.description}: manifest.json`;
  const list = JsonValue.parse(await readSmall(file, MANIFEST_LIMIT, what), what);
  if (!list.isList) throw list.isNot("a list");
  return list.list().map((image) => {
    const config = memberPath(image.get("Config"));
    return {
      names: image
        .get("RepoTags")
        .list()
        .map((tag) => tag.optionalString())
        .filter((tag) => tag !== ""),
      digest: shown(config),
      config,
      layers: image.get("Layers").list().map(memberPath),
      sources: image.get("LayerSources"),
    };
  });
}

/** An image by the digest of its config, which is what docker calls its ID. */
async function withDigest(image: ArchivedImage, files: ImageFiles): Promise<ArchivedImage> {
  const file = files.find(image.config);
  if (file === undefined || file.size > CONFIG_LIMIT) return image;
  return { ...image, digest: digestOf(await readSmall(file, CONFIG_LIMIT, shown(image.config))) };
}

/** @returns the diffIDs of the layers */
async function readConfig(
  { config, layers }: ArchivedImage,
  files: ImageFiles,
  description: string,
  { platform, warn }: ContainerContext,
): Promise<readonly string[]> {
  const what = `${description}: config ${shown(config)}`;
  const file = files.find(config);
  if (file === undefined) throw missing(what);
  const bytes = await readSmall(file, CONFIG_LIMIT, what);
  // Blobs of a layout are called by their digests. Elsewhere it is usual, and nobody insists on it.
  const named = blobDigest(config);
  if (named !== undefined) verifyBytes(bytes, { digest: named, size: bytes.length }, what);
  const parsed = parseConfig(bytes, layers.length, what);
  warnOfPlatform(parsed.platform, { description, platform, warn });
  if (parsed.diffIds !== undefined) return parsed.diffIds;
  throw new BuildError(`${what}: it has no diff_ids for its layers (save the image again)`);
}

function layerBlob(
  path: ByteString,
  diffId: string,
  { sources }: ArchivedImage,
  files: ImageFiles,
  image: string,
): LayerBlob {
  const description = `${image}: layer ${shown(path)}`;
  const file = files.find(path);
  if (file === undefined) {
    const source = sources.present ? sources.get(diffId) : undefined;
    if (!source?.present) throw missing(description);
    const { mediaType, urls } = descriptorOf(source);
    throw new BuildError(
      `${description} is foreign and not in the archive: ${shownText([mediaType, ...urls].join(" "))} ` +
        "(copy the image with its foreign layers)",
    );
  }
  const digest = blobDigest(path);
  const open = async () => file;
  return { description, digest, size: file.size, diffId, open };
}

/** The digest of a layout's blob, "sha256:…"; elsewhere a name says nothing of the bytes. */
function blobDigest(path: ByteString): string | undefined {
  const [, hex] = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path) ?? [];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

/** A path that leads out of its archive. */
class LeavesArchive extends BuildError {}

/** The clean path of a member that a document names. @throws LeavesArchive */
function memberPath(value: JsonValue): ByteString {
  const path = byteStringOfText(value.string());
  if (path.startsWith("/") || path.split("/").includes("..") || cleanPath(path) === "") {
    throw new LeavesArchive(value.isNot("the path of a file in the archive").message);
  }
  return cleanPath(path);
}

function missing(what: string): BuildError {
  return new BuildError(`${what} is not in the archive (save the image again)`);
}
