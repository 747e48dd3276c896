// SPDX-License-Identifier: MIT
// Extended attributes, ids and times of trees that real tools make, from every kind of source that
// has them.
import { tmpdir } from "node:os";
import { beforeAll, describe, expect, it, type TestContext } from "vitest";
import { needsProgramsOf } from "./support/archives.js";
import { bash, build, mkdaxfs } from "./support/builder.js";
import { writeLayout } from "./support/oci-writer.js";
import { directory, file, symlink, tarStream } from "./support/oci-writer-tar.js";
import { imageTree } from "./support/umoci.js";
import { IS_ROOT, MEMORY, needsRoot, workspace } from "./support/workspace.js";

/** On a disk: a filesystem in memory need not have attributes. */
const disk = workspace(tmpdir());
const memory = workspace(MEMORY);

const ACCESS = "system.posix_acl_access";
const DEFAULT = "system.posix_acl_default";
const CAPABILITY = "security.capability";
const MAPS = ["--uid-map", "0:200000:65536", "--uid-map", "100000:0:65536"];
const GROUPS = ["--gid-map", "0:300000:65536"];

/** `$1` is the tree; it has a journal directory as Debian's, and capabilities of both versions. */
const MAKE = `
  cd "$1"; mkdir journal; : > journal/log; cp /bin/true ping; cp /bin/true contained
  setfacl -m g:4:r-x,d:g:4:r-x,d:u:7:rwx journal; setfacl -m u:1000:rw,u:33:r,g:4:r journal/log
  setcap cap_net_raw+ep ping; setcap -n 100000 cap_net_raw,cap_sys_time+ep contained
  find . -exec touch -h -d @1000000000 {} +`;

const SOURCES: Readonly<Record<string, string>> = {
  "a directory": "",
  "GNU tar": 'tar -C "$1" --format=posix --xattrs --xattrs-include="*" --acls -cf "$2" .',
  "GNU tar, attributes only": 'tar -C "$1" --format=posix --xattrs --xattrs-include="*" -cf "$2" .',
  bsdtar: 'bsdtar -C "$1" --format=pax --xattrs --acls -cf "$2" .',
};

