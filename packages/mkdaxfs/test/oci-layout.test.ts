// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fsPath } from "../src/host-path.js";
import type { ContainerImage } from "../src/sources/image/image.js";
import { parsePlatform } from "../src/sources/image/platform.js";
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
} from "./image-support.js";
import { scratchDirectory } from "./support.js";

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
      mediaType: OCI.layer,
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
    expect(image.layers[0]).toMatchObject({ mediaType: DOCKER.layer, diffId: sha256("x") });
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
