// SPDX-License-Identifier: MIT
// Bundles the command, the API and the worker. Node starts in half the time when it reads few files
// in place of a hundred, and CommonJS starts faster than ESM does.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { build } from "esbuild";

/** Packages with a file of their own: they are large, and few builds need them. */
const RARELY_USED = {
  "fast-glob": 'module.exports = require("fast-glob");',
  undici: 'export { Agent, ProxyAgent, request } from "undici";',
  "xz-decompress": 'export { XzReadableStream } from "xz-decompress";',
  yauzl: 'export * from "yauzl";',
  zstddec: 'export { ZSTDDecoder } from "zstddec/stream";',
};

/** What is read and compiled when it is first used. */
const ownFiles = {
  name: "own-files",
  setup({ onResolve, initialOptions: { format } }) {
    onResolve({ filter: /^[a-z]/ }, ({ path, kind }) => {
      const name = path.split("/")[0];
      // ESM reads what it imports at its start, unless it does so on demand.
      const onDemand = kind === "dynamic-import" || format === "cjs";
      if (!(name in RARELY_USED) || !onDemand) return undefined;
      return { path: `./${name}.cjs`, external: true };
    });
    // The few lines in front of the command come first.
    onResolve({ filter: /^\.\/command\.js$/ }, ({ kind }) =>
      kind === "dynamic-import" ? { path: "./command.cjs", external: true } : undefined,
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
  plugins: [ownFiles, childProcess],
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
  build({
    ...commonJs,
    entryPoints: {
      cli: "src/cli/main.ts",
      command: "src/cli/command.ts",
      worker: "src/worker/worker.ts",
    },
    // Node's own loads CommonJS through its loader for ESM.
    supported: { "dynamic-import": false },
  }),
  ...Object.entries(RARELY_USED).map(([name, contents]) =>
    build({
      ...commonJs,
      stdin: { contents, resolveDir: ".", sourcefile: `${name}.js` },
      entryNames: name,
      sourcemap: false,
      plugins: [],
    }),
  ),
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
