// SPDX-License-Identifier: MIT
// The image builder from the outside: the command is run on real directories, and what is in the
// images is checked against what Debian's tools say of the directories.
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  byteStringOfText,
  checkImageFile,
  describeFinding,
  FLAG,
  HUGE_SIZE,
  ImageReader,
  type Inode,
} from "@daxfs/format";
import { execa } from "execa";
import { beforeAll, describe, expect, it, type TestContext } from "vitest";
import { bash, build, COMMAND, ENVIRONMENT, mkdaxfs, sha256, start } from "./support/builder.js";
import { differingContents, imageManifest, type Manifest, manifestOf } from "./support/manifest.js";
import { node24 } from "./support/node24.js";
import {
  crowdName,
  makeCrowd,
  makeSmallTree,
  makeSparseFile,
  settleTimes,
} from "./support/trees.js";
import { IS_ROOT, listing, MEMORY, needsRoot, usedBytes, workspace } from "./support/workspace.js";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const disk = workspace(tmpdir());
const memory = workspace(MEMORY);

/** Runs something with an image open. */
async function withImage<T>(image: string, use: (reader: ImageReader) => T | Promise<T>) {
  const reader = ImageReader.open(image);
  try {
    return await use(reader);
  } finally {
    reader.close();
  }
}

const superblockOf = (image: string) => withImage(image, (reader) => reader.superblock);

async function uuidOf(image: string): Promise<string> {
  return Buffer.from((await superblockOf(image)).uuid).toString("hex");
}

function at(reader: ImageReader, path: string): Inode {
  const inode = reader.resolve(byteStringOfText(path));
  if (inode === undefined) throw new Error(`no ${path} in the image`);
  return inode;
}

/** Expects an image to hold a directory: names, facts and contents. */
async function expectSame(image: string, source: string, manifest?: Manifest): Promise<void> {
  const expected = manifest ?? (await manifestOf(source));
  await withImage(image, (reader) => {
    expect(imageManifest(reader)).toEqual(expected);
    expect(differingContents(source, reader)).toEqual([]);
  });
}

