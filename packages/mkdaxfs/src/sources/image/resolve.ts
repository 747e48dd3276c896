// SPDX-License-Identifier: MIT
import { BuildError } from "../../errors.js";
import type { Platform } from "../../platform.js";
import type { DescribedPlatform, Descriptor } from "./descriptor.js";
import { shownText } from "./json.js";
import {
  CONFIG_LIMIT,
  MANIFEST_LIMIT,
  type ManifestDocument,
  parseConfig,
  parseManifest,
} from "./manifest.js";
import { isImageConfig, isIndex, isManifest, isSchema1 } from "./media-types.js";
import {
  describedPlatformText,
  distance,
  isAttestation,
  isBlank,
  platformText,
} from "./platform.js";

/** Indexes that may lie one in another. Real ones are two deep at the most. */
const INDEX_DEPTH = 4;
/** Indexes that are read for one image; those for other platforms are not. */
const INDEX_COUNT = 16;

/**
 * Reads a document that a descriptor leads to, and holds it against the descriptor.
 * @param limit bytes that it may have
 * @param what the document, for messages
 * @throws BuildError
 */
export type ReadDocument = (
  descriptor: Descriptor,
  limit: number,
  what: string,
) => Promise<Uint8Array>;

/** What it takes to find the way from a descriptor to an image. */
export interface Resolution {
  /** The image as the user named it, for messages. */
  readonly description: string;
  readonly platform: Platform;
  readonly read: ReadDocument;
  /** Says something that is no error, in one line. */
  readonly warn: (text: string) => void;
}

/** One layer, by its descriptor, and what it unpacks to. */
export interface ResolvedLayer {
  readonly descriptor: Descriptor;
  /** Digest of the uncompressed tar stream. */
  readonly diffId: string;
}

/** An image whose manifest and config have been verified. */
export interface ResolvedImage {
  /** Of its manifest. */
  readonly digest: string;
  /** From the lowest to the highest. */
  readonly layers: readonly ResolvedLayer[];
}

/** A manifest in an index, and the platform that it is said to be for. */
interface Candidate {
  readonly descriptor: Descriptor;
  readonly platform: DescribedPlatform | undefined;
}

/** A descriptor of which only these are known, such as of what a registry gives for a tag. */
export function bareDescriptor(mediaType: string, digest: string, size: number): Descriptor {
  const annotations = new Map<string, string>();
  return { mediaType, digest, size, urls: [], annotations, artifactType: "", platform: undefined };
}

/**
 * Follows a descriptor to an image: through indexes, to the one for the platform, to its manifest
 * and its config.
 * @param root of a manifest or an index; its media type may be ""
 * @throws BuildError when there is no image for the platform, or something on the way is not as it
 *   should be.
 */
export async function resolveImage(root: Descriptor, to: Resolution): Promise<ResolvedImage> {
  const bytes = await to.read(root, MANIFEST_LIMIT, `${to.description}: ${root.digest}`);
  const document = parseManifest(bytes, root.mediaType, `${to.description}: ${root.digest}`);
  if (document.kind === "manifest") return imageOf(root, document, to);

  const candidates: Candidate[] = [];
  const seen = new Set([root.digest]);
  await collect(document.manifests, undefined, INDEX_DEPTH, seen, candidates, to);
  const { descriptor } = choose(candidates, document.manifests, to);
  const what = `${to.description}: manifest ${descriptor.digest}`;
  const chosen = await to.read(descriptor, MANIFEST_LIMIT, what);
  const manifest = parseManifest(chosen, descriptor.mediaType, what);
  // The media type has been seen to be a manifest's, and parseManifest keeps to it.
  if (manifest.kind === "index") throw new TypeError("a manifest became an index");
  return imageOf(descriptor, manifest, to);
}

