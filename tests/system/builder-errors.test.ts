// SPDX-License-Identifier: MIT
// What the image builder does when it can't build: it says why in one line, fails, and leaves
// everything as it was.
import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  symlinkSync,
  watch,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkImageFile } from "@daxfs/format";
import { execa } from "execa";
import { beforeAll, describe, expect, it } from "vitest";
import {
  bash,
  build,
  COMMAND,
  ENVIRONMENT,
  mkdaxfs,
  type Outcome,
  outcome,
  type Running,
  sha256,
  start,
  startMkdaxfs,
} from "./support/builder.js";
import { makeSlowTree, patternBytes } from "./support/trees.js";
import { listing, MEMORY, needsRoot, until, workspace } from "./support/workspace.js";

const MIB = 2 ** 20;
const disk = workspace(tmpdir());
const memory = workspace(MEMORY);

/** Expects a failure that a user can do something about: one line, no trace. */
function expectOneLine({ status, stdout, stderr }: Outcome, message: RegExp): void {
  expect(stderr).toMatch(/^mkdaxfs: [^\n]+\n$/);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/this is a bug/);
  expect(status).toBeGreaterThan(0);
  expect(stdout).toBe("");
}

let tree: string;
beforeAll(() => {
  tree = disk.directory("tree");
  writeFileSync(join(tree, "file"), "content");
});

