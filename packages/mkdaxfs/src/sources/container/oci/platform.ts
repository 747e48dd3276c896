// SPDX-License-Identifier: MIT
/** What the platform of a descriptor says. */
import { type DescribedPlatform, normalized, platformText } from "../../../platform.js";
import { shownText } from "../../json.js";
import type { Descriptor } from "./descriptor.js";

/** Whether a descriptor is that of a BuildKit attestation, which an index lists among its images. */
export function isAttestation({ platform, annotations }: Descriptor): boolean {
  return (
    annotations.has("vnd.docker.reference.type") ||
    (platform?.os === "unknown" && platform.architecture === "unknown")
  );
}

/** Whether a platform names no architecture, and so says nothing of where an image runs. */
export function isBlank({ architecture }: DescribedPlatform): boolean {
  return architecture === "";
}

/** A platform out of a document, for messages. */
export function describedPlatformText(platform: DescribedPlatform): string {
  return shownText(platformText(normalized(platform)));
}
