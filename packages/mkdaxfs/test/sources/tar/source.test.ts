// SPDX-License-Identifier: MIT
// What real programs put into archives comes out again.
import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { fsPath } from "../../../src/host/path.js";
import { joinPath } from "../../../src/model/entry-path.js";
import { Random, scratchDirectory } from "../../support/support.js";
import { contentText, type ReadResult, readBoth, run, type Seen } from "../../support/tar.js";

const scratch = scratchDirectory();

/** Latin1, which no UTF-8 decoder lets through as it is. */
const ODD_NAME = "bytes-\xff\xfe";
const LONG_NAME = "n".repeat(200);

/** Makes a tree with everything that needs no privilege. */
function makeTree(root: string): void {
  const random = new Random(7);
  const at = (name: string) => fsPath(`${root}/${name}`);
  mkdirSync(at("dir/empty"), { recursive: true });
  mkdirSync(at(`${LONG_NAME}/${LONG_NAME}`), { recursive: true });
  writeFileSync(at("dir/file"), "content\n");
  writeFileSync(at("empty-file"), "");
  for (const size of [1, 511, 512, 513, 4095, 4096, 4097, 300_000]) {
    writeFileSync(at(`size-${size}`), random.bytes(size));
  }
  writeFileSync(at(ODD_NAME), "odd");
  writeFileSync(at("new\nline and\ttab"), "odd too");
  writeFileSync(at("na\xc3\xafve"), "UTF-8");
  writeFileSync(at(`${LONG_NAME}/${LONG_NAME}/file`), "deep");
  symlinkSync(fsPath("dir/file"), at("symlink"));
  symlinkSync(fsPath(`/${"t".repeat(300)}`), at("long-symlink"));
  symlinkSync(fsPath(ODD_NAME), at("odd-symlink"));
  linkSync(at("dir/file"), at("zz-hard-link"));
  linkSync(at("symlink"), at("zz-link-to-symlink"));
  linkSync(at(`${LONG_NAME}/${LONG_NAME}/file`), at(`${LONG_NAME}/zz-link`));
  run(["mkfifo", `${root}/fifo`]);
  chmodSync(at("dir/file"), 0o4711);
  chmodSync(at("dir/empty"), 0o1777);
  chmodSync(at("size-1"), 0);
  lutimesSync(at("symlink"), 1, 1);
  lutimesSync(at("empty-file"), 0, 0);
  lutimesSync(at("dir/empty"), 1_700_000_000, 1_700_000_000);
}

interface Kept {
  /** Nanoseconds that times are whole multiples of. */
  readonly resolution: bigint;
  /** Whether the first of a file's names is the file, as in the order of the archive. */
  readonly order: readonly string[];
}

/** What a tree on disk should look like, its paths in the order of the archive. */
function expected(root: string, { resolution, order }: Kept): Seen[] {
  const firsts = new Map<bigint, string>();
  return order.map((path) => {
    const host = fsPath(path === "" ? root : `${root}/${path}`);
    const stats = lstatSync(host, { bigint: true });
    const mtimeNs = (stats.mtimeNs / resolution) * resolution;
    const first = firsts.get(stats.ino);
    if (first !== undefined && !stats.isDirectory()) {
      return { path, type: "link", mtimeNs, body: first };
    }
    firsts.set(stats.ino, path);
    const [type, body] = stats.isSymbolicLink()
      ? ["symlink", readlinkSync(host, "latin1")]
      : stats.isDirectory()
        ? ["directory", undefined]
        : stats.isFIFO()
          ? ["fifo", undefined]
          : ["regular", stats.size > 0n ? contentText(readFileSync(host)) : undefined];
    return {
      path,
      type,
      permissions: Number(stats.mode) & 0o7777,
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      mtimeNs,
      size: type === "regular" ? Number(stats.size) : 0,
      ...(body !== undefined && { body }),
    };
  });
}

function everyPath(root: string, below = ""): string[] {
  const names = readdirSync(fsPath(joinPath(root, below)), "latin1");
  return [
    below,
    ...names.flatMap((name) => {
      const path = joinPath(below, name);
      const isDirectory = lstatSync(fsPath(`${root}/${path}`)).isDirectory();
      return isDirectory ? everyPath(root, path) : [path];
    }),
  ];
}

