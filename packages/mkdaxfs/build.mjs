// SPDX-License-Identifier: MIT
// Bundles the command, the API and the worker. Node starts in half the time when it reads one file
// in place of a hundred, and CommonJS starts faster than ESM does.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { build } from "esbuild";

/** A file of its own, read when a registry is asked: nearly as large as all the rest. */
const undici = {
  name: "undici",
  setup({ onResolve }) {
    onResolve({ filter: /^undici$/ }, ({ kind }) =>
      kind === "dynamic-import" ? { path: "./undici.cjs", external: true } : undefined,
    );
  },
};

/**
 * Loaded when it is used, which is never: Commander has it for commands that are programs of their
 * own. It takes Node some milliseconds.
 */
const childProcess = {
  name: "child-process",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      importer.includes("/commander/") ? { path: "spawn", namespace: "lazy" } : undefined,
    );
    onLoad({ filter: /.*/, namespace: "lazy" }, () => ({
      contents: 'exports.spawn = (...words) => require("child_process").spawn(...words);',
    }));
  },
};

const common = {
  bundle: true,
  platform: "node",
  target: "node20",
  sourcemap: true,
  // Names stay, for the reports of bugs; what is shorter is read sooner.
  minifySyntax: true,
  minifyWhitespace: true,
  external: ["@napi-rs/xattr"],
  plugins: [undici, childProcess],
  metafile: true,
  legalComments: "none",
};
const commonJs = {
  ...common,
  outdir: "dist",
  outExtension: { ".js": ".cjs" },
  format: "cjs",
  banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;' },
  define: { "import.meta.url": "importMetaUrl" },
};
const results = await Promise.all([
  build({ ...commonJs, entryPoints: { cli: "src/cli/main.ts", worker: "src/jobs/worker.ts" } }),
  build({
    ...commonJs,
    stdin: {
      contents: 'export { Agent, ProxyAgent, request } from "undici";',
      resolveDir: ".",
      sourcefile: "undici.js",
    },
    entryNames: "undici",
    sourcemap: false,
  }),
  build({
    ...common,
    entryPoints: { index: "src/index.ts" },
    outdir: "dist",
    format: "esm",
    // What is CommonJS in the bundle requires modules of Node.
    banner: {
      js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
    },
  }),
]);

writeFileSync("dist/THIRD-PARTY.txt", licences(results.flatMap(packagesIn)));

/** Directories of the packages whose code is in a bundle. */
function packagesIn({ metafile }) {
  return Object.keys(metafile.inputs)
    .filter((path) => path.includes("node_modules/"))
    .map((path) => {
      let directory = dirname(resolve(path));
      while (!hasName(directory)) directory = dirname(directory);
      return directory;
    });
}

function hasName(directory) {
  const manifest = join(directory, "package.json");
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).name !== undefined;
}

/** The licence of each package, as the licences want it. */
function licences(directories) {
  const texts = new Map();
  for (const directory of new Set(directories)) {
    const { name, version, license } = JSON.parse(
      readFileSync(join(directory, "package.json"), "utf8"),
    );
    const file = readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? "" : readFileSync(join(directory, file), "utf8").trim();
    texts.set(`${name} ${version}`, `${name} ${version} (${license})\n\n${text}\n`);
  }
  const sorted = [...texts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
  return `The bundles beside this file contain code of these packages.\n\n${sorted.join("\n---\n\n")}`;
}
