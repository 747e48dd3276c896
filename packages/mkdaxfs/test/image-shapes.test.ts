// SPDX-License-Identifier: MIT
// Images in directories and archives of other shapes than layouts and archives of docker.
import { execFileSync, spawn } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { openPath } from "../src/sources/detect.js";
import {
  contentsOf,
  hexOf,
  json,
  LayoutMaker,
  type Member,
  messageOf,
  needs,
  platform,
  sha256,
  tagged,
  tarOf,
  testContext,
  writeFiles,
} from "./image-support.js";
import { scratchDirectory } from "./support.js";

const scratch = scratchDirectory();
const context = testContext();
let made = 0;

type Files = Record<string, string | Buffer>;

function directoryOf(files: Files): string {
  const path = scratch(`directory${made++}`);
  writeFiles(path, files);
  return path;
}

async function archiveOf(files: Files): Promise<string> {
  const path = scratch(`archive${made++}`);
  writeFileSync(path, await tarOf(...(Object.entries(files) as Member[])));
  return path;
}

/** What the sources at a path hold. */
async function contents(path: string, wanted = context.platform): Promise<string[][]> {
  context.warnings.length = 0;
  const { sources } = await openPath(path, { ...context, platform: wanted });
  return contentsOf(sources);
}
const refusal = async (path: string) => (await messageOf(contents(path))).replaceAll(path, "P");
const warnings = (path: string) => context.warnings.map((text) => text.replaceAll(path, "P"));

const LAYERS = [["lower=1"], ["upper=2"]];
const below = (prefix: string, files: Files): Files =>
  Object.fromEntries(Object.entries(files).map(([name, content]) => [prefix + name, content]));

async function layout(): Promise<LayoutMaker> {
  const maker = new LayoutMaker();
  return maker.index([maker.image([await tarOf(["lower", "1"]), await tarOf(["upper", "2"])])]);
}

async function dockerArchive(): Promise<Files> {
  const layers = [await tarOf(["lower", "1"]), await tarOf(["upper", "2"])];
  const config = json({ rootfs: { diff_ids: layers.map(sha256) } });
  const name = `${hexOf(sha256(config))}.json`;
  return {
    [name]: config,
    "a/layer.tar": layers[0]!,
    "b/layer.tar": layers[1]!,
    "manifest.json": json([{ Config: name, Layers: ["a/layer.tar", "b/layer.tar"] }]),
  };
}

/** What `skopeo copy … dir:` makes of a layout of one image. */
function transportOf(
  { files }: LayoutMaker,
  version = "Directory Transport Version: 1.1\n",
): Files {
  const index = JSON.parse(`${files["index.json"]}`) as { manifests: { digest: string }[] };
  const root = hexOf(index.manifests[0]?.digest ?? "");
  const all: Files = { version };
  for (const [name, content] of Object.entries(files)) {
    const hex = /^blobs\/sha256\/(.*)$/.exec(name)?.[1];
    if (hex !== undefined) all[hex === root ? "manifest.json" : hex] = content;
  }
  return all;
}

describe("an image as skopeo's dir: has it", () => {
  it("is read from a directory and from an archive", async () => {
    const files = transportOf(await layout());
    expect(await contents(directoryOf(files))).toEqual(LAYERS);
    expect(await contents(await archiveOf(files))).toEqual(LAYERS);
    expect(await contents(await archiveOf(below("./", files)))).toEqual(LAYERS);
    const { version: _, ...unmarked } = files;
    expect(await contents(directoryOf(unmarked))).toEqual(LAYERS);
    const named = Object.fromEntries(
      Object.entries(files).map(([name, content]) => [
        /^[0-9a-f]{64}$/.test(name) ? `sha256-${name}` : name,
        content,
      ]),
    );
    expect(await contents(directoryOf(named))).toEqual(LAYERS);
  });

  it("may be of several platforms", async () => {
    const maker = new LayoutMaker();
    const images = await Promise.all(
      ["linux/amd64", "linux/arm64"].map(async (text) =>
        maker.image([await tarOf([text.slice(6), ""])], platform(text)),
      ),
    );
    maker.index([maker.indexBlob(images)]);
    const files = transportOf(maker);
    for (const { digest } of images) {
      files[`${hexOf(digest)}.manifest.json`] = files[hexOf(digest)]!;
      delete files[hexOf(digest)];
    }
    const path = directoryOf(files);
    expect(await contents(path)).toEqual([["amd64="]]);
    const arm = { os: "linux", architecture: "arm64", variant: "v8" };
    expect(await contents(path, arm)).toEqual([["arm64="]]);
  });

  it("is verified", async () => {
    const tar = await tarOf(["lower", "1"]);
    const files = transportOf(await layout());
    const hex = hexOf(sha256(tar));
    const changed = Buffer.from(tar);
    changed[512] = 0x32;
    expect(await refusal(directoryOf({ ...files, [hex]: changed }))).toContain(
      `P: layer sha256:${hex}: its digest is ${sha256(changed)}, not sha256:${hex}`,
    );
    expect(await refusal(directoryOf({ ...files, [hex]: "short" }))).toContain(
      `P: layer sha256:${hex}: it has 5 bytes instead of ${tar.length} (`,
    );
    const { [hex]: _, ...without } = files;
    expect(await refusal(directoryOf(without))).toBe(
      `P: layer sha256:${hex} is not in the directory (copy the image again)`,
    );
    const { "manifest.json": __, ...headless } = files;
    expect(await refusal(directoryOf(headless))).toBe(
      "P: manifest.json is not in the directory (copy the image again)",
    );
  });

  it("is what tools write", async (test) => {
    needs(test, "skopeo");
    const source = (await layout()).writeTo(scratch(`layout${made++}`));
    const copy = (to: string) =>
      execFileSync("skopeo", ["copy", "-q", "--insecure-policy", `oci:${source}`, to]);
    const directory = scratch(`skopeo${made++}`);
    copy(`dir:${directory}`);
    expect(await contents(directory)).toEqual(LAYERS);
    expect(warnings(directory)).toEqual([]);
    execFileSync("tar", ["-C", directory, "-cf", `${directory}.tar`, "."]);
    expect(await contents(`${directory}.tar`)).toEqual(LAYERS);
  });
});

