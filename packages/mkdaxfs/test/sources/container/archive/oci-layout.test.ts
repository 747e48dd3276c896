// SPDX-License-Identifier: MIT

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fsPath } from "../../../../src/host/path.js";
import { parsePlatform } from "../../../../src/platform.js";
import type { ContainerImage } from "../../../../src/sources/container/container-image.js";
import {
  DOCKER,
  hexOf,
  json,
  LayoutMaker,
  layoutOpener,
  named,
  OCI,
  platform,
  sha256,
  tagged,
  testContext,
} from "../../../support/image.js";
import { scratchDirectory } from "../../../support/support.js";

const scratch = scratchDirectory();
const context = testContext();
const { open, refusal } = layoutOpener(scratch, context);

/** The bytes of an image's layers. */
async function layersOf(image: ContainerImage): Promise<string[]> {
  const all: string[] = [];
  for (const layer of image.layers) {
    const input = await layer.open();
    if (input.kind !== "file") throw new Error("a layout has files");
    const bytes = readFileSync(fsPath(input.path));
    all.push(bytes.subarray(input.offset, input.offset + input.size).toString());
  }
  return all;
}

describe("an image in an OCI layout", () => {
  it("has its layers in order, with what they are verified by", async () => {
    const layout = new LayoutMaker();
    const manifest = layout.image([Buffer.from("one"), Buffer.from("two")]);
    const image = await open(layout.index([manifest]));
    expect(image.digest).toBe(manifest.digest);
    expect(await layersOf(image)).toEqual(["one", "two"]);
    expect(image.layers[1]).toMatchObject({
      digest: sha256("two"),
      size: 3,
      diffId: sha256("two"),
    });
    expect(image.layers[1]?.description).toBe(`${image.description}: layer ${sha256("two")}`);
  });

  it("may have no layers", async () => {
    const layout = new LayoutMaker();
    expect((await open(layout.index([layout.image([])]))).layers).toEqual([]);
    const nulls = new LayoutMaker();
    const config = { rootfs: { type: "layers", diff_ids: null } };
    const image = nulls.image([], {}, { manifest: { layers: null }, config });
    expect((await open(nulls.index([image]))).layers).toEqual([]);
  });

  it("may have the same layer twice", async () => {
    const layout = new LayoutMaker();
    const twice = [Buffer.from("same"), Buffer.from("same")];
    expect(await layersOf(await open(layout.index([layout.image(twice)])))).toEqual([
      "same",
      "same",
    ]);
  });

  it("may be one that docker made, and digests may be SHA-512", async () => {
    const layout = new LayoutMaker();
    const layer = layout.blob(Buffer.from("gz"), DOCKER.layer);
    const config = layout.blob(json({ rootfs: { diff_ids: [sha256("x")] } }), DOCKER.config);
    const document = { schemaVersion: 2, mediaType: DOCKER.manifest, config, layers: [layer] };
    const manifest = layout.blob(json(document), DOCKER.manifest);
    const list = { schemaVersion: 2, mediaType: DOCKER.list, manifests: [manifest] };
    const image = await open(layout.index([layout.blob(json(list), DOCKER.list)]));
    expect(image.layers[0]).toMatchObject({ diffId: sha256("x") });
  });
});

