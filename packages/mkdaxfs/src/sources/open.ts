// SPDX-License-Identifier: MIT
import { BuildError } from "../errors.js";
import type { Source } from "../model/source.js";
import type { SourceSpec } from "../options.js";
import type { ContainerImage } from "./container/container-image.js";
import { imageSources } from "./container/layer-sources.js";
import type { OpenContext } from "./context.js";
import { openPath } from "./detect/detect.js";
import { expandPatterns } from "./patterns.js";

/** The trees that a build is made of, from the lowest to the highest. */
export interface OpenedSources {
  readonly sources: readonly Source[];
  /** Container images among them that have a manifest. */
  readonly images: readonly { readonly reference: string; readonly digest: string }[];
  /** Gives back what the sources lie in. */
  close(): void;
}

/**
 * Finds out what each source is, and opens it.
 * @throws BuildError
 */
export async function openSources(
  specs: readonly SourceSpec[],
  context: OpenContext,
): Promise<OpenedSources> {
  const sources: Source[] = [];
  const images: { reference: string; digest: string }[] = [];
  const closing: { close(): void }[] = [];
  const close = () => {
    for (const opened of [...sources, ...closing]) opened.close();
  };
  try {
    if (specs.filter((spec) => spec === "-").length > 1) {
      throw new BuildError("standard input can be read once (give '-' once)");
    }
    for (const spec of await expandPatterns(specs)) {
      if (typeof spec === "string") {
        const opened = await openPath(spec, context);
        sources.push(...opened.sources);
        if (opened.image !== undefined) closing.push(opened.image);
        if (opened.image?.digest !== undefined) {
          images.push({ reference: spec, digest: opened.image.digest });
        }
        continue;
      }
      const image = await openReference(spec, context);
      closing.push(image);
      sources.push(...imageSources(image, context));
      if (image.digest !== undefined) {
        images.push({ reference: image.description, digest: image.digest });
      }
    }
    return { sources, images, close };
  } catch (error) {
    close();
    throw error;
  }
}

async function openReference(
  spec: Exclude<SourceSpec, string>,
  context: OpenContext,
): Promise<ContainerImage> {
  // A client for registries is large, and most builds need none.
  const { openDockerReference, openOciReference } = await import("./container/open-reference.js");
  return "docker" in spec
    ? openDockerReference(spec.docker, context)
    : openOciReference(spec.oci, context);
}