describe("an image in a zip archive", () => {
  /** @param program makes `out` of the current directory */
  const zipped = (directory: string, program = "zip -qr out.zip ."): string => {
    const out = scratch(`zip${made++}.zip`);
    const command = program.replace("out.zip", '"$1"');
    execFileSync("sh", ["-ec", command, "sh", out], { cwd: directory });
    return out;
  };

  it("is read, stored and compressed, a layout or a docker archive", async () => {
    const transport = transportOf(await layout());
    for (const files of [(await layout()).files, await dockerArchive(), transport]) {
      const directory = directoryOf(files);
      expect(await contents(zipped(directory))).toEqual(LAYERS);
      expect(await contents(zipped(directory, "zip -q0r out.zip ."))).toEqual(LAYERS);
      expect(await contents(zipped(directory, "bsdtar -caf out.zip *"))).toEqual(LAYERS);
    }
  });

  it("is read from a pipe", async () => {
    const path = zipped(directoryOf((await layout()).files));
    const fifo = scratch(`fifo${made++}`);
    execFileSync("mkfifo", [fifo]);
    const writer = spawn("sh", ["-c", 'cat "$1" >"$2"', "sh", path, fifo]);
    expect(await contents(fifo)).toEqual(LAYERS);
    writer.kill();
  });

  it("is read one directory too deep, and where blobs are symlinks", async () => {
    const directory = directoryOf(below("image/", await dockerArchive()));
    execFileSync("sh", ["-c", "cd image && mv a/layer.tar real && ln -s ../real a/layer.tar"], {
      cwd: directory,
    });
    expect(await contents(zipped(directory, "zip -qry out.zip ."))).toEqual(LAYERS);
  });

  it("is verified, and can be chosen by its tag", async () => {
    const maker = await layout();
    const path = zipped(directoryOf(maker.files));
    expect(await messageOf(contents(`${path}:none`))).toContain("none");
    const blobs = Object.keys(maker.files).filter((name) => name.startsWith("blobs/"));
    const damaged = { ...maker.files, [blobs[0]!]: Buffer.from("x") };
    expect(await messageOf(contents(zipped(directoryOf(damaged))))).toMatch(
      /bytes instead of|digest/,
    );
  });

  it("is not seen where there is none", async () => {
    const tree = { "app/manifest.json": "{}", "app/a.tar": "x", "app/index.json": "[]", b: "c" };
    const path = zipped(directoryOf(tree));
    const [entries] = await contents(path);
    expect(entries).toContain("app/a.tar=x");
    expect(entries).toContain("b=c");
    expect(await refusal(`${path}:tag`)).toContain("is not a container image");
  });
});

