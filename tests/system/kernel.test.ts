// SPDX-License-Identifier: MIT
import { chmod, cp, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fetchCheckpatch, fetchKernel, findBuildWarnings, type Kernel } from "@daxfs/qemu";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const cache = join(root, ".cache");

let kernel: Kernel;
let work: string;

beforeAll(async () => {
  kernel = await fetchKernel("6.1", cache);
  work = await mkdtemp(join(tmpdir(), "daxfs-kernel-"));
}, 600_000);

afterAll(async () => {
  await rm(work, { recursive: true, force: true });
});

/** A copy of the module's sources without what an earlier build may have left there. */
async function sources(name: string): Promise<string> {
  const copy = join(work, name);
  const { stdout } = await execa("git", ["ls-files", "kernel"], { cwd: root });
  for (const file of stdout.split("\n")) await cp(join(root, file), join(work, name, file));
  return join(copy, "kernel");
}

/** Runs make with the kernel's headers, and with a PATH on which node fails. */
async function make(directory: string, ...words: string[]) {
  const traps = join(work, "traps");
  for (const program of ["node", "npm", "pnpm"]) {
    await writeFile(join(work, program), "#!/bin/sh\necho 'Node was called' >&2\nexit 1\n");
    await chmod(join(work, program), 0o755);
    await rm(join(traps, program), { force: true });
    await execa("mkdir", ["-p", traps]);
    await symlink(join(work, program), join(traps, program));
  }
  return execa(
    "make",
    ["-C", directory, `KDIR=${kernel.headersDirectory}`, "CC=gcc-12", ...words],
    {
      env: { PATH: `${traps}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin` },
      all: true,
      reject: false,
    },
  );
}

describe("the module's sources", () => {
  test("build without a warning under W=1 and sparse", async () => {
    const run = await make(await sources("warnings"), "W=1", "C=2");
    expect(run.exitCode, run.all).toBe(0);
    expect(findBuildWarnings(run.all)).toEqual([]);
    expect(run.all).toMatch(/CHECK .*image\.c/);
  });

  test("are found wanting by sparse when they mix byte orders", async () => {
    const directory = await sources("sparse");
    await writeFile(
      join(directory, "inode.c"),
      '#include "image.h"\nu32 daxfs_wrong(const struct daxfs_inode *raw);\n' +
        "u32 daxfs_wrong(const struct daxfs_inode *raw)\n{\n\treturn raw->ino;\n}\n",
    );
    const run = await make(directory, "C=2");
    expect(run.all).toMatch(/incorrect type|restricted __le32/);
  });

  test("are clean under checkpatch --strict", async () => {
    const checkpatch = await fetchCheckpatch(cache);
    const directory = await sources("style");
    const files = (await readdir(directory)).filter((name) => /\.[ch]$/.test(name));
    expect(files.length).toBeGreaterThan(8);
    const run = await execa(
      "perl",
      [checkpatch, ...["--no-tree", "--strict", "--terse", "--show-types", "--file"], ...files],
      { cwd: directory, all: true, reject: false },
    );
    const complaints = run.all
      .split("\n")
      .filter((line) => /^[a-z_]+\.[ch]:\d+:/.test(line))
      // The one place that may ask for the kernel's version.
      .filter((line) => !(line.startsWith("compat.h:") && line.includes("LINUX_VERSION_CODE")));
    expect(complaints).toEqual([]);
    expect(run.all).toMatch(/total: 0 errors/);
  });

  test("install where they are told, and leave nothing behind make clean", async () => {
    const directory = await sources("install");
    const before = (await readdir(directory)).sort();
    const target = join(work, "target");
    const install = await make(directory, "install", `INSTALL_MOD_PATH=${target}`);
    expect(install.exitCode, install.all).toBe(0);
    const { stdout: modules } = await execa("find", [target, "-name", "daxfs.ko"]);
    expect(modules).toContain(`/lib/modules/${kernel.release}/`);
    const { stdout: aliases } = await execa("find", [target, "-name", "modules.alias"]);
    const { stdout: alias } = await execa("grep", ["fs-daxfs", aliases]);
    expect(alias).toMatch(/alias fs-daxfs daxfs/);
    const clean = await make(directory, "clean");
    expect(clean.exitCode, clean.all).toBe(0);
    expect((await readdir(directory)).sort()).toEqual(before);
  });
});