/** Holds what was read against the tree that was archived. */
function expectTree({ seen }: ReadResult, root: string, resolution: bigint): void {
  const order = seen.map(({ path }) => path);
  expect([...order].sort()).toEqual(everyPath(root).sort());
  expect(seen).toEqual(expected(root, { resolution, order }));
}

const SECOND = 1_000_000_000n;

describe("an archive of a tree", () => {
  const root = () => scratch("tree");
  beforeAll(() => makeTree(root()));

  it.each([
    ["gnu", SECOND],
    ["oldgnu", SECOND],
    ["posix", 1n],
  ] as const)("by GNU tar in the format %s is that tree", async (format, resolution) => {
    const bytes = run(["tar", "-C", root(), `--format=${format}`, "-cf", "-", "."]);
    const result = await readBoth(bytes);
    expectTree(result, root(), resolution);
    expect(result.warnings).toEqual([]);
    expect(result.spooled).toBe(0);
  });

  it("by GNU tar with names as they were given is that tree", async () => {
    const names = everyPath(root())
      .filter((path) => path !== "")
      .map((path) => `${root()}//./${path}\0`);
    const bytes = run(
      ["tar", "-P", "--null", "--no-recursion", "-T", "-", `--transform=s,^${root()},,`, "-c"],
      Buffer.from(names.join(""), "latin1"),
    );
    const { seen } = await readBoth(bytes);
    expect(seen.map(({ path }) => path).sort()).toEqual(everyPath(root()).sort().slice(1));
  });

  it.each([
    ["pax", 1n],
    ["gnutar", SECOND],
  ] as const)("by bsdtar in the format %s is that tree", async (format, resolution) => {
    const bytes = run(["bsdtar", "-C", root(), `--format=${format}`, "-cf", "-", "."]);
    expectTree(await readBoth(bytes), root(), resolution);
  });

  it.each(["GNU_FORMAT", "PAX_FORMAT"])("by Python in its %s is that tree", async (format) => {
    const script = [
      "import sys, tarfile",
      `with tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.${format}) as tar:`,
      `  tar.add(${JSON.stringify(root())}, arcname='.')`,
    ].join("\n");
    const { seen } = await readBoth(run(["python3", "-c", script]));
    const order = seen.map(({ path }) => path);
    const withoutTimes = (all: readonly Seen[]) => all.map((one) => ({ ...one, mtimeNs: 0n }));
    // Python rounds times, and knows hard links of regular files alone.
    const wanted = withoutTimes(expected(root(), { resolution: SECOND, order }));
    expect([...order].sort()).toEqual(everyPath(root()).sort());
    for (const [index, one] of withoutTimes(seen).entries()) {
      if (order[index] !== "zz-link-to-symlink") expect(one).toEqual(wanted[index]);
    }
  });
});

describe("an archive of short names", () => {
  const root = () => scratch("short");
  beforeAll(() => {
    mkdirSync(`${root()}/d/${"e".repeat(90)}/${"f".repeat(60)}`, { recursive: true });
    writeFileSync(`${root()}/d/${"e".repeat(90)}/${"f".repeat(60)}/file`, "deep");
    writeFileSync(`${root()}/d/file`, "content");
    symlinkSync("file", `${root()}/d/symlink`);
    linkSync(`${root()}/d/file`, `${root()}/d/link`);
    lutimesSync(`${root()}/d/file`, 1_000_000_000, 1_000_000_000);
  });

  it.each([
    ["tar", "ustar"],
    ["bsdtar", "ustar"],
    ["bsdtar", "v7"],
    ["tar", "v7"],
  ])("by %s in the format %s is that tree", async (program, format) => {
    // The old format has names of at most 99 bytes.
    const what = format === "v7" ? ["d/file", "d/symlink", "d/link"] : ["."];
    const bytes = run([program, "-C", root(), `--format=${format}`, "-cf", "-", ...what]);
    const { seen } = await readBoth(bytes);
    const order = seen.map(({ path }) => path);
    expect(order.length).toBe(format === "v7" ? 3 : everyPath(root()).length);
    expect(seen).toEqual(expected(root(), { resolution: SECOND, order }));
  });
});