/** The manifests in an index and in the indexes in it. */
async function collect(
  descriptors: readonly Descriptor[],
  parent: DescribedPlatform | undefined,
  depth: number,
  seen: Set<string>,
  candidates: Candidate[],
  to: Resolution,
): Promise<void> {
  for (const descriptor of usable(descriptors)) {
    const own = descriptor.platform;
    const platform = own === undefined || isBlank(own) ? parent : own;
    const { digest, mediaType } = descriptor;
    const elsewhere = platform !== undefined && distance(to.platform, platform) === undefined;
    if (isManifest(mediaType) || elsewhere) {
      candidates.push({ descriptor, platform });
    } else if (!seen.has(digest)) {
      if (depth === 1 || seen.size === INDEX_COUNT) {
        throw new BuildError(`${to.description}: too many indexes in its index (name one of them)`);
      }
      seen.add(digest);
      const what = `${to.description}: index ${digest}`;
      const document = parseManifest(
        await to.read(descriptor, MANIFEST_LIMIT, what),
        mediaType,
        what,
      );
      if (document.kind === "manifest") throw new TypeError("an index became a manifest");
      await collect(document.manifests, platform, depth - 1, seen, candidates, to);
    }
  }
}

/** What in an index may lead to an image: neither attestations nor other artifacts. */
export function usable(descriptors: readonly Descriptor[]): Descriptor[] {
  return descriptors.filter(
    (descriptor) =>
      (isManifest(descriptor.mediaType) || isIndex(descriptor.mediaType)) &&
      (descriptor.artifactType === "" || isImageConfig(descriptor.artifactType)) &&
      !isAttestation(descriptor),
  );
}

/**
 * Those of some descriptors that are best for a platform: none, or one, or several that are equally
 * good.
 */
export function closest<T extends { readonly platform: DescribedPlatform | undefined }>(
  candidates: readonly T[],
  platform: Platform,
): T[] {
  let best: T[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    if (candidate.platform === undefined) continue;
    const found = distance(platform, candidate.platform);
    if (found === undefined || found > least) continue;
    if (found < least) best = [];
    least = found;
    best.push(candidate);
  }
  return best;
}

function choose(
  candidates: readonly Candidate[],
  all: readonly Descriptor[],
  to: Resolution,
): Candidate {
  const [match] = closest(candidates, to.platform);
  if (match !== undefined) return match;
  const [first] = candidates;
  if (first === undefined) throw noImage(all, to.description);
  if (candidates.length === 1 && first.platform === undefined) return first;
  throw wrongPlatform(candidates, to.platform, to.description);
}

/** The error for an index without an image for the platform. */
export function wrongPlatform(
  candidates: readonly { readonly platform: DescribedPlatform | undefined }[],
  platform: Platform,
  description: string,
): BuildError {
  const there = candidates.map((each) =>
    each.platform === undefined ? "one without a platform" : describedPlatformText(each.platform),
  );
  const list = [...new Set(there)];
  // An index may name thousands.
  const shown = list.length > 20 ? [...list.slice(0, 20), "…"] : list;
  return new BuildError(
    `${description} has no image for ${platformText(platform)}, only for ${shown.join(", ")} ` +
      "(choose one with --platform)",
  );
}

/** The error for an index with nothing in it that is an image. */
export function noImage(descriptors: readonly Descriptor[], description: string): BuildError {
  const other = descriptors.find((descriptor) => !isAttestation(descriptor));
  if (other === undefined) {
    return new BuildError(`${description} has no image in its index (name a container image)`);
  }
  const type = other.artifactType === "" ? other.mediaType : other.artifactType;
  return new BuildError(
    isSchema1(type)
      ? `${description} has nothing but a docker manifest of schema 1 (name a newer image)`
      : `${description} has no image in its index, only ${shownText(type)} (name a container image)`,
  );
}

async function imageOf(
  { digest }: Descriptor,
  { config, layers }: ManifestDocument,
  to: Resolution,
): Promise<ResolvedImage> {
  const what = `${to.description}: config ${config.digest}`;
  const bytes = await to.read(config, CONFIG_LIMIT, what);
  const { diffIds, platform } = parseConfig(bytes, layers.length, what);
  warnOfPlatform(platform, to);
  const resolved = layers.map((descriptor, index) => ({ descriptor, diffId: diffIds[index]! }));
  return { digest, layers: resolved };
}

/** Says when the only image that there is turns out to be for another platform. */
export function warnOfPlatform(
  found: DescribedPlatform,
  { platform, description, warn }: Pick<Resolution, "platform" | "description" | "warn">,
): void {
  if (isBlank(found) || distance(platform, found) !== undefined) return;
  warn(
    `${description} is for ${describedPlatformText(found)}, not for ${platformText(platform)}, ` +
      "and is taken as it is",
  );
}
