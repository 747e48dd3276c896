// SPDX-License-Identifier: MIT
import type { ContainerContext } from "../context.js";
import type { ContainerImage } from "./container-image.js";
import { openEngineImage } from "./engine/engine-image.js";
import { openRegistryImage } from "./registry/registry-image.js";

/**
 * Opens what `--from-docker` names: an image of the local engine, or else of its registry.
 * @throws BuildError; the signal's reason
 */
export async function openDockerReference(
  reference: string,
  context: ContainerContext,
): Promise<ContainerImage> {
  const image = await openEngineImage(reference, context);
  return image ?? openRegistryImage(reference, context);
}

/**
 * Opens what `--from-oci` names: an image of a registry.
 * @throws BuildError; the signal's reason
 */
export function openOciReference(
  reference: string,
  context: ContainerContext,
): Promise<ContainerImage> {
  return openRegistryImage(reference, context);
}
