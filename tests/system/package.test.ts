// SPDX-License-Identifier: MIT
// The package as it would be published: what is in it, and that npm alone is enough to use it.
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { checkImageFile, describeFinding, ImageReader } from "@daxfs/format";
import { execa } from "execa";
import { beforeAll, describe, expect, it, type TestContext } from "vitest";
import { needsProgramsOf } from "./support/archives.js";
import { bash, build, sha256 } from "./support/builder.js";
import { differingContents, imageManifest, manifestOf } from "./support/manifest.js";
import { node24 } from "./support/node24.js";
import { makeSmallTree } from "./support/trees.js";
import { workspace } from "./support/workspace.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PACKAGE = `${ROOT}packages/mkdaxfs`;

/** On a disk: a filesystem in memory need not have attributes. */
const disk = workspace(tmpdir());

/** The environment of somebody who knows nothing of this workspace. */
function environment(node: string): Record<string, string> {
  const inherited = ["HOME", "npm_config_cache", "npm_config_registry", "NODE_EXTRA_CA_CERTS"];
  const kept = Object.entries(process.env).filter(
    ([name]) => inherited.includes(name) || /^(https?|no|all)_proxy$/i.test(name),
  );
  const found = Object.fromEntries(kept) as Record<string, string>;
  return { ...found, PATH: `${dirname(node)}:${process.env.PATH}`, LC_ALL: "C.UTF-8" };
}

/** Runs a program in the folder that the package is installed in. */
const run = (node: string, program: string, ...args: string[]) =>
  execa(program, args, {
    cwd: disk.path("folder"),
    env: environment(node),
    extendEnv: false,
    reject: false,
    timeout: 120_000,
  });

/** Each Node that the package is to run under. */
const NODES: Readonly<Record<string, (context: TestContext) => Promise<string>>> = {
  "the Node of the tests": async () => process.execPath,
  "Node 24": async (context) => {
    const found = await node24();
    return "reason" in found ? context.skip(found.reason) : found.path;
  },
};

/** Paths in the package. */
let files: string[];

beforeAll(async () => {
  disk.directory("folder");
  const { stdout } = await execa("npm", ["pack", "--json", "--pack-destination", disk.path()], {
    cwd: PACKAGE,
    env: environment(process.execPath),
    extendEnv: false,
  });
  const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  files = packed.files.map(({ path }) => path).sort();
  const archive = disk.path(packed.filename);
  const install = await run(process.execPath, "npm", "install", "--no-audit", "--no-fund", archive);
  expect({ status: install.exitCode, stderr: install.stderr }).toMatchObject({ status: 0 });
  await makeSmallTree(disk.directory("folder", "rootfs"));
}, 240_000);

describe("the package", () => {
  it("holds the bundles and the types of the API, and nothing else", () => {
    expect(files).toEqual([
      "LICENSE",
      "README.md",
      "bin/mkdaxfs.cjs",
      "dist/THIRD-PARTY.txt",
      "dist/cli.cjs",
      "dist/command.cjs",
      "dist/fast-glob.cjs",
      "dist/index.js",
      "dist/types/build.d.ts",
      "dist/types/errors.d.ts",
      "dist/types/index.d.ts",
      "dist/types/options.d.ts",
      "dist/types/platform.d.ts",
      "dist/undici.cjs",
      "dist/worker.cjs",
      "dist/xz-decompress.cjs",
      "dist/yauzl.cjs",
      "dist/zstddec.cjs",
      "package.json",
    ]);
  });

  it("knows nothing of the machine that it was built on", () => {
    for (const file of files) {
      const text = readFileSync(disk.path("folder/node_modules/mkdaxfs", file), "latin1");
      expect(text.includes(ROOT), file).toBe(false);
    }
  });

  it("brings along nothing but what reads extended attributes", async () => {
    const { stdout } = await run(process.execPath, "npm", "ls", "--all", "--parseable");
    const names = stdout.split("\n").flatMap((path) => path.split("/node_modules/").slice(1));
    expect(names).toContain("mkdaxfs");
    expect(names.filter((name) => !/^(mkdaxfs|@napi-rs\/xattr.*)$/.test(name))).toEqual([]);
  });

  it("names what is bundled, with its licence", () => {
    const text = readFileSync(
      disk.path("folder/node_modules/mkdaxfs/dist/THIRD-PARTY.txt"),
      "utf8",
    );
    for (const name of ["commander", "picomatch", "undici", "yauzl", "zstddec", "xz-decompress"]) {
      expect(text).toMatch(new RegExp(`^${name} \\d[^\\n]*\\n\\n.*(copyright|permission)`, "ims"));
    }
  });
});

