// SPDX-License-Identifier: MIT
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, it, vi } from "vitest";
import type { OpenContext } from "../../../src/sources/context.js";
import { openPath } from "../../../src/sources/detect/detect.js";
import { DirectorySource } from "../../../src/sources/directory/directory-source.js";
import { TarSource } from "../../../src/sources/tar/tar-source.js";
import { ZipSource } from "../../../src/sources/zip/zip-source.js";
import { KINDS, packed } from "../../support/decompress.js";
import {
  contentsOf,
  hexOf,
  json,
  LayoutMaker,
  type Member,
  messageOf,
  needs,
  OCI,
  sha256,
  tagged,
  tarOf,
  testContext,
  writeFiles,
} from "../../support/image.js";
import { scratchDirectory } from "../../support/support.js";

const scratch = scratchDirectory();
const context = testContext();
let made = 0;

/** Writes a file of this content; gives its path. */
function fileOf(content: string | Buffer, name = `file${made++}`): string {
  writeFileSync(scratch(name), content);
  return scratch(name);
}

const open = (path: string, other: Partial<OpenContext> = {}) =>
  openPath(path, { ...context, ...other });

/** What is wrong with a path, which is "P" in the message. */
const refusal = async (path: string, other: Partial<OpenContext> = {}) =>
  (await messageOf(open(path, other))).replaceAll(path, "P");

const contents = async (path: string) => contentsOf((await open(path)).sources);

/** A fifo into which a command writes, as in `<(command)`. */
function fifoFrom(command: string): string {
  const path = scratch(`fifo${made++}`);
  execFileSync("mkfifo", [path]);
  spawn("sh", ["-c", `${command} > ${path}`], { stdio: "ignore" });
  return path;
}

const ROOTFS: readonly Member[] = [
  ["./", { type: "directory" }],
  ["./etc/", { type: "directory" }],
  ["./etc/hostname", "box"],
  ["./etc/.wh.gone", ""],
];
const ROOTFS_CONTENTS = [["/", "etc/", "etc/hostname=box", "etc/.wh.gone="]];

/** A layout of one image with a layer that is a whole archive. */
async function layoutOf(extra: Record<string, unknown> = {}): Promise<LayoutMaker> {
  const layout = new LayoutMaker();
  return layout.index([
    layout.image([await tarOf(["lower", "1"]), await tarOf(["upper", "2"])], extra),
  ]);
}
const LAYERS = [["lower=1"], ["upper=2"]];

describe("a directory", () => {
  it("is a tree", async () => {
    const directory = scratch("tree");
    writeFiles(directory, { "etc/hostname": "box", "manifest.json": "{}", "oci-layout": "x" });
    const { sources, image } = await open(directory);
    expect(image).toBeUndefined();
    expect(sources).toHaveLength(1);
    expect(sources[0]).toBeInstanceOf(DirectorySource);
    expect(sources[0]?.isLayer).toBe(false);
    expect((await contentsOf(sources))[0]).toContain("etc/hostname=box");
  });

  it("is an image when it is a layout", async () => {
    const directory = (await layoutOf()).writeTo(scratch("layout"));
    const { sources, image } = await open(directory);
    expect(image?.digest).toMatch(/^sha256:/);
    expect(sources.map(({ isLayer }) => isLayer)).toEqual([true, true]);
    expect(await contentsOf(sources)).toEqual(LAYERS);
  });

  it("is an image when it is an unpacked docker archive", async () => {
    const layer = await tarOf(["lower", "1"]);
    const config = json({ rootfs: { diff_ids: [sha256(layer)] } });
    const name = `${hexOf(sha256(config))}.json`;
    writeFiles(scratch("unpacked"), {
      [name]: config,
      "a/layer.tar": layer,
      "manifest.json": json([{ Config: name, Layers: ["a/layer.tar"] }]),
    });
    expect(await contents(scratch("unpacked"))).toEqual([["lower=1"]]);
  });
});