describe("a tree with everything", () => {
  let tree: string;
  let image: string;
  let manifest: Manifest;

  beforeAll(async () => {
    tree = disk.directory("everything");
    image = disk.path("everything.daxfs");
    await makeSmallTree(tree);
    mkdirSync(join(tree, "large"));
    const large = (name: string) => join(tree, "large", name);
    writeFileSync(large("exactly"), Buffer.alloc(HUGE_SIZE, "exactly "));
    writeFileSync(large("one-more"), Buffer.alloc(HUGE_SIZE + 1, "one more "));
    copyFileSync(large("exactly"), large("exactly-again"));
    makeSparseFile(large("sparse"), 5 * GIB, {
      0: "start",
      [2 * GIB + 4093]: "across a page in the middle",
      [4 * GIB]: "at 4 GiB",
      [4 * GIB + 123_456_789]: "past 4 GiB",
      [5 * GIB - 3]: "end",
    });
    await settleTimes(tree);
    manifest = await manifestOf(tree);
    await build(tree, image);
  }, 60_000);

  it("is in the image, every name and every byte of it", async () => {
    expect(Object.keys(manifest)).toHaveLength(IS_ROOT ? 101 : 93);
    await expectSame(image, tree, manifest);
  });

  // The manifest and the image could be wrong alike; these are known by other ways.
  it("has the times it was given", () => {
    expect(manifest["plain/4095"]!.mtimeNs).toBe(-631_151_999_500_000_000n);
    expect(manifest["plain/4096"]!.mtimeNs).toBe(-1n);
    expect(manifest["plain/4097"]!.mtimeNs).toBe(0n);
    expect(manifest["plain/1"]!.mtimeNs).toBe(2_147_483_648_000_000_001n);
    expect(manifest["links/dangling"]!.mtimeNs).toBe(-310_478_399_750_000_000n);
    expect(manifest.empty!.mtimeNs).toBe(-462_653_694_876_543_211n);
  });

  it("has the links, sizes and targets it was given", () => {
    expect(manifest["plain/1"]!.names).toEqual(["links/hard", "names/hard", "plain/1"]);
    expect(manifest["links/dangling"]!.names).toHaveLength(3);
    expect(manifest["links/long"]!.target).toBe("t".repeat(4095));
    expect(manifest["names/symlink-\x80\x81"]!.target).toBe("target-\x80\x81");
    expect(manifest["names/\xff\n"]!.size).toBe(2);
    expect(manifest["names/\xff\xfe/link-\x80\x81"]!.names).toHaveLength(2);
    expect(Object.keys(manifest).filter((path) => /\/[^/]{255}$/.test(path))).toHaveLength(2);
    expect(manifest["large/sparse"]!.size).toBe(5 * GIB);
  });

  it("has the attributes it was given", () => {
    expect(manifest["attributes/file"]!.xattrs).toMatchObject({
      "user.nul": "00ff0000",
      'user.odd = "name"': "01",
      [byteStringOfText("user.é")]: "02",
      "user.empty": "",
      "user.large": "00ff".repeat(1500),
    });
    expect(manifest["attributes/linked-again"]!.xattrs).toEqual({ "user.linked": "03" });
    expect(manifest["names/file-\x80\x81"]!.xattrs).toEqual({
      "user.file": "01",
      'user.odd = "name"': "02",
      "user.empty": "",
    });
    expect(manifest["names/directory-\x80\x81/inside"]!.xattrs).toEqual({ "user.inside": "04" });
    expect(manifest["names/\xff\n"]!.xattrs).toEqual({ "user.newline": "05" });
    expect(manifest["."]!.xattrs).toEqual({ "user.root": "00" });
    expect(manifest["attributes/acl"]!.xattrs).toHaveProperty(["system.posix_acl_access"]);
    const acl = manifest["attributes/acl-directory"]!.xattrs;
    expect(acl).toHaveProperty(["system.posix_acl_access"]);
    expect(acl).toHaveProperty(["system.posix_acl_default"]);
  });

  it("has what only root can give it", (context) => {
    needsRoot(context);
    expect(manifest["devices/large-minor"]!.device).toBe("4095:1048575");
    expect(manifest["devices/disk"]!.device).toBe("259:123456");
    expect(manifest["devices/null"]!.xattrs).toEqual({ "trusted.device": "0001" });
    expect(manifest["attributes/dangling"]!.xattrs).toEqual({ "trusted.symlink": "00000002" });
    expect(manifest["names/symlink-\x80\x81"]!.xattrs).toEqual({ "trusted.symlink": "00ff" });
    expect(manifest["attributes/capable"]!.xattrs).toHaveProperty(["security.capability"]);
    expect(manifest["names/capable-\x80\x81"]!.xattrs).toHaveProperty(["security.capability"]);
    expect(manifest["plain/4095"]).toMatchObject({ uid: 4294967294, gid: 4294967293 });
    expect(manifest["modes/file-0000"]).toMatchObject({
      mode: 0o100000,
      xattrs: { "user.hidden": "07" },
    });
  });

  it("has data past 4 GiB where it belongs", () =>
    withImage(image, (reader) => {
      const sparse = at(reader, "large/sparse");
      const text = (offset: number, length: number) =>
        Buffer.from(reader.read(sparse, offset, length)).toString("latin1");
      expect(text(0, 6)).toBe("start\0");
      expect(text(2 * GIB + 4092, 29)).toBe("\0across a page in the middle\0");
      expect(text(4 * GIB - 1, 10)).toBe("\0at 4 GiB\0");
      expect(text(4 * GIB + 123_456_788, 12)).toBe("\0past 4 GiB\0");
      expect(text(5 * GIB - 4, 100)).toBe("\0end");
    }));

  it("stays sparse", () => {
    expect(statSync(image).size).toBeGreaterThan(5 * GIB);
    expect(usedBytes(image)).toBeLessThan(8 * MIB);
  });

  it("is laid out for huge mappings, equal contents once", () =>
    withImage(image, (reader) => {
      const offset = (path: string) => at(reader, path).data_offset;
      for (const name of ["exactly", "one-more", "sparse"]) {
        expect(offset(`large/${name}`) % BigInt(HUGE_SIZE)).toBe(0n);
      }
      expect(offset("large/exactly")).toBe(offset("large/exactly-again"));
      expect(offset("plain/deep/one")).toBe(offset("plain/deep/two"));
      expect(offset("plain/deep/one")).toBe(offset("plain/deep/three"));
      expect(offset("plain/4097")).toBe(offset("plain/deep/er/copy"));
      expect(offset("plain/almost-a")).not.toBe(offset("plain/almost-b"));
      expect(offset("links/relative")).toBe(offset("links/equal-target"));
      // Equal content does not make two files one.
      expect(reader.identity(at(reader, "plain/deep/one"))).not.toBe(
        reader.identity(at(reader, "plain/deep/two")),
      );
      expect(reader.superblock.data_align_log2).toBe(21);
      expect(reader.superblock.flags).toBe(
        FLAG.MTIME | FLAG.SORTED | FLAG.LINKS | FLAG.XATTRS | FLAG.CHECKSUMS,
      );
    }));

  it("is found sound by the command, and unsound with a byte changed", async () => {
    const sound = await mkdaxfs(["check", image]);
    expect(sound).toEqual({ status: 0, stdout: `${image}: sound\n`, stderr: "" });

    const broken = disk.path("broken.daxfs");
    await bash('cp --sparse=always -- "$1" "$2"', image, broken);
    const descriptor = openSync(broken, "r+");
    // The mode of the second inode.
    writeSync(descriptor, Buffer.of(0xff), 0, 1, 4096 + 64 + 4);
    closeSync(descriptor);
    const unsound = await mkdaxfs(["check", broken]);
    expect(unsound.status).toBe(1);
    expect(unsound.stderr).toBe("");
    const lines = unsound.stdout.trimEnd().split("\n");
    expect(lines.some((line) => line.includes("[metadata.crc]"))).toBe(true);
    expect(lines.at(-1)).toBe(`${broken}: ${lines.length - 1} findings`);
    rmSync(broken);
  });
});

