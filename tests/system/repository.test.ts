// SPDX-License-Identifier: MIT
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");

async function trackedFiles(): Promise<string[]> {
  // What is not committed yet counts as well, so that a mistake shows before it is.
  const words = ["ls-files", "--cached", "--others", "--exclude-standard"];
  const { stdout } = await execa("git", words, { cwd: root });
  return stdout.split("\n").filter((name) => name !== "" && existsSync(join(root, name)));
}

describe("the repository", () => {
  test("is formatted and linted", async () => {
    const run = await execa("node_modules/.bin/biome", ["check", "."], {
      cwd: root,
      all: true,
      reject: false,
    });
    expect(run.exitCode, run.all).toBe(0);
  });

  test("type-checks, tests and all", async () => {
    for (const project of ["tests", "packages/format", "packages/mkdaxfs", "tools/qemu"]) {
      const run = await execa("node_modules/.bin/tsc", ["-p", project, "--noEmit"], {
        cwd: root,
        all: true,
        reject: false,
      });
      expect(run.exitCode, run.all).toBe(0);
    }
  }, 120_000);

  test("names a licence at the top of every file of code", async () => {
    const code = /\.(?:ts|mts|mjs|cjs|js|c|h|sh|py)$|Makefile$|^\.ci\/run$/;
    const files = (await trackedFiles()).filter((name) => code.test(name));
    expect(files.length).toBeGreaterThan(50);
    const bare: string[] = [];
    for (const file of files) {
      const head = (await readFile(join(root, file), "utf8")).split("\n").slice(0, 3).join("\n");
      const licence = /SPDX-License-Identifier: (.+?)(?: \*\/)?$/m.exec(head)?.[1];
      const expected = /^kernel\/daxfs_(format|ioctl)\.h$/.test(file)
        ? "((GPL-2.0-only WITH Linux-syscall-note) OR MIT)"
        : /\.[ch]$|^kernel\/|^tests\/(debug\/faulty|guest\/(exporter|race))\//.test(file)
          ? "GPL-2.0-only"
          : "MIT";
      if (licence !== expected) bare.push(`${file}: ${licence}`);
    }
    expect(bare).toEqual([]);
  });

  test("has any type nowhere, and no silenced check without a reason", async () => {
    const found: string[] = [];
    for (const file of (await trackedFiles()).filter((name) => /\.m?ts$/.test(name))) {
      for (const [index, line] of (await readFile(join(root, file), "utf8"))
        .split("\n")
        .entries()) {
        if (/@ts-(?:ignore|expect-error|nocheck)|\bas any\b|: any\b|<any>/.test(line)) {
          // This file has to spell what it looks for.
          if (file === relative(root, import.meta.filename)) continue;
          found.push(`${file}:${index + 1}: ${line.trim()}`);
        }
      }
    }
    expect(found).toEqual([]);
  });

  test("imports one way", async () => {
    // What each room of the builder may open the door of, beside itself and @daxfs/format.
    const allowed: Readonly<Record<string, readonly string[]>> = {
      cli: ["build", "check", "errors", "jobs", "options", "progress", "sources"],
      index: ["build", "errors", "options", "platform", "progress"],
      build: [
        ...["content", "errors", "host-path", "jobs", "options", "plan", "report", "sources"],
        ...["tree", "uuid", "write"],
      ],
      check: ["content", "sources"],
      report: ["options", "plan", "sources", "tree"],
      sources: ["errors", "host-file", "host-path", "jobs", "options", "platform", "progress"],
      tree: ["errors", "options", "sources"],
      content: ["errors", "host-file", "host-path", "jobs", "progress", "sources"],
      plan: ["content", "errors", "sources", "tree"],
      write: [
        ...["content", "errors", "host-file", "host-path", "jobs", "plan", "progress", "sources"],
      ],
      jobs: ["content", "errors", "host-path", "sources", "write"],
      options: ["platform", "progress"],
      platform: [],
      progress: [],
      uuid: ["errors"],
      "host-file": ["errors", "host-path"],
      "host-path": [],
      errors: [],
    };
    const base = "packages/mkdaxfs/src/";
    const wrong: string[] = [];
    const files = (await trackedFiles()).filter((name) => name.endsWith(".ts"));
    for (const file of files) {
      const text = await readFile(join(root, file), "utf8");
      const imports = [...text.matchAll(/\bfrom "([^"]+)"/g)].map((match) => match[1]!);
      if (file.startsWith("packages/format/src/")) {
        const outside = imports.filter(
          (name) => !name.startsWith(".") && !name.startsWith("node:"),
        );
        wrong.push(...outside.map((name) => `${file}: ${name}`));
      }
      if (!file.startsWith(base)) continue;
      const room = file.slice(base.length).split("/")[0]!.replace(/\.ts$/, "");
      for (const name of imports.filter((path) => path.startsWith("."))) {
        const target = relative(join(root, base), resolve(root, file, "..", name));
        const door = target.split("/")[0]!.replace(/\.js$/, "");
        if (door !== room && !allowed[room]?.includes(door)) wrong.push(`${file}: ${name}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("keeps the generated files as the schema has them", async () => {
    const run = await execa("node", ["packages/format/dist/emit/main.js", "--check"], {
      cwd: root,
      all: true,
      reject: false,
    });
    expect(run.exitCode, run.all).toBe(0);
  });
});