describe("a tar archive", () => {
  it("is one layer, compressed or not, without being unpacked to find out", async () => {
    const tar = await tarOf(...ROOTFS);
    const newSpool = vi.fn(context.newSpool);
    for (const archive of [tar, gzipSync(tar)]) {
      const { sources } = await open(fileOf(archive), { newSpool });
      expect(sources).toHaveLength(1);
      expect(sources[0]).toBeInstanceOf(TarSource);
      expect(sources[0]?.isLayer).toBe(true);
      expect(newSpool).not.toHaveBeenCalled();
      expect(await contentsOf(sources)).toEqual(ROOTFS_CONTENTS);
    }
  });

  it("may come through a pipe", async () => {
    const archive = fileOf(gzipSync(await tarOf(...ROOTFS)));
    const newSpool = vi.fn(context.newSpool);
    const { sources } = await open(fifoFrom(`cat ${archive}`), { newSpool });
    expect(newSpool).not.toHaveBeenCalled();
    expect(sources[0]?.isLayer).toBe(true);
    expect(await contentsOf(sources)).toEqual(ROOTFS_CONTENTS);
    for (const source of sources) source.close();
  });

  it("with files that are called as those of images are is no image", async () => {
    const like = await tarOf(
      ["manifest.json", '[{"Config":"gone.json","Layers":[]}]'],
      ["index.json", "{}"],
      ["repositories", "x"],
      [`${"a".repeat(64)}/VERSION`, "1.0"],
    );
    const expected = [expect.arrayContaining(["index.json={}", "repositories=x"])];
    const path = fileOf(like);
    expect(await contents(path)).toEqual(expected);
    expect(await contents(fileOf(gzipSync(like)))).toEqual(expected);
    expect(await contents(fifoFrom(`cat ${path}`))).toEqual(expected);
  });

  it("with nothing in it is one where it is a layer", async () => {
    const empty = Buffer.alloc(10_240);
    for (const layer of [empty, gzipSync(empty)]) {
      const layout = new LayoutMaker();
      const descriptor = layout.blob(layer, OCI.layer);
      layout.index([layout.image([{ descriptor, diffId: sha256(empty) }])]);
      expect(await contents(layout.writeTo(scratch(`nothing${made++}`)))).toEqual([[]]);
    }
    const id = "a".repeat(64);
    const legacy = await tarOf([`${id}/json`, json({ id })], [`${id}/layer.tar`, empty]);
    expect(await contents(fileOf(legacy))).toEqual([[]]);
  });

  it("may have headers and no entries", async () => {
    const comment = "52 comment=0123456789012345678901234567890123456789\n";
    const archive = await tarOf(["pax_global_header", comment]);
    archive[156] = "g".charCodeAt(0);
    archive.write("        ", 148);
    const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    archive.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    expect(await contents(fileOf(archive))).toEqual([[]]);
  });
});