describe("the same tree, made in another way", () => {
  it("gives the same bytes from a copy on another filesystem", async (context) => {
    const tree = disk.directory("original");
    await makeSmallTree(tree);
    await build(tree, disk.path("original.daxfs"));
    const copy = memory.path("copy");
    const copied = await execa("cp", ["-a", "--", tree, copy], { reject: false });
    if (copied.exitCode !== 0) context.skip(`no such copy can be made here: ${copied.stderr}`);
    // The copy lists its directories in another order.
    const listed = (path: string) => bash('cd "$1"; find . -print0', path);
    expect(await listed(copy)).not.toBe(await listed(tree));
    await build(copy, memory.path("copy.daxfs"));
    await execa("cmp", [disk.path("original.daxfs"), memory.path("copy.daxfs")]);
  });

  /** Commands that make a tree, and what has to be done before each. */
  const files = Array.from({ length: 40 }, (_, index) => `d${index % 4}/e${index % 3}/f${index}`);
  function shuffledScript(seed: number): string {
    let state = seed;
    const random = () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state;
    };
    const shuffled = (lines: readonly string[]) =>
      lines
        .map((line) => [random(), line] as const)
        .sort(([a], [b]) => a - b)
        .map(([, line]) => line);
    const directories = [...new Set(files.map((path) => path.replace(/\/[^/]*$/, "")))];
    // A linked file has the same names, whichever of them is made first.
    const [first, ...others] = shuffled(["d0/linked", "d1/linked", "linked", "d3/e0/linked"]);
    const attributes = ["user.b", "user.a", "user.c", "user.aa"].map((name) => [
      name,
      `0x0${name.length}`,
    ]);
    return [
      'cd "$1"',
      ...shuffled(directories.map((path) => `mkdir -p ${path}`)),
      ...shuffled([
        ...files.map((path, index) => `printf 'content %s' ${index % 13} > ${path}`),
        `printf linked > ${first}`,
        "ln -s target d2/symlink",
        "ln -s target d0/symlink",
      ]),
      ...shuffled([
        ...others.map((path) => `ln ${first} ${path}`),
        ...[first, files[0], files[13], "d1"].map((path) =>
          shuffled(
            attributes.map(([name, value]) => `setfattr -n ${name} -v ${value} ${path}`),
          ).join(";"),
        ),
      ]),
      "find . -print0 | xargs -0 touch -h -d @1234567890.5",
    ].join("\n");
  }

  it("gives the same bytes, whatever order things were made in", async () => {
    const sums = new Set<string>();
    for (const [index, place] of [disk, memory, disk, memory, disk].entries()) {
      const tree = place.directory(`shuffled-${index}`);
      await bash(shuffledScript(index + 1), tree);
      const image = place.path(`shuffled-${index}.daxfs`);
      await build(tree, image);
      if (index === 0) await expectSame(image, tree);
      sums.add(await sha256(image));
    }
    expect(sums.size).toBe(1);
  });
});

