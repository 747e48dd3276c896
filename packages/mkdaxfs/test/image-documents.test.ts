// SPDX-License-Identifier: MIT
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { digestOf, parseDigest, readSmall, readVerified } from "../src/sources/image/digest.js";
import { JsonValue, shownText } from "../src/sources/image/json.js";
import { parseConfig, parseManifest } from "../src/sources/image/manifest.js";
import { DOCKER, json, messageOf, OCI, sha256 } from "./image-support.js";
import { scratchDirectory } from "./support.js";

const scratch = scratchDirectory();
const DIGEST = sha256("x");
const CONFIG = { mediaType: OCI.config, digest: DIGEST, size: 1 };
const LAYER = { mediaType: OCI.layer, digest: DIGEST, size: 1 };
const MANIFEST = { schemaVersion: 2, config: CONFIG, layers: [LAYER] };

const parse = (document: unknown, mediaType = "") =>
  parseManifest(json(document), mediaType, "doc");
const refusal = (document: unknown, mediaType = "") =>
  messageOf(Promise.resolve().then(() => parse(document, mediaType)));
/** Of a manifest with these layers. */
const layerRefusal = (mediaType: string) =>
  refusal({ ...MANIFEST, layers: [{ ...LAYER, mediaType }] });

describe("digests", () => {
  it("are of two algorithms, in lower case, of full length", () => {
    expect(parseDigest(DIGEST)).toEqual({ algorithm: "sha256", hex: DIGEST.slice(7) });
    expect(parseDigest(digestOf(Buffer.from("x"), "sha512"))?.algorithm).toBe("sha512");
    for (const text of [
      DIGEST.toUpperCase(),
      DIGEST.slice(0, -1),
      `${DIGEST}0`,
      `${DIGEST}\n`,
      `sha512:${DIGEST.slice(7)}`,
      "sha256:../../../../etc/passwd",
      "md5:d41d8cd98f00b204e9800998ecf8427e",
      "",
    ]) {
      expect(parseDigest(text), text).toBeUndefined();
    }
  });

  const stream = (...parts: string[]) => ({
    kind: "stream" as const,
    stream: (async function* () {
      for (const part of parts) yield Buffer.from(part);
    })(),
  });
  const expected = { digest: sha256("abcdef"), size: 6 };

  it("are verified of streams", async () => {
    const bytes = await readVerified(stream("abc", "def"), expected, 10, "doc");
    expect(Buffer.from(bytes).toString()).toBe("abcdef");
    expect(await messageOf(readVerified(stream("abc"), expected, 10, "doc"))).toBe(
      "doc: it has 3 bytes instead of 6 (it is damaged: get it again)",
    );
    expect(await messageOf(readVerified(stream("abcdef", "g"), expected, 10, "doc"))).toBe(
      "doc: it has more than 6 bytes (it is not what it should be: get it again)",
    );
    expect(await messageOf(readVerified(stream("abcdeF"), expected, 10, "doc"))).toBe(
      `doc: its digest is ${sha256("abcdeF")} instead of ${expected.digest} ` +
        "(it is damaged or was altered: get it again)",
    );
    expect(await messageOf(readVerified(stream(), { ...expected, size: 11 }, 10, "doc"))).toBe(
      "doc: it has more than 10 bytes (it is not what it should be: get it again)",
    );
  });

  it("are verified of stretches of files", async () => {
    writeFileSync(scratch("stretch"), "..abcdef..");
    const file = { kind: "file", path: scratch("stretch"), offset: 2, size: 6 } as const;
    const bytes = await readVerified(file, expected, 10, "doc");
    expect(Buffer.from(bytes).toString()).toBe("abcdef");
    const sha512 = digestOf(Buffer.from("abcdef"), "sha512");
    await readVerified(file, { digest: sha512, size: 6 }, 10, "doc");
    expect(await messageOf(readVerified({ ...file, size: 7 }, expected, 10, "doc"))).toBe(
      "doc: it has 7 bytes instead of 6 (it is damaged: get it again)",
    );
    expect(await messageOf(readSmall({ ...file, size: 11 }, 10, "doc"))).toContain(
      "more than 10 bytes",
    );
    expect(await messageOf(readSmall({ ...file, size: 10 }, 10, "doc"))).toBe(
      "doc: it has 8 bytes instead of 10 (it is damaged: get it again)",
    );
  });
});

