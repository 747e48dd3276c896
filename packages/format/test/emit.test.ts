// SPDX-License-Identifier: MIT
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { emitHeader } from "../src/emit/c-header.js";
import { emitReference } from "../src/emit/reference-docs.js";
import { FEATURES, FLAG, KNOWN_FLAGS, RECORDS, RULES } from "../src/index.js";

function committed(path: string): string {
  return readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), "utf8");
}

describe("what is generated from the schema", () => {
  it("is what kernel/daxfs_format.h has (run npm run generate)", () => {
    expect(committed("kernel/daxfs_format.h")).toBe(emitHeader());
  });

  it("is what docs/format.md has (run npm run generate)", () => {
    expect(committed("docs/format.md")).toBe(emitReference());
  });

  it("leaves to a reader of images which features it supports", () => {
    // A mask of all features here would have the module accept what only the builder has learned.
    expect(emitHeader()).not.toMatch(/KNOWN|SUPPORTED/);
  });

  it("names every field and rule in the reference", () => {
    const text = emitReference();
    for (const record of RECORDS) {
      for (const field of record.fields) expect(text).toContain(field.name);
    }
    for (const rule of Object.keys(RULES)) expect(text).toContain(rule);
    for (const { bit, name } of FEATURES) expect(text).toContain(`| ${bit} | ${name} |`);
  });

  it("has the value of each feature bit", () => {
    expect(FLAG).toEqual({
      MTIME: 0x1,
      SORTED: 0x2,
      LINKS: 0x4,
      XATTRS: 0x8,
      CHECKSUMS: 0x10,
      DIGEST: 0x20,
    });
    expect(KNOWN_FLAGS).toBe(0x3f);
  });

  it("lists the features that the module uses in the header", () => {
    expect(emitHeader()).toContain('{ "mtime", "sorted", "links", "xattrs", "checksums" }');
  });
});

interface Compiler {
  readonly program: string;
  readonly language: string;
  readonly standard: string;
}

const compilers: readonly Compiler[] = [
  { program: "gcc", language: "c", standard: "c11" },
  { program: "g++", language: "c++", standard: "c++11" },
];

describe.each(compilers)(
  "the header in $language with $program",
  ({ program, language, standard }) => {
    const found = spawnSync(program, ["--version"]).status === 0;
    if (!found)
      process.stderr.write(`left out: ${program} is not installed (apt-get install g++)\n`);
    const directory = mkdtempSync(join(tmpdir(), "daxfs-header-"));
    afterAll(() => rmSync(directory, { recursive: true, force: true }));

    function compile(source: string) {
      writeFileSync(join(directory, "daxfs_format.h"), emitHeader());
      const parameters = [
        "-x",
        language,
        `-std=${standard}`,
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
      ];
      return spawnSync(program, [...parameters, "-I", directory, "-fsyntax-only", "-"], {
        input: source,
        encoding: "utf8",
      });
    }

    it.skipIf(!found)("compiles, with every assertion about the layout", () => {
      const uses = RECORDS.map(({ name }) => `struct daxfs_${name} ${name}_record;`);
      const flags = Object.entries(FLAG).map(
        ([name, value]) => `static_assert(DAXFS_FLAG_${name} == ${value}u, "flag");`,
      );
      const result = compile(
        ['#include "daxfs_format.h"', '#include "daxfs_format.h"', ...uses, ...flags, ""].join(
          "\n",
        ),
      );
      expect(result.stderr).toBe("");
      expect(result.status).toBe(0);
    });

    it.skipIf(!found)("has assertions that can fail", () => {
      const source =
        '#include "daxfs_format.h"\nstatic_assert(sizeof(struct daxfs_inode) == 63, "");\n';
      expect(compile(source).status).not.toBe(0);
    });
  },
);
