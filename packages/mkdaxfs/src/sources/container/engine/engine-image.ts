// SPDX-License-Identifier: MIT

import { BuildError } from "../../../errors.js";
import { joined } from "../../../host/path.js";
import { distance, platformText } from "../../../platform.js";
import type { ContainerContext } from "../../context.js";
import type { JsonValue } from "../../json.js";
import { filesOfTar } from "../archive/image-files.js";
import { openImageFiles } from "../archive/open-archive.js";
import type { ContainerImage } from "../container-image.js";
import { describedPlatformText, isBlank } from "../oci/platform.js";
import { isImageId, parseReference } from "../registry/reference.js";
import { findEndpoints } from "./endpoints.js";
import { EngineClient, NoEngine } from "./engine-client.js";

/**
 * Opens an image of the local engine, docker's or podman's, which gives it as an archive.
 * @param reference as docker has it, or an image's ID
 * @returns undefined when there is no engine, or none with such an image for the platform; it has
 *   said so as a warning
 * @throws BuildError when an engine that was asked for does not answer, or the image can't be used;
 *   the signal's reason
 */
export async function openEngineImage(
  reference: string,
  context: ContainerContext,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<ContainerImage | undefined> {
  const name = nameForEngine(reference);
  const { list, demandedBy, problem } = findEndpoints(environment);
  if (problem !== undefined) context.warn(`${problem}; looking for an engine without`);
  const reasons: string[] = [];
  for (const endpoint of list) {
    const client = new EngineClient(endpoint, context.signal);
    try {
      const found = await client.inspectImage(name);
      const reason = found === undefined ? "has no such image" : platformProblem(found, context);
      if (reason === undefined) return await save(client, reference, name, context);
      reasons.push(`the engine at ${endpoint.url} ${reason}`);
    } catch (error) {
      if (!(error instanceof NoEngine)) throw error;
      if (demandedBy !== undefined) {
        throw new BuildError(
          `${endpoint.url}: ${error.message} (start the engine, or unset ${demandedBy})`,
        );
      }
      reasons.push(`${endpoint.url}: ${error.message}`);
    }
  }
  const reason = reasons.length === 0 ? "no engine is running" : reasons.join("; ");
  context.warn(`${reference}: ${reason}; asking the registry`);
  return undefined;
}

/** What an engine is asked for: what the user wrote, since it may know more names than there are. */
function nameForEngine(reference: string): string {
  if (isImageId(reference)) return reference;
  const { domain, repository, digest } = parseReference(reference);
  // Engines don't take a tag and a digest at once.
  return digest === undefined ? reference : `${domain}/${repository}@${digest}`;
}

function platformProblem(image: JsonValue, { platform }: ContainerContext): string | undefined {
  // The members of a config, but for their first letters.
  const found = {
    os: image.get("Os").optionalString(),
    architecture: image.get("Architecture").optionalString(),
    variant: image.get("Variant").optionalString(),
  };
  if (isBlank(found) || distance(platform, found) !== undefined) return undefined;
  return `has it for ${describedPlatformText(found)}, not for ${platformText(platform)}`;
}

async function save(
  client: EngineClient,
  reference: string,
  name: string,
  context: ContainerContext,
): Promise<ContainerImage> {
  const spool = context.newSpool();
  for await (const part of client.saveImage(name)) {
    spool.append(part);
    context.report({ stage: "fetch", done: spool.size, total: undefined });
  }
  spool.flush();
  const path = joined(spool.directory, spool.name);
  const archive = { kind: "file", path, offset: 0, size: spool.size } as const;
  const files = await filesOfTar(archive, reference);
  const image = await openImageFiles(files, undefined, context);
  if (image === undefined) {
    throw new BuildError(`${reference}: what the engine gives is not an image (save it to a file)`);
  }
  return image;
}
