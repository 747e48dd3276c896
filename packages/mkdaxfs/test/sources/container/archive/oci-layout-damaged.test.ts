// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import {
  type DescriptorJson,
  hexOf,
  json,
  LayoutMaker,
  layoutOpener,
  named,
  OCI,
  sha256,
  testContext,
} from "../../../support/image.js";
import { scratchDirectory } from "../../../support/support.js";

const scratch = scratchDirectory();
const { open, refusal } = layoutOpener(scratch, testContext());

describe("a damaged layout is refused:", () => {
  const good = () => {
    const layout = new LayoutMaker();
    const manifest = named(layout, "layer");
    return { layout: layout.index([manifest]), manifest };
  };
  const blobPath = ({ digest }: DescriptorJson | { digest: string }) =>
    `blobs/sha256/${hexOf(digest)}`;

  it("another version", async () => {
    const { layout } = good();
    layout.files["oci-layout"] = '{"imageLayoutVersion":"2.0.0"}';
    expect(await refusal(layout)).toBe(
      "L: oci-layout: version 2.0.0 is not known (convert it to 1.0.0)",
    );
    layout.files["oci-layout"] = '{"imageLayoutVersion":2}';
    expect(await refusal(layout)).toContain("L: oci-layout: imageLayoutVersion is not a string");
    layout.files["oci-layout"] = "{}";
    expect((await open(layout)).layers).toHaveLength(1);
  });

  it("index.json", async () => {
    const { layout, manifest } = good();
    layout.files["index.json"] = "[]";
    expect(await refusal(layout)).toContain("L: index.json: it is not an object");
    layout.files["index.json"] = json({ config: manifest, layers: [] });
    expect(await refusal(layout)).toContain("L: index.json");
    layout.files["index.json"] = Buffer.alloc(4 * 1024 * 1024 + 1, " ");
    expect(await refusal(layout)).toContain("L: index.json: it has more than 4194304 bytes");
  });

  it("blobs that are not what their digests say", async () => {
    const manifestChanged = good();
    const path = blobPath(manifestChanged.manifest);
    const changed = manifestChanged.layout.files[path]?.toString().replace("layers", "layerz");
    manifestChanged.layout.files[path] = changed ?? "";
    expect(await refusal(manifestChanged.layout)).toBe(
      `L: ${manifestChanged.manifest.digest}: its digest is ${sha256(changed ?? "")} instead of ` +
        `${manifestChanged.manifest.digest} (it is damaged or was altered: get it again)`,
    );
    const { layout } = good();
    const config = Object.keys(layout.files).find((name) =>
      /diff_ids/.test(`${layout.files[name]}`),
    );
    layout.files[config ?? ""] = `${layout.files[config ?? ""]}`.replace("amd64", "arm64");
    expect(await refusal(layout)).toMatch(/L: config sha256:\w+: its digest is sha256:/);
  });

  it("sizes that are lies", async () => {
    const { layout, manifest } = good();
    layout.index([{ ...manifest, size: manifest.size + 1 }]);
    expect(await refusal(layout)).toBe(
      `L: ${manifest.digest}: it has ${manifest.size} bytes instead of ${manifest.size + 1} ` +
        "(it is damaged: get it again)",
    );
    const liar = new LayoutMaker();
    const descriptor = { ...liar.blob(Buffer.from("layer"), OCI.layer), size: 4 };
    liar.index([liar.image([{ descriptor, diffId: sha256("layer") }])]);
    expect(await refusal(liar)).toBe(
      `L: layer ${sha256("layer")}: it has 5 bytes instead of 4 (it is damaged: get it again)`,
    );
  });

  it("missing blobs", async () => {
    for (const [digest, what] of [
      [good().manifest.digest, good().manifest.digest],
      [sha256("layer"), `layer ${sha256("layer")}`],
    ] as const) {
      const { layout } = good();
      delete layout.files[blobPath({ digest })];
      expect(await refusal(layout)).toBe(
        `L: ${what} is not in the layout (copy the image again, with all its blobs)`,
      );
    }
  });

  it("digests that are paths", async () => {
    const { layout, manifest } = good();
    layout.index([{ ...manifest, digest: "sha256:../../../../../etc/passwd" }]);
    expect(await refusal(layout)).toContain(
      "L: index.json: manifests[0].digest is not a sha256 or sha512 digest",
    );
  });

  it("a config with another number of layers", async () => {
    const layout = new LayoutMaker();
    const config = { rootfs: { diff_ids: [sha256("a"), sha256("b")] } };
    layout.index([layout.image([Buffer.from("a")], {}, { config })]);
    expect(await refusal(layout)).toMatch(
      /^L: config sha256:\w{64}: it has 2 diff_ids for 1 layer \(the image is damaged: get it again\)$/,
    );
  });

  it("foreign layers, unless they are there", async () => {
    const mediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    const layout = new LayoutMaker();
    const descriptor = layout.blob(Buffer.from("foreign"), mediaType, {
      urls: ["https://example.com/layer"],
    });
    layout.index([layout.image([{ descriptor, diffId: sha256("x") }])]);
    expect((await open(layout)).layers).toHaveLength(1);
    delete layout.files[blobPath(descriptor)];
    expect(await refusal(layout)).toBe(
      `L: layer ${descriptor.digest} is foreign and not in the layout: ${mediaType}, from ` +
        "https://example.com/layer (copy the image with its foreign layers)",
    );
  });

  it("encrypted layers and other artifacts", async () => {
    const layout = new LayoutMaker();
    const mediaType = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
    const descriptor = layout.blob(Buffer.from("secret"), mediaType);
    const image = layout.image([{ descriptor, diffId: sha256("x") }]);
    expect(await refusal(layout.index([image]))).toBe(
      `L: ${image.digest}: layer ${descriptor.digest} is encrypted, ${mediaType} ` +
        "(decrypt the image first)",
    );
    const helm = new LayoutMaker();
    const config = helm.blob(json({}), "application/vnd.cncf.helm.config.v1+json");
    helm.index([helm.image([], {}, { manifest: { config } })]);
    expect(await refusal(helm)).toContain(
      "is not a container image: its config is application/vnd.cncf",
    );
  });
});