describe("an image in a tar archive", () => {
  it("is known wherever its members lie, compressed or not, through a pipe or not", async () => {
    const files = Object.entries((await layoutOf()).files);
    const prefixed: Member[] = files.map(([name, content]) => [`./${name}`, content]);
    for (const members of [
      files,
      [...files].reverse(),
      [["./", { type: "directory" }], ...prefixed],
    ]) {
      const tar = await tarOf(...(members as Member[]));
      const path = fileOf(tar);
      expect(await contents(path)).toEqual(LAYERS);
      expect(await contents(fileOf(gzipSync(tar)))).toEqual(LAYERS);
      expect(await contents(fifoFrom(`cat ${path}`))).toEqual(LAYERS);
      expect(await contents(fifoFrom(`gzip -c ${path}`))).toEqual(LAYERS);
    }
  });

  it("is known behind other files", async () => {
    const files = Object.entries((await layoutOf()).files);
    expect(await contents(fileOf(await tarOf(["README", "hello"], ...files)))).toEqual(LAYERS);
  });

  it("keeps its layers where they lie when it is not compressed", async () => {
    const newSpool = vi.fn(context.newSpool);
    await open(fileOf(await (await layoutOf()).tar()), { newSpool });
    expect(newSpool).not.toHaveBeenCalled();
  });

  it("is chosen by tag or digest", async () => {
    const layout = new LayoutMaker();
    const one = layout.image([await tarOf(["one", ""])], tagged("one"));
    const two = layout.image([await tarOf(["two", ""])], tagged("x/two:2"));
    const tar = await layout.index([one, two]).tar();
    const path = fileOf(tar, "with:colon.tar");
    expect(await contents(`${path}:one`)).toEqual([["one="]]);
    expect(await contents(`${path}:x/two:2`)).toEqual([["two="]]);
    expect(await contents(`${path}:two:2`)).toEqual([["two="]]);
    expect(await contents(`${path}@${two.digest}`)).toEqual([["two="]]);
    expect(await contents(`${fifoFrom(`cat ${path}`)}:one`)).toEqual([["one="]]);
    expect(await refusal(path)).toBe(
      "P has several images: one, x/two:2 (choose one: PATH:TAG or PATH@DIGEST)",
    );
    // A path that is there is that path.
    copyFileSync(path, `${path}:one`);
    expect(await refusal(`${path}:one`)).toContain("P has several images");
  });

  it("may be a docker archive whose layers are links", async () => {
    const layer = await tarOf(["lower", "1"]);
    const config = json({ rootfs: { diff_ids: [sha256(layer), sha256(layer)] } });
    const archive = (target: string): Promise<Buffer> =>
      tarOf(
        ["a/layer.tar", { type: "symlink", linkname: target }],
        ["b/layer.tar", { type: "link", linkname: "x.tar" }],
        ["x.tar", layer],
        ["config.json", config],
        [
          "manifest.json",
          json([{ Config: "config.json", Layers: ["a/layer.tar", "b/layer.tar"] }]),
        ],
      );
    const expected = [["lower=1"], ["lower=1"]];
    expect(await contents(fileOf(await archive("../x.tar")))).toEqual(expected);
    for (const target of ["../../../etc/passwd", "/etc/passwd", "layer.tar"]) {
      expect(await refusal(fileOf(await archive(target)))).toBe(
        "P: layer a/layer.tar is not in the archive (save the image again)",
      );
    }
  });

  it("may be one of docker before 1.10", async () => {
    const [lower, upper] = ["a".repeat(64), "b".repeat(64)];
    const members: Member[] = [
      [`${upper}/`, { type: "directory" }],
      [`${upper}/json`, json({ id: upper, parent: lower })],
      [`${upper}/layer.tar`, await tarOf(["upper", "2"])],
      [`${lower}/json`, json({ id: lower })],
      [`${lower}/layer.tar`, await tarOf(["lower", "1"])],
    ];
    expect(await contents(fileOf(await tarOf(...members)))).toEqual(LAYERS);
    members.push(["repositories", json({ one: { latest: lower } })]);
    const path = fileOf(gzipSync(await tarOf(...members)));
    expect(await contents(`${path}:one:latest`)).toEqual([["lower=1"]]);
  });

  it("does not fill the disk beyond what --max-size allows", async () => {
    const { "index.json": index, ...files } = (await layoutOf()).files;
    const tar = await tarOf(["index.json", index ?? ""], ...Object.entries(files), [
      "padding",
      Buffer.alloc(600_000),
    ]);
    const limits = { maxSize: 1000, maxRatio: 10_000 };
    expect(await refusal(fileOf(gzipSync(tar)), { limits })).toBe(
      "P: it has more than 264144 bytes, twice what contents may have (raise --max-size)",
    );
  });
});

