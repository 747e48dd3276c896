// SPDX-License-Identifier: MIT
// Images as umoci and skopeo make them.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { describe, expect, it, type TestContext } from "vitest";
import { openPath } from "../../../../src/sources/detect/detect.js";
import { contentsOf, messageOf, needs, testContext, writeFiles } from "../../../support/image.js";
import { scratchDirectory } from "../../../support/support.js";

const scratch = scratchDirectory();
const context = testContext();
const run = (program: string, ...args: string[]) => execFileSync(program, args, { stdio: "pipe" });
const contents = async (path: string) => contentsOf((await openPath(path, context)).sources);

/** A layout with an image of two layers and one of none, by umoci. */
function layout(test: TestContext): string {
  needs(test, "umoci", "skopeo");
  const path = scratch("layout");
  try {
    readdirSync(path);
    return path;
  } catch {
    run("umoci", "init", "--layout", path);
    for (const tag of ["two", "none"]) run("umoci", "new", "--image", `${path}:${tag}`);
    run("umoci", "unpack", "--rootless", "--image", `${path}:two`, scratch("bundle"));
    for (const [file, content] of Object.entries({ "etc/hostname": "box", "etc/motd": "hello" })) {
      writeFiles(scratch("bundle/rootfs"), { [file]: content });
      run("umoci", "repack", "--refresh-bundle", "--image", `${path}:two`, scratch("bundle"));
    }
    return path;
  }
}

/** Runs skopeo on the image of two layers. */
function copy(test: TestContext, to: string, ...args: string[]): void {
  run("skopeo", "copy", ...args, `oci:${layout(test)}:two`, to);
}

const LAYERS = [
  expect.arrayContaining(["etc/hostname=box"]),
  expect.arrayContaining(["etc/motd=hello"]),
];

describe("images of real tools", () => {
  it("in umoci's layout", async (test) => {
    const path = layout(test);
    expect(await contents(`${path}:two`)).toEqual(LAYERS);
    expect(await contents(`${path}:none`)).toEqual([]);
    expect(await messageOf(openPath(path, context))).toMatch(
      /has several images: (two, none|none, two) \(/,
    );
  });

  it("in skopeo's OCI archive", async (test) => {
    copy(test, `oci-archive:${scratch("oci.tar")}:tag`);
    expect(await contents(scratch("oci.tar"))).toEqual(LAYERS);
    expect(await contents(`${scratch("oci.tar")}:tag`)).toEqual(LAYERS);
  });

  it("in skopeo's docker archive, packed, unpacked and compressed", async (test) => {
    copy(test, `docker-archive:${scratch("docker.tar")}:example.com/box:1`);
    expect(await contents(scratch("docker.tar"))).toEqual(LAYERS);
    expect(await contents(`${scratch("docker.tar")}:box:1`)).toEqual(LAYERS);
    run("mkdir", scratch("docker"));
    run("tar", "-xf", scratch("docker.tar"), "-C", scratch("docker"));
    expect(await contents(scratch("docker"))).toEqual(LAYERS);
    run("gzip", scratch("docker.tar"));
    expect(await contents(scratch("docker.tar.gz"))).toEqual(LAYERS);
  });

  it("with zstd layers", async (test) => {
    const path = scratch("zstd");
    copy(test, `oci:${path}:z`, "--dest-compress-format", "zstd");
    const types = run(
      "sh",
      "-c",
      `grep -aho '"application/[^"]*layer[^"]*"' ${path}/blobs/sha256/*`,
    );
    expect(`${types}`).toContain("tar+zstd");
    expect(await contents(path)).toEqual(LAYERS);
  });
});
