// SPDX-License-Identifier: MIT
import { parseDigest } from "./digest.js";
import type { JsonValue } from "./json.js";

/** A platform as a descriptor has it: as somebody wrote it, complete or not. */
export interface DescribedPlatform {
  readonly os: string;
  readonly architecture: string;
  /** "" where there is none. */
  readonly variant: string;
}

/**
 * A reference to a blob (descriptor.md of the OCI image specification; docker's have the same
 * shape). Its `data` is not used: the blob itself is always there as well.
 */
export interface Descriptor {
  /** "" where there is none, as in old docker manifests. */
  readonly mediaType: string;
  /** "sha256:…" or "sha512:…", nothing else. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  /** Other places that the blob may be fetched from. */
  readonly urls: readonly string[];
  readonly annotations: ReadonlyMap<string, string>;
  /** "" where there is none. */
  readonly artifactType: string;
  readonly platform: DescribedPlatform | undefined;
}

/** Checks a descriptor. @throws BuildError naming the field that is not as it should be. */
export function descriptorOf(value: JsonValue): Descriptor {
  const platform = value.get("platform");
  return {
    mediaType: value.get("mediaType").optionalString(),
    digest: digestField(value.get("digest")),
    size: value.get("size").count(),
    urls: value
      .get("urls")
      .list()
      .map((url) => url.string()),
    annotations: value.get("annotations").stringMap(),
    artifactType: value.get("artifactType").optionalString(),
    platform: platform.present ? describedPlatformOf(platform) : undefined,
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