describe("layers of an image are verified:", () => {
  const one = (layer: Buffer, diffId: string, mediaType: string = OCI.layer) => {
    const layout = new LayoutMaker();
    const descriptor = layout.blob(layer, mediaType);
    return { layout: layout.index([layout.image([{ descriptor, diffId }])]), descriptor };
  };
  const directory = (layout: LayoutMaker) => layout.writeTo(scratch(`verified${made++}`));

  it("the diffID of what they unpack to", async () => {
    const tar = await tarOf(["a", "1"]);
    for (const layer of [tar, gzipSync(tar)]) {
      const good = directory(one(layer, sha256(tar)).layout);
      expect(await contents(good)).toEqual([["a=1"]]);
      const bad = directory(one(layer, sha256("other")).layout);
      const message = await messageOf(contents(bad));
      expect(message).toContain(`layer ${sha256(layer)}: `);
      expect(message).toContain(sha256(tar));
      expect(message).toContain(`not ${sha256("other")}`);
    }
  });

  it("and not called damaged where the image itself is wrong", async () => {
    const tar = await tarOf(["a", "1"]);
    const other = sha256("other");
    for (const kind of KINDS) {
      // As zstd:chunked has it: frames of data, and skippable ones that describe them.
      const skippable = Buffer.from("\x50\x2a\x4d\x18\x04\0\0\0toc.", "latin1");
      const layer = Buffer.concat([
        packed(kind, tar.subarray(0, 700)),
        packed(kind, tar.subarray(700)),
        ...(kind === "zstd" ? [skippable] : []),
      ]);
      const { layout, descriptor } = one(layer, other);
      expect((await messageOf(contents(directory(layout)))).replace(/^\S+ /, "")).toBe(
        `layer ${descriptor.digest}: it unpacks to ${sha256(tar)}, not ${other}, which the image's ` +
          "config says (the image was made wrong: build or push it anew)",
      );
      // Damage is found by the blob's own digest.
      const changed = Buffer.concat([layer.subarray(0, -1), Buffer.from("?")]);
      layout.files[`blobs/sha256/${hexOf(descriptor.digest)}`] = changed;
      expect(await messageOf(contents(directory(layout)))).toMatch(/ \(.*get it again\)$/);
    }
    // Where nothing is compressed the two are one.
    const plain = one(tar, sha256(tar));
    const changed = Buffer.from(tar);
    changed[512] = 0x32;
    plain.layout.files[`blobs/sha256/${hexOf(sha256(tar))}`] = changed;
    expect(await messageOf(contents(directory(plain.layout)))).toContain("get it again)");
  });

  it("their digests", async () => {
    const tar = await tarOf(["a", "1"]);
    const { layout, descriptor } = one(tar, sha256(tar));
    const changed = Buffer.from(tar);
    changed[512] = 0x32;
    layout.files[`blobs/sha256/${hexOf(descriptor.digest)}`] = changed;
    const message = await messageOf(contents(directory(layout)));
    expect(message).toContain(`layer ${descriptor.digest}: `);
    expect(message).toContain(`${sha256(changed)}, not ${descriptor.digest}`);
  });

  it("and told by their first bytes, whatever they are said to be", async () => {
    const tar = await tarOf(["a", "1"]);
    for (const [layer, mediaType] of [
      [gzipSync(tar), "application/vnd.oci.image.layer.v1.tar"],
      [gzipSync(tar), "application/vnd.oci.image.layer.v1.tar+zstd"],
      [tar, "application/vnd.docker.image.rootfs.diff.tar.gzip"],
    ] as const) {
      expect(await contents(directory(one(layer, sha256(tar), mediaType).layout))).toEqual([
        ["a=1"],
      ]);
    }
  });

  it("when the layers lie in a docker archive as well", async () => {
    const tar = await tarOf(["a", "1"]);
    const config = json({ rootfs: { diff_ids: [sha256("other")] } });
    const members: Member[] = [
      ["config.json", config],
      ["a.tar", tar],
      ["manifest.json", json([{ Config: "config.json", Layers: ["a.tar"] }])],
    ];
    const message = await messageOf(contents(fileOf(await tarOf(...members))));
    expect(message).toContain("layer a.tar: ");
    expect(message).toContain(`${sha256(tar)}, not ${sha256("other")}`);
  });
});

describe("bytes behind a compressed archive", () => {
  const warningsOf = async (path: string, said: Buffer) => {
    context.warnings.length = 0;
    expect(await contents(path)).toEqual([["a=1"]]);
    const size = said.length === 1 ? "1 byte" : `${said.length} bytes`;
    expect(context.warnings.map((text) => text.replace(/^\S+: (layer \S+: )?/, ""))).toEqual(
      said.length === 0 ? [] : [`left out ${size} behind the end of its gzip data`],
    );
  };

  it("are one warning, and zeros are none", async () => {
    const tar = await tarOf(["a", "1"]);
    for (const said of [Buffer.from("\n"), Buffer.from("<html>"), Buffer.alloc(0)]) {
      const bytes = Buffer.concat([gzipSync(tar), Buffer.alloc(1000), said]);
      await warningsOf(fileOf(bytes), said);
      await warningsOf(fifoFrom(`cat ${fileOf(bytes)}`), said);
      const layout = new LayoutMaker();
      layout.index([layout.image([tar])]);
      const image = Buffer.concat([gzipSync(await layout.tar()), said]);
      await warningsOf(fileOf(image), said);
      await warningsOf(fifoFrom(`cat ${fileOf(image)}`), said);
    }
  });

  it("are counted by the digest of a layer", async () => {
    const tar = await tarOf(["a", "1"]);
    const said = Buffer.from("something else");
    const layer = Buffer.concat([gzipSync(tar), said]);
    const layout = new LayoutMaker();
    const descriptor = layout.blob(layer, OCI.layer);
    layout.index([layout.image([{ descriptor, diffId: sha256(tar) }])]);
    await warningsOf(layout.writeTo(scratch(`junk${made++}`)), said);
    // Of the same length, so that only the digest can tell.
    layout.files[`blobs/sha256/${hexOf(descriptor.digest)}`] = Buffer.concat([
      gzipSync(tar),
      Buffer.from("something ELSE"),
    ]);
    const message = await messageOf(contents(layout.writeTo(scratch(`junk${made++}`))));
    expect(message).toContain(`layer ${descriptor.digest}: its digest is `);
  });
});

