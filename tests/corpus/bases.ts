// SPDX-License-Identifier: MIT
/** The two valid images that the corruptions of the corpus change. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

export const BASE_NAMES = ["extended", "version1"] as const;
export type BaseName = (typeof BASE_NAMES)[number];

/** File name of a base image in the data directory. */
export function baseFile(name: BaseName): string {
  return `${name}.image.gz`;
}

/** The bytes of a base image; the caller may change them. */
export function loadBase(name: BaseName, dataDirectory: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(gunzipSync(readFileSync(join(dataDirectory, baseFile(name)))));
}