describe("ids inside attributes", () => {
  let tree: string;
  beforeAll(async () => {
    if (!IS_ROOT) return;
    tree = disk.directory("ids");
    await bash(MAKE, tree);
  });

  /** An archive of the tree, or the tree itself. */
  async function source(command: string, context: TestContext): Promise<string> {
    needsRoot(context);
    if (command === "") return tree;
    await needsProgramsOf(command, context);
    const archive = memory.path("ids.tar");
    await bash(`rm -f "$2"; ${command}`, tree, archive);
    return archive;
  }

  /** A layout whose lower layer is the tree, under another layer. */
  async function layout(context: TestContext): Promise<string> {
    const archive = await source(SOURCES["GNU tar"] ?? "", context);
    const path = memory.path(`layout-${context.task.id}`);
    const lower = Buffer.from(await bash('cat "$1"', archive), "latin1");
    writeLayout(path, "t", [lower, tarStream([file("above", "x", { uid: 0, gid: 0 })], 1)]);
    return path;
  }

  const attribute = (image: string, path: string, name: string) =>
    imageTree(image).get(path)?.get(`xattr ${name}`);

  const EXPECTED = {
    // u::rw-, u:200033:r--, u:201000:rw-, g::r--, g:300004:r--, m::rw-, o::r--
    log:
      "0200000001000600ffffffff02000400610d030002000600281103000400" +
      "0400ffffffff08000400e493040010000600ffffffff20000400ffffffff",
    // u::rwx, g::r-x, g:300004:r-x, m::r-x, o::r-x
    journal:
      "0200000001000700ffffffff04000500ffffffff08000500e493040010000500ffffffff20000500ffffffff",
    // The same with u:200007:rwx, so that the mask is rwx.
    default:
      "0200000001000700ffffffff02000700470d030004000500ffffffff08000500e4930400" +
      "10000700ffffffff20000500ffffffff",
  };

  function expectMapped(image: string): void {
    expect(attribute(image, "journal/log", ACCESS)).toBe(EXPECTED.log);
    expect(attribute(image, "journal", ACCESS)).toBe(EXPECTED.journal);
    expect(attribute(image, "journal", DEFAULT)).toBe(EXPECTED.default);
    // Root of the tree's own namespace became 200000, and 100000 became the image's root.
    expect(attribute(image, "ping", CAPABILITY)).toBe(
      "0100000300200000000000000000000000000000400d0300",
    );
    expect(attribute(image, "contained", CAPABILITY)).toBe(
      "0100000200200002000000000000000000000000",
    );
  }

  it.for(Object.entries(SOURCES))("follow the maps: %s", async ([, command], context) => {
    const image = disk.path("mapped.daxfs");
    await build(await source(command, context), image, [...MAPS, ...GROUPS]);
    expectMapped(image);
  });

  it("follow the maps: layers of a container image", async (context) => {
    const image = disk.path("layers.daxfs");
    await build(await layout(context), image, [...MAPS, ...GROUPS]);
    expectMapped(image);
  });

  it.for(Object.entries(SOURCES))("follow --all-root: %s", async ([, command], context) => {
    const image = disk.path("root.daxfs");
    await build(await source(command, context), image, ["--all-root"]);
    expect(attribute(image, "journal", ACCESS)).toBe(
      "0200000001000700ffffffff04000500ffffffff080005000000000010000500ffffffff20000500ffffffff",
    );
    expect(attribute(image, "contained", CAPABILITY)).toBe(
      "0100000200200002000000000000000000000000",
    );
    expect(attribute(image, "ping", CAPABILITY)).toBe("0100000200200000000000000000000000000000");
  });

  it("outside a map fail the build from every source, and name file and attribute", async (context) => {
    const sources = [await layout(context)];
    for (const command of Object.values(SOURCES)) sources.push(await source(command, context));
    const image = disk.path("none.daxfs");
    for (const from of sources) {
      for (const [options, message] of [
        [
          ["--gid-map", "0:0:4"],
          /\/journal(\/log)?: the ids in system\.posix_acl_(access|default) /,
        ],
        [
          ["--uid-map", "0:0:1000", "--uid-map", "100000:5:1"],
          /\/journal\/log: .*: user 1000 is in/,
        ],
        [
          ["--uid-map", "0:0:65536"],
          /\/contained: the ids in security\.capability .* user 100000 /,
        ],
      ] as const) {
        const { status, stderr } = await mkdaxfs([from, "-o", image, ...options]);
        expect(stderr).toMatch(/^mkdaxfs: [^\n]+\(add one that has it, or leave [^\n]+\)\n$/);
        expect(stderr).toMatch(message);
        expect(status).toBe(1);
      }
      await build(from, image, ["--gid-map", "0:0:4", "--xattrs-exclude", "system.posix_acl_*"]);
      await build(from, image, ["--gid-map", "0:0:4", "--no-xattrs"]);
    }
  });
});

describe("attributes of archives", () => {
  it("by name can be left out", async (context) => {
    needsRoot(context);
    const tree = disk.directory("by name");
    const archive = memory.path("by-name.tar");
    await bash(
      'cd "$1"; : > f; setfacl -m g:adm:r f; chmod 640 f; tar --format=posix --acls -cf "$2" .',
      ...[tree, archive],
    );
    const image = disk.path("by-name.daxfs");
    const { status, stderr } = await mkdaxfs([archive, "-o", image]);
    expect(stderr).toMatch(/by-name\.tar: \.\/f: .* names 'adm', .* --xattrs-exclude /);
    expect(status).toBe(1);
    const options = [["--no-xattrs"], ["--xattrs-exclude", "system.posix_acl_*"]];
    for (const args of [...options, ["--xattrs-include", "user.*"]]) {
      const { stderr: said } = await build(archive, image, args);
      expect(said.trimEnd().split("\n")).toHaveLength(1);
      expect(imageTree(image).get("f")?.get("mode")).toBe("0640");
    }
  });

  it("of NFSv4 and of other systems are left out with a line each", async () => {
    const pax = { "SCHILY.acl.ace": "owner@:rw-p--aARWcCos:-------:allow" };
    const apple = { "com.apple.quarantine": "0081", "user.kept": "a", "system.nfs4_acl": "x" };
    const members = [
      file("a", "1", { pax, xattrs: apple }),
      file("b", "2", { pax, xattrs: { "com.apple.quarantine": "" } }),
      symlink("l", "a", { xattrs: { "user.on-symlink": "x" } }),
    ];
    const layout = memory.path("foreign");
    writeLayout(layout, "t", [tarStream(members, 1)]);
    const image = disk.path("foreign.daxfs");
    const { stderr } = await build(layout, image);
    const lines = stderr.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^mkdaxfs: .*: left out the NFSv4 ACLs of 2 files: /);
    expect(lines.slice(1, -1)).toEqual([
      "mkdaxfs: dropped com.apple.quarantine from 2 files: a mount does not show it",
      "mkdaxfs: dropped system.nfs4_acl from 1 file: a mount does not show it",
      "mkdaxfs: dropped user.on-symlink from 1 file: a mount does not show it",
    ]);
    const xattrs = [...imageTree(image)].flatMap(([path, fields]) =>
      [...fields].filter(([name]) => name.startsWith("xattr ")).map(([name]) => `${path} ${name}`),
    );
    expect(xattrs).toEqual(["a xattr user.kept"]);
    const { stdout } = await mkdaxfs([layout, "-o", image, "--json", "-q"]);
    expect(JSON.parse(stdout)).toMatchObject({
      omittedXattrs: { "com.apple.quarantine": 2, "system.nfs4_acl": 1, "user.on-symlink": 1 },
    });
    expect((await build(layout, image, ["--no-xattrs"])).stderr.trimEnd().split("\n")).toHaveLength(
      1,
    );
  });
});

