// SPDX-License-Identifier: MIT
// Images that are refused, by us or by umoci or by both.
import { createHash } from "node:crypto";
import { directory, file, link, type Member, symlink } from "./oci-writer-tar.js";
import {
  layer,
  nanoseconds,
  type RefusedImage,
  scriptLayer,
  type TakenImage,
} from "./odd-layers.js";

const refused = (
  name: string,
  message: RegExp,
  members: readonly Member[],
  umociTakes?: string,
): RefusedImage => ({
  name,
  message,
  layers: [
    layer("what lies below", file("low"), directory("dir"), file("dir/file")),
    layer(name, ...members),
  ],
  ...(umociTakes !== undefined && { umociTakes }),
});

/** Two layers each: a file `low` and a directory `dir` with a `file`, and above them these. */
export const REFUSED: readonly RefusedImage[] = [
  refused("a whiteout without a name", /^mkdaxfs: .*\/dir\/\.wh\.: /, [file("dir/.wh.", "")]),
  refused("a whiteout of the directory that it stands in", /\/dir\/\.wh\.\.: /, [
    file("dir/.wh..", ""),
  ]),
  refused("a whiteout of the parent", /\/dir\/\.wh\.\.\.: /, [file("dir/.wh...", "")]),
  refused(
    "a whiteout with something in it",
    /\/\.wh\.low\/file/,
    [file(".wh.low/file")],
    "makes a directory with the whiteout's name",
  ),
  refused("symlinks in a circle as a parent", /\/a\b.*symlinks/, [
    symlink("a", "b"),
    symlink("b", "a"),
    file("a/file"),
  ]),
  refused("a symlink to itself as a parent", /\/a\b.*symlinks/, [
    symlink("a", "a"),
    file("a/file"),
  ]),
  refused("a link to what is nowhere", /\/a\b.*\/missing\b/, [link("a", "missing")]),
  refused("a link before its target", /\/a\b.*\/late\b/, [link("a", "late"), file("late")]),
  refused("a link to a directory", /\/a\b.*\/dir\b/, [link("a", "dir")]),
  refused("a link to the root", /\/a\b.*directory/, [link("a", "/")]),
  refused("a link by way of symlinks in a circle", /symlinks/, [
    symlink("b", "b"),
    link("a", "b/low"),
  ]),
  refused("a root that is a file", /: \.: is a file .* the root/, [file(".")]),
  refused("a root that is a symlink", /: \.\/: is a symlink .* the root/, [symlink("./", "dir")]),
  refused("a root that is a link", /: dir\/\.\.: is a hard link .* the root/, [
    link("dir/..", "low"),
  ]),
  refused("a file of the same layer as a parent", /\/a\b.*is not a directory/, [
    file("a"),
    file("a/b"),
  ]),
  refused("a name of 256 bytes", /n{64}.*255/, [file("n".repeat(256))]),
  refused("a symlink of 4096 bytes", /\/a\b.*409[56]/, [symlink("a", "t".repeat(4096))]),
  refused("a symlink to nothing at all", /\/a\b/, [symlink("a", "")]),
  refused("a NUL in a name", /\ba\\x00b\b/, [file("a", "", { pax: { path: "a\0b" } })]),
  refused(
    "an owner that stands for none",
    /\/a\b.*4294967295/,
    [file("a", "", { uid: 4294967295 })],
    "lets root have it",
  ),
  refused(
    "an owner past 32 bits",
    /: a: .*4294967296/,
    [file("a", "", { gid: 4294967296 })],
    "cuts it to 32 bits",
  ),
];

const DEEP = Array.from({ length: 20 }, (_, index) => String.fromCharCode(97 + index).repeat(250));

const hashOf = (text: string) => createHash("sha256").update(text).digest("hex");

const SPARSE = `${"\0".repeat(123456)}middle${"\0".repeat(300000 - 123462)}`;

/** Images that umoci can't unpack, and that are sound. */
export const TAKEN: readonly TakenImage[] = [
  {
    name: "a path longer than any system call takes",
    layers: [
      layer(
        "twenty names of 250 bytes above each other",
        ...DEEP.map((_, depth) => directory(DEEP.slice(0, depth + 1).join("/"))),
        file([...DEEP, "file"].join("/"), "deep", { mtime: "1.5" }),
        link("up", [...DEEP, "file"].join("/")),
      ),
      layer("a whiteout at its end", file([...DEEP, ".wh.file"].join("/"), "")),
      layer("and a new file", file([...DEEP, "new"].join("/"), "new")),
    ],
    umociSays: /file name too long/,
    expected: {
      up: { content: hashOf("deep"), mtime: nanoseconds("1.5"), names: '["up"]' },
      [[...DEEP, "new"].join("/")]: { content: hashOf("new") },
    },
  },
  {
    name: "GNU tar's first kind of sparse file",
    layers: [
      scriptLayer(
        "a sparse file with a header of its own",
        `cd "$1"; truncate -s 300000 sparse
         printf middle | dd of=sparse bs=1 seek=123456 conv=notrunc status=none
         tar --format=gnu --owner=1 --group=2 --numeric-owner --mtime=@261 -S -c sparse`,
      ),
    ],
    umociSays: /unknown typeflag/,
    expected: {
      sparse: {
        content: hashOf(SPARSE),
        size: "300000",
        mode: "0644",
        uid: "1",
        gid: "2",
        mtime: nanoseconds("261"),
      },
    },
  },
  {
    name: "a lower layer's file as a parent",
    layers: [
      layer("a file", file("a"), link("b", "a")),
      layer(
        "an entry below it, as where each layer is a directory",
        file("a/inside", "", { mtime: "2" }),
      ),
    ],
    umociSays: /not a directory/,
    expected: {
      a: { type: "040000", mode: "0755", uid: "0", gid: "0", mtime: nanoseconds("2") },
      "a/inside": { type: "0100000" },
      b: { content: hashOf("a"), nlink: "1" },
    },
  },
  {
    name: "a link to itself",
    layers: [layer("a file, and a link with its own name", file("a"), link("a", "./a"))],
    umociSays: /no such file/,
    expected: { a: { content: hashOf("a"), nlink: "1" } },
  },
];
