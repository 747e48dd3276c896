// SPDX-License-Identifier: MIT
// Archives of a Debian root filesystem and of a tree with one of everything: what comes of them is
// what comes of the directory itself, less what the format of the archive can't hold.
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { FILE_TYPE } from "@daxfs/format";
import { beforeAll, describe, expect, it, type TestContext } from "vitest";
import { DECORATION, decorate } from "../support/decoration.js";
import { CACHE } from "../support/environment.js";
import { debianRootfs } from "../support/rootfs.js";
import {
  type Loss,
  needsProgramsOf,
  otherField,
  specialPaths,
  through,
  wholeSeconds,
  withoutHardLinks,
  withoutPaths,
  withoutRoot,
  withoutSpecialFiles,
  withoutTypes,
  withoutXattrs,
} from "./support/archives.js";
import { bash, build, COMMAND, mkdaxfs, sha256 } from "./support/builder.js";
import { makeSmallTree } from "./support/trees.js";
import { imageTree, type Tree } from "./support/umoci.js";
import { IS_ROOT, MEMORY, needsRoot, workspace } from "./support/workspace.js";

/** On a disk: a filesystem in memory need not have attributes. */
const disk = workspace(tmpdir());
const memory = workspace(MEMORY);

interface Format {
  /** `$1` is the tree, `$2` the archive. */
  readonly command: string;
  /** What the archive can't hold, by name. */
  readonly losses: readonly Loss[];
}

const PAX = 'tar -C "$1" --format=pax --xattrs --xattrs-include="*" --acls -cf "$2" .';
const NO_SOCKETS = withoutTypes(FILE_TYPE.SOCKET);

const TAR: Readonly<Record<string, Format>> = {
  "GNU tar, PAX": { command: PAX, losses: [NO_SOCKETS] },
  "GNU tar, PAX, sparse 1.0": { command: `${PAX} --sparse`, losses: [NO_SOCKETS] },
  "GNU tar, PAX, sparse 0.1": {
    command: `${PAX} --sparse --sparse-version=0.1`,
    losses: [NO_SOCKETS],
  },
  "GNU tar, PAX, sparse 0.0": {
    command: `${PAX} --sparse --sparse-version=0.0`,
    losses: [NO_SOCKETS],
  },
  "GNU tar, its own format": {
    command: 'tar -C "$1" --format=gnu -cf "$2" .',
    losses: [NO_SOCKETS, wholeSeconds, withoutXattrs],
  },
  "GNU tar, its own format, sparse": {
    command: 'tar -C "$1" --format=gnu --sparse -cf "$2" .',
    losses: [NO_SOCKETS, wholeSeconds, withoutXattrs],
  },
  "bsdtar, PAX": {
    command: `cd "$1"; find . ! -type s -print0 |
      bsdtar --format pax --xattrs --acls -cf "$2" --no-recursion --null -T -`,
    losses: [NO_SOCKETS],
  },
};

const ZIP_LOSSES = [withoutSpecialFiles, withoutXattrs, withoutHardLinks(), wholeSeconds];
const ZIP: Readonly<Record<string, Format>> = {
  zip: {
    command: 'cd "$1"; zip -qry "$2" . -x "*back?slash*" "*/devices/?*"',
    losses: [...ZIP_LOSSES, withoutRoot],
  },
  "zip, without compression": {
    command: 'cd "$1"; zip -qry0 "$2" . -x "*back?slash*" "*/devices/?*"',
    losses: [...ZIP_LOSSES, withoutRoot],
  },
  "bsdtar, zip": {
    command: `cd "$1"; find . \\( -type f -o -type d -o -type l \\) ! -name '*\\\\*' -print0 |
      bsdtar --format zip -cf "$2" --no-recursion --null -T -`,
    losses: ZIP_LOSSES,
  },
};

function expectSame(found: Tree, source: Tree, losses: readonly Loss[]): void {
  const expected = through(source, ...losses);
  // A root that had to be made has a time of its own.
  const actual = losses.includes(withoutRoot) ? withoutRoot(found) : found;
  expect([...actual.keys()]).toEqual([...expected.keys()]);
  const differing = [...expected].filter(
    ([path, fields]) =>
      JSON.stringify([...fields].sort()) !== JSON.stringify([...actual.get(path)!].sort()),
  );
  expect(differing.map(([path]) => [path, Object.fromEntries(actual.get(path)!)])).toEqual(
    differing.map(([path, fields]) => [path, Object.fromEntries(fields)]),
  );
}

/** Builds from an archive that comes through a pipe. */
const buildPiped = (archive: string, image: string) =>
  bash(
    'cat "$3" | SOURCE_DATE_EPOCH= "$1" "$2" -q - -o "$4"',
    ...[process.execPath, COMMAND, archive, image],
  );

