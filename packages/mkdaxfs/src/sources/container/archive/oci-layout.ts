// SPDX-License-Identifier: MIT
import { BuildError } from "../../../errors.js";
import type { ContainerContext } from "../../context.js";
import { parseDigest, readSmall, readVerified } from "../../digest.js";
import { JsonValue, shownText } from "../../json.js";
import type { ContainerImage, LayerBlob } from "../container-image.js";
import type { Descriptor } from "../oci/descriptor.js";
import { MANIFEST_LIMIT, parseManifest } from "../oci/manifest.js";
import { isForeignLayer } from "../oci/media-types.js";
import {
  bareDescriptor,
  closest,
  DOCUMENT_LIMITS,
  holdsImage,
  noImage,
  type ReadDocument,
  type Resolution,
  type ResolvedLayer,
  resolveImage,
  usable,
  wrongPlatform,
} from "../oci/resolve.js";
import { describeChoice, imagesNamed, type NamedImage, NotThere, severalImages } from "./choice.js";
import type { FileInput, ImageFiles } from "./image-files.js";

/** Entries that are looked into to find the image among them. */
const INSPECTED_MAX = 64;

/** Bytes that the `oci-layout` file may have; it has some thirty. */
const MARKER_LIMIT = 64 * 1024;

/** An entry of index.json, and every tag that leads to it. */
interface Entry extends NamedImage {
  readonly descriptor: Descriptor;
  readonly platform: Descriptor["platform"];
}

/** Whether some files are an OCI image layout, by the file that marks one. */
export function isOciLayout(files: ImageFiles): boolean {
  return files.find("oci-layout") !== undefined && files.find("index.json") !== undefined;
}

/**
 * Whether some files are an OCI image layout that lacks its marker, which skopeo does not ask for:
 * an index.json that is an image index, beside blobs. A root filesystem has neither.
 */
export async function isBareLayout(files: ImageFiles): Promise<boolean> {
  try {
    if (!files.rootNames.includes("blobs") || files.find("index.json") === undefined) return false;
    return (await readIndex(files)).length > 0;
  } catch (error) {
    if (error instanceof BuildError) return false;
    throw error;
  }
}

/** @throws BuildError for blobs and a marker without the index that leads to them. */
export function refuseHalfLayout(files: ImageFiles): void {
  if (files.find("oci-layout") === undefined || !files.rootNames.includes("blobs")) return;
  throw new BuildError(
    `${files.description} is an OCI layout without index.json (copy the image again)`,
  );
}

/**
 * Opens an image in an OCI image layout (image-layout.md of the OCI image specification).
 * @param choice tag of the image, or the digest of its manifest; needed where there are several,
 *   unless they are of different platforms
 * @throws BuildError when there is no such image, or it is damaged; NotThere when the layout does
 *   not hold all of it.
 */
export async function openOciLayout(
  files: ImageFiles,
  choice: string | undefined,
  context: ContainerContext,
): Promise<ContainerImage> {
  await checkVersion(files);
  const { platform, warn } = context;
  const read: ReadDocument = (descriptor, kind, what) =>
    readVerified(blobOf(files, descriptor.digest, what), descriptor, DOCUMENT_LIMITS[kind], what);
  const description = describeChoice(files.description, choice);
  const root =
    choice !== undefined && parseDigest(choice) !== undefined
      ? bareDescriptor("", choice, blobOf(files, choice, description).size)
      : await entryFor(files, choice, { description: files.description, platform, warn, read });
  const resolved = await resolveImage(root, { description, platform, warn, read });
  return {
    description,
    digest: resolved.digest,
    layers: resolved.layers.map((layer) => layerBlob(layer, files, description)),
    close: () => {},
  };
}

async function checkVersion(files: ImageFiles): Promise<void> {
  const what = `${files.description}: oci-layout`;
  const file = files.find("oci-layout");
  if (file === undefined || file.size === 0) return;
  const marker = JsonValue.parse(await readSmall(file, MARKER_LIMIT, what), what);
  const version = marker.get("imageLayoutVersion").optionalString();
  if (version === "" || /^1\.\d+\.\d+$/.test(version)) return;
  throw new BuildError(`${what}: version ${shownText(version)} is not known (convert it to 1.0.0)`);
}