describe("of several images in a layout", () => {
  const several = () => {
    const layout = new LayoutMaker();
    const one = named(layout, "one", tagged("1.0"));
    const two = named(layout, "two", {
      annotations: {
        "org.opencontainers.image.ref.name": "2.0",
        "io.containerd.image.name": "docker.io/library/two:2.0",
      },
    });
    return { layout: layout.index([one, two]), one, two };
  };

  it("a tag chooses, or the end of one, or a digest", async () => {
    for (const [choice, expected] of [
      ["1.0", "one"],
      ["2.0", "two"],
      ["two:2.0", "two"],
      ["library/two:2.0", "two"],
      ["docker.io/library/two:2.0", "two"],
      [several().one.digest, "one"],
    ] as const) {
      expect(await layersOf(await open(several().layout, choice)), choice).toEqual([expected]);
    }
    const { description } = await open(several().layout, "1.0");
    expect(description).toMatch(/\/layout\d+:1\.0$/);
  });

  it("none is taken by chance", async () => {
    expect(await refusal(several().layout)).toBe(
      "L has several images: 1.0, docker.io/library/two:2.0, 2.0 " +
        "(choose one: PATH:TAG or PATH@DIGEST)",
    );
    expect(await refusal(several().layout, "3.0")).toBe(
      "L has no image '3.0', only 1.0, docker.io/library/two:2.0, 2.0 (choose one)",
    );
    // The end of a name begins at a boundary.
    expect(await refusal(several().layout, "0")).toContain("has no image '0'");
    expect(await refusal(several().layout, sha256("other"))).toBe(
      `L@${sha256("other")} is not in the layout (copy the image again, with all its blobs)`,
    );
    const untagged = new LayoutMaker();
    const images = [named(untagged, "a"), named(untagged, "b")];
    expect(await refusal(untagged.index(images))).toContain(
      `several images: ${images[0]?.digest}, ${images[1]?.digest} (`,
    );
    const many = new LayoutMaker();
    const tags = Array.from({ length: 30 }, (_, index) =>
      named(many, `${index}`, tagged(`t${index}`)),
    );
    expect(await refusal(many.index(tags))).toContain("t18, t19, … (choose");
  });

  it("those with the same digest are one", async () => {
    const layout = new LayoutMaker();
    const image = named(layout, "one");
    const both = [
      { ...image, ...tagged("a") },
      { ...image, ...tagged("b") },
    ];
    layout.index(both);
    expect(await layersOf(await open(layout))).toEqual(["one"]);
    expect(await layersOf(await open(layout, "b"))).toEqual(["one"]);
  });

  it("the platform chooses where all have one", async () => {
    const layout = new LayoutMaker();
    layout.index([
      named(layout, "amd", platform("linux/amd64")),
      named(layout, "arm", platform("linux/arm64")),
    ]);
    expect(await layersOf(await open(layout))).toEqual(["amd"]);
    expect(await layersOf(await open(layout, undefined, parsePlatform("linux/arm64/v8")))).toEqual([
      "arm",
    ]);
    expect(await refusal(layout, undefined, parsePlatform("linux/s390x"))).toBe(
      "L has no image for linux/s390x, only for linux/amd64, linux/arm64 " +
        "(choose one with --platform)",
    );
    const same = new LayoutMaker();
    same.index([
      named(same, "a", { ...platform("linux/amd64"), ...tagged("a") }),
      named(same, "b", { ...platform("linux/amd64"), ...tagged("b") }),
      named(same, "c", { ...platform("linux/arm64"), ...tagged("c") }),
    ]);
    expect(await refusal(same)).toContain("L has several images: a, b (choose");
    const single = new LayoutMaker();
    single.index([named(single, "a", platform("linux/arm64"))]);
    expect(await refusal(single)).toContain("L has no image for linux/amd64, only for linux/arm64");
  });
});

