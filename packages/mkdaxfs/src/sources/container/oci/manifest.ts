// SPDX-License-Identifier: MIT

import { BuildError } from "../../../errors.js";
import type { DescribedPlatform } from "../../../platform.js";
import { JsonValue, shownText } from "../../json.js";
import { type Descriptor, describedPlatformOf, descriptorOf, digestField } from "./descriptor.js";
import {
  checkLayerType,
  isImageConfig,
  isIndex,
  isManifest,
  isSchema1,
  NotAnImage,
} from "./media-types.js";

/** Bytes that a manifest or an index may have, as registries limit them. */
export const MANIFEST_LIMIT = 4 * 1024 * 1024;
/** Bytes that a config may have. */
export const CONFIG_LIMIT = 16 * 1024 * 1024;

/** A document that leads to images, or is one image's. */
export interface IndexDocument {
  readonly kind: "index";
  readonly manifests: readonly Descriptor[];
}

/** The document of one image. Its layers are known to be layers of files. */
export interface ManifestDocument {
  readonly kind: "manifest";
  readonly config: Descriptor;
  /** From the lowest to the highest. */
  readonly layers: readonly Descriptor[];
}

/** What of an image's config matters here. */
export interface ConfigDocument {
  /**
   * Digests of the layers' uncompressed tar streams, from the lowest to the highest; undefined where
   * there are layers and the config says nothing of them.
   */
  readonly diffIds: readonly string[] | undefined;
  readonly platform: DescribedPlatform;
}

/**
 * Checks an OCI image index or manifest, or docker's manifest list or manifest of schema 2.
 * @param mediaType what its descriptor, or the server, says that it is; "" where nothing does
 * @param what the document, for messages
 * @throws BuildError for what is neither, or is an image that has no files to give: encrypted, of
 *   schema 1; NotAnImage for an artifact of another kind.
 */
export function parseManifest(
  bytes: Uint8Array,
  mediaType: string,
  what: string,
): IndexDocument | ManifestDocument {
  const document = JsonValue.parse(bytes, what);
  const inside = document.get("mediaType").optionalString();
  const version = document.get("schemaVersion");
  const said = inside === "" ? mediaType : inside;
  if (isSchema1(said) || isSchema1(mediaType) || (version.present && version.count() === 1)) {
    throw new BuildError(
      `${what} is a docker manifest of schema 1, which registries gave up ` +
        "(pull the image with an old docker and push it anew, or name a newer one)",
    );
  }
  // What one reader takes for an index must not be a manifest to another: CVE-2021-41190.
  if (inside !== "" && mediaType !== "" && inside !== mediaType) {
    throw new BuildError(
      `${what}: its mediaType is ${shownText(inside)}, where ${shownText(mediaType)} leads to it ` +
        "(it was altered: get it again)",
    );
  }
  const manifests = document.get("manifests");
  const config = document.get("config");
  const layers = document.get("layers");
  if (manifests.present && (config.present || layers.present)) {
    throw new BuildError(`${what} is an index and a manifest at once (it was altered)`);
  }
  if (said !== "" && !isIndex(said) && !isManifest(said)) {
    throw new NotAnImage(`${what} is ${shownText(said)} (name a container image)`);
  }
  const isEmpty = !config.present && !layers.present;
  if (said === "" ? manifests.present || isEmpty : isIndex(said)) {
    // A list without items may be null, or left out.
    if (!manifests.isList && !(isEmpty && !manifests.present)) throw manifests.isNot("a list");
    return { kind: "index", manifests: manifests.list().map(descriptorOf) };
  }
  const artifactType = document.get("artifactType").optionalString();
  return manifestOf(descriptorOf(config), layers.list().map(descriptorOf), artifactType, what);
}

function manifestOf(
  config: Descriptor,
  layers: readonly Descriptor[],
  artifactType: string,
  what: string,
): ManifestDocument {
  if (!isImageConfig(config.mediaType)) {
    const type = artifactType === "" ? config.mediaType : artifactType;
    throw new NotAnImage(
      `${what} is not a container image: its config is ${shownText(type)} (name a container image)`,
    );
  }
  for (const layer of layers) {
    checkLayerType(layer.mediaType, `${what}: layer ${layer.digest}`);
  }
  return { kind: "manifest", config, layers };
}

/**
 * Checks an image's config (config.md of the OCI image specification; docker's has the same shape).
 * @param layers how many its manifest has
 * @param what the document, for messages
 * @throws BuildError when it has diffIDs, and not one for each layer.
 */
export function parseConfig(bytes: Uint8Array, layers: number, what: string): ConfigDocument {
  const document = JsonValue.parse(bytes, what);
  const rootfs = document.get("rootfs");
  const list = rootfs.present ? rootfs.get("diff_ids") : rootfs;
  const platform = describedPlatformOf(document);
  if (!list.present && layers > 0) return { diffIds: undefined, platform };
  const diffIds = list.list().map(digestField);
  if (diffIds.length !== layers) {
    throw new BuildError(
      `${what}: it has ${diffIds.length} diff_ids for ${layers} ${layers === 1 ? "layer" : "layers"} ` +
        "(the image is damaged: get it again)",
    );
  }
  return { diffIds, platform };
}
