// SPDX-License-Identifier: MIT
// Bundles the command, the API and the worker. Node starts in half the time when it reads one file
// in place of a hundred, and CommonJS starts faster than ESM does.
import { build } from "esbuild";

const common = {
  bundle: true,
  platform: "node",
  target: "node20",
  sourcemap: true,
  external: ["@napi-rs/xattr"],
};
await build({
  ...common,
  entryPoints: { cli: "src/cli/main.ts", worker: "src/jobs/worker.ts" },
  outdir: "dist",
  outExtension: { ".js": ".cjs" },
  format: "cjs",
  banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;' },
  define: { "import.meta.url": "importMetaUrl" },
});
await build({
  ...common,
  entryPoints: { index: "src/index.ts" },
  outdir: "dist",
  format: "esm",
});