describe.each(Object.entries(NODES))("installed with npm alone, under %s", (_, nodeOf) => {
  it("the command builds from a directory", async (context) => {
    const node = await nodeOf(context);
    const built = await run(node, "npx", "mkdaxfs", "rootfs/", "-o", "rootfs.daxfs");
    expect({ status: built.exitCode, stderr: built.stderr }).toMatchObject({ status: 0 });
    const image = disk.path("folder/rootfs.daxfs");
    expect(checkImageFile(image).map(describeFinding)).toEqual([]);
    const reader = ImageReader.open(image);
    expect(imageManifest(reader)).toEqual(await manifestOf(disk.path("folder/rootfs")));
    expect(differingContents(disk.path("folder/rootfs"), reader)).toEqual([]);
    reader.close();
    // Built in the workspace, it is the same.
    await build(disk.path("folder/rootfs"), disk.path("workspace.daxfs"));
    expect(await sha256(image)).toBe(await sha256(disk.path("workspace.daxfs")));
    const checked = await run(node, "npx", "mkdaxfs", "check", "rootfs.daxfs");
    expect({ status: checked.exitCode, stderr: checked.stderr }).toMatchObject({ status: 0 });
  });

  it("the command has the decoders of all archives with it", async (context) => {
    const node = await nodeOf(context);
    await needsProgramsOf("zstd xz bzip2 zip", context);
    await bash(
      `cd "$1"; tar -C rootfs --format=pax -cf plain.tar .
       gzip <plain.tar >gzip.tar; zstd -q <plain.tar >zstd.tar
       xz <plain.tar >xz.tar; bzip2 <plain.tar >bzip2.tar
       cd rootfs; zip -qry0 ../archive.zip plain modes; zip -qry ../archive.zip links`,
      disk.path("folder"),
    );
    const images: string[] = [];
    for (const archive of [
      "plain.tar",
      "gzip.tar",
      "zstd.tar",
      "xz.tar",
      "bzip2.tar",
      "archive.zip",
    ]) {
      const image = `${archive}.daxfs`;
      const built = await run(node, "npx", "mkdaxfs", archive, "-o", image);
      expect({ status: built.exitCode, stderr: built.stderr }).toMatchObject({ status: 0 });
      expect(checkImageFile(disk.path("folder", image)).map(describeFinding)).toEqual([]);
      if (archive.endsWith(".tar")) images.push(await sha256(disk.path("folder", image)));
    }
    expect(new Set(images).size).toBe(1);
  });

  it("the command has its client for registries with it", async (context) => {
    const node = await nodeOf(context);
    // Nothing listens on this port; that is found out by the client alone.
    const reference = "127.0.0.1:1/some/image";
    const built = await run(node, "npx", "mkdaxfs", "--from-oci", reference, "-o", "none.daxfs");
    expect(built.exitCode).toBe(1);
    expect(built.stderr).toMatch(/^mkdaxfs: [^\n]*127\.0\.0\.1:1[^\n]*$/m);
    expect(built.stderr).not.toMatch(/module|bug/i);
  });

  it("a program imports the API", async (context) => {
    const node = await nodeOf(context);
    writeFileSync(
      disk.path("folder/program.mjs"),
      `import { BuildError, buildImage } from "mkdaxfs";
       const report = await buildImage({ sources: ["rootfs/"], output: "api.daxfs" });
       const failed = await buildImage({ sources: ["nowhere"], output: "api.daxfs" }).catch((e) => e);
       console.log(report.inodes, failed instanceof BuildError, process.version);`,
    );
    const { stdout, stderr } = await run(node, "node", "program.mjs");
    const names = Object.keys(await manifestOf(disk.path("folder/rootfs"))).length;
    const version = (await execa(node, ["--version"])).stdout;
    expect({ stdout, stderr }).toEqual({ stdout: `${names} true ${version}`, stderr: "" });
  });
});

describe("the types", () => {
  const check = async (program: string) => {
    writeFileSync(disk.path("folder/program.ts"), program);
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022"];
    // Types of the platform come from the DOM here: Node's are not installed.
    const words = [...options, "--lib", "es2022,dom", "program.ts"];
    return run(process.execPath, `${ROOT}node_modules/.bin/tsc`, ...words);
  };

  it("are enough for a program, by themselves", async () => {
    const { exitCode, stdout } = await check(`
      import {
        BuildError, type BuildOptions, type BuildReport, buildImage, type IdMapping,
        type Platform, type Progress, type SourceSpec,
      } from "mkdaxfs";
      const sources: SourceSpec[] = ["rootfs/", { docker: "postgres:16" }, { oci: "alpine" }];
      const uidMap: IdMapping[] = [{ from: 0, to: 100000, count: 65536 }];
      const platform: Platform = { os: "linux", architecture: "arm64", variant: "v8" };
      const options: BuildOptions = {
        sources, uidMap, platform, output: "image", mtimeNs: 0n, align: 4096, maxRatio: 100,
        signal: new AbortController().signal, onProgress: ({ done }: Progress) => void done.toFixed(),
      };
      export const size: Promise<number> = buildImage(options).then(
        (report: BuildReport) => report.totalSize + report.types.regular + report.timings.total,
        (error: unknown) => (error instanceof BuildError ? error.message.length : 0),
      );`);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "" });
  });

  it("refuse what the API does not take", async () => {
    const { exitCode, stdout } = await check(`
      import { buildImage } from "mkdaxfs";
      void buildImage({ output: "image" });
      void buildImage({ sources: [5], output: "image" });
      void buildImage({ sources: [], output: "image", align: 5 });`);
    expect(exitCode).not.toBe(0);
    expect(stdout.match(/error TS/g)).toHaveLength(3);
  });
});
