// SPDX-License-Identifier: MIT
// Container images whose layers hold what tools get wrong: what umoci unpacks of them, as root, and
// what is in our image, path by path. Where umoci strays from the specification, or the
// specification says nothing, the difference is written down with its reason, and nothing else may
// differ.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { bash, build, mkdaxfs } from "./support/builder.js";
import { writeLayout } from "./support/oci-writer.js";
import { type Member, tarStream } from "./support/oci-writer-tar.js";
import { madeDirectory, type OddLayer } from "./support/odd-layers.js";
import { FACTS } from "./support/odd-layers-facts.js";
import { LINKS } from "./support/odd-layers-links.js";
import { PLACES } from "./support/odd-layers-places.js";
import { randomLayers } from "./support/odd-layers-random.js";
import { REFUSED, TAKEN } from "./support/odd-layers-refused.js";
import { REMOVAL } from "./support/odd-layers-removal.js";
import { makeSmallTree, settleTimes } from "./support/trees.js";
import {
  differences,
  directoryTree,
  type Exception,
  expectAgreement,
  imageTree,
  NOW,
  needsUmoci,
  type Tree,
  umociTree,
  umociUnpack,
} from "./support/umoci.js";
import { workspace } from "./support/workspace.js";

/** On a disk: a filesystem in memory need not have attributes. */
const disk = workspace(tmpdir());
const IMAGES = [...REMOVAL, ...LINKS, ...PLACES, ...FACTS];
const TAG = "odd";

/** With names as titles, which "$name" would cut short. */
const named = <T extends { readonly name: string }>(images: readonly T[]): [string, T][] =>
  images.map((image) => [image.name, image]);

/** First time of the entries of a layer that have none of their own, seconds since 1970. */
const firstSecond = (index: number) => 1_000_000_000 + index * 1000;

let directories = 0;
const newPath = () => disk.path(`${++directories}`);

function stream({ content }: OddLayer, index: number): Uint8Array {
  if (!("script" in content)) return tarStream(content, firstSecond(index));
  return execFileSync(
    "bash",
    ["-euc", content.script, "bash", disk.directory(`${++directories}`)],
    {
      maxBuffer: 64 * 1024 * 1024,
      env: { ...process.env, TZ: "UTC", LC_ALL: "C" },
    },
  );
}

/** @returns the layout's directory */
function layoutOf(layers: readonly OddLayer[]): string {
  const layout = newPath();
  writeLayout(layout, TAG, layers.map(stream), layers.length % 2 === 0 ? "gzip" : "plain");
  return layout;
}

async function builtTree(source: string): Promise<Tree> {
  const image = `${newPath()}.daxfs`;
  await build(source, image);
  return imageTree(image);
}

/** Compares what umoci and we make of a layout; returns our tree. */
async function compare(
  layout: string,
  tag: string,
  exceptions: readonly Exception[] = [],
): Promise<Tree> {
  // The kernel's clock for files may be some milliseconds behind.
  const began = BigInt(Date.now() - 1000) * 1_000_000n;
  const theirs = await umociTree(layout, tag, newPath());
  const ours = await builtTree(layout);
  expectAgreement(theirs, ours, exceptions, began);
  return ours;
}

const pathsOf = (tree: Tree) => [...tree.keys()].filter((path) => path !== ".").sort();

describe("an image with odd layers is what umoci makes of it", () => {
  it("there are enough of them", () => {
    expect(IMAGES.length).toBeGreaterThanOrEqual(15);
    const oddities = IMAGES.flatMap(({ layers }) => layers.map(({ oddity }) => oddity));
    expect(oddities.length).toBeGreaterThanOrEqual(40);
    expect(new Set(oddities).size).toBe(oddities.length);
  });

  it.for(named(IMAGES))("%s", async ([, { layers, paths, exceptions }], context) => {
    await needsUmoci(context);
    const ours = await compare(layoutOf(layers), TAG, exceptions);
    expect(pathsOf(ours)).toEqual([...paths].sort());
  });
});

const isWhiteout = ({ path }: Member) => /(^|\/)\.wh\.[^/]*\/?$/.test(path);

