// SPDX-License-Identifier: MIT

import { BuildError } from "../../../errors.js";
import type { DescribedPlatform, Platform } from "../../../platform.js";
import { distance, platformText } from "../../../platform.js";
import { shownText } from "../../json.js";
import type { Descriptor } from "./descriptor.js";
import {
  CONFIG_LIMIT,
  type ConfigDocument,
  type IndexDocument,
  MANIFEST_LIMIT,
  type ManifestDocument,
  parseConfig,
  parseManifest,
} from "./manifest.js";
import { isImageConfig, isIndex, isManifest, isSchema1, NotAnImage } from "./media-types.js";
import { describedPlatformText, isAttestation, isBlank } from "./platform.js";

/** Indexes that may lie one in another. Real ones are two deep at the most. */
const INDEX_DEPTH = 4;
/** Indexes that are read for one image; those for other platforms are not. */
const INDEX_COUNT = 16;

/** A manifest or an index, or a config. */
export type DocumentKind = "manifest" | "config";

/** Bytes that documents may have. */
export const DOCUMENT_LIMITS: Readonly<Record<DocumentKind, number>> = {
  manifest: MANIFEST_LIMIT,
  config: CONFIG_LIMIT,
};

/**
 * Reads a document that a descriptor leads to, and checks it against the descriptor.
 * @param kind of the document, whatever its media type
 * @param what the document, for messages
 * @throws BuildError when it has more than `DOCUMENT_LIMITS` bytes, or is not what it should be
 */
export type ReadDocument = (
  descriptor: Descriptor,
  kind: DocumentKind,
  what: string,
) => Promise<Uint8Array>;

/** What it takes to find the way from a descriptor to an image. */
export interface Resolution {
  /** The image as the user named it, for messages. */
  readonly description: string;
  readonly platform: Platform;
  readonly read: ReadDocument;
  /** Says something that is not an error, in one line. */
  readonly warn: (text: string) => void;
}

/** One layer, by its descriptor, and what it unpacks to. */
export interface ResolvedLayer {
  readonly descriptor: Descriptor;
  /** Digest of the uncompressed tar stream; undefined where the config has none. */
  readonly diffId: string | undefined;
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
export function bareDescriptor(
  mediaType: string,
  digest: string,
  size: number | undefined,
): Descriptor {
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
  const document = await readDocument(root, to, `${to.description}: ${root.digest}`);
  if (document.kind === "manifest") return imageOf(root, document, to);

  const candidates: Candidate[] = [];
  const seen = new Set([root.digest]);
  await collect(document.manifests, undefined, INDEX_DEPTH, seen, candidates, to);
  return choose(candidates, document.manifests, to);
}

/**
 * Whether a descriptor leads to an image, or to an index with one: not to a signature or an SBOM.
 * What can't be read counts as one.
 * @param known what is known of digests; indexes may name one document many times over
 */
export async function holdsImage(
  descriptor: Descriptor,
  to: Resolution,
  known: Map<string, boolean>,
  depth = INDEX_DEPTH,
): Promise<boolean> {
  const before = known.get(descriptor.digest);
  if (before !== undefined) return before;
  const holds = await documentHoldsImage(descriptor, to, known, depth);
  known.set(descriptor.digest, holds);
  return holds;
}

async function documentHoldsImage(
  descriptor: Descriptor,
  to: Resolution,
  known: Map<string, boolean>,
  depth: number,
): Promise<boolean> {
  try {
    const document = await readDocument(descriptor, to, `${to.description}: ${descriptor.digest}`);
    if (document.kind === "manifest" || depth === 1) return true;
    for (const each of usable(document.manifests).slice(0, INDEX_COUNT)) {
      if (await holdsImage(each, to, known, depth - 1)) return true;
    }
    return false;
  } catch (error) {
    if (error instanceof BuildError) return !(error instanceof NotAnImage);
    throw error;
  }
}

async function readDocument(
  descriptor: Descriptor,
  to: Resolution,
  what: string,
): Promise<IndexDocument | ManifestDocument> {
  const bytes = await to.read(descriptor, "manifest", what);
  return parseManifest(bytes, descriptor.mediaType, what);
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
    const platform = descriptor.platform ?? parent;
    const { digest, mediaType } = descriptor;
    const elsewhere = platform !== undefined && distance(to.platform, platform) === undefined;
    if (isManifest(mediaType) || elsewhere) {
      candidates.push({ descriptor, platform });
    } else if (!seen.has(digest)) {
      if (depth === 1 || seen.size === INDEX_COUNT) {
        throw new BuildError(`${to.description}: too many indexes in its index (name one of them)`);
      }
      seen.add(digest);
      // What has no media type may be a manifest as well.
      const kind = mediaType === "" ? "" : "index ";
      const document = await readDocument(descriptor, to, `${to.description}: ${kind}${digest}`);
      if (document.kind === "manifest") candidates.push({ descriptor, platform });
      else await collect(document.manifests, platform, depth - 1, seen, candidates, to);
    }
  }
}