describe("an index in a layout", () => {
  const ATTESTATION = { "vnd.docker.reference.type": "attestation-manifest" };
  const multi = () => {
    const layout = new LayoutMaker();
    const at = (text: string) => named(layout, text, platform(text));
    const inToto = layout.blob(json({ schemaVersion: 2 }), OCI.manifest);
    return { layout, at, inToto };
  };

  it("gives the image for the platform, and never an attestation", async () => {
    const { layout, at, inToto } = multi();
    const index = layout.indexBlob([
      { ...inToto, ...platform("unknown/unknown"), annotations: ATTESTATION },
      { ...inToto, ...platform("unknown/unknown") },
      { ...inToto, ...platform("linux/amd64"), annotations: ATTESTATION },
      at("linux/arm/v5"),
      at("linux/arm/v6"),
      at("linux/arm64"),
      at("linux/amd64/v2"),
      at("linux/amd64"),
    ]);
    layout.index([{ ...index, ...tagged("latest") }]);
    for (const [wanted, expected] of [
      ["linux/amd64", "linux/amd64"],
      ["linux/amd64/v3", "linux/amd64/v2"],
      ["linux/arm64/v8", "linux/arm64"],
      ["linux/arm/v7", "linux/arm/v6"],
      ["linux/arm/v5", "linux/arm/v5"],
    ] as const) {
      const image = await open(layout, undefined, parsePlatform(wanted));
      expect(await layersOf(image), wanted).toEqual([expected]);
    }
    expect(await refusal(layout, "latest", parsePlatform("linux/ppc64le"))).toBe(
      "L:latest has no image for linux/ppc64le, only for linux/arm/v5, linux/arm/v6, " +
        "linux/arm64, linux/amd64/v2, linux/amd64 (choose one with --platform)",
    );
  });

  it("may lie in an index, whose platform then counts for what has none", async () => {
    const { layout, at, inToto } = multi();
    const inner = layout.indexBlob(
      [named(layout, "inner"), { ...inToto, annotations: ATTESTATION }],
      platform("linux/amd64"),
    );
    layout.index([layout.indexBlob([layout.indexBlob([at("linux/arm64")]), inner])]);
    expect(await layersOf(await open(layout))).toEqual(["inner"]);
    expect(await layersOf(await open(layout, undefined, parsePlatform("linux/arm64")))).toEqual([
      "linux/arm64",
    ]);
  });

  it("gives its only image where that has no platform, and the first of equals", async () => {
    const { layout, inToto } = multi();
    layout.index([
      layout.indexBlob([named(layout, "only"), { ...inToto, annotations: ATTESTATION }]),
    ]);
    expect(await layersOf(await open(layout))).toEqual(["only"]);
    const two = multi();
    two.layout.index([two.layout.indexBlob([named(two.layout, "a"), named(two.layout, "b")])]);
    expect(await refusal(two.layout)).toContain("only for one without a platform (");
    const equal = new LayoutMaker();
    const both = ["a", "b"].map((name) => named(equal, name, platform("linux/amd64")));
    equal.index([equal.indexBlob(both)]);
    expect(await layersOf(await open(equal))).toEqual(["a"]);
  });

  it("need not have what it lists for other platforms", async () => {
    const { layout, at } = multi();
    const arm = at("linux/arm64");
    const nested = layout.indexBlob([at("linux/arm/v7")], platform("linux/arm/v7"));
    layout.index([layout.indexBlob([arm, nested, at("linux/amd64")])]);
    for (const { digest } of [arm, nested]) delete layout.files[`blobs/sha256/${hexOf(digest)}`];
    expect(await layersOf(await open(layout))).toEqual(["linux/amd64"]);
    expect(await refusal(layout, undefined, parsePlatform("linux/arm64"))).toBe(
      `L: manifest ${arm.digest} is not in the layout (copy the image again, with all its blobs)`,
    );
  });

  it("without an image says what it has", async () => {
    const { layout, inToto } = multi();
    layout.index([layout.indexBlob([{ ...inToto, annotations: ATTESTATION }])]);
    expect(await refusal(layout)).toBe("L has no image in its index (name a container image)");
    const empty = new LayoutMaker();
    expect(await refusal(empty.index([]))).toContain("L has no image in its index (");
    const artifact = new LayoutMaker();
    const artifactType = "application/vnd.example.sbom";
    artifact.index([{ ...named(artifact, "x"), artifactType }]);
    expect(await refusal(artifact)).toBe(
      `L has no image in its index, only ${artifactType} (name a container image)`,
    );
    const old = new LayoutMaker();
    old.index([old.blob(json({ schemaVersion: 1 }), DOCKER.schema1)]);
    expect(await refusal(old)).toBe(
      "L has nothing but a docker manifest of schema 1 (name a newer image)",
    );
  });

  it("ends, however deep it is said to be", async () => {
    const deep = new LayoutMaker();
    let descriptor = named(deep, "x", platform("linux/amd64"));
    for (let depth = 0; depth < 10; depth++) descriptor = deep.indexBlob([descriptor]);
    expect(await refusal(deep.index([descriptor]))).toBe(
      "L: too many indexes in its index (name one of them)",
    );
    const wide = new LayoutMaker();
    const indexes = Array.from({ length: 100 }, (_, index) =>
      wide.indexBlob([named(wide, `${index}`, platform("linux/amd64"))]),
    );
    expect(await refusal(wide.index([wide.indexBlob(indexes)]))).toContain("too many indexes");
  });

  it("can't lie in itself, since it has a digest", async () => {
    const layout = new LayoutMaker();
    const digest = sha256("self");
    const body = json({ manifests: [{ mediaType: OCI.index, digest, size: 200 }] });
    layout.files[`blobs/sha256/${hexOf(digest)}`] = body;
    layout.index([{ mediaType: OCI.index, digest, size: body.length }]);
    expect(await refusal(layout)).toContain(`L: ${digest}: its digest is ${sha256(body)} instead`);
  });
});