describe("foreign JSON", () => {
  it("is refused by document and field", async () => {
    expect(await refusal([])).toBe("doc: it is not an object (it is damaged: get it again)");
    const layers = [LAYER, { ...LAYER, size: -1 }];
    expect(await refusal({ ...MANIFEST, layers })).toBe(
      "doc: layers[1].size is not a whole number from 0 on (it is damaged: get it again)",
    );
    for (const [field, value, message] of [
      ["digest", undefined, "layers[0].digest is missing"],
      ["digest", 7, "layers[0].digest is not a string"],
      ["digest", "sha256:../x", "layers[0].digest is not a sha256 or sha512 digest"],
      ["size", "1", "layers[0].size is not a whole number from 0 on"],
      ["size", 1.5, "layers[0].size is not a whole number from 0 on"],
      ["size", 1e300, "layers[0].size is not a whole number from 0 on"],
      ["urls", "http", "layers[0].urls is not a list"],
      ["urls", [1], "layers[0].urls[0] is not a string"],
      ["annotations", ["a"], "layers[0].annotations is not an object"],
      ["annotations", { a: 1 }, "layers[0].annotations.a is not a string"],
      ["mediaType", {}, "layers[0].mediaType is not a string"],
      ["platform", "linux", "layers[0].platform is not an object"],
      ["platform", { os: 1 }, "layers[0].platform.os is not a string"],
    ] as const) {
      const layer = { ...LAYER, [field]: value };
      expect(await refusal({ ...MANIFEST, layers: [layer] })).toContain(`doc: ${message} (`);
    }
    expect(await refusal({ ...MANIFEST, layers: [null] })).toContain("doc: layers[0] is missing");
    expect(await refusal({ ...MANIFEST, layers: {} })).toContain("doc: layers is not a list");
    expect(await refusal({ ...MANIFEST, config: null })).toContain("doc: config is missing");
    expect(await refusal({ manifests: "x" })).toContain("doc: manifests is not a list");
    expect(await refusal({ ...MANIFEST, schemaVersion: "2" })).toContain(
      "doc: schemaVersion is not a whole number",
    );
  });

  it("is refused where it is none", async () => {
    const nonsense = [Buffer.from("{"), Buffer.from('"\xff"', "latin1"), Buffer.alloc(0)];
    for (const bytes of nonsense) {
      expect(await messageOf(Promise.resolve().then(() => parseManifest(bytes, "", "doc")))).toBe(
        "doc is not JSON (it is damaged: get it again)",
      );
    }
    // Nested deeper than a stack is.
    const deep = Buffer.from(`{"config":${"[".repeat(2_000_000)}`);
    expect(await messageOf(Promise.resolve().then(() => parseManifest(deep, "", "doc")))).toContain(
      "not JSON",
    );
  });

  it("has no members that every object inherits", () => {
    const value = JsonValue.parse(json({}), "doc");
    expect(value.get("constructor").present).toBe(false);
    expect(value.get("__proto__").present).toBe(false);
    const own = JsonValue.parse(Buffer.from('{"__proto__":"x"}'), "doc");
    expect(own.get("__proto__").string()).toBe("x");
    expect(own.stringMap()).toEqual(new Map([["__proto__", "x"]]));
  });

  it("takes a time that grows with its length alone", () => {
    const annotations = Object.fromEntries(
      Array.from({ length: 50_000 }, (_, index) => [`a${index}`, "x"]),
    );
    const started = performance.now();
    parse({ ...MANIFEST, layers: [{ ...LAYER, annotations }] });
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  it("gets into messages without its control characters, and not all of it", () => {
    expect(shownText("a\nb\x1b[31m")).toBe("a\\x0ab\\x1b[31m");
    expect(shownText("x".repeat(1000))).toBe(`${"x".repeat(200)}…`);
  });
});

describe("members that are missing or null", () => {
  it("are the empty value of their type, as they are to Go", () => {
    for (const none of [{ manifests: null }, { schemaVersion: 2 }, {}]) {
      expect(parse(none)).toEqual({ kind: "index", manifests: [] });
      expect(parse({ ...none, mediaType: OCI.index })).toEqual({ kind: "index", manifests: [] });
      expect(parse({ ...none, mediaType: null }, DOCKER.list).kind).toBe("index");
    }
    expect(parse({ config: null, layers: null, manifests: [] }).kind).toBe("index");
    const found = parse({ ...MANIFEST, manifests: null, annotations: null, schemaVersion: null });
    expect(found.kind).toBe("manifest");
    const nulls = { size: null, urls: [null], annotations: { a: null }, platform: null };
    const layer = { ...LAYER, ...nulls, artifactType: null };
    expect(parse({ ...MANIFEST, layers: [layer] })).toMatchObject({
      layers: [
        {
          ...{ mediaType: OCI.layer, digest: DIGEST, size: undefined, urls: [], artifactType: "" },
          ...{ annotations: new Map([["a", ""]]), platform: undefined },
        },
      ],
    });
    for (const blank of [{}, { os: "", architecture: "" }, { os: null }, { os: "linux" }]) {
      const entry = { ...CONFIG, mediaType: OCI.manifest, platform: blank };
      expect(parse({ manifests: [entry] })).toMatchObject({ manifests: [{ platform: undefined }] });
    }
  });
});

describe("manifests", () => {
  it("are of OCI's kind or docker's, by their own word, their descriptor's, or their members", () => {
    expect(parse(MANIFEST).kind).toBe("manifest");
    expect(parse({ ...MANIFEST, mediaType: OCI.manifest }).kind).toBe("manifest");
    expect(parse(MANIFEST, DOCKER.manifest).kind).toBe("manifest");
    expect(parse({ manifests: [] }).kind).toBe("index");
    expect(parse({ manifests: [] }, DOCKER.list).kind).toBe("index");
    expect(parse({ mediaType: OCI.index, manifests: [] }, OCI.index).kind).toBe("index");
  });

  it("may have no layers, in whichever way Go writes that", () => {
    expect(parse({ ...MANIFEST, layers: [] })).toMatchObject({ layers: [] });
    expect(parse({ ...MANIFEST, layers: null })).toMatchObject({ layers: [] });
    expect(parse({ schemaVersion: 2, config: CONFIG })).toMatchObject({ layers: [] });
  });

  it("take all media types of layers of files", () => {
    const types = [
      "application/vnd.oci.image.layer.v1.tar",
      "application/vnd.oci.image.layer.v1.tar+gzip",
      "application/vnd.oci.image.layer.v1.tar+zstd",
      "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
      "application/vnd.docker.image.rootfs.diff.tar",
      "application/vnd.docker.image.rootfs.diff.tar.gzip",
      "application/vnd.docker.image.rootfs.diff.tar.zstd",
      "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ];
    const layers = types.map((mediaType) => ({ ...LAYER, mediaType }));
    expect(parse({ ...MANIFEST, layers })).toMatchObject({ layers });
  });

  it("with encrypted layers are refused by name", async () => {
    expect(await layerRefusal("application/vnd.oci.image.layer.v1.tar+gzip+encrypted")).toBe(
      `doc: layer ${DIGEST} is encrypted, application/vnd.oci.image.layer.v1.tar+gzip+encrypted ` +
        "(decrypt the image first)",
    );
    expect(await layerRefusal("application/vnd.docker.image.rootfs.diff.tar.gzip+enc")).toContain(
      "is encrypted",
    );
  });

  it("with layers that are no files are refused by name", async () => {
    const cosign = "application/vnd.dev.cosign.simplesigning.v1+json";
    expect(await layerRefusal(cosign)).toBe(
      `doc: layer ${DIGEST} is ${cosign}, not a layer of files (name a container image)`,
    );
    expect(await layerRefusal("application/vnd.oci.image.layer.v1.tar+br")).toContain(
      "not a layer of files",
    );
  });

  it("of other artifacts are refused by name", async () => {
    const helm = "application/vnd.cncf.helm.config.v1+json";
    expect(await refusal({ ...MANIFEST, config: { ...CONFIG, mediaType: helm } })).toBe(
      `doc is not a container image: its config is ${helm} (name a container image)`,
    );
    const empty = { ...CONFIG, mediaType: "application/vnd.oci.empty.v1+json" };
    const artifactType = "application/vnd.example.sbom";
    expect(await refusal({ ...MANIFEST, artifactType, config: empty })).toContain(
      `its config is ${artifactType} `,
    );
    expect(await refusal({ mediaType: "application/vnd.in-toto+json" })).toBe(
      "doc is application/vnd.in-toto+json (name a container image)",
    );
  });

  it("of schema 1 are refused by name", async () => {
    const said =
      "doc is a docker manifest of schema 1, which registries gave up " +
      "(pull the image with an old docker and push it anew, or name a newer one)";
    expect(await refusal({ schemaVersion: 1, name: "library/x", fsLayers: [] })).toBe(said);
    expect(await refusal({ fsLayers: [] }, DOCKER.schema1)).toBe(said);
    expect(await refusal({ mediaType: DOCKER.schema1.replace("prettyjws", "json") })).toBe(said);
  });

  it("that are two things at once are refused", async () => {
    expect(await refusal({ ...MANIFEST, manifests: [] })).toBe(
      "doc is an index and a manifest at once (it was altered)",
    );
    expect(await refusal({ ...MANIFEST, mediaType: OCI.manifest }, DOCKER.manifest)).toBe(
      `doc: its mediaType is ${OCI.manifest}, where ${DOCKER.manifest} leads to it ` +
        "(it was altered: get it again)",
    );
    expect(await refusal(MANIFEST, OCI.index)).toContain("doc: manifests is missing");
    expect(await refusal({ manifests: [] }, OCI.manifest)).toContain("doc: config is missing");
  });
});

describe("configs", () => {
  const config = (document: unknown, layers: number) =>
    Promise.resolve().then(() => parseConfig(json(document), layers, "config"));

  it("have a diffID for each layer", async () => {
    const two = { os: "linux", architecture: "arm", rootfs: { diff_ids: [DIGEST, DIGEST] } };
    expect(await config(two, 2)).toEqual({
      diffIds: [DIGEST, DIGEST],
      platform: { os: "linux", architecture: "arm", variant: "" },
    });
    expect(await messageOf(config(two, 1))).toBe(
      "config: it has 2 diff_ids for 1 layer (the image is damaged: get it again)",
    );
    expect(await messageOf(config(two, 3))).toContain("2 diff_ids for 3 layers");
    expect((await config({ rootfs: { diff_ids: null } }, 0)).diffIds).toEqual([]);
    expect((await config({}, 0)).diffIds).toEqual([]);
    expect((await config({ rootfs: null }, 0)).diffIds).toEqual([]);
    // Then the layers' own digests have to do.
    for (const none of [{}, { rootfs: null }, { rootfs: {} }, { rootfs: { diff_ids: null } }]) {
      expect((await config(none, 2)).diffIds).toBeUndefined();
    }
    expect(await messageOf(config({ rootfs: { diff_ids: ["sha256:0"] } }, 1))).toContain(
      "config: rootfs.diff_ids[0] is not a sha256 or sha512 digest",
    );
  });
});
