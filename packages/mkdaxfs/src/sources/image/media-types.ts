// SPDX-License-Identifier: MIT
import { BuildError } from "../../errors.js";
import { shownText } from "./json.js";

/**
 * Something that lies where images lie and is none, such as a signature, an SBOM or a chart: to be
 * passed over where there is an image beside it.
 */
export class NotAnImage extends BuildError {}

const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";

/** Media types of documents that lead to an image, for the Accept header of a registry's client. */
export const MANIFEST_MEDIA_TYPES: readonly string[] = [
  OCI_INDEX,
  DOCKER_LIST,
  OCI_MANIFEST,
  DOCKER_MANIFEST,
];

/** Whether a media type is that of an index: an OCI one, or docker's manifest list. */
export function isIndex(mediaType: string): boolean {
  return mediaType === OCI_INDEX || mediaType === DOCKER_LIST;
}

/** Whether a media type is that of an image's manifest. */
export function isManifest(mediaType: string): boolean {
  return mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST;
}

/** Docker's manifests of schema 1, which have neither a config nor verifiable layers. */
export function isSchema1(mediaType: string): boolean {
  return /^application\/vnd\.docker\.distribution\.manifest\.v1\+(json|prettyjws)$/.test(mediaType);
}

/** Configs of images. Old registries say "application/octet-stream", or nothing, of docker's. */
export function isImageConfig(mediaType: string): boolean {
  return (
    mediaType === "application/vnd.oci.image.config.v1+json" ||
    mediaType === "application/vnd.docker.container.image.v1+json" ||
    mediaType === "application/octet-stream" ||
    mediaType === ""
  );
}

const LAYER =
  /^application\/vnd\.(oci\.image\.layer\.v1\.tar|docker\.image\.rootfs\.diff\.tar)([+.](gzip|zstd))?$/;
const FOREIGN_LAYER =
  /^application\/vnd\.(oci\.image\.layer\.nondistributable\.v1\.tar|docker\.image\.rootfs\.foreign\.diff\.tar)([+.](gzip|zstd))?$/;

/** Whether a layer's media type says that its blob may have to be fetched from somewhere else. */
export function isForeignLayer(mediaType: string): boolean {
  return FOREIGN_LAYER.test(mediaType);
}

/**
 * Refuses layers that are not tar archives of files, by name. Where the type is missing, the bytes tell
 * what they are, as they do for skopeo.
 * @param what the layer, for messages
 * @throws BuildError
 */
export function checkLayerType(mediaType: string, what: string): void {
  if (mediaType === "" || LAYER.test(mediaType) || FOREIGN_LAYER.test(mediaType)) return;
  // Suffixes of ocicrypt, the second from before it had settled.
  if (/\+enc(rypted)?$/.test(mediaType)) {
    throw new BuildError(`${what} is encrypted, ${shownText(mediaType)} (decrypt the image first)`);
  }
  throw new NotAnImage(
    `${what} is ${shownText(mediaType)}, not a layer of files (name a container image)`,
  );
}
