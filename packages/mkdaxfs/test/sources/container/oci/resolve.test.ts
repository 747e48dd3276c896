// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import {
  bareDescriptor,
  holdsImage,
  type Resolution,
} from "../../../../src/sources/container/oci/resolve.js";

const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

const digestOf = (level: number) => `sha256:${String(level).padStart(64, "0")}`;

/** Each level is an index that names the next one many times; the last is a signature. */
function documents(levels: number): Map<string, Buffer> {
  const all = new Map<string, Buffer>();
  for (let level = 0; level < levels; level++) {
    const mediaType = level === levels - 1 ? MANIFEST : INDEX;
    const manifest = { mediaType, digest: digestOf(level + 1), size: 1 };
    const index = { schemaVersion: 2, mediaType: INDEX, manifests: Array(16).fill(manifest) };
    all.set(digestOf(level), Buffer.from(JSON.stringify(index)));
  }
  const config = { mediaType: "application/vnd.example.signature", digest: digestOf(99), size: 2 };
  const signature = { schemaVersion: 2, mediaType: MANIFEST, config, layers: [] };
  all.set(digestOf(levels), Buffer.from(JSON.stringify(signature)));
  return all;
}

describe("an index that names one document many times", () => {
  it("has each document read once, however deep it goes", async () => {
    const all = documents(3);
    let reads = 0;
    const to: Resolution = {
      description: "layout",
      platform: { os: "linux", architecture: "amd64", variant: "" },
      warn: () => {},
      read: async ({ digest }) => {
        reads++;
        return all.get(digest)!;
      },
    };
    const known = new Map<string, boolean>();
    expect(await holdsImage(bareDescriptor(INDEX, digestOf(0), 1), to, known)).toBe(false);
    expect(await holdsImage(bareDescriptor(INDEX, digestOf(0), 1), to, known)).toBe(false);
    expect(reads).toBe(all.size);
  });
});
