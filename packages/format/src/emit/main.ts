// SPDX-License-Identifier: MIT
/**
 * Writes the files that are generated from the schema, or with `--check` fails when a committed
 * one differs.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { emitHeader } from "./c-header.js";
import { emitReference } from "./reference-docs.js";

const root = new URL("../../../../", import.meta.url);
const outputs = [
  { path: "kernel/daxfs_format.h", text: emitHeader() },
  { path: "docs/format.md", text: emitReference() },
];

let stale = 0;
for (const { path, text } of outputs) {
  const file = fileURLToPath(new URL(path, root));
  if (!process.argv.includes("--check")) {
    writeFileSync(file, text);
  } else if (readFileSync(file, "utf8") !== text) {
    process.stderr.write(`${path} differs from the schema: run "npm run generate"\n`);
    stale++;
  }
}
process.exitCode = stale === 0 ? 0 : 1;
