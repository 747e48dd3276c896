// SPDX-License-Identifier: MIT
// Times, owners, modes, attributes, devices, sizes, and what is said of the root.
import type { ByteString } from "@daxfs/format";
import { directory, fifo, file, link, type Member, symlink } from "./oci-writer-tar.js";
import { layer, nanoseconds, type OddImage, root, scriptLayer } from "./odd-layers.js";

/** CAP_NET_RAW, permitted and effective, as the kernel stores it. */
const CAPABILITY =
  "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

/** `u::rw-,u:1234:rwx,g::r--,m::rwx,o::---`, which is mode 0670. */
const ACL = [
  [0x02, 0, 0, 0],
  [0x01, 6, -1],
  [0x02, 7, 1234],
  [0x04, 4, -1],
  [0x10, 7, -1],
  [0x20, 0, -1],
]
  .map(([tag, permissions, id], index) => {
    if (index === 0) return Buffer.from([2, 0, 0, 0]);
    const entry = Buffer.alloc(8);
    entry.writeUInt16LE(tag!, 0);
    entry.writeUInt16LE(permissions!, 2);
    entry.writeInt32LE(id!, 4);
    return entry;
  })
  .reduce<ByteString>((all, entry) => all + entry.toString("latin1"), "");

const MODES = ["0000", "0001", "1777", "2755", "4755", "6711", "7777"];

const TIMES: readonly Member[] = [
  ...["-0.5", "-1", "-1.000000001", "-631151999.25", "0", "0.000000001", "0.1", "2147483648.5"].map(
    (mtime) => file(`at ${mtime}`, "", { mtime }),
  ),
  file("long fraction", "", { pax: { mtime: "1.1234567899999" } }),
  file("long negative fraction", "", { pax: { mtime: "-1.1234567899999" } }),
  file("dot without a fraction", "", { pax: { mtime: "5." } }),
  file("base-256", "", { mtime: "8589934592", dialect: "gnu" }),
  file("negative base-256", "", { mtime: "-86400", dialect: "gnu" }),
  file("PAX beats the header", "", { mtime: "7", pax: { mtime: "8.25" } }),
  symlink("symlink", "nowhere", { mtime: "-9.75" }),
  fifo("pipe", { mtime: "10.5" }),
];

