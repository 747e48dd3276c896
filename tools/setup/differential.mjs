// SPDX-License-Identifier: MIT
// npm run test:differential -- [--seconds N] [--seed S] …: random archives, read by mkdaxfs and by other
// programs. Bundled first, since the Node versions that the project supports run no TypeScript.
import { mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { build, cacheDirectory, ensurePackages, PACKAGES, root } from "./steps.mjs";

ensurePackages(PACKAGES.test);
build();
const test = `${root}/tests/differential`;
const results = `${cacheDirectory}/differential`;
mkdirSync(results, { recursive: true });
// In the repository, where imports of packages are found.
const outfile = `${results}/bundle-${process.pid}.mjs`;
const esbuild = createRequire(`${root}/package.json`)("esbuild");
process.once("exit", () => rmSync(outfile, { force: true }));
await esbuild.build({
  entryPoints: [`${test}/main.ts`],
  outfile,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  external: ["mkdaxfs"],
  alias: { "@daxfs/format": `${root}/packages/format/src/index.ts` },
});
const { main } = await import(pathToFileURL(outfile).href);
process.exitCode = await main(process.argv.slice(2), test, results);
