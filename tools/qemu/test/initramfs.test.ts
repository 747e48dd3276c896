// SPDX-License-Identifier: MIT
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { beforeAll, describe, expect, it } from "vitest";
import { buildInitramfs, fetchKernel } from "../src/index.js";
import { CACHE, temporaryDirectory } from "./support.js";

let directory: string;
let archive: Buffer;
let listing: Map<string, string>;

beforeAll(async () => {
  directory = await temporaryDirectory();
  await writeFile(join(directory, "host-file"), "from the host\n", { mode: 0o640 });
  archive = await buildInitramfs({
    kernel: await fetchKernel("oldest", CACHE),
    init: "#!/bin/sh\n",
    files: [
      { guestPath: "/deep/down/file", content: Buffer.from([0, 1, 255]), mode: 0o600 },
      { guestPath: "/etc/host", hostPath: join(directory, "host-file") },
    ],
    programs: ["getfattr"],
    kernelModules: ["vgem"],
  });
  const { stdout } = await execa("cpio", ["-itv", "--numeric-uid-gid"], { input: archive });
  listing = new Map(
    stdout.split("\n").map((line) => {
      const [mode = ""] = line.split(" ", 1);
      const name = line.replace(/^.*\d\d(?:\d\d|:\d\d) (\S+)(?: -> .*)?$/, "$1");
      return [name, `${mode} ${/ -> (.*)$/.exec(line)?.[1] ?? ""}`.trim()];
    }),
  );
});

async function content(path: string): Promise<Buffer> {
  const { stdout } = await execa("cpio", ["-i", "--to-stdout", path], {
    input: archive,
    encoding: "buffer",
    stripFinalNewline: false,
  });
  return Buffer.from(stdout);
}

describe("buildInitramfs", () => {
  it("has busybox, its links and what the kernel looks for", () => {
    expect(listing.get("bin/busybox")).toBe("-rwxr-xr-x");
    expect(listing.get("bin/sh")).toBe("lrwxrwxrwx busybox");
    expect(listing.get("bin/mount")).toBe("lrwxrwxrwx busybox");
    expect(listing.get("init")).toBe("-rwxr-xr-x");
    expect(listing.get("dev/console")).toBe("crw-------");
    expect(listing.get("tmp")).toBe("drwxrwxrwt");
    expect(listing.get("proc")).toBe("drwxr-xr-x");
  });

  it("has the given files with their modes, and their directories", async () => {
    expect(listing.get("deep/down")).toBe("drwxr-xr-x");
    expect(listing.get("deep/down/file")).toBe("-rw-------");
    expect(await content("deep/down/file")).toEqual(Buffer.from([0, 1, 255]));
    expect(listing.get("etc/host")).toBe("-rw-r-----");
    expect((await content("etc/host")).toString()).toBe("from the host\n");
  });

  it("has programs with their libraries", async () => {
    expect(await content("usr/local/bin/getfattr")).toEqual(await readFile("/usr/bin/getfattr"));
    expect(listing.has("lib64/ld-linux-x86-64.so.2")).toBe(true);
    expect([...listing.keys()].some((path) => /\/libc\.so\.6$/.test(path))).toBe(true);
  });

  it("has modules in the order of loading", async () => {
    const list = (await content("vm/modules/modules.list")).toString().trim().split("\n");
    expect(list.at(-1)).toBe("vgem.ko");
    expect(list).toContain("drm.ko");
    for (const name of list) expect(listing.has(`vm/modules/${name}`)).toBe(true);
  });
});