export const FACTS: readonly OddImage[] = [
  {
    name: "times",
    layers: [
      layer(
        "negative times, fractions, times past 2038, in every spelling",
        root("-201.5"),
        ...TIMES,
      ),
      layer(
        "directories keep their own time, whatever is put into them afterwards",
        directory("directory", { mtime: "-202.125" }),
        file("directory/a"),
        directory("directory/sub", { mtime: "0.5" }),
        file("directory/sub/b"),
      ),
      layer(
        "also when a higher layer adds to them, replaces in them, and removes from them",
        file("directory/sub/c"),
        file("directory/a", "replaced"),
        link("directory/linked", "directory/sub/b"),
        file("directory/sub/.wh.b", ""),
      ),
    ],
    paths: [
      "PAX beats the header",
      "at -0.5",
      "at -1",
      "at -1.000000001",
      "at -631151999.25",
      "at 0",
      "at 0.000000001",
      "at 0.1",
      "at 2147483648.5",
      "base-256",
      "directory",
      "directory/a",
      "directory/linked",
      "directory/sub",
      "directory/sub/c",
      "dot without a fraction",
      "long fraction",
      "long negative fraction",
      "negative base-256",
      "pipe",
      "symlink",
    ],
    exceptions: [
      {
        path: "long negative fraction",
        field: "mtime",
        umoci: nanoseconds("-1.123456789"),
        ours: nanoseconds("-1.12345679"),
        why: "what is finer than nanoseconds goes downwards, as with GNU tar; Go cuts it off",
      },
    ],
  },
  {
    name: "modes and owners",
    layers: [
      layer(
        "every special bit, and no bit at all",
        root("210"),
        ...MODES.flatMap((mode) => [
          file(`file-${mode}`, mode, { mode: Number.parseInt(mode, 8) }),
          directory(`directory-${mode}`, { mode: Number.parseInt(mode, 8) }),
          file(`directory-${mode}/inside`),
        ]),
        fifo("pipe", { mode: 0o4622 }),
        symlink("symlink-0000", "file-0000", { mode: 0 }),
        symlink("symlink-0644", "file-0001", { mode: 0o644 }),
        file("type bits in the mode", "", { mode: 0o100755 }),
        directory("directory with type bits", { mode: 0o041755 }),
      ),
      layer(
        "owners that don't fit into the header",
        file("largest", "", { uid: 4294967294, gid: 4294967294 }),
        file("base-256", "", { uid: 4294967294, gid: 2097152, dialect: "gnu" }),
        directory("pax", { uid: 2097152, gid: 70000 }),
        symlink("symlink", "nowhere", { uid: 3000000000, gid: 2147483648 }),
        file("PAX beats the header", "", { uid: 1, gid: 2, pax: { uid: "3", gid: "4" } }),
        file("names of owners", "", { pax: { uname: "root", gname: "daemon" } }),
      ),
      layer(
        "a file loses its setuid bit, a directory gets one",
        file("file-4755", "", { mode: 0o755 }),
        directory("directory-0000", { mode: 0o3770, uid: 12, gid: 13 }),
      ),
      layer(
        "devices",
        ...(
          [
            ["character", 1, 3],
            ["character", 4095, 1048575],
            ["block", 0, 0],
            ["block", 259, 123456],
            ["character", 0, 255],
            ["block", 7, 256],
          ] as const
        ).map(
          ([type, ...device]): Member => ({
            type,
            path: `${type}-${device.join("-")}`,
            device,
            mode: 0o620,
            mtime: "211.5",
          }),
        ),
        directory("dev", { mode: 0o1755 }),
        { type: "character", path: "dev/zero", device: [1, 5], mode: 0o666, uid: 0, gid: 5 },
        link("dev/null", "dev/zero"),
      ),
    ],
    paths: [
      "PAX beats the header",
      "base-256",
      "block-0-0",
      "block-259-123456",
      "block-7-256",
      "character-0-255",
      "character-1-3",
      "character-4095-1048575",
      "dev",
      "dev/null",
      "dev/zero",
      "directory with type bits",
      ...MODES.flatMap((mode) => [`directory-${mode}`, `directory-${mode}/inside`]),
      ...MODES.map((mode) => `file-${mode}`),
      "largest",
      "names of owners",
      "pax",
      "pipe",
      "symlink",
      "symlink-0000",
      "symlink-0644",
      "type bits in the mode",
    ],
  },
  {
    name: "attributes",
    layers: [
      layer(
        "attributes of every kind, some with binary values",
        directory(".", { mode: 0o755, mtime: "220", xattrs: { "user.root": "yes" } }),
        file("user", "", { xattrs: { "user.binary": "\x00\xff\n=\x00", "user.a": "b=equals" } }),
        file("text", "", { xattrs: { "user.é": "\xc3\xa9", "user.newline": "a\nb\n" } }),
        file("capable", "#!", { mode: 0o755, xattrs: { "security.capability": CAPABILITY } }),
        file("acl", "", { mode: 0o670, xattrs: { "system.posix_acl_access": ACL } }),
        directory("default-acl", { xattrs: { "system.posix_acl_default": ACL } }),
        file("default-acl/inside", "", { mode: 0o600 }),
        directory("trusted", { xattrs: { "trusted.overlay.opaque": "y", "trusted.x": "\0" } }),
        file("trusted/inside"),
        symlink("symlink", "user", { xattrs: { "trusted.of.symlink": "1" } }),
        fifo("pipe", { xattrs: { "trusted.of.pipe": "2" } }),
        file("large", "", { xattrs: { "user.large": "large".repeat(500) } }),
        file("lost", "", { xattrs: { "user.lost": "1", "security.capability": CAPABILITY } }),
        directory("reset", { xattrs: { "user.lost": "1", "user.kept": "1" } }),
        directory("added-to", { xattrs: { "user.kept": "1", "trusted.kept": "\xff" } }),
      ),
      layer(
        "what is replaced loses them; a directory's entry says all that it has",
        file("lost", ""),
        directory("reset", { xattrs: { "user.kept": "2", "user.new": "1" } }),
        file("added-to/file"),
        file("added-to/.wh.nothing", ""),
        link("capable-again", "capable"),
      ),
      layer(
        "a root without attributes, a link's own attributes",
        directory(".", { mode: 0o750, mtime: "221" }),
        link("user-again", "user", { xattrs: { "user.of-the-link": "1" } }),
      ),
      layer(
        "the build host's labels",
        file("labelled", "", { xattrs: { "security.selinux": "x\0" } }),
      ),
    ],
    paths: [
      "acl",
      "added-to",
      "added-to/file",
      "capable",
      "capable-again",
      "default-acl",
      "default-acl/inside",
      "labelled",
      "large",
      "lost",
      "pipe",
      "reset",
      "symlink",
      "text",
      "trusted",
      "trusted/inside",
      "user",
      "user-again",
    ],
    exceptions: [
      {
        path: "trusted",
        field: "xattr trusted.overlay.opaque",
        umoci: "absent",
        ours: "79",
        why: "umoci never sets what overlayfs may be using where it unpacks",
      },
    ],
  },
  {
    name: "attributes that umoci's tar reader drops",
    layers: [
      layer(
        "an empty value, and values in libarchive's records alone",
        root("225"),
        file("empty", "", { xattrs: { "user.empty": "" } }),
        file("libarchive", "", { pax: { "LIBARCHIVE.xattr.user.base64": "AP8K" } }),
        file("both", "", {
          pax: { "SCHILY.xattr.user.both": "\x00\xff", "LIBARCHIVE.xattr.user.both": "AP8" },
        }),
      ),
    ],
    paths: ["both", "empty", "libarchive"],
    exceptions: [
      {
        path: "empty",
        field: "xattr user.empty",
        umoci: "absent",
        ours: "",
        why: "Go's tar reader takes an empty value for no record at all",
      },
      {
        path: "libarchive",
        field: "xattr user.base64",
        umoci: "absent",
        ours: "00ff0a",
        why: "Go's tar reader knows star's records alone",
      },
    ],
  },
  {
    name: "a root of its own",
    layers: [
      layer("no entry for the root", file("a", "", { mtime: "230" })),
      layer(
        "a root with everything",
        directory(".", {
          mode: 0o1777,
          uid: 1,
          gid: 2,
          mtime: "-231.5",
          xattrs: { "user.of": "root" },
        }),
      ),
      layer("no entry again", file("b"), file(".wh.a", "")),
    ],
    paths: ["b"],
  },
  {
    name: "no root in any layer",
    layers: [
      layer("a file and a directory", file("file", "", { mtime: "240.5" }), directory("directory")),
      layer("a whiteout", file(".wh.file", "")),
    ],
    paths: ["directory"],
    exceptions: [
      {
        path: ".",
        field: "mtime",
        umoci: "0",
        ours: nanoseconds("240.5"),
        why: "umoci's root is of 1970; ours is made as every missing parent is",
      },
    ],
  },
  { name: "no layers", layers: [], paths: [] },
  {
    name: "layers without entries",
    layers: [
      layer("nothing but the end of the stream"),
      layer("a root alone", root("250")),
      layer("nothing again"),
      scriptLayer("a stream of a single block of zeros", "head -c 512 /dev/zero"),
      scriptLayer("a stream of many blocks of zeros", "head -c 102400 /dev/zero"),
      layer("a whiteout alone", file(".wh.nothing", "")),
    ],
    paths: [],
  },
  {
    name: "sizes",
    layers: [
      layer(
        "sizes about those of blocks and pages",
        root("260"),
        ...[0, 1, 511, 512, 513, 4095, 4096, 4097, 8192, 100000].map((size) =>
          file(`size-${size}`, "contents ".repeat(size).slice(0, size)),
        ),
        file("PAX beats the header", "sixteen bytes...", { headerSize: 7, pax: { size: "16" } }),
      ),
      layer(
        "equal contents in files of their own, and a file that gets shorter",
        file("twin-1", "the same"),
        file("twin-2", "the same", { mode: 0o600 }),
        file("size-100000", "short now"),
        file("size-8192", ""),
      ),
      ...["0.0", "0.1", "1.0"].map((version) =>
        scriptLayer(
          `sparse files as GNU tar writes them, version ${version}`,
          `cd "$1"; n=sparse-${version}
           mkdir $n; truncate -s 300000 $n/hole $n/data $n/end
           printf start | dd of=$n/data conv=notrunc status=none
           printf middle | dd of=$n/data bs=1 seek=123456 conv=notrunc status=none
           printf end | dd of=$n/end bs=1 seek=299997 conv=notrunc status=none
           for i in 1 2 3 4 5 6 7 8 9; do
             printf $i | dd of=$n/many bs=1 seek=$((i * 40000)) conv=notrunc status=none
           done
           tar --sort=name --owner=1 --group=2 --numeric-owner --mtime=@261 -S -c \\
             --format=pax --sparse-version=${version} $n`,
        ),
      ),
      scriptLayer(
        "a stream that ends without blocks of zeros",
        `cd "$1"; head -c 512 /dev/zero > no-end
         tar --owner=1 --group=2 --numeric-owner --mtime=@262 -c no-end | head -c 1024`,
      ),
      scriptLayer(
        "a stream that ends with its last content, not even padded, as umoci's insert leaves it",
        `cd "$1"; head -c 513 /dev/zero > no-padding
         tar --owner=1 --group=2 --numeric-owner --mtime=@263 -c no-padding | head -c 1025`,
      ),
    ],
    paths: [
      "PAX beats the header",
      "no-end",
      "no-padding",
      ...[0, 1, 100000, 4095, 4096, 4097, 511, 512, 513, 8192].map((size) => `size-${size}`),
      ...["0.0", "0.1", "1.0"].flatMap((version) =>
        ["", "/data", "/end", "/hole", "/many"].map((name) => `sparse-${version}${name}`),
      ),
      "twin-1",
      "twin-2",
    ],
  },
];
