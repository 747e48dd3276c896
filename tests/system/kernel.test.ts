// SPDX-License-Identifier: MIT
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  BUILD_ROOT_MODULE,
  fetchCheckpatch,
  fetchKernel,
  findBuildWarnings,
  KERNEL_ROLES,
  type Kernel,
  runMake,
} from "@daxfs/qemu";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const cache = join(root, ".cache");
const FETCH_TIMEOUT = 600_000;

let work: string;
/** A PATH on which node fails. */
let path: string;

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "daxfs-kernel-"));
  const traps = join(work, "traps");
  await mkdir(traps);
  for (const program of ["node", "npm", "pnpm"]) {
    await writeFile(join(traps, program), "#!/bin/sh\necho 'Node was called' >&2\nexit 1\n");
    await chmod(join(traps, program), 0o755);
  }
  path = `${traps}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin`;
});

afterAll(async () => {
  await rm(work, { recursive: true, force: true });
});

/** A copy of the module's sources without what an earlier build may have left there. */
async function sources(name: string): Promise<string> {
  const copy = join(work, name);
  const ours = ["--cached", "--others", "--exclude-standard", "--deduplicate"];
  const { stdout } = await execa("git", ["ls-files", ...ours, "kernel"], { cwd: root });
  for (const file of stdout.split("\n")) await cp(join(root, file), join(copy, file));
  return join(copy, "kernel");
}

/** Why sparse can't be run with a kernel's headers, or undefined if it can. */
async function reasonWithoutSparse(kernel: Kernel): Promise<string | undefined> {
  const parent = join(kernel.headersDirectory, "..");
  const common = (await readdir(parent)).find((name) => name.endsWith("-common"));
  if (common === undefined) throw new Error(`${parent} has no headers common to all flavours`);
  const makefile = await readFile(join(parent, common, "Makefile"), "utf8");
  const script = "scripts/checker-valid.sh";
  if (makefile.includes(script) && !existsSync(join(parent, common, script))) {
    // C=2 says then that sparse is missing, whatever is installed.
    return `Debian's headers of ${kernel.series} lack ${script}`;
  }
  if (kernel.buildRoot !== undefined && !existsSync(join(kernel.buildRoot, "usr/bin/sparse"))) {
    return `${kernel.release} is built in a Debian of its own, which has no sparse`;
  }
  return undefined;
}

describe.each(KERNEL_ROLES)("the module's sources, for the %s kernel", (role) => {
  let kernel: Kernel;
  let directory: string;
  let output: string;
  let noSparse: string | undefined;

  beforeAll(async () => {
    kernel = await fetchKernel(role, cache);
    directory = await sources(role);
    noSparse = await reasonWithoutSparse(kernel);
  }, FETCH_TIMEOUT);

  test("build without a warning under W=1", async () => {
    const words = ["W=1", ...(noSparse === undefined ? ["C=2"] : [])];
    const build = await runMake(kernel, directory, words, path);
    ({ output } = build);
    expect(build.failed, output).toBe(false);
    expect(findBuildWarnings(output)).toEqual([]);
    expect(output).toMatch(/CC .*image\.o/);
  });

  test("are clean under sparse", ({ skip }) => {
    if (noSparse !== undefined) skip(noSparse);
    // In the same build: its warnings are among those.
    expect(output).toMatch(/CHECK .*image\.c/);
  });

  test("install where they are told, and leave nothing behind make clean", async () => {
    const target = join(directory, "target");
    const seen = kernel.buildRoot === undefined ? target : `${BUILD_ROOT_MODULE}/target`;
    const words = ["install", "W=1", `INSTALL_MOD_PATH=${seen}`];
    const install = await runMake(kernel, directory, words, path);
    expect(install.failed, install.output).toBe(false);
    // Some kernels want their modules compressed.
    const { stdout: modules } = await execa("find", [target, "-name", "daxfs.ko*"]);
    expect(modules).toContain(`/lib/modules/${kernel.release}/`);
    const { stdout: aliases } = await execa("find", [target, "-name", "modules.alias"]);
    const { stdout: alias } = await execa("grep", ["fs-daxfs", aliases]);
    expect(alias).toMatch(/alias fs-daxfs daxfs/);

    await rm(target, { recursive: true });
    const clean = await runMake(kernel, directory, ["clean"], path);
    expect(clean.failed, clean.output).toBe(false);
    expect((await readdir(directory)).sort()).toEqual(
      (await readdir(await sources(`${role}-untouched`))).sort(),
    );
  });
});

describe("the module's sources", () => {
  /** Builds a copy that doesn't compile, and that was tested up to the given series. */
  async function failToBuild(name: string, tested: string): Promise<string> {
    const kernel = await fetchKernel("oldest", cache);
    const directory = await sources(name);
    const header = join(directory, "compat.h");
    const text = await readFile(header, "utf8");
    const newest = /^#define DAXFS_NEWEST_TESTED ".*"$/m;
    expect(text).toMatch(newest);
    const changed = text.replace(newest, `#define DAXFS_NEWEST_TESTED "${tested}"`);
    await writeFile(header, `${changed}\n#error a changed interface\n`);
    const { failed, output } = await runMake(kernel, directory, [], path);
    expect(failed).toBe(true);
    expect(output).toContain("a changed interface");
    return output;
  }

  test("say which file to change when a kernel is too new for them", async () => {
    expect(await failToBuild("too-new", "5.19")).toMatch(
      /^daxfs does not build for Linux 6\.1 yet \(tested up to 5\.19\): .* kernel\/compat\.h$/m,
    );
  });

  test("say nothing of the kernel's age when that is not the reason", async () => {
    expect(await failToBuild("known", "6.1")).not.toContain("daxfs does not build");
  });

  test("are found wanting by sparse when they mix byte orders", async () => {
    const directory = await sources("sparse");
    await writeFile(
      join(directory, "inode.c"),
      '#include "image.h"\nu32 daxfs_wrong(const struct daxfs_inode *raw);\n' +
        "u32 daxfs_wrong(const struct daxfs_inode *raw)\n{\n\treturn raw->ino;\n}\n",
    );
    const { output } = await runMake(await fetchKernel("oldest", cache), directory, ["C=2"], path);
    expect(output).toMatch(/incorrect type|restricted __le32/);
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
      .filter((line) => !(line.startsWith("compat.h:") && line.includes("LINUX_VERSION_CODE")))
      // It takes the end of "define_trace.h", which has to be included, for the file's own name.
      .filter((line) => !(line.startsWith("trace.h:") && line.includes("EMBEDDED_FILENAME")));
    expect(complaints).toEqual([]);
    expect(run.all).toMatch(/total: 0 errors/);
  });
});
