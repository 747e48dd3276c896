// SPDX-License-Identifier: MIT
import type { ByteString } from "@daxfs/format";
import { BuildError } from "../../../errors.js";
import type { ContainerContext } from "../../context.js";
import { digestOf, parseDigest, readSmall, readVerified } from "../../digest.js";
import { JsonValue } from "../../json.js";
import type { ContainerImage, LayerBlob } from "../container-image.js";
import { MANIFEST_LIMIT } from "../oci/manifest.js";
import {
  bareDescriptor,
  DOCUMENT_LIMITS,
  type ReadDocument,
  type ResolvedLayer,
  resolveImage,
} from "../oci/resolve.js";
import { imagesNamed } from "./choice.js";
import type { FileInput, ImageFiles } from "./image-files.js";

/** What the file `version` begins with. */
const VERSION = /^Directory Transport Version: /;
const VERSION_LIMIT = 1024;

/**
 * Whether some files are an image as `skopeo copy … dir:D` and `podman save --format docker-dir`
 * write it: one manifest, and blobs in the root that are called by their digests. Without the file
 * `version`, a blob that the manifest names has to be there: manifest.json is a common name.
 */
export async function isDirectoryTransport(files: ImageFiles): Promise<boolean> {
  try {
    if (await hasVersion(files)) return true;
    const file = files.find("manifest.json");
    if (file === undefined || file.size > MANIFEST_LIMIT) return false;
    const manifest = JsonValue.parse(await readSmall(file, MANIFEST_LIMIT, "manifest"), "manifest");
    const blobs = [manifest.get("config"), ...manifest.get("layers").list()];
    return [...blobs, ...manifest.get("manifests").list()].some(
      (blob) => blob.present && findBlob(files, blob.get("digest").optionalString()) !== undefined,
    );
  } catch (error) {
    if (error instanceof BuildError) return false;
    throw error;
  }
}

async function hasVersion(files: ImageFiles): Promise<boolean> {
  const file = files.find("version");
  if (file === undefined || file.size > VERSION_LIMIT) return false;
  return VERSION.test(Buffer.from(await readSmall(file, VERSION_LIMIT, "version")).toString());
}

/**
 * Opens such an image.
 * @param choice digest of the manifest, which is the only one unless all platforms were copied
 * @throws BuildError when there is no such image, or it is damaged.
 */
export async function openDirectoryTransport(
  files: ImageFiles,
  choice: string | undefined,
  { platform, warn }: ContainerContext,
): Promise<ContainerImage> {
  const { description } = files;
  const file = files.find("manifest.json");
  if (file === undefined) throw missing(`${description}: manifest.json`);
  const bytes = await readSmall(file, MANIFEST_LIMIT, `${description}: manifest.json`);
  const digest = digestOf(bytes);
  // There are no tags.
  imagesNamed([{ names: [], digest }], choice, description);
  const read: ReadDocument = async (descriptor, kind, what) => {
    if (descriptor.digest === digest) return bytes;
    const document = findBlob(files, descriptor.digest);
    if (document === undefined) throw missing(what);
    return readVerified(document, descriptor, DOCUMENT_LIMITS[kind], what);
  };
  const root = bareDescriptor("", digest, bytes.length);
  const resolved = await resolveImage(root, { description, platform, warn, read });
  const layers = resolved.layers.map((layer) => layerBlob(layer, files));
  return { description, digest: resolved.digest, layers, close: () => {} };
}

function layerBlob({ descriptor, diffId }: ResolvedLayer, files: ImageFiles): LayerBlob {
  const { digest, size } = descriptor;
  const description = `${files.description}: layer ${digest}`;
  const file = findBlob(files, digest);
  if (file === undefined) throw missing(description);
  if (size !== undefined && file.size !== size) {
    throw new BuildError(
      `${description}: it has ${file.size} bytes instead of ${size} (it is damaged: get it again)`,
    );
  }
  return { description, digest, size: file.size, diffId, open: async () => file };
}

/** A blob, or one of several manifests. Versions before 1.1 put ".tar" behind the names of layers. */
function findBlob(files: ImageFiles, digest: string): FileInput | undefined {
  const parts = parseDigest(digest);
  if (parts === undefined) return undefined;
  const { algorithm, hex } = parts;
  const names: readonly ByteString[] = [
    ...(algorithm === "sha256" ? [hex, `${hex}.manifest.json`, `${hex}.tar`] : []),
    ...[`${algorithm}-${hex}`, `${algorithm}-${hex}.manifest.json`],
  ];
  for (const name of names) {
    const file = files.find(name);
    if (file !== undefined) return file;
  }
  return undefined;
}

function missing(what: string): BuildError {
  return new BuildError(`${what} is not in the directory (copy the image again)`);
}