describe("one tree", () => {
  let tree: string;
  let image: string;
  beforeAll(async () => {
    tree = memory.directory("one");
    await makeSmallTree(tree);
    const random = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 31) >>> 3));
    writeFileSync(join(tree, "large-a"), Buffer.alloc(20 * MIB + 5, random));
    writeFileSync(join(tree, "large-b"), Buffer.alloc(3 * MIB, "b"));
    await settleTimes(tree);
    image = memory.path("one.daxfs");
    await build(tree, image);
  }, 60_000);

  it.each(["", "--digest", "--align 4k", "--label größe"])(
    "gives the same bytes again, also through a pipe and by another path, with '%s'",
    async (flags) => {
      const args = flags.split(" ").filter((flag) => flag !== "");
      const [first, again] = [memory.path("first.daxfs"), memory.path("again.daxfs")];
      await build(tree, first, args);
      await build(`${tree}/`, again, args);
      const expected = await sha256(first);
      expect(await sha256(again)).toBe(expected);

      const linked = memory.path("link to one");
      if (!existsSync(linked)) symlinkSync(tree, linked);
      const piped = execa(process.execPath, [COMMAND, linked, "-q", "-o", "-", ...args], {
        env: ENVIRONMENT,
        buffer: false,
      });
      const sum = sha256(piped.stdout);
      await piped;
      expect(await sum).toBe(expected);

      // A relative path, and a file as standard output.
      await bash(
        `cd "$1"; shift; "$1" "$2" one -q -o - "\${@:4}" > "$3"`,
        memory.path(),
        process.execPath,
        COMMAND,
        again,
        ...args,
      );
      expect(await sha256(again)).toBe(expected);
    },
  );

  it("gives the same bytes through a fifo, which stays one", async () => {
    const fifo = memory.path("fifo");
    await execa("mkfifo", [fifo]);
    const sum = execa("cat", [fifo], { buffer: false });
    const read = sha256(sum.stdout);
    const result = await mkdaxfs([tree, "-o", fifo]);
    expect(result).toMatchObject({ status: 0 });
    expect(await read).toBe(await sha256(image));
    expect(statSync(fifo).isFIFO()).toBe(true);
    await sum;
  });

  it("gives the same bytes under Node 24", async (context) => {
    const node = await node24();
    if ("reason" in node) return context.skip(node.reason);
    for (const args of [[], ["--digest"]]) {
      const [other, own] = [memory.path("node24.daxfs"), memory.path("own.daxfs")];
      const run = await execa(node.path, [COMMAND, tree, "-o", other, ...args], {
        env: ENVIRONMENT,
        reject: false,
      });
      expect(run).toMatchObject({ exitCode: 0 });
      await build(tree, own, args);
      await execa("cmp", [own, other]);
    }
    expect((await execa(node.path, ["--version"])).stdout).toMatch(/^v24\./);
  });

  it("gives the same bytes from the API, with a report", async () => {
    const output = memory.path("api.daxfs");
    // In a process of its own: vitest does not load packages the way Node does.
    const script = `
      import { BuildError, buildImage } from "mkdaxfs";
      const [source, output] = process.argv.slice(1);
      const { omittedXattrs, ...report } = await buildImage({ sources: [source], output });
      const error = await buildImage({ sources: ["/no/such"], output }).catch((thrown) => thrown);
      const refused = error instanceof BuildError && error.message;
      console.log(JSON.stringify({ ...report, omitted: [...omittedXattrs], refused }));
    `;
    const { stdout } = await execa(
      process.execPath,
      ["--input-type=module", "-e", script, tree, output],
      { cwd: fileURLToPath(new URL(".", import.meta.url)) },
    );
    const report = JSON.parse(stdout) as Record<string, unknown>;
    await execa("cmp", [image, output]);
    const manifest = await manifestOf(tree);
    const files = Object.entries(manifest).filter(([path, { names }]) => path === names[0]);
    expect(report).toMatchObject({
      inodes: Object.keys(manifest).length,
      totalSize: statSync(image).size,
      contentSize: files.reduce((sum, [, { size }]) => sum + (size ?? 0), 0),
      types: { regular: expect.any(Number), directory: expect.any(Number) },
      omitted: [],
      refused: expect.stringMatching(/^\/no\/such: no such file or directory/),
    });
    expect(Object.values(report.types as Record<string, number>).reduce((a, b) => a + b)).toBe(
      report.inodes,
    );
    expect(report.hardLinks).toBe(Object.keys(manifest).length - files.length);
    expect(report.storedSize).toBeLessThan(Number(report.contentSize));
    expect(String(report.uuid)).toMatch(/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/);
    expect(String(report.uuid).replaceAll("-", "")).toBe(await uuidOf(image));
  });

  it("has another UUID when a byte of it changes, and the old one when it changes back", async () => {
    const path = join(tree, "large-a");
    const changed = memory.path("changed.daxfs");
    const { mtimeNs } = statSync(path, { bigint: true });
    const flip = async () => {
      const descriptor = openSync(path, "r+");
      const byte = Buffer.of(readFileSync(path)[20 * MIB]! ^ 1);
      writeSync(descriptor, byte, 0, 1, 20 * MIB);
      closeSync(descriptor);
      await settleTimes(tree);
      expect(statSync(path, { bigint: true }).mtimeNs).toBe(mtimeNs);
      await build(tree, changed);
    };
    await flip();
    expect(await uuidOf(changed)).not.toBe(await uuidOf(image));
    expect(statSync(changed).size).toBe(statSync(image).size);
    await flip();
    await execa("cmp", [image, changed]);
  });

  it("has another UUID with another label, mode or time", async () => {
    const other = memory.path("other.daxfs");
    const uuids = [await uuidOf(image)];
    await build(tree, other, ["--label", "other"]);
    uuids.push(await uuidOf(other));
    await bash('chmod 0600 "$1"', join(tree, "large-b"));
    await build(tree, other);
    uuids.push(await uuidOf(other));
    await bash('chmod 0644 "$1"', join(tree, "large-b"));
    utimesSync(join(tree, "large-b"), 1, 1);
    await build(tree, other);
    uuids.push(await uuidOf(other));
    expect(new Set(uuids).size).toBe(4);
    await settleTimes(tree);
  });

  it("keeps SOURCE_DATE_EPOCH and the label, and no time without it", async () => {
    const labelled = memory.path("labelled.daxfs");
    const args = ["--label", "ünïcode label of 32 bytes, yes."];
    expect(Buffer.byteLength(args[1]!)).toBeGreaterThanOrEqual(32);
    const label = Buffer.from(args[1]!).subarray(0, 32).toString();
    await build(tree, labelled, ["--label", label], { env: { SOURCE_DATE_EPOCH: "1234567890" } });
    const superblock = await superblockOf(labelled);
    expect(superblock.build_time_ns).toBe(1_234_567_890_000_000_000n);
    expect(Buffer.from(superblock.label).toString()).toBe(label);
    expect((await superblockOf(image)).build_time_ns).toBe(0n);
    // Later times become the epoch, earlier ones stay (pain 25).
    await withImage(labelled, (reader) => {
      expect(at(reader, "plain/1").mtime_ns).toBe(1_234_567_890_000_000_000n);
      expect(at(reader, "plain/4095").mtime_ns).toBe(-631_151_999_500_000_000n);
    });
  });

  it("says nothing when it is told to be quiet, and one line when not", async () => {
    const output = memory.path("quiet.daxfs");
    expect(await mkdaxfs([tree, "-o", output, "-q"])).toEqual({
      status: 0,
      stdout: "",
      stderr: "",
    });
    const { stdout, stderr } = await mkdaxfs([tree, "-o", output]);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^[^\n]*quiet\.daxfs: \d+ inodes,[^\n]*UUID [0-9a-f-]{36}\n$/);
  });

  it("is dense with an alignment of 4k", async () => {
    const dense = memory.path("dense.daxfs");
    await build(tree, dense, ["--align", "4k"]);
    const superblock = await superblockOf(dense);
    expect(superblock.data_align_log2).toBe(12);
    expect(superblock.total_size).toBeLessThanOrEqual((await superblockOf(image)).total_size);
    await expectSame(dense, tree);
  });
});

