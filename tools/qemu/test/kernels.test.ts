// SPDX-License-Identifier: MIT
import { access, appendFile, copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { beforeAll, describe, expect, it } from "vitest";
import {
  buildModule,
  fetchCheckpatch,
  fetchKernel,
  findBuildWarnings,
  KERNEL_FLAVOURS,
  type Kernel,
  type KernelFlavour,
  moduleFileName,
  moduleInfo,
  readModule,
  resolveModules,
} from "../src/index.js";
import { CACHE, temporaryDirectory, writeModule } from "./support.js";

const RELEASES: Record<KernelFlavour, RegExp> = {
  "6.1": /^6\.1\.0-\d+-amd64$/,
  "6.12": /^6\.12\.\d+\+deb12(\.\d+)?-amd64$/,
  "7.2": /^7\.2\.\d+\+deb14(\.\d+)?-amd64$/,
};

let directory: string;
let kernel: Kernel;

beforeAll(async () => {
  directory = await temporaryDirectory();
  kernel = await fetchKernel("6.1", CACHE);
});

describe.each(KERNEL_FLAVOURS)("the kernel %s", (flavour) => {
  let kernel: Kernel;

  beforeAll(async () => {
    kernel = await fetchKernel(flavour, CACHE);
  });

  it("comes with image, modules and headers", async () => {
    expect(kernel.release).toMatch(RELEASES[flavour]);
    expect((await readFile(kernel.image)).toString("latin1", 0x202, 0x206)).toBe("HdrS");
    await access(join(kernel.headersDirectory, ".config"));
    const [overlay] = await resolveModules(kernel, ["overlay"], []);
    expect(moduleInfo(await readModule(overlay ?? "")).get("vermagic")).toContain(kernel.release);
  });

  it("has its modules put after what they need, without what is built in", async () => {
    const paths = await resolveModules(kernel, ["vgem", "backlight"], []);
    const names = paths.map(moduleFileName);
    expect(names.at(-1)).toBe("vgem.ko");
    expect(names.indexOf("drm.ko")).toBeGreaterThanOrEqual(0);
    expect(names.indexOf("drm.ko")).toBeLessThan(names.indexOf("drm_shmem_helper.ko"));
  });

  it("has a module built, without a warning under W=1, and the sources are left alone", async () => {
    const source = await writeModule(join(directory, flavour), "plain", "\treturn 0;");
    const out = join(directory, flavour, "out");
    const path = await buildModule(kernel, source, out, { extraWarnings: true });
    expect(path).toBe(join(out, "plain.ko"));
    expect(moduleInfo(await readFile(path)).get("vermagic")).toContain(kernel.release);
    const { stdout } = await execa("ls", [source]);
    expect(stdout.split("\n")).toEqual(["Makefile", "plain.c"]);
  });

  it("has the compiler's errors shown", async () => {
    const source = await writeModule(join(directory, flavour), "broken", "\treturn nothing;");
    await expect(buildModule(kernel, source, directory)).rejects.toThrow(/broken\.c.*nothing/s);
  });
});

describe("fetchKernel", () => {
  it("finds the cached kernel again when asked twice at once", async () => {
    const [one, two] = await Promise.all([fetchKernel("6.1", CACHE), fetchKernel("6.1", CACHE)]);
    expect(one).toEqual(kernel);
    expect(two).toEqual(kernel);
  });

  it.each(KERNEL_FLAVOURS)(
    "says what to do when apt has no package lists, for %s",
    async (flavour) => {
      const before = process.env.APT_CONFIG;
      const configuration = join(directory, "apt.conf");
      await appendFile(configuration, `Dir::State::lists "${directory}/lists";\n`);
      await appendFile(configuration, `Dir::Cache "${directory}/apt-cache";\n`);
      process.env.APT_CONFIG = configuration;
      try {
        await expect(fetchKernel(flavour, join(directory, "cache"))).rejects.toThrow(
          /^apt knows no .* kernel.*run apt-get update/,
        );
        // What is in the cache stays usable.
        await access((await fetchKernel(flavour, CACHE)).image);
      } finally {
        if (before === undefined) delete process.env.APT_CONFIG;
        else process.env.APT_CONFIG = before;
      }
    },
  );
});

describe("buildModule", () => {
  it("throws on a warning, and on one of W=1 when asked to", async () => {
    const unused = await writeModule(directory, "unused", "\tint unused;\n\n\treturn 0;");
    await expect(buildModule(kernel, unused, directory)).rejects.toThrow(/unused variable/);
    const cautious = await writeModule(directory, "cautious", "\treturn 0;");
    await appendFile(join(cautious, "cautious.c"), "int undeclared(void) { return 0; }\n");
    await buildModule(kernel, cautious, directory);
    const strict = buildModule(kernel, cautious, directory, { extraWarnings: true });
    await expect(strict).rejects.toThrow(/no previous prototype/);
  });

  it("tells modpost's and objtool's warnings from notes", () => {
    const output = [
      "WARNING: modpost: missing MODULE_LICENSE() in a.o",
      "a.o: warning: objtool: f() falls through to next function g()",
      "Skipping BTF generation for a.ko due to unavailability of vmlinux",
    ];
    expect(findBuildWarnings(output.join("\n"))).toEqual(output.slice(0, 2));
  });
});

describe("modules", () => {
  it.each([
    ["xz", ".xz"],
    ["zstd", ".zst"],
  ])("are read where %s compressed them", async (program, suffix) => {
    const [overlay = ""] = await resolveModules(kernel, ["overlay"], []);
    const copy = join(directory, "overlay.ko");
    await copyFile(overlay, copy);
    await execa(program, ["--keep", copy]);
    expect(await readModule(`${copy}${suffix}`)).toEqual(await readFile(overlay));
  });

  it("that are missing are named", async () => {
    await expect(resolveModules(kernel, ["no-such"], [])).rejects.toThrow(/no module no-such/);
  });
});

describe("fetchCheckpatch", () => {
  it("gives a checkpatch.pl that runs", async () => {
    const checkpatch = await fetchCheckpatch(CACHE);
    const source = await writeModule(directory, "styled", "\treturn 0;");
    const file = join(source, "styled.c");
    const { stdout } = await execa("perl", [checkpatch, "--no-tree", "--file", file]);
    expect(stdout).toContain("total: 0 errors, 0 warnings");
  });
});