/** The entry of index.json that a tag, or else the platform, chooses. */
async function entryFor(
  files: ImageFiles,
  tag: string | undefined,
  to: Resolution,
): Promise<Descriptor> {
  const { platform } = to;
  const manifests = await readIndex(files);
  const found = usable(manifests);
  if (found.length === 0) throw new NotThere(noImage(manifests, files.description).message);

  const entries = await imagesAmong(imagesNamed(entriesOf(found), tag, files.description), to);
  const [only] = entries;
  if (only !== undefined && entries.length === 1) {
    const runs = only.platform === undefined || closest([only], platform).length > 0;
    if (!runs) throw wrongPlatform(entries, platform, files.description);
    return only.descriptor;
  }
  // Tags tell images apart, and platforms only where every one has one.
  if (entries.some((entry) => entry.platform === undefined)) {
    throw severalImages(entries, files.description);
  }
  const best = closest(entries, platform);
  const [first] = best;
  if (first === undefined) throw wrongPlatform(entries, platform, files.description);
  if (best.length > 1) throw severalImages(best, files.description);
  return first.descriptor;
}

/** @returns what index.json lists @throws BuildError */
async function readIndex(files: ImageFiles): Promise<readonly Descriptor[]> {
  const what = `${files.description}: index.json`;
  const bytes = await readSmall(fileAt(files, "index.json"), MANIFEST_LIMIT, what);
  const index = parseManifest(bytes, "", what);
  if (index.kind === "index") return index.manifests;
  throw new BuildError(`${what} is not an image index (it is damaged: copy the image again)`);
}

/** Several entries without signatures, SBOMs and the like; all of them where nothing else is left. */
async function imagesAmong(entries: readonly Entry[], to: Resolution): Promise<readonly Entry[]> {
  if (entries.length < 2 || entries.length > INSPECTED_MAX) return entries;
  const images: Entry[] = [];
  const known = new Map<string, boolean>();
  for (const entry of entries) {
    if (await holdsImage(entry.descriptor, to, known)) images.push(entry);
  }
  return images.length === 0 ? entries : images;
}

/** Entries with the same digest are one image under several tags. */
function entriesOf(descriptors: readonly Descriptor[]): Entry[] {
  const entries = new Map<string, Entry & { readonly names: string[] }>();
  for (const descriptor of descriptors) {
    const { digest, annotations, platform } = descriptor;
    const known = entries.get(digest);
    const entry = known ?? { descriptor, names: [], digest, platform };
    if (known === undefined) entries.set(digest, entry);
    // The first is the specification's; containerd and docker put the whole name in the second.
    for (const key of ["io.containerd.image.name", "org.opencontainers.image.ref.name"]) {
      const name = annotations.get(key);
      if (name !== undefined && name !== "") entry.names.push(name);
    }
  }
  return [...entries.values()];
}

function layerBlob(
  { descriptor, diffId }: ResolvedLayer,
  files: ImageFiles,
  image: string,
): LayerBlob {
  const { digest, size, mediaType, urls } = descriptor;
  const description = `${image}: layer ${digest}`;
  const file = findBlob(files, digest);
  if (file === undefined && isForeignLayer(mediaType)) {
    const from = urls.length === 0 ? "" : `, from ${shownText(urls.join(" "))}`;
    throw new NotThere(
      `${description} is foreign and not in the layout: ${mediaType}${from} ` +
        "(copy the image with its foreign layers)",
    );
  }
  if (file === undefined) throw missingBlob(description);
  if (size !== undefined && file.size !== size) {
    throw new BuildError(
      `${description}: it has ${file.size} bytes instead of ${size} (it is damaged: get it again)`,
    );
  }
  return { description, digest, size: file.size, diffId, open: async () => file };
}

function blobOf(files: ImageFiles, digest: string, what: string): FileInput {
  const file = findBlob(files, digest);
  if (file === undefined) throw missingBlob(what);
  return file;
}

function missingBlob(what: string): NotThere {
  return new NotThere(`${what} is not in the layout (copy the image again, with all its blobs)`);
}

function findBlob(files: ImageFiles, digest: string): FileInput | undefined {
  const parts = parseDigest(digest);
  return parts && files.find(`blobs/${parts.algorithm}/${parts.hex}`);
}

function fileAt(files: ImageFiles, path: string): FileInput {
  const file = files.find(path);
  if (file === undefined) throw new BuildError(`${files.description}: ${path} went away`);
  return file;
}
