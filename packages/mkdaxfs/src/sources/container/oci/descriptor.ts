// SPDX-License-Identifier: MIT

import type { DescribedPlatform } from "../../../platform.js";
import { parseDigest } from "../../digest.js";
import type { JsonValue } from "../../json.js";
import { isBlank } from "./platform.js";

/**
 * A reference to a blob (descriptor.md of the OCI image specification; docker's have the same
 * shape). Its `data` is not used: the blob itself is always there as well.
 */
export interface Descriptor {
  /** "" where there is none, as in old docker manifests. */
  readonly mediaType: string;
  /** "sha256:…" or "sha512:…", nothing else. */
  readonly digest: string;
  /** Bytes; undefined where it is not said, and the digest has to do. */
  readonly size: number | undefined;
  /** Other places that the blob may be fetched from. */
  readonly urls: readonly string[];
  readonly annotations: ReadonlyMap<string, string>;
  /** "" where there is none. */
  readonly artifactType: string;
  /** Undefined where there is none, or one that names no architecture. */
  readonly platform: DescribedPlatform | undefined;
}

/**
 * Checks a descriptor. Members that are missing or null have the meaning that Go's tools give them:
 * the empty value of their type.
 * @throws BuildError naming the field that is not as it should be.
 */
export function descriptorOf(value: JsonValue): Descriptor {
  const size = value.get("size");
  const platform = value.get("platform");
  const described = platform.present ? describedPlatformOf(platform) : undefined;
  return {
    mediaType: value.get("mediaType").optionalString(),
    digest: digestField(value.get("digest")),
    size: size.present ? size.count() : undefined,
    urls: value
      .get("urls")
      .list()
      .map((url) => url.optionalString())
      .filter((url) => url !== ""),
    annotations: value.get("annotations").stringMap(),
    artifactType: value.get("artifactType").optionalString(),
    platform: described === undefined || isBlank(described) ? undefined : described,
  };
}

/** Checks the platform in a descriptor or in a config. @throws BuildError naming the field. */
export function describedPlatformOf(value: JsonValue): DescribedPlatform {
  return {
    os: value.get("os").optionalString(),
    architecture: value.get("architecture").optionalString(),
    variant: value.get("variant").optionalString(),
  };
}

/** Checks a digest. @throws BuildError unless it is one of an algorithm that is known. */
export function digestField(value: JsonValue): string {
  const text = value.string();
  if (parseDigest(text) === undefined) throw value.isNot("a sha256 or sha512 digest");
  return text;
}