describe("a zip archive", () => {
  it("is known from a file and through a pipe", async (test) => {
    needs(test, "zip");
    writeFiles(scratch("tozip"), { "etc/hostname": "box" });
    execFileSync("zip", ["-qr", scratch("tree.dat"), "."], { cwd: scratch("tozip") });
    for (const path of [scratch("tree.dat"), fifoFrom(`cat ${scratch("tree.dat")}`)]) {
      const { sources } = await open(path);
      expect(sources[0]).toBeInstanceOf(ZipSource);
      expect((await contentsOf(sources))[0]).toContain("etc/hostname=box");
      for (const source of sources) source.close();
    }
  });
});

describe("what can't be used is refused by what it is:", () => {
  it("nothing", async () => {
    expect(await refusal(scratch("not there"))).toBe(
      "P: no such file or directory (give a path that exists; --from-docker and --from-oci take " +
        "images' references)",
    );
    expect(await refusal("alpine:3.19")).toContain("P: no such file or directory (");
    expect(await messageOf(open(""))).toBe("'' is not a path");
    expect(await messageOf(open("a\0b"))).toBe("'a\\x00b' is not a path");
    expect(await refusal(`${scratch("x")}/${"y".repeat(300)}`)).toContain("no such file");
  });

  it("empty files and pipes", async () => {
    const said = "P is empty (was it made by a command that failed?)";
    expect(await refusal(fileOf(""))).toBe(said);
    expect(await refusal(fileOf(gzipSync("")))).toBe(said);
    expect(await refusal(fifoFrom("true"))).toBe(said);
    expect(await refusal("/dev/null")).toBe(said);
  });

  it("files of other kinds", async () => {
    const at = (offset: number, bytes: string) =>
      Buffer.concat([Buffer.alloc(offset, 1), Buffer.from(bytes, "latin1"), Buffer.alloc(600)]);
    for (const [content, kind] of [
      [at(0, "\x7fELF\x02"), "an ELF program or library"],
      [at(0, "hsqs"), "a squashfs image (mount it and give the directory)"],
      [at(1080, "\x53\xef"), "an ext filesystem image (mount it and give the directory)"],
      [at(0, "070701"), "a cpio archive (unpack it and give the directory)"],
      [at(0, "!<arch>\ndebian-binary"), "an ar archive or Debian package (unpack it"],
      [Buffer.from("<html>\n<p>Not found"), 'text that begins with "<html>" (sources are'],
      [Buffer.from("{}"), 'text that begins with "{}" (sources are directories, tar and zip'],
      [at(0, "\x01\x02\x03\x04"), "not an archive: it begins with the bytes 0102030400000000 ("],
    ] as const) {
      expect(await refusal(fileOf(content))).toContain(`P is ${kind}`);
      expect(await refusal(fifoFrom(`cat ${fileOf(content)}`))).toContain(`P is ${kind}`);
    }
    expect(await refusal(fileOf(gzipSync("just text")))).toContain(
      'P is gzip-compressed, and inside text that begins with "just text" (',
    );
  });

  it("sockets", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(scratch("socket"), resolve));
    expect(await refusal(scratch("socket"))).toBe("P is a socket (give a directory or an archive)");
    server.close();
  });

  it("a choice where there is none", async () => {
    mkdirSync(scratch("plain"));
    for (const path of [scratch("plain"), fileOf(await tarOf(...ROOTFS))]) {
      expect((await messageOf(open(`${path}:latest`))).replaceAll(path, "P")).toBe(
        "P is not a container image, so there is no 'latest' in it (give only the path)",
      );
    }
  });
});

describe("a pipe that nothing comes from", () => {
  it("is given up with the build", async () => {
    const controller = new AbortController();
    const path = fifoFrom("sleep 60");
    const opened = open(path, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 100);
    await expect(opened).rejects.toThrow("enough");
  });
});