/** The same members with the same times, whiteouts before or behind all others. */
function withWhiteouts(place: "first" | "last", layers: readonly OddLayer[]): OddLayer[] {
  return layers.map(({ oddity, content }, layer) => {
    if ("script" in content) throw new Error("a script's layer has no members");
    const settled = content.map((member, index) => ({
      mtime: String(firstSecond(layer) + index),
      ...member,
    }));
    const others = settled.filter((member) => !isWhiteout(member));
    const whiteouts = settled.filter(isWhiteout);
    return {
      oddity,
      content: place === "first" ? [...whiteouts, ...others] : [...others, ...whiteouts],
    };
  });
}

describe("whiteouts act on lower layers alone, wherever they stand in theirs", () => {
  it.for(named([...REMOVAL, ...LINKS]))("%s", async ([, { layers }]) => {
    const asGiven = await builtTree(layoutOf(layers));
    expect(await builtTree(layoutOf(withWhiteouts("first", layers)))).toEqual(asGiven);
    expect(await builtTree(layoutOf(withWhiteouts("last", layers)))).toEqual(asGiven);
  });
});

describe("layers at random", () => {
  const SEEDS = 16;

  /** Directories whose time umoci changed, or that it made: what is left out for them is theirs. */
  const changedTimes = (theirs: Tree, ours: Tree, began: bigint): Exception[] =>
    differences(theirs, ours)
      .filter(({ path, field, umoci }) => {
        const isDirectory = theirs.get(path)?.get("type") === "040000";
        return field === "mtime" && isDirectory && BigInt(umoci) >= began;
      })
      .map((difference) => ({ ...difference, umoci: NOW, why: "umoci changed or made it" }));

  it("are what umoci makes of them with whiteouts first, and the same in any order", async (context) => {
    await needsUmoci(context);
    let compared = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const layers = randomLayers(seed);
      // Of what comes late in a layer umoci removes less than it should.
      const sorted = layoutOf(withWhiteouts("first", layers));
      const began = BigInt(Date.now() - 1000) * 1_000_000n;
      const bundle = newPath();
      const { status, stderr } = await umociUnpack(sorted, TAG, bundle);
      if (status !== 0) {
        // A target that a whiteout hides, or that lay in a directory which is a symlink now.
        expect(stderr).toMatch(/link: no such file or directory/);
        continue;
      }
      const theirs = await directoryTree(join(bundle, "rootfs"));
      const ours = await builtTree(sorted);
      expectAgreement(theirs, ours, changedTimes(theirs, ours, began), began);
      expect(await builtTree(layoutOf(layers))).toEqual(ours);
      compared++;
    }
    expect(compared).toBeGreaterThan(SEEDS / 2);
  });
});

describe("what can't be a tree is refused", () => {
  it.for(named(REFUSED))("%s", async ([, { layers, message, umociTakes }], context) => {
    const layout = layoutOf(layers);
    const image = `${newPath()}.daxfs`;
    const { status, stdout, stderr } = await mkdaxfs([layout, "-o", image, "--quiet"]);
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: "",
      stderr: expect.stringMatching(/^mkdaxfs: .*\n$/),
    });
    expect(stderr).toMatch(message);
    expect(existsSync(image)).toBe(false);

    await needsUmoci(context);
    const theirs = await umociUnpack(layout, TAG, newPath());
    expect(theirs.status === 0).toBe(umociTakes !== undefined);
  });
});

describe("what umoci refuses, and is sound", () => {
  it.for(named(TAKEN))("%s", async ([, { layers, umociSays, expected }], context) => {
    const layout = layoutOf(layers);
    const ours = await builtTree(layout);
    for (const [path, fields] of Object.entries(expected)) {
      expect(Object.fromEntries(ours.get(path) ?? [])).toMatchObject(fields);
    }

    await needsUmoci(context);
    const { status, stderr } = await umociUnpack(layout, TAG, newPath());
    expect(status).toBe(1);
    expect(stderr).toMatch(umociSays);
  });
});