/** A tree and the image of it; only root has them. */
interface Original {
  readonly directory: string;
  readonly tree: Tree;
}

async function original(directory: string, name: string): Promise<Original> {
  const image = memory.path(`${name}.daxfs`);
  await build(directory, image);
  return { directory, tree: imageTree(image) };
}

async function expectFromArchive(
  { directory, tree }: Original,
  { command, losses }: Format,
  context: TestContext,
): Promise<void> {
  await needsProgramsOf(command, context);
  const archive = memory.path("archive.file");
  const image = memory.path("archive.daxfs");
  await bash(`rm -f "$2"; ${command}`, directory, archive);
  await build(archive, image);
  expectSame(imageTree(image), tree, losses);
}

describe("a Debian root filesystem", () => {
  let rootfs: Original;
  beforeAll(async () => {
    if (!IS_ROOT) return;
    rootfs = await original(await debianRootfs(CACHE), "rootfs");
    expect(rootfs.tree.size).toBeGreaterThan(5000);
  }, 600_000);

  it.for(Object.entries({ ...TAR, ...ZIP }))("comes back from %s", async ([, format], context) => {
    needsRoot(context);
    await expectFromArchive(rootfs, format, context);
  });

  it("comes to the same image byte for byte, from tar in a file and through a pipe", async (context) => {
    needsRoot(context);
    const archive = memory.path("same.tar");
    await bash(PAX, rootfs.directory, archive);
    const images = ["directory", "file", "pipe"].map((name) => memory.path(`${name}.daxfs`));
    const [fromDirectory, fromFile, fromPipe] = images as [string, string, string];
    await build(rootfs.directory, fromDirectory);
    await build(archive, fromFile);
    await buildPiped(archive, fromPipe);
    await bash('cmp "$1" "$2"; cmp "$1" "$3"; rm "$4"', ...images, archive);
  });

  it("comes to the same image from zip in a file and through a pipe", async (context) => {
    needsRoot(context);
    await needsProgramsOf("zip", context);
    const archive = memory.path("same.zip");
    const piped = memory.path("pipe.daxfs");
    const image = memory.path("file.daxfs");
    await bash(ZIP.zip!.command, rootfs.directory, archive);
    await build(archive, image);
    await buildPiped(archive, piped);
    await bash('cmp "$1" "$2"; rm "$3"', image, piped, archive);
  });
});

describe("a tree with one of everything", () => {
  const [ACLS, DEVICES, LINKS, TIMES] = ["acls", "devices", "links", "times"].map(
    (name) => `${DECORATION}/${name}`,
  );
  const FAR = `${TIMES}/far`;
  const BACKSLASH = `${DECORATION}/names/back\\slash`;
  let everything: Original;
  beforeAll(async () => {
    if (!IS_ROOT) return;
    const directory = disk.directory("everything");
    await decorate(directory, disk.directory("programs"));
    everything = await original(directory, "everything");
  }, 120_000);

  it("has what archives lose", (context) => {
    needsRoot(context);
    const named = (...types: number[]) => specialPaths(everything.tree, types);
    expect(named(FILE_TYPE.SOCKET)).toEqual([`${DEVICES}/socket`]);
    expect(named(FILE_TYPE.FIFO)).toEqual([
      `${DEVICES}/fifo`,
      `${LINKS}/a/fifo-too`,
      `${LINKS}/fifo`,
    ]);
    expect(named(FILE_TYPE.BLOCK_DEVICE, FILE_TYPE.CHARACTER_DEVICE)).toEqual(
      ["block", "largest", "loop", "null"].map((name) => `${DEVICES}/${name}`),
    );
    const fields = [...everything.tree.values()].flatMap((all) => [...all]);
    expect(fields.filter(([field]) => field.startsWith("xattr ")).length).toBeGreaterThan(60);
    expect(fields.filter(([field, count]) => field === "nlink" && count === "4")).not.toEqual([]);
    expect(everything.tree.get(FAR)?.get("mtime")).toBe("9214646399999999999");
    expect(everything.tree.has(BACKSLASH)).toBe(true);
  });

  it.for(Object.entries(TAR))("comes back from %s", async ([name, format], context) => {
    needsRoot(context);
    const more = name.startsWith("GNU")
      ? // GNU tar does not look for hard links among fifos.
        [withoutHardLinks(`${LINKS}/fifo`, `${LINKS}/a/fifo-too`)]
      : // bsdtar writes -1.000000001 s as -2 and .999999999, which reads as -2.999999999.
        [
          otherField(`${TIMES}/before-1970`, "mtime", "-1475085172123456789"),
          otherField(`${TIMES}/just-before`, "mtime", "-1000000001"),
        ];
    const losses = [...format.losses, ...more];
    await expectFromArchive(everything, { ...format, losses }, context);
  });

  it.for(Object.entries(ZIP))("comes back from %s", async ([name, format], context) => {
    needsRoot(context);
    const losses = [
      ...format.losses,
      withoutPaths(BACKSLASH),
      // What is left of it in 32 bits; the year of MS-DOS ends in 2107 and tells no better.
      otherField(FAR, "mtime", "624711807000000000"),
    ];
    if (name.startsWith("bsdtar")) {
      // The permissions of the group itself, which an ACL has beside its mask.
      losses.push(otherField(`${ACLS}/access`, "mode", "0644"));
      losses.push(otherField(`${ACLS}/directory`, "mode", "0755"));
    }
    await expectFromArchive(everything, { ...format, losses }, context);
  });

  it("is refused as a zip archive for the name with a backslash", async (context) => {
    needsRoot(context);
    await needsProgramsOf("zip", context);
    const archive = memory.path("backslash.zip");
    await bash('cd "$1"; zip -qry "$2" . -x "*/devices/?*"', everything.directory, archive);
    const { status, stderr } = await mkdaxfs([archive, "-o", memory.path("none.daxfs")]);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^[^\n]*entry 'decoration\/names\/back\\\\slash' has a backslash[^\n]*\n$/,
    );
  });

  it("comes to the same image from tar byte for byte, but for what is lost", async (context) => {
    needsRoot(context);
    const archive = memory.path("same.tar");
    await bash(`${PAX} --sparse`, everything.directory, archive);
    const [expected, found] = [memory.path("expected.daxfs"), memory.path("found.daxfs")];
    const lost = ["--exclude", `${DEVICES}/socket`, "--exclude", `${LINKS}/a/fifo-too`];
    await build(everything.directory, expected, lost);
    await build(archive, found, lost);
    await bash('cmp "$1" "$2"', expected, found);
  });
});