/** What in an index may lead to an image: neither attestations nor other artifacts. */
export function usable(descriptors: readonly Descriptor[]): Descriptor[] {
  return descriptors.filter(
    (descriptor) =>
      (descriptor.mediaType === "" ||
        isManifest(descriptor.mediaType) ||
        isIndex(descriptor.mediaType)) &&
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
  const ranks = ranked(candidates, platform);
  return ranks.filter(({ rank }) => rank === ranks[0]?.rank).map(({ candidate }) => candidate);
}

/** Those that run on a platform, the best first, equals in their order. */
function ranked<T extends { readonly platform: DescribedPlatform | undefined }>(
  candidates: readonly T[],
  platform: Platform,
): { readonly candidate: T; readonly rank: number }[] {
  const all: { candidate: T; rank: number }[] = [];
  for (const candidate of candidates) {
    const rank = candidate.platform && distance(platform, candidate.platform);
    if (rank !== undefined) all.push({ candidate, rank });
  }
  return all.sort((a, b) => a.rank - b.rank);
}

/**
 * The image among some manifests that is best for the platform. Manifests that turn out to be no
 * image are passed over, and those without layers where another one has some.
 */
async function choose(
  candidates: readonly Candidate[],
  all: readonly Descriptor[],
  to: Resolution,
): Promise<ResolvedImage> {
  const matches = ranked(candidates, to.platform).map(({ candidate }) => candidate);
  const found = await firstImage(matches, to);
  if (found.image !== undefined) return imageOf(found.image.descriptor, found.image.manifest, to);
  const bare = candidates.filter(({ platform }) => platform === undefined);
  if (bare.length === 0 && found.failure !== undefined) throw found.failure;
  return chooseBare(bare, candidates, all, to);
}

/** An image by its config's word, where the index says nothing of its platform. */
async function chooseBare(
  bare: readonly Candidate[],
  candidates: readonly Candidate[],
  all: readonly Descriptor[],
  to: Resolution,
): Promise<ResolvedImage> {
  if (candidates.length === 0) throw noImage(all, to.description);
  const images: ManifestOf[] = [];
  let failure: NotAnImage | undefined;
  for (const candidate of bare.slice(0, INDEX_COUNT)) {
    const found = await firstImage([candidate], to);
    failure ??= found.failure;
    if (found.image !== undefined) images.push(found.image);
  }
  const [only] = images;
  if (only === undefined && failure !== undefined && bare.length === candidates.length) {
    throw failure;
  }
  // The only image there is is taken, whatever it is for.
  if (only !== undefined && images.length === 1 && bare.length === candidates.length) {
    return imageOf(only.descriptor, only.manifest, to);
  }
  const fitting: ManifestOf[] = [];
  for (const image of images) {
    const { platform } = await readConfig(image.manifest, to);
    if (distance(to.platform, platform) !== undefined) fitting.push(image);
  }
  const [match] = fitting;
  if (match === undefined || fitting.length > 1) {
    throw wrongPlatform(candidates, to.platform, to.description);
  }
  return imageOf(match.descriptor, match.manifest, to);
}

/** A descriptor and the manifest that it leads to. */
interface ManifestOf {
  readonly descriptor: Descriptor;
  readonly manifest: ManifestDocument;
}

/** The first that is an image with layers, else the first that is an image, or why none is. */
async function firstImage(
  candidates: readonly Candidate[],
  to: Resolution,
): Promise<{
  readonly image: ManifestOf | undefined;
  readonly failure: NotAnImage | undefined;
}> {
  let image: ManifestOf | undefined;
  let failure: NotAnImage | undefined;
  for (const { descriptor } of candidates) {
    try {
      const what = `${to.description}: manifest ${descriptor.digest}`;
      const manifest = await readDocument(descriptor, to, what);
      if (manifest.kind === "index") throw new NotAnImage(`${what} is an index (name it)`);
      image ??= { descriptor, manifest };
      if (manifest.layers.length > 0) return { image: { descriptor, manifest }, failure };
    } catch (error) {
      // What is wrong with one that is not needed is no matter.
      if (image !== undefined && error instanceof BuildError) continue;
      if (!(error instanceof NotAnImage)) throw error;
      failure ??= error;
    }
  }
  return { image, failure };
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
  manifest: ManifestDocument,
  to: Resolution,
): Promise<ResolvedImage> {
  const { diffIds, platform } = await readConfig(manifest, to);
  warnOfPlatform(platform, to);
  const layers = manifest.layers.map((descriptor, index) => ({
    descriptor,
    diffId: diffIds?.[index],
  }));
  return { digest, layers };
}

async function readConfig(
  { config, layers }: ManifestDocument,
  to: Resolution,
): Promise<ConfigDocument> {
  const what = `${to.description}: config ${config.digest}`;
  return parseConfig(await to.read(config, "config", what), layers.length, what);
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