describe("links", () => {
  it("count the names in the tree alone", async () => {
    const tree = memory.directory("outside", "tree");
    writeFileSync(join(tree, "file"), "x");
    await bash('ln "$1/tree/file" "$1/elsewhere"', memory.path("outside"));
    const image = memory.path("outside.daxfs");
    await build(tree, image);
    await withImage(image, (reader) => expect(at(reader, "file").nlink).toBe(1));
  });

  it("of two filesystems are not taken for each other", async (context) => {
    needsRoot(context);
    const tree = memory.directory("mounts");
    for (const name of ["a", "b"]) {
      const directory = memory.directory("mounts", name);
      await memory.mount(["-t", "tmpfs", "-o", "size=1m", "tmpfs"], directory);
      await bash('cd "$1"; printf %s "$2" > file; ln file link', directory, name);
    }
    const inode = (name: string) => statSync(join(tree, name, "file")).ino;
    expect(inode("a")).toBe(inode("b"));
    await build(tree, memory.path("mounts.daxfs"));
    await expectSame(memory.path("mounts.daxfs"), tree);
    for (const name of ["a", "b"]) await memory.unmount(join(tree, name));
  });
});

describe("labels of the build host's policy", () => {
  async function labelled(context: TestContext, name: string): Promise<string> {
    needsRoot(context);
    const tree = disk.directory(name);
    await bash('cd "$1"; mkdir d; : > d/a; : > b; : > "$(printf "\\377")"', tree);
    const set = `cd "$1"; find . -print0 | xargs -0 setfattr -n security.selinux -v 'sys:x:y_t:s0'`;
    await bash(`${set}; setfattr -n user.kept -v 0x01 b`, tree).catch((error: Error) =>
      context.skip(`no such label can be set here: ${error.message}`),
    );
    return tree;
  }

  it("are left out, which is said", async (context) => {
    const tree = await labelled(context, "selinux");
    const image = disk.path("selinux.daxfs");
    const { stderr } = await build(tree, image);
    expect(stderr.split("\n")[0]).toMatch(/^mkdaxfs: dropped security\.selinux from 5 files/);
    expect(stderr.trimEnd().split("\n")).toHaveLength(2);
    await withImage(image, (reader) => {
      for (const { path, identity } of reader.walk()) {
        const names = reader.xattrs(identity).map(({ name }) => name);
        expect(names).toEqual(path === "/b" ? ["user.kept"] : []);
      }
    });
  });

  it("don't change the image", async (context) => {
    const tree = await labelled(context, "selinux-times");
    const [before, after] = [disk.path("selinux-1.daxfs"), disk.path("selinux-2.daxfs")];
    await build(tree, before);
    await bash('cd "$1"; find . -print0 | xargs -0 setfattr -x security.selinux', tree);
    await build(tree, after);
    await execa("cmp", [before, after]);
  });

  it("are counted once for a file with several names", async (context) => {
    const tree = await labelled(context, "selinux-linked");
    await bash('cd "$1"; ln b c; ln b e', tree);
    const { stderr } = await build(tree, disk.path("selinux-linked.daxfs"));
    expect(stderr).toMatch(/^mkdaxfs: dropped security\.selinux from 5 files/);
  });
});