describe("an archive of a small tree", () => {
  let tar: string;
  let expected: string;
  beforeAll(async () => {
    const tree = disk.directory("small");
    await makeSmallTree(tree);
    tar = memory.path("small.tar");
    const image = memory.path("small.daxfs");
    await bash(PAX, tree, tar);
    await build(tar, image);
    expected = await sha256(image);
  }, 60_000);

  // Of several members or frames: pigz, zstd --adapt and cat make such.
  const split = (command: string) =>
    `rm -f "$2".part*; split -b 20k "$1" "$2".part; for part in "$2".part*; do ${command} <"$part"; done`;
  const COMPRESSED = {
    gzip: "gzip -9",
    "gzip, with a name and a time": 'gzip -c -N "$1"',
    "gzip, of several members": split("gzip -1"),
    zstd: "zstd -q",
    "zstd, of several frames": split("zstd -q"),
    "zstd, with checksums and a long window": "zstd -q --check --ultra --long=27",
    xz: "xz -1",
    "xz, of several streams": split("xz -0"),
    "xz, of several blocks": "xz -0 --block-size=64KiB --check=crc32",
    bzip2: "bzip2 -9",
    "bzip2, of several streams": split("bzip2 -1"),
  };
  it.for(Object.entries(COMPRESSED))(
    "gives the same image compressed with %s",
    async ([, command], context) => {
      await needsProgramsOf(command, context);
      const archive = memory.path("small.tar.compressed");
      await bash(`${command} <"$1" >"$2"`, tar, archive);
      const images = [memory.path("file.daxfs"), memory.path("pipe.daxfs")] as const;
      await build(archive, images[0]);
      await buildPiped(archive, images[1]);
      for (const image of images) expect(await sha256(image)).toBe(expected);
    },
  );

  it.for(["cat", "gzip", "zstd -q", "xz -0", "bzip2"])(
    "gives no image when it goes through %s and is cut short",
    async (command, context) => {
      await needsProgramsOf(command, context);
      const archive = memory.path("short.tar");
      const image = memory.path("short.daxfs");
      await bash(
        `${command} <"$1" >"$2"; truncate -s $(($(stat -c %s "$2") / 2 + 100)) "$2"`,
        tar,
        archive,
      );
      const { status, stderr } = await mkdaxfs([archive, "-o", image]);
      expect(status).toBe(1);
      expect(stderr).toMatch(/^mkdaxfs: [^\n]*short\.tar[^\n]*\n$/);
      expect(existsSync(image)).toBe(false);
    },
  );
});