describe("bad use is answered in one line and leaves nothing behind", () => {
  let number = 0;
  /** A directory for an image, in which nothing must be left. */
  const outputDirectory = () => disk.directory(`out-${++number}`);

  /** Builds to a new place, in vain. */
  async function expectFailure(source: string, message: RegExp, args: string[] = [], env = {}) {
    const directory = outputDirectory();
    const result = await mkdaxfs([source, "-o", join(directory, "image"), ...args], { env });
    expectOneLine(result, message);
    expect(listing(directory)).toEqual([]);
  }

  /** Builds to a given place, in vain. */
  async function expectNoImage(source: string, output: string, message: RegExp) {
    expectOneLine(await mkdaxfs([source, "-o", output]), message);
  }

  it("a source that is not there", async () => {
    await expectFailure(disk.path("missing"), /\/missing: no such file or directory/);
    await expectFailure(join(tree, "file", "below"), /\/file\/below: /);
    await expectFailure("", /'' is not a path/);
  });

  it("too little address space for WebAssembly", async () => {
    const image = join(outputDirectory(), "image");
    const limited = (args: readonly string[], env = {}) =>
      outcome(
        start(
          "bash",
          ["-c", 'ulimit -v 6000000; exec "$@"', "bash", process.execPath, COMMAND, ...args],
          { env: { HOME: disk.path("."), ...env } },
        ),
      );
    const expected =
      /: there is not enough address space \(raise ulimit -v, or set NODE_OPTIONS=--disable-wasm-trap-handler\)$/m;
    for (const kind of ["zstd", "xz"]) {
      const archive = disk.path(`limited.tar.${kind}`);
      // Two members: the first of zstd may be for Node's own decoder.
      await bash(
        `tar -C "$1" -c . | ${kind} -c > "$2"; printf x | ${kind} -c >> "$2"`,
        tree,
        archive,
      );
      const failed = await limited([archive, "-o", image]);
      expectOneLine(failed, expected);
      expect(failed.stderr).toContain(`limited.tar.${kind}: cannot unpack its ${kind} data`);
      const options = { NODE_OPTIONS: "--disable-wasm-trap-handler" };
      expect(await limited([archive, "-q", "-o", image], options)).toMatchObject({ status: 0 });
    }
    const registry = await limited(["--from-oci", "127.0.0.1:9/a", "-o", `${image}2`]);
    expectOneLine(registry, expected);
    const archive = disk.path("limited.tar.gz");
    await bash('tar -C "$1" -czf "$2" .', tree, archive);
    expect(await limited([archive, "-q", "-o", image])).toMatchObject({ status: 0, stderr: "" });
  });

  it("a source that is a file and no archive, or a link to one", async () => {
    await expectFailure(join(tree, "file"), /\/file is text that begins with "content" \(sources/);
    symlinkSync(join(tree, "file"), disk.path("link to file"));
    await expectFailure(disk.path("link to file"), /link to file is text/);
  });

  it("an output that is the source, under whatever name", async () => {
    const archive = disk.path("source.tar");
    await bash('tar -C "$1" -cf "$2" .; ln "$2" "$2.link"', tree, archive);
    const before = await sha256(archive);
    for (const output of [archive, `${archive}.link`]) {
      await expectNoImage(
        archive,
        output,
        /source\.tar is the source and the output \(name another/,
      );
      expect(await sha256(archive)).toBe(before);
    }
    const layout = disk.path("layout");
    await bash('umoci init --layout "$1"; umoci new --image "$1:x"', layout);
    const inside = join(layout, "blobs/image");
    await expectNoImage(layout, inside, /the output is inside the source/);
    expect(listing(join(layout, "blobs"))).toEqual(["sha256"]);
  });

  it("no output", async () => {
    expectOneLine(await mkdaxfs([tree]), /-o IMAGE/);
    expect(listing(tree)).toEqual(["file"]);
  });

  it("no source, or a second that is not there", async () => {
    expectOneLine(await mkdaxfs(["-o", disk.path("none")]), /missing required argument/);
    await expectFailure(tree, /another: no such file or directory/, [disk.path("another")]);
  });

  it("options that are not there, with what may have been meant", async () => {
    await expectFailure(tree, /unknown option '--digset'.*--digest/, ["--digset"]);
    await expectFailure(tree, /unknown option '-z'/, ["-z"]);
    await expectFailure(tree, /'--align/, ["--align", "8k"]);
    await expectFailure(tree, /--align/, ["--align"]);
  });

  it("a label that is too long, be it by its bytes", async () => {
    await expectFailure(tree, /label.*32 bytes/, ["--label", "x".repeat(33)]);
    await expectFailure(tree, /label.*32 bytes/, ["--label", "ü".repeat(17)]);
    await build(tree, disk.path("label.daxfs"), ["--label", "ü".repeat(16)]);
  });

  it.each(["x", "-1", "1.5", "12345678901234567890", " 1", "0x10"])(
    "a SOURCE_DATE_EPOCH of '%s'",
    (epoch) => expectFailure(tree, /SOURCE_DATE_EPOCH/, [], { SOURCE_DATE_EPOCH: epoch }),
  );

  it("an output that is a directory", async () => {
    const directory = outputDirectory();
    await expectNoImage(tree, directory, /is a directory/);
    await expectNoImage(tree, `${directory}/`, /is a directory/);
    await expectNoImage(tree, `${directory}/.`, /is a directory/);
    expect(listing(directory)).toEqual([]);
    await expectNoImage(tree, "", /names no file/);
  });

  it("an output whose directory is not there, or is none", async () => {
    await expectNoImage(tree, disk.path("nowhere", "image"), /nowhere\/image: no such/);
    writeFileSync(disk.path("plain"), "");
    await expectNoImage(tree, disk.path("plain", "image"), /plain\/image: not a directory/);
  });

  it("an output inside the source", async () => {
    const source = disk.directory("source");
    const inner = disk.directory("source", "inner");
    const link = disk.path("link to inner");
    symlinkSync(inner, link);
    symlinkSync(join(inner, "image"), disk.path("link to image"));
    symlinkSync(source, disk.path("link to source"));
    await expectNoImage(source, join(source, "image"), /inside the source/);
    await expectNoImage(source, join(inner, "image"), /inside the source/);
    await expectNoImage(source, join(link, "image"), /inside the source/);
    await expectNoImage(disk.path("link to source"), join(inner, "image"), /inside the source/);
    await expectNoImage(source, join(source, "inner", "..", "image"), /inside the source/);
    writeFileSync(join(inner, "image"), "old");
    await expectNoImage(source, disk.path("link to image"), /inside the source/);
    expect(readFileSync(join(inner, "image"), "utf8")).toBe("old");
    expect(listing(source)).toEqual(["inner"]);
    expect(listing(inner)).toEqual(["image"]);
  });

  it("an output inside the source by way of a bind mount of it", async (context) => {
    needsRoot(context);
    const source = disk.directory("bound");
    const mount = disk.directory("mount");
    await disk.mount(["--bind", source], mount);
    await expectNoImage(source, join(mount, "image"), /inside the source/);
    await expectNoImage(mount, join(source, "image"), /inside the source/);
    expect(listing(source)).toEqual([]);
    await disk.unmount(mount);
  });

  it("an output inside the source by way of a bind mount of a part of it", async (context) => {
    needsRoot(context);
    const source = disk.directory("bound-part");
    const inner = disk.directory("bound-part", "inner");
    const mount = disk.directory("mount-of-part");
    await disk.mount(["--bind", inner], mount);
    await expectNoImage(source, join(mount, "image"), /inside the source/);
    expect(listing(inner)).toEqual([]);
    await disk.unmount(mount);
  });

  it("a full disk", async (context) => {
    needsRoot(context);
    const source = memory.directory("twenty");
    for (const index of [0, 1, 2, 3]) {
      writeFileSync(join(source, `file-${index}`), patternBytes(5 * MIB, index));
    }
    const full = memory.directory("full");
    await memory.mount(["-t", "tmpfs", "-o", "size=8m", "tmpfs"], full);
    writeFileSync(join(full, "image"), "old");
    for (const args of [[], ["--digest"]]) {
      const result = await mkdaxfs([source, "-o", join(full, "image"), ...args]);
      expectOneLine(result, /image: no space left on device/);
      expect(listing(full)).toEqual(["image"]);
      expect(readFileSync(join(full, "image"), "utf8")).toBe("old");
    }
    // Where the shell made the file, it is the shell's.
    const script = '"$1" "$2" "$3" -o - > "$4"';
    const args = [process.execPath, COMMAND, source, join(full, "piped")];
    const piped = await start("bash", ["-c", script, "bash", ...args]).then(
      ({ exitCode, stdout, stderr }) => ({
        status: exitCode ?? -1,
        stdout: String(stdout),
        stderr: String(stderr),
      }),
    );
    expectOneLine(piped, /standard output: no space left on device/);
    await memory.unmount(full);
  });

  it("a disk that fills up with names and numbers alone", async (context) => {
    needsRoot(context);
    const source = memory.directory("names");
    await bash('cd "$1"; printf "%0200d\\n" {1..9000} | xargs touch', source);
    const full = memory.directory("full-of-names");
    await memory.mount(["-t", "tmpfs", "-o", "size=1m", "tmpfs"], full);
    expectOneLine(await mkdaxfs([source, "-o", join(full, "image")]), /no space left/);
    expect(listing(full)).toEqual([]);
    await memory.unmount(full);
  });

  it("a limit on the size of files", async () => {
    const directory = outputDirectory();
    const source = disk.directory("larger");
    writeFileSync(join(source, "file"), patternBytes(4 * MIB, 1));
    const script = 'ulimit -f 1024; exec "$1" "$2" "$3" -o "$4"';
    const args = [process.execPath, COMMAND, source, join(directory, "image")];
    expectOneLine(await outcome(start("bash", ["-c", script, "bash", ...args])), /file too large/);
    expect(listing(directory)).toEqual([]);
  });

  it("a device that takes nothing", async () => {
    await expectNoImage(tree, "/dev/full", /\/dev\/full: no space left/);
  });

  it.each([
    ["in colours", {}, "\x1b[31mmkdaxfs:\x1b[39m"],
    ["with NO_COLOR", { NO_COLOR: "1" }, "mkdaxfs:"],
  ])("a terminal, %s", async (_, environment, program) => {
    const command = `'${process.execPath}' '${COMMAND}' '${tree}' -o -`;
    const { stdout, exitCode } = await execa("script", ["-qec", command, "/dev/null"], {
      reject: false,
      env: { ...ENVIRONMENT, TERM: "xterm", ...environment },
      stdin: "ignore",
    });
    expect(stdout).toMatch(/^\S*mkdaxfs:\S* standard output is a terminal[^\n]*$/);
    expect(stdout.startsWith(`${program} standard`)).toBe(true);
    expect(exitCode).toBe(1);
  });

  describe("though there is a newline", () => {
    const odd = () => disk.path("new\nline");

    it("in a source", () => expectFailure(odd(), /line: no such file or directory/));

    it("in an output", async () => {
      await expectNoImage(tree, join(odd(), "image"), /image: no such/);
    });

    it("in a directory that is no output", async () => {
      const directory = disk.directory("new\nline directory");
      await expectNoImage(tree, directory, /is a directory/);
      await expectNoImage(directory, join(directory, "image"), /inside the source/);
      expect(listing(directory)).toEqual([]);
    });

    it("in a label", () => expectFailure(tree, /32 bytes/, ["--label", "new\nline".repeat(5)]));

    it("in SOURCE_DATE_EPOCH", () =>
      expectFailure(tree, /SOURCE_DATE_EPOCH/, [], { SOURCE_DATE_EPOCH: "new\nline" }));

    it("in an option", () => expectFailure(tree, /unknown option/, ["--new\nline"]));
  });

  it("a path longer than the system takes", async () => {
    const source = disk.directory("deep");
    const name = "n".repeat(250);
    await bash(`cd "$1"; for i in {1..20}; do mkdir ${name}; cd ${name}; done; : > file`, source);
    await expectFailure(source, /name too long/);
  });
});

describe("what an ordinary user can't read", () => {
  const NOBODY = ["--reuid=65534", "--regid=65534", "--clear-groups"];
  /** Builds as nobody. */
  const asNobody = (source: string, output: string) =>
    outcome(start("setpriv", [...NOBODY, process.execPath, COMMAND, source, "-o", output]));

  /** A tree that anybody can read, and a directory that anybody can write to. */
  async function open(name: string): Promise<{ source: string; output: string }> {
    const source = disk.directory(name, "source");
    const output = disk.directory(name, "output");
    await bash(
      `cd "$1"; mkdir -p a/b; printf 1 > a/one; printf 2 > a/b/two; printf 3 > three
       chmod -R a+rX .; chmod 0755 "$(dirname "$1")"; chmod 0777 "$2"; chmod 0755 "$3"`,
      source,
      output,
      disk.path(),
    );
    return { source, output };
  }

  it("needs no root otherwise", async (context) => {
    needsRoot(context);
    const { source, output } = await open("readable");
    // Nobody needs to read what has no content.
    await bash('cd "$1"; : > empty; chmod 0 empty; mkfifo -m 0 fifo', source);
    expect((await asNobody(source, join(output, "image"))).status).toBe(0);
    await build(source, join(output, "as root"));
    await execa("cmp", [join(output, "image"), join(output, "as root")]);
  });

  it.each([
    ["a file", "chmod 0 a/b/two", /a\/b\/two: permission denied/],
    [
      "a file among equal ones",
      "cp a/b/two a/two; chmod 0 a/b/two",
      /a\/b\/two: permission denied/,
    ],
    ["a directory", "chmod 0 a/b", /a\/b: permission denied/],
    ["a directory whose names alone can be read", "chmod 0444 a/b", /a\/b\/two: permission denied/],
    ["the source itself", "chmod 0 .", /source: permission denied/],
    [
      "a file whose name is no text",
      "cp three $'\\377\\n'; chmod 0 $'\\377\\n'",
      /source\/\\xff\\x0a: /,
    ],
  ])("is named: %s", async (what, change, message) => {
    const { source, output } = await open(`no ${what}`);
    await bash(`cd "$1"; ${change}`, source);
    if (process.getuid?.() === 0) {
      expectOneLine(await asNobody(source, join(output, "image")), message);
    } else {
      expectOneLine(await mkdaxfs([source, "-o", join(output, "image")]), message);
    }
    expect(listing(output)).toEqual([]);
  });

  it("is the attribute of a file that can't be read, by the file's name", async (context) => {
    needsRoot(context);
    const { source, output } = await open("attribute");
    await bash(`cd "$1"; : > a/empty; setfattr -n user.x -v 1 a/empty; chmod 0 a/empty`, source);
    expectOneLine(await asNobody(source, join(output, "image")), /attributes of .*a\/empty: /);
    expect(listing(output)).toEqual([]);
  });

  it("is a directory that can't be written to", async (context) => {
    needsRoot(context);
    const { source, output } = await open("closed");
    await bash('chmod 0755 "$1"', output);
    expectOneLine(
      await asNobody(source, join(output, "image")),
      /output\/image: permission denied/,
    );
    expect(listing(output)).toEqual([]);
  });
});

describe("a file that is not what it was", () => {
  it("has another size than it gives, as in /sys", async () => {
    const directory = disk.directory("sys-out");
    // Files there say 4096 bytes, and give a few.
    const source = "/sys/devices/system/cpu/cpu0/topology";
    for (const output of [join(directory, "image"), "-"]) {
      const result = await mkdaxfs([source, "-o", output]);
      expectOneLine(result, /topology\/[a-z_]+ changed while it was read.* 4096 bytes/);
    }
    expect(listing(directory)).toEqual([]);
  });

  // Its content would be taken for another file's, and the image would be wrong without a word.
  it("has another size than it gives, and the content of other files", async (context) => {
    needsRoot(context);
    const sys = "/sys/devices/system/cpu/cpu0/topology/core_id";
    const source = disk.directory("sys-equal");
    for (const name of ["a", "b"]) writeFileSync(join(source, name), readFileSync(sys));
    for (const name of ["c", "d"]) {
      writeFileSync(join(source, name), "");
      await disk.mount(["--bind", sys], join(source, name));
    }
    const output = disk.directory("sys-equal-out");
    const result = await mkdaxfs([source, "-o", join(output, "image")]);
    for (const name of ["c", "d"]) await disk.unmount(join(source, name));
    expectOneLine(result, /sys-equal\/[cd] changed while it was read/);
    expect(listing(output)).toEqual([]);
  });

  it("has more than the nothing it says, as in /proc", async (context) => {
    needsRoot(context);
    const source = disk.directory("proc");
    writeFileSync(join(source, "version"), "");
    await disk.mount(["--bind", "/proc/version"], join(source, "version"));
    const output = disk.directory("proc-out");
    const result = await mkdaxfs([source, "-o", join(output, "image")]);
    await disk.unmount(join(source, "version"));
    expectOneLine(result, /proc\/version has content and says that it has none/);
    expect(listing(output)).toEqual([]);
  });

  it.each([
    ["grows", 'while printf x >> "$1"; do :; done'],
    ["shrinks and grows", 'while truncate -s 1M "$1" && truncate -s 48M "$1"; do :; done'],
  ])("%s", async (_, script) => {
    const source = memory.directory("race");
    const file = join(source, "moving");
    writeFileSync(file, Buffer.alloc(48 * MIB, "moving"));
    const output = memory.directory("race-out");
    const mover = execa("bash", ["-c", script, "bash", file], { reject: false });
    try {
      let failures = 0;
      for (let attempt = 0; attempt < 30 && failures < 2; attempt++) {
        const result = await mkdaxfs([source, "-q", "-o", join(output, "image")]);
        if (result.status === 0) {
          // Nobody touched it meanwhile.
          expect(checkImageFile(join(output, "image"))).toEqual([]);
          await execa("rm", [join(output, "image")]);
          continue;
        }
        failures++;
        expectOneLine(result, /race\/moving changed while it was read/);
        expect(listing(output)).toEqual([]);
      }
      expect(failures).toBe(2);
    } finally {
      mover.kill("SIGKILL");
      await mover;
    }
  });

  it("goes away", async () => {
    const source = memory.directory("vanishing");
    const output = memory.directory("vanishing-out");
    const script = 'while :; do for i in {1..400}; do : > "$1/$i"; done; rm -f "$1"/*; done';
    const mover = execa("bash", ["-c", script, "bash", source], { reject: false });
    try {
      let failures = 0;
      for (let attempt = 0; attempt < 100 && failures === 0; attempt++) {
        const result = await mkdaxfs([source, "-q", "-o", join(output, "image")]);
        if (result.status === 0) continue;
        failures++;
        expectOneLine(result, /vanishing\/\d+/);
      }
      expect(failures).toBe(1);
    } finally {
      mover.kill("SIGKILL");
      await mover;
    }
  });

  it.each<[string, RegExp, (file: string) => void]>([
    ["changes", /a file changed while it was read/, (file) => overwrite(file, 15 * MIB)],
    [
      "changes at its end",
      /a file changed while it was read/,
      (file) => overwrite(file, 16 * MIB - 1),
    ],
    ["grows", /moving changed while it was read/, (file) => appendFileSync(file, "x")],
  ])("%s between the two times that it is read for a pipe", async (name, message, change) => {
    const source = memory.directory("twice", name);
    const file = join(source, "moving");
    writeFileSync(file, Buffer.alloc(16 * MIB, "moving"));
    const running = startMkdaxfs([source, "-o", "-"]);
    // The superblock comes when everything has been read once; then the pipe is full.
    const pipe = running.stdout;
    await new Promise((resolve) => pipe.once("readable", resolve));
    change(file);
    expectOneLine({ ...(await outcome(running)), stdout: "" }, message);
  });

  function overwrite(file: string, offset: number): void {
    const descriptor = openSync(file, "r+");
    writeSync(descriptor, "X", offset);
    closeSync(descriptor);
  }
});

describe("an image that is being built", () => {
  let slow: string;
  beforeAll(() => {
    slow = makeSlowTree(memory.path("slow"), 6);
  });

  const isPartial = (name: string) => name.startsWith(".");
  /** Waits until a build writes. */
  const writing = (directory: string, running: Running) =>
    until(
      "the build writes",
      () => listing(directory).some(isPartial) || running.exitCode !== null,
    );

  it("appears under its name when it is complete", async () => {
    const directory = memory.directory("appearing");
    const running = startMkdaxfs([slow, "-o", join(directory, "image")]);
    const seen = new Set<string>();
    let ended = false;
    void running.finally(() => {
      ended = true;
    });
    await until(
      "the build ends",
      () => {
        const names = listing(directory);
        seen.add(names.map((name) => (isPartial(name) ? "partial" : name)).join());
        return ended;
      },
      60,
    );
    expect((await outcome(running)).status).toBe(0);
    // Never both, and never an image that is not whole.
    expect([...seen].filter((names) => names !== "")).toEqual(["partial", "image"]);
    expect(listing(directory)).toEqual(["image"]);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("is gone after %s, and what was there before is not", async (signal, status) => {
    const directory = memory.directory(`after-${signal}`);
    for (const names of [[], ["image"]]) {
      const running = startMkdaxfs([slow, "-o", join(directory, "image")]);
      await writing(directory, running);
      expect(listing(directory).filter((name) => !isPartial(name))).toEqual(names);
      const sent = performance.now();
      running.kill(signal);
      const result = await outcome(running);
      expect(result.status).toBe(status);
      expect(performance.now() - sent).toBeLessThan(5000);
      expect(result.stdout).toBe("");
      expect(result.stderr).not.toMatch(/bug|\n.*\n/);
      expect(listing(directory)).toEqual(names);
      // The second time there is something to keep.
      writeFileSync(join(directory, "image"), "old");
    }
    expect(readFileSync(join(directory, "image"), "utf8")).toBe("old");
  });

  it("is gone after a signal that comes as soon as it is there", async () => {
    for (let attempt = 0; attempt < 15; attempt++) {
      const directory = memory.directory(`at-once-${attempt}`);
      const running = startMkdaxfs([slow, "-o", join(directory, "image")]);
      const watcher = watch(directory, () => running.kill("SIGTERM"));
      const { status } = await outcome(running);
      watcher.close();
      expect({ status, left: listing(directory) }).toEqual({ status: 143, left: [] });
    }
  });

  it("is gone after a signal at any moment", async () => {
    const directory = memory.directory("any-moment");
    for (const delay of [20, 60, 100, 150, 250, 400, 700]) {
      const running = startMkdaxfs([slow, "--digest", "-o", join(directory, "image")]);
      await new Promise((resolve) => setTimeout(resolve, delay));
      running.kill("SIGTERM");
      expect((await outcome(running)).status).toBe(143);
      expect(listing(directory)).toEqual([]);
    }
  });

  it("is gone when a file can't be read in the middle of it", async () => {
    const directory = memory.directory("middle");
    const source = memory.directory("middle-tree");
    // Large enough that the other process gets its turn while they are read.
    const size = 48 * MIB;
    for (let index = 0; index < 8; index++) {
      writeFileSync(join(source, `file-${index}`), Buffer.alloc(size, `${index}`));
    }
    const image = join(directory, "image");
    writeFileSync(image, "old");
    const mover = execa(
      "bash",
      ["-c", 'while printf x >> "$1"; do :; done', "bash", join(source, "file-4")],
      { reject: false },
    );
    await until("the file grows", () => statSync(join(source, "file-4")).size > size);
    const result = await mkdaxfs([source, "-o", image]);
    mover.kill("SIGKILL");
    await mover;
    expectOneLine(result, /file-4 changed while it was read/);
    expect(listing(directory)).toEqual(["image"]);
    expect(readFileSync(image, "utf8")).toBe("old");
  });

  it("does not disturb another that is built to the same name", async () => {
    const directory = memory.directory("two");
    const image = join(directory, "image");
    const results = await Promise.all([mkdaxfs([slow, "-o", image]), mkdaxfs([slow, "-o", image])]);
    expect(results.map(({ status }) => status)).toEqual([0, 0]);
    expect(listing(directory)).toEqual(["image"]);
    expect(checkImageFile(image)).toEqual([]);
  });

  it("ends with its reader when it goes into a pipe", async () => {
    const script = 'set -o pipefail; "$1" "$2" "$3" -o - | head -c 1 > "$4"';
    const args = [process.execPath, COMMAND, slow, memory.path("head")];
    const running = start("bash", ["-c", script, "bash", ...args]);
    expectOneLine(await outcome(running), /standard output: broken pipe/);
  });

  it("ends with the reader of a fifo, which stays", async () => {
    const fifo = memory.path("fifo");
    await execa("mkfifo", [fifo]);
    const running = startMkdaxfs([slow, "-o", fifo]);
    const descriptor = openSync(fifo, "r");
    expect(readSync(descriptor, Buffer.alloc(1))).toBe(1);
    closeSync(descriptor);
    expectOneLine(await outcome(running), /fifo: broken pipe/);
    expect(listing(memory.path())).toContain("fifo");
  });
});

describe("check", () => {
  it("names an image that it can't read", async () => {
    for (const args of [[], ["--json"]]) {
      expectOneLine(await mkdaxfs(["check", disk.path("missing"), ...args]), /\/missing: no such/);
      expectOneLine(await mkdaxfs(["check", tree, ...args]), /\/tree: /);
    }
    expectOneLine(await mkdaxfs(["check"]), /missing required argument/);
  });

  it("finds what is no image to be none", async () => {
    for (const [name, bytes] of [
      ["nothing", ""],
      ["short", "short"],
      ["other", "x".repeat(8192)],
    ] as const) {
      writeFileSync(disk.path(name), bytes);
      const { status, stdout, stderr } = await mkdaxfs(["check", disk.path(name)]);
      expect({ status, stderr }).toEqual({ status: 1, stderr: "" });
      expect(stdout).toMatch(/\[superblock\.[a-z-]+\]\n/);
    }
  });

  it("gives its findings as JSON", async () => {
    const image = disk.path("json.daxfs");
    await build(tree, image, ["--digest"]);
    const sum = await sha256(image);
    const sound = await mkdaxfs(["check", image, "--json"]);
    expect(JSON.parse(sound.stdout)).toEqual({ image, findings: 0, first: [] });
    const descriptor = openSync(image, "r+");
    writeSync(descriptor, "X", 8192);
    closeSync(descriptor);
    const unsound = await mkdaxfs(["check", image, "--json"]);
    expect(unsound.status).toBe(1);
    expect(JSON.parse(unsound.stdout)).toMatchObject({
      findings: 1,
      first: [{ rule: "data.digest", inode: null }],
    });
    expect(await sha256(image)).not.toBe(sum);
  });
});