describe("holes", () => {
  it("are where a file has zero pages", async () => {
    const tree = memory.directory("holes");
    const pages = 64;
    const content = Buffer.alloc(pages * 4096);
    content.fill("data", 0, 4096);
    content.fill("data", (pages - 1) * 4096);
    // No hole in the file: its zeros were written.
    writeFileSync(join(tree, "zeros"), content);
    expect(usedBytes(join(tree, "zeros"))).toBeGreaterThanOrEqual(content.length);
    const image = memory.path("holes.daxfs");
    await build(tree, image);
    const start = await withImage(image, (reader) => Number(at(reader, "zeros").data_offset));
    const script =
      "import os, sys\n" +
      "image, start = os.open(sys.argv[1], os.O_RDONLY), int(sys.argv[2])\n" +
      "hole = os.lseek(image, start, os.SEEK_HOLE)\n" +
      "print(hole - start, os.lseek(image, hole, os.SEEK_DATA) - start)";
    const { stdout } = await execa("python3", ["-c", script, image, String(start)]);
    expect(stdout).toBe(`4096 ${(pages - 1) * 4096}`);
    expect(usedBytes(image)).toBeLessThanOrEqual(statSync(image).size - (pages - 2) * 4096);
  });

  it("are kept for a file of zeros alone, and read as zeros through a pipe", async () => {
    const tree = memory.directory("nothing but zeros");
    makeSparseFile(join(tree, "zeros"), 300 * MIB, {});
    const image = memory.path("zeros.daxfs");
    await build(tree, image);
    expect(usedBytes(image)).toBeLessThan(64 * 1024);
    await bash('"$1" "$2" "$3" -q -o - | cmp - "$4"', process.execPath, COMMAND, tree, image);
  });
});

