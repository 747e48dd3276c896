// SPDX-License-Identifier: MIT
// Hard links of directory sources, on a filesystem whose link counts are wrong.
import { existsSync, linkSync, lstatSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ImageReader } from "@daxfs/format";
import { describe, expect, it } from "vitest";
import { build, sha256, start } from "./support/builder.js";
import { needsRoot, workspace } from "./support/workspace.js";

const disk = workspace(tmpdir());

describe("hard links on fuse-overlayfs", () => {
  it("are kept, and builds of an untouched tree are equal", async (context) => {
    needsRoot(context);
    if (!existsSync("/dev/fuse")) context.skip("there is no /dev/fuse");
    const lower = disk.directory("lower");
    // It looks into the directories of one that is listed, and no deeper.
    for (const name of ["a", "b", "c"]) disk.directory("lower", name, "b", "c");
    for (let index = 0; index < 20; index++) {
      writeFileSync(join(lower, "a/b/c", `${index}`), `content ${index}`);
      linkSync(join(lower, "a/b/c", `${index}`), join(lower, "b/b/c", `other ${index}`));
      if (index % 2 === 0)
        linkSync(join(lower, "a/b/c", `${index}`), join(lower, "c/b/c", `third ${index}`));
    }
    const merged = disk.directory("merged");
    const mount = async () => {
      const layers = `lowerdir=${lower},upperdir=${disk.directory("upper")}`;
      const options = `${layers},workdir=${disk.directory("work")}`;
      const { exitCode, stderr } = await start("fuse-overlayfs", ["-o", options, merged]);
      if (exitCode !== 0) context.skip(`fuse-overlayfs can't mount: ${stderr || "not installed"}`);
      disk.onEnd(() => disk.unmount(merged));
    };
    await mount();
    // The reason for all this: what lstat(2) says depends on what was looked at before.
    expect(lstatSync(join(merged, "a/b/c/0")).nlink).toBe(1);
    await disk.unmount(merged);
    await mount();

    const sums = new Set<string>();
    for (const image of [disk.path("first.daxfs"), disk.path("second.daxfs")]) {
      await build(merged, image);
      sums.add(await sha256(image));
      const reader = ImageReader.open(image);
      for (let index = 0; index < 20; index++) {
        const names = [`/a/b/c/${index}`, `/b/b/c/other ${index}`];
        if (index % 2 === 0) names.push(`/c/b/c/third ${index}`);
        for (const name of names) expect(reader.resolve(name)?.nlink, name).toBe(names.length);
      }
      reader.close();
    }
    expect(sums.size).toBe(1);
    await disk.unmount(merged);
  });
});
