// SPDX-License-Identifier: MIT
import { access, appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { beforeAll, describe, expect, it } from "vitest";
import {
  buildModule,
  fetchCheckpatch,
  fetchKernel,
  findBuildWarnings,
  type Kernel,
  moduleInfo,
  resolveModules,
} from "../src/index.js";
import { CACHE, temporaryDirectory, writeModule } from "./support.js";

let directory: string;
let kernel: Kernel;

beforeAll(async () => {
  directory = await temporaryDirectory();
  kernel = await fetchKernel("6.1", CACHE);
});

describe("fetchKernel", () => {
  it("unpacks image, modules and headers", async () => {
    expect(kernel.release).toMatch(/^6\.1\.0-\d+-amd64$/);
    await access(kernel.image);
    await access(join(kernel.modulesDirectory, "kernel/fs/overlayfs/overlay.ko"));
    await access(join(kernel.headersDirectory, ".config"));
  });

  it("finds the cached kernel again when asked twice at once", async () => {
    const [one, two] = await Promise.all([fetchKernel("6.1", CACHE), fetchKernel("6.1", CACHE)]);
    expect(one).toEqual(kernel);
    expect(two).toEqual(kernel);
  });

  it("says what to do when apt has no package lists", async () => {
    const before = process.env.APT_CONFIG;
    const configuration = join(directory, "apt.conf");
    await appendFile(configuration, `Dir::State::lists "${directory}/lists";\n`);
    await appendFile(configuration, `Dir::Cache "${directory}/apt-cache";\n`);
    process.env.APT_CONFIG = configuration;
    try {
      await expect(fetchKernel("6.1", join(directory, "cache"))).rejects.toThrow(
        /run apt-get update/,
      );
      // What is in the cache stays usable.
      expect(await fetchKernel("6.1", CACHE)).toEqual(kernel);
    } finally {
      if (before === undefined) delete process.env.APT_CONFIG;
      else process.env.APT_CONFIG = before;
    }
  });
});

describe("buildModule", () => {
  it("builds without and with further warnings, and leaves the sources alone", async () => {
    const source = await writeModule(directory, "plain", "\treturn 0;");
    const path = await buildModule(kernel, source, join(directory, "out"), { extraWarnings: true });
    expect(path).toBe(join(directory, "out/plain.ko"));
    expect(moduleInfo(await readFile(path)).get("vermagic")).toContain(kernel.release);
    const { stdout } = await execa("ls", [source]);
    expect(stdout.split("\n")).toEqual(["Makefile", "plain.c"]);
  });

  it("throws with the compiler's output on an error", async () => {
    const source = await writeModule(directory, "broken", "\treturn nothing;");
    await expect(buildModule(kernel, source, directory)).rejects.toThrow(/broken\.c.*nothing/s);
  });

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

describe("resolveModules", () => {
  it("puts modules after what they need and leaves out what is built in", async () => {
    const paths = await resolveModules(kernel, ["vgem", "serial_core"], []);
    const names = paths.map((path) => path.replace(/.*\//, ""));
    expect(names.at(-1)).toBe("vgem.ko");
    expect(names.indexOf("drm.ko")).toBeLessThan(names.indexOf("drm_shmem_helper.ko"));
  });

  it("names a module that is missing", async () => {
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
