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

  // What each room of the builder may import, beside itself and @daxfs/format.
  const ROOMS: Readonly<Record<string, readonly string[]>> = {
    cli: ["build", "content", "errors", "jobs", "model", "options", "platform"],
    index: ["build", "errors", "options", "platform"],
    build: [
      ...["content", "errors", "host", "jobs", "model", "options", "plan", "platform", "sources"],
      ...["tree", "write"],
    ],
    worker: ["content", "errors", "jobs", "sources", "write"],
    write: ["content", "errors", "host", "jobs", "model", "options", "plan"],
    plan: ["content", "errors", "model", "options", "tree"],
    content: ["errors", "host", "jobs", "model", "options"],
    tree: ["errors", "model", "options"],
    sources: ["errors", "host", "jobs", "model", "options", "platform"],
    jobs: ["errors"],
    model: ["host"],
    host: ["errors"],
    options: ["platform"],
    platform: ["errors"],
    errors: [],
  };

  test("has rooms that import one way", () => {
    // Each room is listed before all that it imports, so there is no circle.
    const order = Object.keys(ROOMS);
    const backwards = order.flatMap((room, index) =>
      ROOMS[room]!.filter((other) => order.indexOf(other) <= index).map(
        (other) => `${room} imports ${other}`,
      ),
    );
    expect(backwards).toEqual([]);
  });

  test("imports nothing that a room may not", async () => {
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
        if (door !== room && !ROOMS[room]?.includes(door)) wrong.push(`${file}: ${name}`);
      }
    }
    expect(wrong).toEqual([]);
    const atRoot = files.filter((file) => new RegExp(`^${base}[^/]+$`).test(file));
    expect(atRoot.length).toBeLessThanOrEqual(5);
  });

  test("has the architecture that its page describes", async () => {
    const page = await readFile(join(root, "docs/architecture.md"), "utf8");
    const table = page.slice(page.indexOf("### Imports"), page.indexOf("Every room may import"));
    const described = new Map(
      [...table.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, room, names]) => [
        room!,
        [...names!.matchAll(/`(\w+)`/g)].map(([, name]) => name!),
      ]),
    );
    expect([...described.keys()]).toEqual(Object.keys(ROOMS));
    for (const [room, names] of described) {
      // The page sums up what build.ts imports.
      if (room !== "build") expect(names, room).toEqual(ROOMS[room]);
    }
    // Paths in the text are from the root, from the builder's package, or from its sources.
    const starts = ["", "packages/mkdaxfs/", "packages/mkdaxfs/src/"];
    const paths = [...page.matchAll(/`([\w.@-]+(?:\/[\w.@-]+)+\/?)`/g)].map(([, path]) => path!);
    const missing = paths.filter(
      (path) =>
        !/NAME|^@|^\./.test(path) && !starts.some((start) => existsSync(join(root, start, path))),
    );
    expect(paths.length).toBeGreaterThan(50);
    expect(missing).toEqual([]);
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