describe("modification times that no image holds", () => {
  const LINE = (files: string) =>
    `mkdaxfs: ${files} had a modification time outside the years 1677 to 2262 that an image holds, ` +
    "and got the nearest one that it holds (--mtime gives all files another)";
  const times = (image: string) => [...imageTree(image)].map(([path, f]) => [path, f.get("mtime")]);

  it("become the nearest, from directories and from archives of them", async (context) => {
    const tree = memory.directory("far");
    const far =
      'cd "$1"; touch -d @99999999999 late; touch -d @-99999999999 early; stat -c %Y late';
    if ((await bash(far, tree)) !== "99999999999\n") {
      context.skip("no filesystem here keeps such times");
    }
    await bash('cd "$1"; touch -d @5 .', tree);
    const image = disk.path("far.daxfs");
    for (const format of ["", "posix", "gnu"]) {
      const archive = memory.path("far.tar");
      if (format !== "") await bash(`tar -C "$1" --format=${format} -cf "$2" .`, tree, archive);
      const { stderr } = await build(format === "" ? tree : archive, image);
      expect(stderr.split("\n")[0]).toBe(LINE("2 files"));
      expect(times(image)).toEqual([
        [".", "5000000000"],
        ["early", String(-(2n ** 63n))],
        ["late", String(2n ** 63n - 1n)],
      ]);
      const { stderr: said } = await build(format === "" ? tree : archive, image, [
        "--mtime",
        "@7",
      ]);
      expect(said).not.toContain("modification time");
    }
  });

  it("count for directories that are made for them as well", async () => {
    const layout = memory.path("far-layout");
    const members = [
      file("made/file", "x", { mtime: "99999999999999999999999" }),
      directory("d", { mtime: "-9223372037" }),
    ];
    writeLayout(layout, "t", [tarStream(members, 1)]);
    const image = disk.path("far-layout.daxfs");
    const { stderr } = await build(layout, image);
    // The root is one of them: nothing else gives it a time.
    expect(stderr.split("\n")[0]).toBe(LINE("4 files"));
  });
});

describe("incremental archives of GNU tar", () => {
  it("are told to keep what was removed, and only those that build on another", async (context) => {
    const work = disk.directory("increments");
    await bash(
      `cd "$1"; mkdir -p d/sub; echo a > d/a; echo b > d/b; echo s > d/sub/s
       for f in gnu posix; do tar --format=$f -g list.$f -cf 0.$f.tar d; done
       sleep 1.1; rm d/b; mv d/sub d/sub2; echo n > d/new
       for f in gnu posix; do tar --format=$f -g list.$f -cf 1.$f.tar d; done`,
      work,
    );
    await needsProgramsOf("tar", context);
    const image = disk.path("increments.daxfs");
    for (const format of ["gnu", "posix"]) {
      const [zero, one] = [`${work}/0.${format}.tar`, `${work}/1.${format}.tar`];
      const first = await build(zero, image);
      expect(first.stderr).not.toContain("incremental");
      const both = await mkdaxfs([zero, one, "-o", image]);
      expect(both.status).toBe(0);
      expect(both.stderr).toMatch(
        new RegExp(`^mkdaxfs: [^\n]*1\\.${format}\\.tar: is an incremental archive of GNU tar: `),
      );
      // As tar -x has it without -G.
      expect([...imageTree(image).keys()]).toEqual(
        expect.arrayContaining(["d/a", "d/b", "d/new", "d/sub", "d/sub/s", "d/sub2"]),
      );
    }
  });
});