describe("times", () => {
  const names = ["past", "future", "fraction"];
  const times = async (command: readonly string[]) => {
    const { seen } = await readBoth(run([...command, "-C", scratch("."), "-cf", "-", ...names]));
    return seen.map(({ mtimeNs }) => mtimeNs);
  };
  beforeAll(() => {
    for (const [index, time] of ["-1.5", "4294967296.25", "1234567890.123456789"].entries()) {
      writeFileSync(scratch(names[index]!), "");
      run(["touch", "-d", `@${time}`, scratch(names[index]!)]);
    }
  });

  it("are exact to the nanosecond, before 1970 too", async () => {
    const exact = [-1_500_000_000n, 4_294_967_296_250_000_000n, 1_234_567_890_123_456_789n];
    expect(await times(["tar", "--format=posix"])).toEqual(exact);
    // libarchive writes -1.5 as "-2.5", and reads that back as -1.5. POSIX and GNU tar don't.
    expect((await times(["bsdtar", "--format=pax"])).slice(1)).toEqual(exact.slice(1));
  });

  it("are whole seconds in GNU's format, in base-256 where octal does not do", async () => {
    const whole = [-2n, 4_294_967_296n, 1_234_567_890n].map((seconds) => seconds * SECOND);
    expect(await times(["tar", "--format=gnu"])).toEqual(whole);
  });
});

describe("attributes", () => {
  const root = () => scratch("attributes");
  const BINARY = "000a3d00ff0a";
  beforeAll(() => {
    mkdirSync(`${root()}/directory`, { recursive: true });
    writeFileSync(`${root()}/file`, "content");
    run(["setfattr", "-n", "user.binary", "-v", `0x${BINARY}`, `${root()}/file`]);
    run(["setfattr", "-n", "user.empty", `${root()}/file`]);
    run(["setfattr", "-n", "user.a=b%c%41", "-v", "sign", `${root()}/file`]);
    run(["setfacl", "-m", "u:1234:rw,g:5678:r", `${root()}/file`]);
    run(["setfacl", "-d", "-m", "u:1234:rwx", `${root()}/directory`]);
  });

  /** What getfattr says of a file, as `Seen` has it. */
  function onDisk(name: string): Record<string, string> {
    const dump = run(["getfattr", "-d", "-m", "-", "-e", "hex", name], undefined, root());
    const lines = dump
      .toString("latin1")
      .split("\n")
      .filter((line) => /=0x/.test(line));
    return Object.fromEntries(
      lines.map((line) => {
        const [, key = "", value = ""] = /^(.*)=0x([0-9a-f]*)$/.exec(line) ?? [];
        return [key.replaceAll("\\075", "="), value];
      }),
    );
  }

  it("are on disk as the tests below take them", () => {
    expect(onDisk("file")).toMatchObject({ "user.binary": BINARY, "user.a=b%c%41": "7369676e" });
    expect(onDisk("file")).toHaveProperty(["system.posix_acl_access"]);
    expect(onDisk("directory")).toHaveProperty(["system.posix_acl_default"]);
  });

  it.each([
    ["tar", ["--xattrs"]],
    ["tar", ["--xattrs", "--acls"]],
    ["bsdtar", ["--format=pax"]],
    // Both kinds of lists as text, with names of users where the machine has them.
    ["bsdtar", ["--format=pax", "--acls", "--no-xattrs"]],
  ] as const)("by %s %j are those of the files", async (program, options) => {
    const { seen } = await readBoth(
      run([program, ...options, "-C", root(), "-cf", "-", "file", "directory"]),
    );
    const file = { ...onDisk("file"), "user.empty": "" };
    const lists = Object.fromEntries(
      Object.entries(file).filter(([name]) => name.startsWith("system.")),
    );
    const noXattrs = (options as readonly string[]).includes("--no-xattrs");
    expect(seen[0]!.xattrs).toEqual(noXattrs ? lists : file);
    expect(seen[1]!.xattrs).toEqual(onDisk("directory"));
  });
});