/** Edits of a root filesystem, each of which becomes a layer. */
const EDITS: Readonly<Record<string, string>> = {
  "a tree with everything": `
    mkdir -p etc usr/bin usr/lib var/empty home/user
    printf 'root:x:0:0::/:/bin/sh\\n' > etc/passwd
    printf 'tool' > usr/bin/tool; ln usr/bin/tool usr/bin/alias; ln usr/bin/tool usr/bin/other
    chmod 4755 usr/bin/tool
    ln -s usr/bin bin; ln -s ../../etc/passwd usr/lib/passwd
    printf 'cap' > usr/bin/capable; setcap cap_net_raw+ep usr/bin/capable
    setfattr -n user.binary -v 0x00ff0a home/user; chown -R 1234:4321 home/user
    mknod usr/lib/null c 1 3; mkfifo usr/lib/pipe
    head -c 100000 /dev/zero > usr/lib/zeros; : > usr/lib/empty
    mkdir usr/lib/deep usr/lib/deep/er; printf 'deep' > usr/lib/deep/er/file
    touch -d @1.25 usr/lib/empty; touch -d @-99.5 var/empty; chmod 1777 var/empty`,
  "files changed, removed, and one name of three replaced": `
    printf 'new' > etc/passwd; rm usr/lib/zeros usr/lib/pipe; rm usr/bin/alias
    printf 'a tool of its own' > usr/bin/alias; touch -d @2.5 usr/lib`,
  "a directory removed and made again, a file that is a directory now": `
    rm -r usr/lib/deep; mkdir usr/lib/deep; printf 'again' > usr/lib/deep/new
    rm usr/lib/empty; mkdir usr/lib/empty; printf 'inside' > usr/lib/empty/inside`,
  "owners, modes and attributes changed, nothing else": `
    chown 7:8 etc; chmod 0700 home; setfattr -x user.binary home/user
    setfattr -n user.new -v new home/user; setcap -r usr/bin/capable`,
  "the symlink becomes a directory, the directory a symlink": `
    rm bin; mkdir bin; printf 'in bin' > bin/sh; rm -r var/empty; ln -s ../home var/empty`,
};

describe("images that umoci made", () => {
  it("by unpacking, editing and repacking, five layers", async (context) => {
    await needsUmoci(context);
    const layout = newPath();
    await bash('umoci init --layout "$1"; umoci new --image "$1:made"', layout);
    for (const [edit, script] of Object.entries(EDITS)) {
      const bundle = newPath();
      await bash(
        `umoci unpack --image "$1:made" "$2"
         (cd "$2/rootfs"; ${script})
         umoci repack --image "$1:made" "$2"`,
        layout,
        bundle,
      );
      const ours = await compare(layout, "made");
      // What umoci unpacks must also be what was packed, or it is no measure.
      const edited = await directoryTree(join(bundle, "rootfs"));
      expect({ edit, paths: pathsOf(ours) }).toEqual({ edit, paths: pathsOf(edited) });
    }
  });

  it("by inserting files, directories and whiteouts", async (context) => {
    await needsUmoci(context);
    const layout = newPath();
    const tree = disk.directory(`${++directories}`);
    await bash(
      `cd "$2"; mkdir -p lib/sub; echo one > lib/one; echo two > lib/sub/two; ln lib/one lib/link
       find lib -exec touch -d @1700000000 {} +
       umoci init --layout "$1"; umoci new --image "$1:made"
       umoci insert --image "$1:made" lib /usr/lib
       umoci insert --image "$1:made" lib/one /usr/bin/one
       umoci insert --image "$1:made" --whiteout /usr/lib/sub/two
       umoci insert --image "$1:made" lib/sub /usr/share
       echo three > lib/sub/three
       umoci insert --image "$1:made" --opaque lib/sub /usr/lib
       umoci insert --image "$1:made" --whiteout /usr/share`,
      layout,
      tree,
    );
    const made = [".", "usr", "usr/bin"].map((path) => madeDirectory(path, "1700000000"));
    const ours = await compare(layout, "made", made);
    expect(pathsOf(ours)).toEqual([
      "usr",
      "usr/bin",
      "usr/bin/one",
      "usr/lib",
      "usr/lib/three",
      "usr/lib/two",
    ]);
  });
});