describe("a file past 2 GiB", () => {
  // One read() gives no more than 2 GiB less a page.
  it("is whole, in a file and through a pipe", async () => {
    const tree = memory.directory("three");
    const size = 3 * GIB;
    const texts = { [2 * GIB - 4096]: "before", [2 * GIB]: "behind", [size - 4]: "last" };
    makeSparseFile(join(tree, "file"), size, texts);
    const image = memory.path("three.daxfs");
    await build(tree, image);
    await withImage(image, (reader) => {
      const inode = at(reader, "file");
      expect(inode.size).toBe(BigInt(size));
      for (const [offset, text] of Object.entries(texts)) {
        expect(Buffer.from(reader.read(inode, Number(offset), text.length)).toString()).toBe(text);
      }
    });
    await bash('"$1" "$2" "$3" -q -o - | cmp - "$4"', process.execPath, COMMAND, tree, image);
  });
});

describe("100,000 files in one directory", () => {
  const COUNT = 100_000;
  let tree: string;
  let image: string;
  /** MiB, once it was built. */
  let peak: number | undefined;
  beforeAll(() => {
    tree = memory.path("crowd");
    image = memory.path("crowd.daxfs");
    makeCrowd(tree, COUNT);
  }, 60_000);

  it("take seconds, and are all found", async (context) => {
    const time = "/usr/bin/time";
    if (!existsSync(time)) context.skip("needs GNU time (install the package time)");
    const begun = performance.now();
    const run = start(time, ["-f", "peak %M", process.execPath, COMMAND, tree, "-o", image]);
    const { exitCode, stderr } = await run;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    // It takes about one; a lookup that were linear would take hours.
    expect((performance.now() - begun) / 1000).toBeLessThan(30);
    peak = Number(/peak (\d+)/.exec(String(stderr))?.[1]) / 1024;
    console.info(`peak of memory while building: ${peak.toFixed(0)} MiB`);
    expect(checkImageFile(image).map(describeFinding)).toEqual([]);
    await withImage(image, (reader) => {
      const root = reader.inode(1);
      expect(root.size).toBe(BigInt(64 * COUNT));
      for (let index = 0; index < COUNT; index += 37) {
        const inode = reader.lookup(root, crowdName(index));
        if (inode === undefined) throw new Error(`${crowdName(index)} is not found`);
        const content = Buffer.from(reader.read(inode, 0, 100)).toString("latin1");
        expect(content).toBe(`content of ${index}`);
      }
      const names = new Set([...reader.children(root)].map((child) => reader.name(child)));
      expect(names.size).toBe(COUNT);
      expect(reader.lookup(root, "100003-of-the-crowd")).toBeUndefined();
      expect(reader.lookup(root, "-")).toBeUndefined();
    });
  });

  it("take little memory", (context) => {
    if (peak === undefined) context.skip("was not measured");
    // It takes about 150, most of it V8's.
    expect(peak).toBeLessThan(200);
  });
});

