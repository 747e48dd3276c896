// SPDX-License-Identifier: MIT
import { access, appendFile, copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { beforeAll, describe, expect, it } from "vitest";
import {
  buildModule,
  fetchCheckpatch,
  fetchKernel,
  findBuildWarnings,
  isSince,
  KERNEL_ROLES,
  type Kernel,
  kernelRole,
  moduleFileName,
  moduleInfo,
  readModule,
  resolveModules,
} from "../src/index.js";
import { extractVmlinux } from "../src/vmlinux.js";
import { CACHE, temporaryDirectory, writeModule } from "./support.js";

let directory: string;
let kernel: Kernel;

beforeAll(async () => {
  directory = await temporaryDirectory();
  kernel = await fetchKernel("oldest", CACHE);
});

describe.each(KERNEL_ROLES)("the %s kernel", (role) => {
  let kernel: Kernel;

  beforeAll(async () => {
    kernel = await fetchKernel(role, CACHE);
  });

  it("comes with image, modules and headers", async () => {
    expect(kernel.release).toMatch(/^\d+\.\d+\..*-amd64$/);
    expect(kernel.release.startsWith(`${kernel.series}.`)).toBe(true);
    expect((await readFile(kernel.image)).toString("latin1", 0x202, 0x206)).toBe("HdrS");
    const vmlinux = await readFile(kernel.vmlinux ?? "");
    expect(vmlinux.toString("latin1", 0, 4)).toBe("\x7fELF");
    expect(vmlinux.includes(`Linux version ${kernel.release} `)).toBe(true);
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
    const source = await writeModule(join(directory, role), "plain", "\treturn 0;");
    const out = join(directory, role, "out");
    const path = await buildModule(kernel, source, out, { extraWarnings: true });
    expect(path).toBe(join(out, "plain.ko"));
    expect(moduleInfo(await readFile(path)).get("vermagic")).toContain(kernel.release);
    const { stdout } = await execa("ls", [source]);
    expect(stdout.split("\n")).toEqual(["Makefile", "plain.c"]);
  });

  it("has the compiler's errors shown", async () => {
    const source = await writeModule(join(directory, role), "broken", "\treturn nothing;");
    await expect(buildModule(kernel, source, directory)).rejects.toThrow(/broken\.c.*nothing/s);
  });
});

describe("fetchKernel", () => {
  it("finds the cached kernel again when asked twice at once", async () => {
    const [one, two] = await Promise.all([
      fetchKernel("oldest", CACHE),
      fetchKernel("oldest", CACHE),
    ]);
    expect(one).toEqual(kernel);
    expect(two).toEqual(kernel);
  });

  it("finds kernels in the order of their roles", async () => {
    const kernels = await Promise.all(KERNEL_ROLES.map((role) => fetchKernel(role, CACHE)));
    expect(kernels.map((one) => kernelRole(one.series) ?? "newest")).toEqual(KERNEL_ROLES);
    expect(kernels.map((one) => isSince(one, "6.12"))).toEqual([false, true, true]);
    expect(isSince({ release: "7.10.2-amd64" }, "7.9")).toBe(true);
    expect(isSince({ release: "6.12.95+deb12-amd64" }, "7.0")).toBe(false);
  });
});

describe("a bzImage whose kernel can't be had", () => {
  it("is refused with the reason", async () => {
    const path = join(directory, "image");
    await writeFile(path, "no kernel at all");
    await expect(extractVmlinux(path)).rejects.toThrow(/is not a bzImage$/);
    const image = await readFile(kernel.image);
    const payload = image.indexOf(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]));
    expect(payload).toBeGreaterThan(0);
    await writeFile(path, image.fill("strange", payload, payload + 7));
    await expect(extractVmlinux(path)).rejects.toThrow(/unknown compression.* 737472616e67$/);
  });
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
