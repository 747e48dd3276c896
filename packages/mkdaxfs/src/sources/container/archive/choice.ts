// SPDX-License-Identifier: MIT
import { BuildError } from "../../../errors.js";
import { parseDigest } from "../../digest.js";
import { shownText } from "../../json.js";

/** One of several images in a place, by the names that it has there. */
export interface NamedImage {
  /** Such as "3.19", or "docker.io/library/alpine:3.19"; none for an image without a tag. */
  readonly names: readonly string[];
  /** What names it when no tag does: a digest, or an ID in formats without one. */
  readonly digest: string;
}

/** Says that a place has no image that it should have; another description of it may. */
export class NotThere extends BuildError {}

/**
 * The images that a name means: those of that name, or else those whose names end in it, so that
 * "alpine:3.19" and "3.19" will do for "docker.io/library/alpine:3.19".
 * @param wanted undefined for all
 * @throws NotThere when there is none.
 */
export function imagesNamed<T extends NamedImage>(
  images: readonly T[],
  wanted: string | undefined,
  description: string,
): readonly T[] {
  if (wanted === undefined) return images;
  const exact = images.filter(({ names, digest }) => digest === wanted || names.includes(wanted));
  if (exact.length > 0) return exact;
  const ending = images.filter(({ names }) =>
    names.some((name) => name.endsWith(`/${wanted}`) || name.endsWith(`:${wanted}`)),
  );
  if (ending.length > 0) return ending;
  throw new NotThere(
    `${description} has no image '${shownText(wanted)}', only ${listOf(images)} (choose one)`,
  );
}

/** The error for a place with several images of which none was chosen. */
export function severalImages(images: readonly NamedImage[], description: string): BuildError {
  return new BuildError(
    `${description} has several images: ${listOf(images)} ` +
      "(choose one: PATH:TAG or PATH@DIGEST)",
  );
}

/** A place and a choice of one of its images, for messages: as the user wrote it. */
export function describeChoice(place: string, choice: string | undefined): string {
  if (choice === undefined) return place;
  return `${place}${parseDigest(choice) === undefined ? ":" : "@"}${shownText(choice)}`;
}

function listOf(images: readonly NamedImage[]): string {
  const all = images.flatMap(({ names, digest }) => (names.length > 0 ? names : [digest]));
  // There may be thousands.
  const shown = all.slice(0, 20).map(shownText);
  return [...shown, ...(all.length > shown.length ? ["…"] : [])].join(", ");
}