describe("a document without members that Go's tools don't miss", () => {
  it("leads to the image all the same", async () => {
    const without = (document: string, ...names: string[]) =>
      JSON.stringify(JSON.parse(document), (key, value) => (names.includes(key) ? null : value));
    const layout = new LayoutMaker();
    const image = named(layout, "layer", platform("linux/amd64"));
    layout.index([image]);
    const index = layout.files["index.json"];
    for (const names of [["mediaType"], ["size"], ["platform"], ["os"], ["schemaVersion"]]) {
      layout.files["index.json"] = without(`${index}`, ...names);
      expect(await layersOf(await open(layout)), names.join()).toEqual(["layer"]);
    }
    // Sizes of config and layer, and the diffIDs.
    const bare = new LayoutMaker();
    const { size: _, ...layer } = bare.blob(Buffer.from("layer"), OCI.layer);
    const { size: __, ...config } = bare.blob(Buffer.from('{"rootfs":null}'), OCI.config);
    const document = Buffer.from(JSON.stringify({ config, layers: [layer] }));
    const found = await open(bare.index([bare.blob(document, OCI.manifest)]));
    expect(await layersOf(found)).toEqual(["layer"]);
    expect(found.layers[0]).toMatchObject({ digest: sha256("layer"), size: 5, diffId: undefined });
    // Indexes in an index are known by what they are.
    const nested = new LayoutMaker();
    const inner = nested.indexBlob([named(nested, "inner", platform("linux/amd64"))]);
    nested.index([nested.indexBlob([{ ...inner, mediaType: null } as never])]);
    expect(await layersOf(await open(nested))).toEqual(["inner"]);
  });

  it("and an index of nothing holds no image", async () => {
    for (const document of ["{}", '{"manifests":null}', '{"schemaVersion":2,"manifests":[]}']) {
      const layout = new LayoutMaker();
      layout.files["index.json"] = document;
      expect(await refusal(layout)).toBe("L has no image in its index (name a container image)");
    }
  });
});