describe("where the image goes", () => {
  let tree: string;
  beforeAll(() => {
    tree = memory.directory("output tree");
    writeFileSync(join(tree, "file"), "content");
  });

  it("can be a symlink, which stays one", async () => {
    const directory = memory.directory("linked output");
    const path = (name: string) => join(directory, name);
    mkdirSync(path("images"));
    writeFileSync(path("images/real"), "old");
    symlinkSync("images/real", path("link"));
    await build(tree, path("link"));
    expect(realpathSync(path("link"))).toBe(realpathSync(path("images/real")));
    expect(listing(directory)).toEqual(["images", "link"]);
    expect(listing(path("images"))).toEqual(["real"]);
    expect(checkImageFile(path("images/real"))).toEqual([]);
  });

  it("can have a long name, and one that is no ASCII", async () => {
    const directory = memory.directory("long output");
    const names = [`${"n".repeat(249)}.daxfs`, `${"ü".repeat(124)}.daxfs`, "new\nline 日本"];
    for (const name of names) await build(tree, join(directory, name));
    expect(listing(directory)).toEqual([...names].sort());
  });

  it("can be in the current directory, beside or above the source", async () => {
    const directory = memory.directory("around");
    await bash('mkdir -p "$1/source/inner"; : > "$1/source/inner/file"', directory);
    const cwd = join(directory, "source");
    expect((await mkdaxfs(["inner", "-o", "../image"], { cwd })).status).toBe(0);
    expect(listing(directory)).toEqual(["image", "source"]);
    // A name that only begins like the source's.
    for (const image of ["image", "source-image"]) {
      expect((await mkdaxfs(["source", "-o", image], { cwd: directory })).status).toBe(0);
    }
    expect(listing(directory)).toEqual(["image", "source", "source-image"]);
  });

  it("gets the rights that new files get", async () => {
    const image = memory.path("rights.daxfs");
    await bash('umask 027; "$1" "$2" "$3" -q -o "$4"', process.execPath, COMMAND, tree, image);
    expect(statSync(image).mode & 0o777).toBe(0o640);
  });

  it("replaces an image that is in use, which stays whole for those who have it open", async () => {
    const image = memory.path("in use.daxfs");
    await build(tree, image);
    await withImage(image, async (reader) => {
      const before = Buffer.from(reader.superblock.uuid).toString("hex");
      await build(tree, image, ["--label", "new"]);
      expect(await uuidOf(image)).not.toBe(before);
      expect(Buffer.from(reader.read(at(reader, "file"), 0, 9)).toString()).toBe("content");
    });
  });
});

describe("an empty directory", () => {
  it("gives an image with a root", async () => {
    const image = memory.path("empty.daxfs");
    const tree = memory.directory("empty");
    await build(tree, image, ["--digest"]);
    await expectSame(image, tree);
    // A checker that takes anything would take this too.
    truncateSync(image, 4095);
    expect((await mkdaxfs(["check", image])).status).toBe(1);
  });
});
