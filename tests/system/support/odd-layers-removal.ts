// SPDX-License-Identifier: MIT
// Whiteouts, opaque markers, and names that become something else.
import { directory, fifo, file, link, symlink } from "./oci-writer-tar.js";
import { layer, madeDirectory, type OddImage, root, untouchedTime } from "./odd-layers.js";
import type { Exception } from "./umoci.js";

/**
 * A directory that its own layer hides, and that the same layer makes again for what it puts into
 * it. umoci leaves the lower one if the whiteout or marker comes late in the layer, and changes its
 * time when it takes the lower names out of it.
 */
function hiddenAndMade(path: string, seconds: string): Exception[] {
  const why = "what its layer hides is hidden wherever the whiteout stands, so this is a new one";
  return [
    { path, field: "mode", umoci: "0750", ours: "0755", why },
    { path, field: "uid", umoci: "1000", ours: "0", why },
    { path, field: "gid", umoci: "100", ours: "0", why },
    untouchedTime(path, seconds, why),
  ];
}

export const REMOVAL: readonly OddImage[] = [
  {
    name: "whiteouts and their places",
    layers: [
      layer(
        "the lowest layer has whiteouts, and there is nothing below it",
        root("11"),
        file(".wh.nothing", ""),
        file("file"),
        directory("gone"),
        file("gone/a"),
        directory("gone/sub"),
        file("gone/sub/b"),
        symlink("symlink", "file"),
        fifo("fifo"),
        directory("again"),
        file("again/old"),
        directory("late"),
        file("late/old"),
        directory("untouched"),
        file("untouched/.wh.not-there", ""),
        file("untouched/a"),
      ),
      layer(
        "whiteouts come before the entries of their layer",
        file(".wh.file", ""),
        file(".wh.gone", ""),
        file(".wh.symlink", ""),
        file(".wh.fifo", ""),
        file(".wh.again", ""),
        directory("again", { mode: 0o711 }),
        file("again/new"),
        file("fifo", "a file now"),
      ),
      layer(
        "whiteouts come after the entries of their layer",
        file("fifo", "newer"),
        file(".wh.fifo", ""),
        file("late/new"),
        file("late/newer"),
        directory("late", { mtime: "22" }),
        file(".wh.late", ""),
        file("gone", "once a directory"),
        file(".wh.gone", ""),
      ),
      layer(
        "a directory goes of which a single name is new",
        file("again/newest"),
        file(".wh.late", ""),
      ),
    ],
    paths: ["again", "again/new", "again/newest", "fifo", "gone", "untouched", "untouched/a"],
  },
  {
    name: "a directory removed and made again",
    layers: [
      layer(
        "three directories to be removed",
        root("12"),
        ...["first", "last", "middle", "bare", "bare-last"].flatMap((name) => [
          directory(name),
          file(`${name}/old`),
          directory(`${name}/sub`),
          file(`${name}/sub/old`),
        ]),
      ),
      layer(
        "the whiteout comes first, then the directory",
        file(".wh.first", ""),
        directory("first", { mode: 0o700 }),
        file("first/new"),
        directory("first/sub", { mode: 0o701 }),
      ),
      layer(
        "the directory comes first, then the whiteout",
        directory("last", { mode: 0o700 }),
        file("last/new"),
        directory("last/sub", { mode: 0o701, mtime: "33" }),
        file("last/sub/new"),
        file(".wh.last", ""),
        directory("last", { mode: 0o702, mtime: "34" }),
      ),
      layer(
        "the whiteout stands in the middle",
        directory("middle", { mode: 0o700, mtime: "35" }),
        file("middle/one"),
        file(".wh.middle", ""),
        file("middle/two"),
        directory("middle", { mode: 0o703, mtime: "36" }),
      ),
      layer(
        "no entry for the directory, only for what is in it",
        file(".wh.bare", ""),
        file("bare/new", "", { mtime: "37" }),
        directory(".", { mode: 0o755, uid: 0, gid: 0, mtime: "38" }),
      ),
      layer(
        "the same, and the whiteout comes last",
        file("bare-last/new", "", { mtime: "39" }),
        file("bare-last/newer", "", { mtime: "40" }),
        file(".wh.bare-last", ""),
      ),
    ],
    paths: [
      "bare",
      "bare-last",
      "bare-last/new",
      "bare-last/newer",
      "bare/new",
      "first",
      "first/new",
      "first/sub",
      "last",
      "last/new",
      "last/sub",
      "last/sub/new",
      "middle",
      "middle/one",
      "middle/two",
    ],
    exceptions: [
      madeDirectory("bare", "37"),
      ...hiddenAndMade("bare-last", "39"),
      untouchedTime("last/sub", "33", "umoci took lower names out of it when the whiteout came"),
    ],
  },
  {
    name: "opaque markers",
    layers: [
      layer(
        "directories to be made opaque",
        root("13"),
        ...["before", "after", "plain", "deep", "deep/er", "deep/er/est"].flatMap((name) => [
          directory(name),
          file(`${name}/old`),
          directory(`${name}/sub`),
          file(`${name}/sub/old`),
        ]),
        file("other"),
      ),
      layer(
        "the marker comes before the entries, the directory has none",
        file("before/.wh..wh..opq", ""),
        file("before/new"),
        directory("before/sub"),
        file("before/sub/new"),
      ),
      layer(
        "the marker comes after the entries",
        file("after/new"),
        directory("after/sub", { mode: 0o700, mtime: "41" }),
        file("after/sub/new"),
        file("after/.wh..wh..opq", ""),
        directory("after/sub", { mode: 0o700, mtime: "41" }),
      ),
      layer("the marker is all there is", file("plain/.wh..wh..opq", "")),
      layer(
        "a marker in a nested directory, and one in a directory that is not there",
        file("deep/er/.wh..wh..opq", ""),
        file("deep/er/new"),
        file("nowhere/.wh..wh..opq", ""),
        file("nowhere/at/all/.wh..wh..opq", ""),
      ),
      layer(
        "a marker and a whiteout for the same directory",
        file("deep/er/.wh..wh..opq", ""),
        file("deep/er/newer"),
        file("deep/.wh.er", ""),
        directory("deep/er", { mtime: "42" }),
        file("deep/.wh..wh..opq", ""),
        directory("deep/er", { mtime: "42" }),
      ),
    ],
    paths: [
      "after",
      "after/new",
      "after/sub",
      "after/sub/new",
      "before",
      "before/new",
      "before/sub",
      "before/sub/new",
      "deep",
      "deep/er",
      "deep/er/newer",
      "other",
      "plain",
    ],
  },
  {
    name: "an opaque root",
    layers: [
      layer("what will be hidden", root("14"), file("a"), directory("b"), file("b/c"), file("d")),
      layer(
        "the root is opaque, and the marker stands among the entries",
        directory("b", { mode: 0o700, mtime: "43" }),
        file("b/new"),
        file(".wh..wh..opq", ""),
        file("d", "new"),
        directory("b", { mode: 0o700, mtime: "43" }),
      ),
    ],
    paths: ["b", "b/new", "d"],
  },
  {
    name: "opaque markers behind what they must not hide",
    layers: [
      layer(
        "two levels of directories",
        root("15"),
        directory("top", { mtime: "44" }),
        file("top/old"),
        directory("top/sub", { mtime: "45" }),
        file("top/sub/old"),
        directory("top/sub/sub", { mtime: "46" }),
        file("top/sub/sub/old"),
      ),
      layer(
        "only a file deep down is new, and all above it is hidden by a marker that comes later",
        file("top/sub/sub/new", "", { mtime: "47" }),
        file("top/.wh..wh..opq", ""),
      ),
    ],
    paths: ["top", "top/sub", "top/sub/sub", "top/sub/sub/new"],
    exceptions: [...hiddenAndMade("top/sub", "47"), ...hiddenAndMade("top/sub/sub", "47")],
  },
  {
    name: "whiteouts of every shape",
    layers: [
      layer(
        "one name for each",
        root("16"),
        ...["regular", "hard", "character", "block", "folder", "symbolic", "pipe", "full"].map(
          (name) => file(name),
        ),
        file("stays"),
        directory("real"),
        file("real/inside"),
        file("real/absolute"),
        symlink("way", "real"),
        symlink("absolute-way", "/real"),
      ),
      layer(
        "whiteouts that are not empty regular files",
        file(".wh.regular", ""),
        link(".wh.hard", "stays"),
        { type: "character", path: ".wh.character", device: [0, 0] },
        { type: "block", path: ".wh.block", device: [8, 1] },
        directory(".wh.folder"),
        symlink(".wh.symbolic", "stays"),
        fifo(".wh.pipe"),
        file(".wh.full", "a whiteout with a content".repeat(100)),
      ),
      layer(
        "whiteouts of what is not there",
        file(".wh.missing", ""),
        file("missing/.wh.missing", ""),
        file("real/.wh.missing", ""),
        file("real/missing/.wh.missing", ""),
        link(".wh.missing-too", "nothing"),
        file(".wh..wh.aufs", ""),
        file(".wh..wh..opq.not", ""),
      ),
      layer(
        "whiteouts by way of symlinked parents",
        file("way/.wh.inside", ""),
        file("absolute-way/.wh.absolute", ""),
      ),
      layer("a whiteout of a symlink leaves what it points to", file(".wh.way", "")),
    ],
    paths: ["absolute-way", "real", "stays"],
  },
  {
    name: "a whiteout in a directory that takes the place of a symlink",
    layers: [
      layer(
        "a symlink to a directory",
        root("19"),
        directory("real"),
        file("real/file"),
        symlink("way", "real"),
      ),
      layer(
        "the whiteout comes before the directory that it stands in",
        file("way/.wh.file", ""),
        directory("way"),
        file("way/new"),
      ),
    ],
    paths: ["real", "real/file", "way", "way/new"],
    exceptions: [
      {
        path: "real/file",
        field: "path",
        umoci: "absent",
        ours: "there",
        why: "umoci still has the symlink when it comes to the whiteout; behind it, it is no more",
      },
    ],
  },
  {
    name: "what AUFS left behind",
    layers: [
      layer(
        "a directory of AUFS, with a file in it that a link leads to",
        root("18"),
        directory(".wh..wh.plnk", { mtime: "48" }),
        file(".wh..wh.plnk/12.34", "linked", { mtime: "49" }),
        directory(".wh..wh.orph"),
        file(".wh..wh.aufs", ""),
        file("file"),
        link("linked", ".wh..wh.plnk/12.34"),
        link("linked-too", ".wh..wh.plnk/12.34"),
      ),
      layer("and in a higher layer", file(".wh..wh.aufs", ""), file("another")),
    ],
    paths: ["another", "file", "linked", "linked-too"],
    exceptions: [
      ...[".wh..wh.plnk", ".wh..wh.plnk/12.34"].map((path) => ({
        path,
        field: "path",
        umoci: "there",
        ours: "absent",
        why: "all of it is AUFS' own; umoci looks at an entry's last name only",
      })),
      { path: ".", field: "nlink", umoci: "3", ours: "2", why: "for the same reason" },
      ...["linked", "linked-too"].flatMap((path) => {
        const why = "the name in the directory of AUFS is not kept";
        const names = ["linked", "linked-too"];
        return [
          { path, field: "nlink", umoci: "3", ours: "2", why },
          {
            path,
            field: "names",
            umoci: JSON.stringify([".wh..wh.plnk/12.34", ...names]),
            ours: JSON.stringify(names),
            why,
          },
        ];
      }),
      untouchedTime(".", "18", "umoci made a directory in it"),
    ],
  },
  {
    name: "types that change",
    layers: [
      layer(
        "one of each",
        root("17"),
        file("file"),
        directory("directory"),
        file("directory/a"),
        directory("directory/b"),
        file("directory/b/c"),
        symlink("symlink", "directory"),
        fifo("fifo"),
        { type: "character", path: "device", device: [1, 3] },
        directory("kept"),
        file("kept/a"),
      ),
      layer(
        "each is something else, without a whiteout",
        directory("file"),
        file("file/inside"),
        file("directory", "a file"),
        directory("symlink"),
        file("symlink/inside"),
        symlink("fifo", "device"),
        file("device", "a file"),
        directory("kept", { mode: 0o700 }),
      ),
      layer(
        "and back again",
        file("file", "a file again"),
        directory("directory"),
        file("directory/d"),
        symlink("symlink", "kept"),
        fifo("fifo"),
        { type: "block", path: "device", device: [8, 0] },
        symlink("kept", "directory"),
      ),
    ],
    paths: ["device", "directory", "directory/d", "fifo", "file", "kept", "symlink"],
  },
];
