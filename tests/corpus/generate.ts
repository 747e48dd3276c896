// SPDX-License-Identifier: MIT
/** Writes the data of the corpus; generate.mjs runs it. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { checkImage, describeFinding, MemoryBytes } from "@daxfs/format";
import { BASE_NAMES, type BaseName, baseFile, loadBase } from "./bases.js";
import { makeCorpus } from "./corpus.js";
import { makeExtendedTree } from "./extended.js";
import { version1Tree } from "./trees.js";
import { buildVersion1Image, FIELD_QUIRKS } from "./version1.js";

/** Paths, and what to write. */
export interface GenerateOptions {
  /** Output directory. */
  readonly data: string;
  /** Path of the mkdaxfs command, a JavaScript file. */
  readonly mkdaxfs: string;
  /** Whether to build the base images; otherwise the existing ones are used. */
  readonly bases: boolean;
}

async function buildExtended(mkdaxfs: string): Promise<Uint8Array> {
  const scratch = mkdtempSync(join(tmpdir(), "daxfs-corpus-"));
  try {
    const tree = join(scratch, "tree");
    mkdirSync(tree);
    await makeExtendedTree(tree);
    const image = join(scratch, "image");
    execFileSync(
      process.execPath,
      [mkdaxfs, tree, "-o", image, "--quiet", "--digest", "--label", "corpus"],
      { stdio: "inherit", env: { ...process.env, SOURCE_DATE_EPOCH: "1700000000" } },
    );
    return readFileSync(image);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** @throws when a base image is not valid. */
export async function generate(options: GenerateOptions): Promise<void> {
  mkdirSync(options.data, { recursive: true });
  if (options.bases) {
    const images: Record<BaseName, Uint8Array> = {
      extended: await buildExtended(options.mkdaxfs),
      version1: buildVersion1Image(version1Tree(), FIELD_QUIRKS),
    };
    for (const name of BASE_NAMES) {
      writeFileSync(join(options.data, baseFile(name)), gzipSync(images[name], { level: 9 }));
    }
  }
  for (const name of BASE_NAMES) {
    const findings = [...checkImage(new MemoryBytes(loadBase(name, options.data)))];
    if (findings.length > 0) throw new Error(`${name}: ${describeFinding(findings[0]!)}`);
  }
  const records = makeCorpus(options.data).map((record) => `  ${JSON.stringify(record)}`);
  writeFileSync(join(options.data, "corpus.json"), `[\n${records.join(",\n")}\n]\n`);
  process.stdout.write(`${records.length} corruptions\n`);
}