describe("copies that skopeo made hold the same tree", () => {
  const NAMES = ["whiteouts and their places", "links whose target changes above", "attributes"];
  const COPIES = {
    "gzip layers": { to: (path: string) => `oci:${path}:${TAG}`, args: ["--dest-compress"] },
    "zstd layers": {
      to: (path: string) => `oci:${path}:${TAG}`,
      args: ["--dest-compress", "--dest-compress-format", "zstd"],
    },
    "an OCI archive": { to: (path: string) => `oci-archive:${path}:${TAG}`, args: [] },
    "a docker archive": { to: (path: string) => `docker-archive:${path}:odd/image:1`, args: [] },
  };

  it.for(Object.entries(COPIES))("%s", async ([copy, { to, args }], context) => {
    await needsUmoci(context, "skopeo");
    for (const { layers } of IMAGES.filter(({ name }) => NAMES.includes(name))) {
      const layout = layoutOf(layers);
      const copied = newPath();
      await execa("skopeo", [
        "--insecure-policy",
        "copy",
        ...args,
        `oci:${layout}:${TAG}`,
        to(copied),
      ]);
      if (copy.endsWith(" layers")) {
        expect(layerTypes(copied)).toEqual(layers.map(() => `tar+${copy.split(" ")[0]}`));
      }
      expect(await builtTree(copied)).toEqual(await builtTree(layout));
    }
  });

  /** How the layers of a layout's image are packed, as their media types say. */
  function layerTypes(layout: string): string[] {
    const read = (path: string) => JSON.parse(readFileSync(join(layout, path), "utf8"));
    const digest: string = read("index.json").manifests[0].digest;
    const { layers } = read(`blobs/${digest.replace(":", "/")}`);
    return layers.map(({ mediaType }: { mediaType: string }) => mediaType.split(".").at(-1));
  }
});

describe("layers that real archivers wrote of a tree with everything", () => {
  /** Neither of the two can put a socket into an archive. */
  async function tree(): Promise<string> {
    const directory = disk.directory(`${++directories}`);
    await makeSmallTree(directory);
    rmSync(join(directory, "devices", "socket"));
    await settleTimes(directory);
    return directory;
  }

  const ODD = "\x80\x81";

  /** What Go's tar reader makes of the attributes of three files with odd ones. */
  const attributes = (oddName: string): Exception[] =>
    [
      ["attributes/file", "01"],
      [`names/file-${ODD}`, "02"],
      [`names/\xff\xfe/link-${ODD}`, "02"],
    ].flatMap(([path, value]) => [
      absence(path!, "user.empty", "", "Go's tar reader takes an empty value for no record at all"),
      ...renamed(path!, 'user.odd = "name"', oddName, value!),
    ]);

  /** An attribute that umoci leaves out. */
  const absence = (path: string, name: string, ours: string, why: string): Exception => ({
    path,
    field: `xattr ${name}`,
    umoci: "absent",
    ours,
    why,
  });

  const renamed = (path: string, name: string, theirName: string, value: string): Exception[] => {
    const why = "Go's tar reader takes the archiver's spelling of the name for the name";
    return [
      absence(path, name, value, why),
      { path, field: `xattr ${theirName}`, umoci: value, ours: "absent", why },
    ];
  };

  const OPAQUE = absence(
    "attributes/acl-directory",
    "trusted.overlay.opaque",
    "79",
    "umoci never sets what overlayfs may be using where it unpacks",
  );

  const ARCHIVERS = {
    "GNU tar": {
      command: "tar --format=posix --xattrs --xattrs-include='*' -C \"$1\" -c .",
      exceptions: [...attributes('user.odd %3D "name"'), OPAQUE],
    },
    bsdtar: {
      command: 'bsdtar --format=pax --options hdrcharset=BINARY --no-acls -C "$1" -c .',
      exceptions: [
        ...attributes('user.odd%20%3D%20"name"'),
        ...renamed("attributes/file", "user.\xc3\xa9", "user.%C3%A9", "02"),
        OPAQUE,
      ],
    },
  };

  it.for(Object.entries(ARCHIVERS))("%s", async ([, { command, exceptions }], context) => {
    await needsUmoci(context, "bsdtar");
    const directory = await tree();
    const layer = await execa("bash", ["-euc", command, "bash", directory], {
      encoding: "buffer",
      env: { LC_ALL: "C" },
    });
    const layout = newPath();
    writeLayout(layout, TAG, [layer.stdout], "gzip");
    const ours = await compare(layout, TAG, exceptions);
    expect(pathsOf(ours)).toEqual(pathsOf(await directoryTree(directory)));
  });
});
