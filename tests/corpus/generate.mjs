// SPDX-License-Identifier: MIT
// Regenerates tests/corpus/data. Run as root, after building packages/mkdaxfs:
//
//   node tests/corpus/generate.mjs [--corruptions]
//
// With --corruptions it keeps the base images and writes only corpus.json. It bundles generate.ts
// first, because not all supported Node versions run TypeScript.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
// Inside the repository, so that imports of packages resolve.
const directory = await mkdtemp(join(here, ".generate-"));
try {
  const outfile = join(directory, "generate.js");
  await build({
    entryPoints: [join(here, "generate.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    alias: { "@daxfs/format": join(here, "../../packages/format/src/index.ts") },
  });
  const { generate } = await import(pathToFileURL(outfile).href);
  const packageDirectory = join(here, "../../packages/mkdaxfs");
  const { bin } = JSON.parse(await readFile(join(packageDirectory, "package.json"), "utf8"));
  await generate({
    data: join(here, "data"),
    mkdaxfs: join(packageDirectory, bin.mkdaxfs),
    bases: !process.argv.includes("--corruptions"),
  });
} finally {
  await rm(directory, { recursive: true, force: true });
}
