// SPDX-License-Identifier: MIT
import type { ByteString } from "@daxfs/format";
import { BuildError } from "../../../errors.js";
import { readSmall } from "../../digest.js";
import { JsonValue } from "../../json.js";
import type { ContainerImage, LayerBlob } from "../container-image.js";
import { MANIFEST_LIMIT } from "../oci/manifest.js";
import { describeChoice, imagesNamed, type NamedImage, severalImages } from "./choice.js";
import type { ImageFiles } from "./image-files.js";

const ID = /^[0-9a-f]{64}$/;

/**
 * Whether some files are what `docker save` wrote before docker 1.10: a directory for each layer,
 * called by an ID of 64 digits.
 */
export function isLegacyArchive(files: ImageFiles): boolean {
  return idsOf(files).length > 0;
}

/**
 * Opens an image in such an archive. There are no digests to hold the layers against: an ID is a
 * random number, and each layer's `json` names the one below it as its parent.
 * @param choice a tag of the image, or the ID of its topmost layer; needed where there are several
 * @throws BuildError when there is no such image, or it is damaged.
 */
export async function openLegacyArchive(
  files: ImageFiles,
  choice: string | undefined,
): Promise<ContainerImage> {
  const parents = new Map<string, string>();
  for (const id of idsOf(files)) parents.set(id, await parentOf(id, files));
  const images = imagesNamed(await imagesOf(files, parents), choice, files.description);
  const [image] = images;
  if (image === undefined) {
    throw new BuildError(`${files.description}: every layer is another's parent (it was altered)`);
  }
  if (images.length > 1) throw severalImages(images, files.description);

  const description = describeChoice(files.description, choice);
  const layers: LayerBlob[] = [];
  const seen = new Set<string>();
  for (let id = image.digest; id !== ""; id = parents.get(id) ?? "") {
    if (seen.has(id)) {
      throw new BuildError(`${description}: layer ${id} is its own ancestor (it was altered)`);
    }
    seen.add(id);
    layers.push(layerBlob(id, files, description));
  }
  layers.reverse();
  return { description, digest: undefined, layers, close: () => {} };
}

/** Layers in the archive. */
function idsOf(files: ImageFiles): ByteString[] {
  return files.rootNames.filter(
    (name) =>
      ID.test(name) &&
      files.find(`${name}/json`) !== undefined &&
      files.find(`${name}/layer.tar`) !== undefined,
  );
}

/** The layer below, "" below the lowest. */
async function parentOf(id: string, files: ImageFiles): Promise<string> {
  const what = `${files.description}: ${id}/json`;
  const file = files.find(`${id}/json`);
  if (file === undefined) throw new BuildError(`${what} is not in the archive (save it again)`);
  const parent = JsonValue.parse(await readSmall(file, MANIFEST_LIMIT, what), what).get("parent");
  const text = parent.optionalString();
  if (text !== "" && !ID.test(text)) throw parent.isNot("an ID of 64 digits");
  return text;
}

/** The tagged layers, or where none is tagged, those that are no other's parent. */
async function imagesOf(
  files: ImageFiles,
  parents: ReadonlyMap<string, string>,
): Promise<NamedImage[]> {
  const images = new Map<string, NamedImage & { readonly names: string[] }>();
  const image = (digest: string) => {
    const known = images.get(digest) ?? { names: [], digest };
    images.set(digest, known);
    return known;
  };
  const file = files.find("repositories");
  if (file === undefined) {
    const below = new Set(parents.values());
    for (const id of parents.keys()) if (!below.has(id)) image(id);
    return [...images.values()];
  }
  const what = `${files.description}: repositories`;
  const repositories = JsonValue.parse(await readSmall(file, MANIFEST_LIMIT, what), what);
  for (const repository of repositories.names()) {
    for (const [tag, id] of repositories.get(repository).stringMap()) {
      if (!ID.test(id)) throw repositories.get(repository).isNot("a list of IDs by tags");
      image(id).names.push(`${repository}:${tag}`);
    }
  }
  return [...images.values()];
}

function layerBlob(id: string, files: ImageFiles, image: string): LayerBlob {
  const description = `${image}: layer ${id}`;
  const file = files.find(`${id}/layer.tar`);
  if (file === undefined) {
    throw new BuildError(`${description} is not in the archive (save the image again)`);
  }
  const open = async () => file;
  const { size } = file;
  return { description, digest: undefined, size, diffId: undefined, open };
}
