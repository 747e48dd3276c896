// SPDX-License-Identifier: MIT
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { indexTar } from "../../../src/sources/tar/index-tar.js";
import { scratchDirectory } from "../../support/support.js";
import { archive, header, member, messageOf, run } from "../../support/tar.js";

const scratch = scratchDirectory();

/** Indexes an archive that lies in the middle of a file; what it finds as text. */
async function indexed(bytes: Buffer): Promise<Record<string, string>> {
  const around = Buffer.alloc(1000, "around");
  const file = Buffer.concat([around, bytes, around]);
  writeFileSync(scratch("file"), file);
  const index = await indexTar(scratch("file"), around.length, bytes.length, "image.tar");
  return Object.fromEntries(
    Array.from(index, ([path, { offset, size }]) => [
      path,
      file.toString("latin1", offset, offset + size),
    ]),
  );
}

const link = (name: string, linkName: string, type = "2") => header({ name, linkName, type });

describe("an index of an archive", () => {
  it("has its regular files, of a repeated one the last", async () => {
    const bytes = archive(
      member({ name: "./manifest.json" }, "first"),
      header({ name: "blobs/", type: "5" }),
      member({ name: "blobs//sha256/./x" }, "x".repeat(700)),
      member({ name: "empty" }),
      member({ name: "replaced" }, "file"),
      header({ name: "replaced/", type: "5" }),
      member({ name: "manifest.json" }, "second"),
    );
    expect(await indexed(bytes)).toEqual({
      "manifest.json": "second",
      "blobs/sha256/x": "x".repeat(700),
      empty: "",
    });
  });

  it("resolves links, before and behind what they lead to", async () => {
    const bytes = archive(
      link("id/layer.tar", "../sha.tar"),
      member({ name: "sha.tar" }, "layer"),
      link("absolute", "/sha.tar"),
      link("chain", "id/layer.tar"),
      link("hard", "./sha.tar", "1"),
      link("hard-to-symlink", "id/layer.tar", "1"),
      link("out", "../../../sha.tar"),
      link("dangling", "nothing"),
      link("loop-a", "loop-b"),
      link("loop-b", "loop-a"),
      link("self", "self"),
    );
    expect(await indexed(bytes)).toEqual({
      "id/layer.tar": "layer",
      "sha.tar": "layer",
      absolute: "layer",
      chain: "layer",
      hard: "layer",
      "hard-to-symlink": "layer",
      out: "layer",
    });
  });

  it("is what GNU tar and bsdtar mean", async () => {
    for (const program of ["tar", "bsdtar"]) {
      const root = scratch(`by-${program}`);
      run(["mkdir", "-p", `${root}/id`]);
      writeFileSync(`${root}/sha.tar`, "layer".repeat(1000));
      run(["ln", "-s", "../sha.tar", `${root}/id/layer.tar`]);
      const found = await indexed(run([program, "-C", root, "-cf", "-", "id", "sha.tar"]));
      expect(found).toEqual({
        "id/layer.tar": "layer".repeat(1000),
        "sha.tar": "layer".repeat(1000),
      });
    }
  });

  it("refuses what it can't make", async () => {
    expect(await messageOf(indexed(Buffer.alloc(700, 1)))).toBe("image.tar: is not a tar archive");
    expect(await messageOf(indexed(archive(header({ name: "blob", size: 9000 }))))).toBe(
      "image.tar: ends inside blob: 7976 bytes are missing (get the archive again)",
    );
    const sparse = header({ name: "blob", type: "S", magic: "gnu", raw: { 483: "00000010000\0" } });
    // A rootfs tarball that only looks like an image's may have some.
    expect(await indexed(archive(sparse))).toEqual({});
  });
});