describe("a layout without its marker", () => {
  it("is one", async () => {
    const { "oci-layout": _, ...files } = (await layout()).files;
    expect(await contents(directoryOf(files))).toEqual(LAYERS);
    expect(await contents(await archiveOf(files))).toEqual(LAYERS);
    for (const marker of ["", "{}", '{"imageLayoutVersion":null}']) {
      expect(await contents(directoryOf({ ...files, "oci-layout": marker }))).toEqual(LAYERS);
    }
  });

  it("is one although a blob is missing", async () => {
    const { "oci-layout": _, ...files } = (await layout()).files;
    const digest = sha256(await tarOf(["upper", "2"]));
    delete files[`blobs/sha256/${hexOf(digest)}`];
    expect(await refusal(directoryOf(files))).toContain(`layer ${digest} is not in the layout`);
  });

  it("and one without its index is refused", async () => {
    const { "index.json": _, ...files } = (await layout()).files;
    expect(await refusal(directoryOf(files))).toBe(
      "P is an OCI layout without index.json (copy the image again)",
    );
  });
});

describe("an image one directory too deep", () => {
  it("is read, and said to be", async () => {
    for (const files of [
      (await layout()).files,
      await dockerArchive(),
      transportOf(await layout()),
    ]) {
      const deep = below("image/", files);
      const directory = directoryOf(deep);
      expect(await contents(directory)).toEqual(LAYERS);
      expect(warnings(directory)).toEqual([
        "P holds a container image and nothing else, which is read: P/image",
      ]);
      const archive = await archiveOf(deep);
      expect(await contents(archive)).toEqual(LAYERS);
      expect(warnings(archive)).toEqual([
        "P holds a container image and nothing else, which is read: P: image",
      ]);
      expect(await contents(await archiveOf(below("./a/b/", files)))).toEqual(LAYERS);
    }
  });

  it("is read as tar packs it, compressed or not", async () => {
    const path = (await layout()).writeTo(scratch(`packed${made++}`));
    for (const option of ["-cf", "-czf"]) {
      for (const format of ["gnu", "pax"]) {
        const words = [`--format=${format}`, "-C", dirname(path), option, `${path}.tar`];
        execFileSync("tar", [...words, basename(path)]);
        expect(await contents(`${path}.tar`)).toEqual(LAYERS);
      }
    }
  });

  it("can be chosen by its tag", async () => {
    const maker = new LayoutMaker();
    const images = await Promise.all(
      ["one", "two"].map(async (name) => maker.image([await tarOf([name, ""])], tagged(name))),
    );
    const path = directoryOf(below("image/", maker.index(images).files));
    expect(await contents(`${path}:two`)).toEqual([["two="]]);
  });

  it("is refused where there are several", async () => {
    const { files } = await layout();
    const both = { ...below("a/", files), ...below("b/", files) };
    expect(await refusal(directoryOf(both))).toBe("P holds 2 images: P/a, P/b (give one of them)");
    expect(await refusal(await archiveOf(below("x/", both)))).toBe(
      "P holds 2 images: P: x: a, P: x: b (give one of them)",
    );
  });

  it("is plain files where anything lies beside it", async () => {
    const files = { ...below("image/", (await layout()).files), "etc/hostname": "box" };
    for (const path of [directoryOf(files), await archiveOf(files)]) {
      expect((await contents(path))[0]).toContain("etc/hostname=box");
      expect(context.warnings).toEqual([]);
    }
  });
});

describe("a tree is a tree", () => {
  it("whatever files and symlinks it has that images have, too", async () => {
    for (const files of [
      { "index.json": '{"manifests":[]}', "blobs/a": "1" },
      { "index.json": "[]", "blobs/a": "1" },
      { "manifest.json": '{"config":{"digest":"sha256:0"}}', version: "1.0" },
      { "manifest.json": json({ config: { digest: sha256("x") }, layers: [] }), version: "1.0" },
      { "app/manifest.json": "{}", "app/index.json": "{}" },
    ] as readonly Files[]) {
      const found = await contents(directoryOf(files));
      expect(found).toHaveLength(1);
      for (const path of Object.keys(files)) {
        expect(found[0]?.some((text) => text.startsWith(`${path}=`))).toBe(true);
      }
      expect(context.warnings).toEqual([]);
    }
    const path = directoryOf({ "app/x": "1" });
    for (const name of ["version", "index.json"]) symlinkSync("/etc/hostname", `${path}/${name}`);
    for (const name of ["oci-layout", "manifest.json", "version"]) {
      symlinkSync("/etc/hostname", `${path}/app/${name}`);
    }
    expect((await contents(path))[0]).toContain("app/x=1");
  });

  it("and a runtime bundle is one with a word about it", async () => {
    const files = { "config.json": '{"ociVersion":"1.0.2"}', "rootfs/etc/hostname": "box" };
    const path = directoryOf(files);
    expect((await contents(path))[0]).toContain("rootfs/etc/hostname=box");
    expect(warnings(path)).toEqual([
      "P is an OCI runtime bundle, and all of it is taken (give its rootfs for the root filesystem)",
    ]);
  });
});
