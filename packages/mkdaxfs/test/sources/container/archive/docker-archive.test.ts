// SPDX-License-Identifier: MIT
import { symlinkSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { filesOfDirectory } from "../../../../src/sources/container/archive/image-files.js";
import { openImageFiles } from "../../../../src/sources/container/archive/open-archive.js";
import type { ContainerImage } from "../../../../src/sources/container/container-image.js";
import {
  hexOf,
  host,
  json,
  LayoutMaker,
  messageOf,
  sha256,
  tagged,
  testContext,
  writeFiles,
} from "../../../support/image.js";
import { scratchDirectory } from "../../../support/support.js";

const scratch = scratchDirectory();
const context = testContext();
let made = 0;

type Files = Record<string, string | Buffer>;

async function open(files: Files, choice?: string): Promise<ContainerImage | undefined> {
  const directory = scratch(`saved${made++}`);
  writeFiles(directory, files);
  return openImageFiles(filesOfDirectory(host(directory)), choice, context);
}

const refusal = async (files: Files, choice?: string) =>
  (await messageOf(open(files, choice))).replaceAll(/\/\S+\/saved\d+/g, "S");

/** Paths of an image's layers in the archive, from the lowest. */
async function pathsOf(image: ContainerImage | undefined): Promise<string[]> {
  const paths: string[] = [];
  for (const layer of image?.layers ?? []) {
    const input = await layer.open();
    if (input.kind === "file") paths.push(input.path.replace(/^.*\/saved\d+\//, ""));
  }
  return paths;
}

const ID_A = "a".repeat(64);
const ID_B = "b".repeat(64);
const ID_C = "c".repeat(64);

const configOf = (...layers: string[]) =>
  json({
    os: "linux",
    architecture: "amd64",
    rootfs: { type: "layers", diff_ids: layers.map(sha256) },
  });
const configName = (config: Buffer) => `${hexOf(sha256(config))}.json`;

/** What docker 1.10 to 24 wrote of an image of two layers. */
function saved(tags: readonly string[] | null = ["one:1"]): Files {
  const config = configOf("lower", "upper");
  return {
    [configName(config)]: config,
    [`${ID_A}/layer.tar`]: "lower",
    [`${ID_A}/json`]: json({ id: ID_A }),
    [`${ID_A}/VERSION`]: "1.0",
    [`${ID_B}/layer.tar`]: "upper",
    [`${ID_B}/json`]: json({ id: ID_B, parent: ID_A }),
    [`${ID_B}/VERSION`]: "1.0",
    repositories: json({ one: { 1: ID_B } }),
    "manifest.json": json([
      {
        Config: configName(config),
        RepoTags: tags,
        Layers: [`${ID_A}/layer.tar`, `${ID_B}/layer.tar`],
      },
    ]),
  };
}

/** Changes the one image of a manifest.json. */
function withImage(files: Files, change: Record<string, unknown>): Files {
  const [image] = JSON.parse(`${files["manifest.json"]}`) as Record<string, unknown>[];
  return { ...files, "manifest.json": json([{ ...image, ...change }]) };
}

describe("an archive of docker save", () => {
  it("with a directory for each layer", async () => {
    const image = await open(saved());
    expect(await pathsOf(image)).toEqual([`${ID_A}/layer.tar`, `${ID_B}/layer.tar`]);
    expect(image?.digest).toBeUndefined();
    expect(image?.layers[0]).toMatchObject({
      description: `${image?.description}: layer ${ID_A}/layer.tar`,
      digest: undefined,
      size: 5,
      diffId: sha256("lower"),
    });
  });

  it("with layers that are symlinks, as podman writes them", async () => {
    const directory = scratch(`saved${made++}`);
    const config = configOf("lower");
    const file = `${hexOf(sha256("lower"))}.tar`;
    writeFiles(directory, {
      [configName(config)]: config,
      [file]: "lower",
      [`${ID_A}/VERSION`]: "1.0",
      "manifest.json": json([
        { Config: configName(config), RepoTags: null, Layers: [`${ID_A}/layer.tar`] },
      ]),
    });
    symlinkSync(`../${file}`, `${directory}/${ID_A}/layer.tar`);
    const image = await openImageFiles(filesOfDirectory(host(directory)), undefined, context);
    expect(await pathsOf(image)).toEqual([`${ID_A}/layer.tar`]);
    expect(image?.layers[0]?.size).toBe(5);
  });

  it("with an OCI layout around it, which counts", async () => {
    const layout = new LayoutMaker();
    const manifest = layout.image([Buffer.from("lower")], tagged("1"));
    layout.index([manifest]);
    const config = configOf("lower");
    const files: Files = {
      ...layout.files,
      [`blobs/sha256/${hexOf(sha256(config))}`]: config,
      "manifest.json": json([
        {
          Config: `blobs/sha256/${hexOf(sha256(config))}`,
          RepoTags: ["one:1"],
          Layers: [`blobs/sha256/${hexOf(sha256("lower"))}`],
        },
      ]),
    };
    expect((await open(files))?.digest).toBe(manifest.digest);
    // What the layout lacks, manifest.json may have: the tag, the manifest, anything at all.
    const byTag = await open(files, "one:1");
    expect(byTag?.digest).toBeUndefined();
    expect(byTag?.layers[0]).toMatchObject({
      digest: sha256("lower"),
      diffId: sha256("lower"),
      size: 5,
    });
    const { [`blobs/sha256/${hexOf(manifest.digest)}`]: _, ...without } = files;
    expect(await pathsOf(await open(without))).toEqual([`blobs/sha256/${hexOf(sha256("lower"))}`]);
    const empty = { ...files, "index.json": json({ schemaVersion: 2, manifests: [] }) };
    expect((await open(empty))?.layers).toHaveLength(1);
    // What is wrong with the layout is said all the same.
    const lie = { ...manifest, size: 1 };
    const wrong = { ...files, "index.json": json({ schemaVersion: 2, manifests: [lie] }) };
    expect(await refusal(wrong)).toContain(`S: ${manifest.digest}: it has `);
    expect(await refusal(files, "two:1")).toBe("S has no image 'two:1', only one:1 (choose one)");
  });

  it("with no layers", async () => {
    const config = configOf();
    const files = {
      [configName(config)]: config,
      "manifest.json": json([{ Config: configName(config), RepoTags: ["none:1"], Layers: null }]),
    };
    expect((await open(files))?.layers).toEqual([]);
  });

  it("with names of other tools for its config", async () => {
    for (const name of ["config.json", `sha256:${hexOf(sha256(configOf("lower")))}`]) {
      const files = {
        [name]: configOf("lower"),
        "layer.tar.gz": "gz",
        "manifest.json": json([{ Config: name, Layers: ["./layer.tar.gz"] }]),
      };
      expect(await pathsOf(await open(files))).toEqual(["layer.tar.gz"]);
    }
  });

  it("with a config that looks as if it was called by its digest, and is not", async () => {
    const config = configOf("lower");
    for (const name of [`${ID_C}.json`, `sha256:${ID_C}`, ID_C, `x/${ID_C}.json`]) {
      const files = {
        [name]: config,
        "layer.tar": "lower",
        "manifest.json": json([{ Config: name, RepoTags: null, Layers: ["layer.tar"] }]),
      };
      expect(await pathsOf(await open(files)), name).toEqual(["layer.tar"]);
      // It is chosen by what it is.
      expect((await open(files, sha256(config)))?.layers).toHaveLength(1);
      expect(await refusal(files, `sha256:${ID_C}`)).toBe(
        `S has no image 'sha256:${ID_C}', only ${sha256(config)} (choose one)`,
      );
    }
  });

  it("with several images", async () => {
    const files = saved(["docker.io/library/one:1", "docker.io/library/one:latest"]);
    const other = configOf("lower");
    const [image] = JSON.parse(`${files["manifest.json"]}`) as unknown[];
    files[configName(other)] = other;
    files["manifest.json"] = json([
      image,
      { Config: configName(other), RepoTags: null, Layers: [`${ID_A}/layer.tar`] },
    ]);
    expect(await refusal(files)).toBe(
      "S has several images: docker.io/library/one:1, docker.io/library/one:latest, " +
        `${sha256(other)} (choose one: PATH:TAG or PATH@DIGEST)`,
    );
    expect((await open(files, "one:latest"))?.layers).toHaveLength(2);
    expect((await open(files, sha256(other)))?.layers).toHaveLength(1);
    expect(await refusal(files, "one:2")).toContain("S has no image 'one:2', only docker.io/");
  });
});

describe("a damaged archive is refused:", () => {
  const [name] = Object.keys(saved());

  it("paths that lead out of it", async () => {
    for (const path of ["../../../etc/passwd", "/etc/passwd", "a/../../b", "..", ".", ""]) {
      expect(await refusal(withImage(saved(), { Layers: [path] }))).toBe(
        "S: manifest.json: [0].Layers[0] is not the path of a file in the archive " +
          "(it is damaged: get it again)",
      );
      expect(await refusal(withImage(saved(), { Config: path }))).toBe(
        "S: manifest.json: [0].Config is not the path of a file in the archive " +
          "(it is damaged: get it again)",
      );
    }
  });

  it("missing files", async () => {
    expect(await refusal(withImage(saved(), { Layers: [`${ID_C}/layer.tar`] }))).toContain(
      "S: config",
    );
    const { [`${ID_B}/layer.tar`]: _, ...lacking } = saved();
    expect(await refusal(lacking)).toBe(
      `S: layer ${ID_B}/layer.tar is not in the archive (save the image again)`,
    );
    const { [name ?? ""]: __, ...withoutConfig } = saved();
    expect(await refusal(withoutConfig)).toBe(
      `S: config ${name} is not in the archive (save the image again)`,
    );
  });

  it("a config among the blobs of a layout that is not what it is called", async () => {
    const { [name ?? ""]: config, ...files } = saved();
    const path = `blobs/sha256/${hexOf(sha256("other"))}`;
    files[path] = config ?? "";
    expect(await refusal(withImage(files, { Config: path }))).toMatch(
      /^S: config blobs\/sha256\/\w+: its digest is sha256:/,
    );
  });

  it("a config with another number of layers", async () => {
    const files = withImage(saved(), { Layers: [`${ID_A}/layer.tar`] });
    expect(await refusal(files)).toBe(
      `S: config ${name}: it has 2 diff_ids for 1 layer (the image is damaged: get it again)`,
    );
  });

  it("layers that are not there since they are foreign", async () => {
    const { [`${ID_A}/layer.tar`]: _, ...files } = saved();
    const mediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    const source = { mediaType, digest: sha256("x"), size: 1, urls: ["https://example.com/x"] };
    const foreign = withImage(files, { LayerSources: { [sha256("lower")]: source } });
    expect(await refusal(foreign)).toBe(
      `S: layer ${ID_A}/layer.tar is foreign and not in the archive: ${mediaType} ` +
        "https://example.com/x (copy the image with its foreign layers)",
    );
  });
});

describe("what only looks like an archive is none:", () => {
  it("a manifest.json of something else", async () => {
    for (const manifest of ['{"name":"an extension"}', "[]", "[1]", "not JSON", ""]) {
      expect(await open({ "manifest.json": manifest, "bin/sh": "x" })).toBeUndefined();
    }
  });

  it("a manifest.json that lists what isn't there", async () => {
    const list = json([{ Config: "config.json", Layers: ["layer.tar"] }]);
    expect(await open({ "manifest.json": list, "bin/sh": "x" })).toBeUndefined();
  });

  it("half a layout", async () => {
    expect(await open({ "oci-layout": "{}" })).toBeUndefined();
    expect(await open({ "index.json": "{}" })).toBeUndefined();
    expect(await open({ "oci-layout/x": "", "index.json": "{}" })).toBeUndefined();
  });
});

describe("an archive of docker before 1.10", () => {
  const legacy = (): Files => {
    const { "manifest.json": _, ...files } = saved();
    return Object.fromEntries(
      Object.entries(files).filter(([path]) => dirname(path) !== "." || path === "repositories"),
    );
  };

  it("has its layers by their parents", async () => {
    const image = await open(legacy());
    expect(await pathsOf(image)).toEqual([`${ID_A}/layer.tar`, `${ID_B}/layer.tar`]);
    expect(image?.layers[0]).toMatchObject({ digest: undefined, diffId: undefined, size: 5 });
  });

  it("may have several images, by tags or none", async () => {
    const files = {
      ...legacy(),
      repositories: json({ one: { 1: ID_B, 2: ID_B }, two: { 1: ID_A } }),
    };
    expect(await refusal(files)).toContain("S has several images: one:1, one:2, two:1 (choose");
    expect(await pathsOf(await open(files, "two:1"))).toEqual([`${ID_A}/layer.tar`]);
    const { repositories: _, ...untagged } = legacy();
    expect((await open(untagged))?.layers).toHaveLength(2);
    untagged[`${ID_C}/json`] = json({ id: ID_C, parent: ID_A });
    untagged[`${ID_C}/layer.tar`] = "third";
    expect(await refusal(untagged)).toContain(`S has several images: ${ID_B}, ${ID_C} (`);
    expect((await open(untagged, ID_C))?.layers).toHaveLength(2);
  });

  it("is refused when it is damaged", async () => {
    const files = legacy();
    expect(await refusal({ ...files, [`${ID_A}/json`]: json({ id: ID_A, parent: ID_B }) })).toBe(
      `S: layer ${ID_B} is its own ancestor (it was altered)`,
    );
    expect(await refusal({ ...files, [`${ID_A}/json`]: json({ parent: ID_C }) })).toBe(
      `S: layer ${ID_C} is not in the archive (save the image again)`,
    );
    expect(await refusal({ ...files, [`${ID_A}/json`]: json({ parent: "../x" }) })).toContain(
      `S: ${ID_A}/json: parent is not an ID of 64 digits`,
    );
    expect(await refusal({ ...files, repositories: json({ one: { 1: "../../x" } }) })).toContain(
      "S: repositories: one is not a list of IDs by tags",
    );
    const { repositories: _, ...untagged } = files;
    untagged[`${ID_A}/json`] = json({ parent: ID_B });
    expect(await refusal(untagged)).toContain("every layer is another's parent");
  });
});
