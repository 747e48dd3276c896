// SPDX-License-Identifier: MIT
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { expandPatterns } from "../../src/sources/patterns.js";
import { scratchDirectory } from "../support/support.js";

const scratch = scratchDirectory();
let root: string;

beforeAll(() => {
  root = scratch("patterns");
  mkdirSync(join(root, "layers"), { recursive: true });
  mkdirSync(join(root, "layer3.d"));
  for (const name of [
    "layer10.tar",
    "layer2.tar",
    "layer1.tar",
    "a[1].tar",
    "notes.txt",
    ".hidden.tar",
  ]) {
    writeFileSync(join(root, "layers", name), "");
  }
  symlinkSync("nowhere", join(root, "layers", "layer4.tar"));
});

const expanded = async (...specs: string[]) => {
  const paths = await expandPatterns(specs.map((spec) => join(root, spec)));
  return paths.map((path) => String(path).slice(root.length + 1));
};

describe("a source that is a pattern", () => {
  it("becomes the paths that match, in natural order", async () => {
    expect(await expanded("layers/layer[0-9]*.tar")).toEqual([
      "layers/layer1.tar",
      "layers/layer2.tar",
      "layers/layer4.tar",
      "layers/layer10.tar",
    ]);
  });

  it("takes its place among the other sources", async () => {
    expect(await expanded("layers/notes.txt", "layers/layer1?.tar", "layers")).toEqual([
      "layers/notes.txt",
      "layers/layer10.tar",
      "layers",
    ]);
  });

  it("matches directories, and no hidden files", async () => {
    expect(await expanded("layer?.d")).toEqual(["layer3.d"]);
    expect(await expanded("layers/*.tar")).not.toContain("layers/.hidden.tar");
  });

  it("is none where there is a path of that name, with a tag or without", async () => {
    expect(await expanded("layers/a[1].tar")).toEqual(["layers/a[1].tar"]);
    expect(await expanded("layers/a[1].tar:latest")).toEqual(["layers/a[1].tar:latest"]);
  });

  it("is an error where it matches nothing", async () => {
    await expect(expanded("layers/*.zip")).rejects.toThrow(
      /^nothing matches the pattern '.*\/layers\/\*\.zip' \(check the path\)$/,
    );
  });
});

describe("other sources", () => {
  it("are left as they are", async () => {
    const specs = [
      "-",
      "no/such/path",
      { docker: "alpine:*" },
      { oci: "host/*" },
      "a\0*",
      "no/c++",
      "no/a@1.tar",
      "no/a(1)",
      "no/!",
    ];
    expect(await expandPatterns(specs)).toEqual(specs);
  });
});