describe("what lies beside an image", () => {
  const COSIGN = "application/vnd.dev.cosign.simplesigning.v1+json";
  /** Signatures and SBOMs as cosign, oras and notation write them, untagged. */
  const artifacts = (layout: LayoutMaker, extra: Record<string, unknown> = {}) => {
    const payload = (text: string, mediaType: string) => ({
      descriptor: layout.blob(Buffer.from(text), mediaType),
      diffId: sha256(text),
    });
    const empty = layout.blob(Buffer.from("{}"), "application/vnd.oci.empty.v1+json");
    return [
      layout.image([payload("signature", COSIGN)], extra),
      layout.image([payload("sbom", "text/spdx+json")], extra),
      layout.image([], extra, { manifest: { config: empty, artifactType: "application/x.sbom" } }),
      layout.image([], extra, { manifest: { config: { ...empty, mediaType: "application/x" } } }),
    ];
  };

  it("is not taken for one, tagged or not", async () => {
    const layout = new LayoutMaker();
    const image = named(layout, "image");
    const nested = layout.indexBlob(artifacts(layout));
    for (const own of [image, { ...image, ...tagged("1.0") }]) {
      for (const other of artifacts(layout)) {
        expect(await layersOf(await open(layout.index([other, own])))).toEqual(["image"]);
        const withTag = { ...other, ...tagged("sha256-0.sig") };
        expect(await layersOf(await open(layout.index([own, withTag])))).toEqual(["image"]);
      }
      layout.index([...artifacts(layout), own, nested]);
      expect(await layersOf(await open(layout))).toEqual(["image"]);
    }
    expect(await refusal(layout.index(artifacts(layout)))).toContain("L has several images: ");
    const [signature] = artifacts(layout);
    expect(await refusal(layout.index([signature]))).toContain(`is ${COSIGN}, not a layer of`);
    // Two images are two, whatever lies beside them.
    layout.index([image, named(layout, "other"), signature]);
    expect(await refusal(layout)).toContain(`L has several images: ${image.digest}, `);
  });

  it("in an index is passed over for the platform's image", async () => {
    for (const extra of [platform("linux/amd64"), {}]) {
      const layout = new LayoutMaker();
      const others = artifacts(layout, extra);
      const none = layout.image([], platform("linux/amd64"));
      const image = named(layout, "image", platform("linux/amd64"));
      const arm = named(layout, "arm", platform("linux/arm64"));
      layout.index([layout.indexBlob([...others, none, arm, image])]);
      expect(await layersOf(await open(layout))).toEqual(["image"]);
      // Where no other has layers, the one without is what there is.
      layout.index([layout.indexBlob([...others, none, arm])]);
      expect((await open(layout)).layers).toEqual([]);
      layout.index([layout.indexBlob([...others, named(layout, "bare")])]);
      expect(await layersOf(await open(layout))).toEqual(["bare"]);
    }
    const layout = new LayoutMaker();
    layout.index([layout.indexBlob(artifacts(layout, platform("linux/amd64")))]);
    expect(await refusal(layout)).toContain(`is ${COSIGN}, not a layer of files`);
  });
});

describe("an entry with an empty platform", () => {
  it("is the image, where it is the only one", async () => {
    for (const blank of [{}, { os: "", architecture: "" }, { os: "linux" }, null]) {
      const layout = new LayoutMaker();
      const image = named(layout, "image", { platform: blank });
      expect(await layersOf(await open(layout.index([image])))).toEqual(["image"]);
      layout.index([layout.indexBlob([image])]);
      expect(await layersOf(await open(layout))).toEqual(["image"]);
    }
  });

  it("is for the platform that its config names", async () => {
    const layout = new LayoutMaker();
    const blank = named(layout, "amd", { platform: {} });
    const arm = named(layout, "arm", platform("linux/arm64"));
    layout.index([layout.indexBlob([arm, blank])]);
    expect(await layersOf(await open(layout))).toEqual(["amd"]);
    expect(await layersOf(await open(layout, undefined, parsePlatform("linux/arm64")))).toEqual([
      "arm",
    ]);
    expect(await refusal(layout, undefined, parsePlatform("linux/s390x"))).toContain(
      "L has no image for linux/s390x, only for linux/arm64, one without a platform (",
    );
  });

  it("may lack the system alone", async () => {
    const layout = new LayoutMaker();
    const entries = ["amd64", "arm64"].map((architecture) =>
      named(layout, architecture, { platform: { architecture } }),
    );
    layout.index([layout.indexBlob(entries)]);
    expect(await layersOf(await open(layout))).toEqual(["amd64"]);
  });
});

describe("an image for another platform", () => {
  it("is taken when there is no other, and is said to be", async () => {
    context.warnings.length = 0;
    const layout = new LayoutMaker();
    const config = { architecture: "arm64", variant: "v8" };
    const image = await open(layout.index([layout.image([], {}, { config })]));
    expect(context.warnings).toEqual([
      `${image.description} is for linux/arm64, not for linux/amd64, and is taken as it is`,
    ]);
  });

  it("is not spoken of when the image is for this one, or says nothing", async () => {
    context.warnings.length = 0;
    const layout = new LayoutMaker();
    await open(layout.index([layout.image([])]));
    const blank = new LayoutMaker();
    const config = { architecture: "", os: "" };
    await open(blank.index([blank.image([], {}, { config })]));
    expect(context.warnings).toEqual([]);
  });
});
