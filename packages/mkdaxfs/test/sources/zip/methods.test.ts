// SPDX-License-Identifier: MIT
// Contents of zip archives that are compressed by other methods than deflate.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { Random, scratchDirectory } from "../../support/support.js";
import { run } from "../../support/tar.js";
import { bash, needs, readZip, refusal, zipOf } from "../../support/zip.js";

const scratch = scratchDirectory();
const MIB = 2 ** 20;
let made = 0;

function fileOf(bytes: Buffer): string {
  const path = scratch(`archive${made++}.zip`);
  writeFileSync(path, bytes);
  return path;
}

/** Text, noise, long runs, matches that are far apart. */
const noise = new Random(1).bytes(70_000);
const CONTENTS: Readonly<Record<string, Buffer>> = {
  empty: Buffer.alloc(0),
  byte: Buffer.from("x"),
  text: Buffer.from(Array.from({ length: 60_000 }, (_, i) => `line ${i * 7919}\n`).join("")),
  noise,
  zeros: Buffer.alloc(3 * MIB),
  far: Buffer.concat([noise, Buffer.alloc(2 * MIB, "between "), noise, noise.subarray(5)]),
};

/** Compresses by a program that writes what the method stores. */
const COMPRESSED: Readonly<Record<number, (content: Buffer) => Buffer>> = {
  12: (content) => run(["bzip2", "-c"], content),
  20: (content) => run(["zstd", "-qc"], content),
  93: (content) => run(["zstd", "-19", "-qc"], content),
  95: (content) => run(["xz", "-c", "--check=crc32"], content),
};

describe.each(Object.entries(COMPRESSED))("method %s", (number, compress) => {
  const method = Number(number);

  it("gives contents of every kind", async () => {
    const entries = Object.entries(CONTENTS).map(([name, content]) => ({
      ...{ name, content, method, stored: compress(content) },
    }));
    const target = Buffer.from("../some/where");
    const link = { name: "link", content: target, mode: 0o120777, method };
    const path = fileOf(zipOf([...entries, { ...link, stored: compress(target) }]));
    const found = await readZip(path);
    for (const [name, content] of Object.entries(CONTENTS)) {
      expect(found.get(name)?.content?.equals(content), name).toBe(true);
    }
    expect(found.get("link")?.inode).toMatchObject({ target: "../some/where" });
  });

  it("has its contents verified", async () => {
    const content = CONTENTS.text!;
    const stored = compress(content);
    const entry = { name: "x", content, method, stored };
    expect(await refusal(fileOf(zipOf([{ ...entry, crc: 1 }])))).toContain("the wrong checksum");
    for (const size of [content.length - 1, content.length + 1]) {
      const said = await refusal(fileOf(zipOf([{ ...entry, size }])));
      expect(said).toMatch(/^test\.zip: entry 'x' (unpacks to more|has only)/);
    }
    const cut = stored.subarray(0, stored.length / 2);
    const broken = Buffer.from(stored);
    broken.fill(0x55, stored.length / 2, stored.length / 2 + 100);
    for (const damaged of [cut, broken, Buffer.alloc(0), Buffer.alloc(1000, 7)]) {
      const said = await refusal(fileOf(zipOf([{ ...entry, stored: damaged }])));
      expect(said).toMatch(/^test\.zip: entry 'x'/);
    }
  });
});

describe("archives of real programs", () => {
  let tree = "";
  beforeAll(() => {
    tree = scratch("tree");
    mkdirSync(tree);
    for (const [name, content] of Object.entries(CONTENTS))
      writeFileSync(`${tree}/${name}`, content);
    writeFileSync(`${tree}/program`, readFileSync(process.execPath).subarray(0, 4 * MIB));
  });

  async function expectTree(archive: string): Promise<void> {
    const found = await readZip(archive);
    for (const name of [...Object.keys(CONTENTS), "program"]) {
      const content = readFileSync(`${tree}/${name}`);
      expect(found.get(name)?.content?.equals(content), name).toBe(true);
    }
  }

  it.each(["ZIP_BZIP2", "ZIP_LZMA"])("come back from Python: %s", async (constant) => {
    const archive = scratch(`${constant}.zip`);
    const script =
      "import os, sys, zipfile\n" +
      `with zipfile.ZipFile(sys.argv[2], "w", zipfile.${constant}) as archive:\n` +
      "    for name in os.listdir(sys.argv[1]): archive.write(f'{sys.argv[1]}/{name}', name)";
    run(["python3", "-c", script, tree, archive]);
    await expectTree(archive);
  });

  it.for([
    ["BZip2", []],
    ["LZMA", []],
    // A dictionary shorter than contents, and an end marker or none.
    ["LZMA", ["-md=64k"]],
    ["LZMA", ["-md=64k", "-meos=on"]],
    ["LZMA", ["-mx=1"]],
  ] as const)("come back from 7-Zip: %s %j", async ([method, options], context) => {
    needs(context, "7z");
    const archive = scratch(`7z-${made++}.zip`);
    bash(
      'cd "$1"; archive=$2; shift 2; 7z a -bd -tzip "$@" "$archive" . >/dev/null',
      tree,
      archive,
      `-mm=${method}`,
      ...options,
    );
    await expectTree(archive);
  });

  it("are refused by name for other methods", async (context) => {
    needs(context, "7z");
    for (const [method, name] of [
      ["PPMd", "98, PPMd"],
      ["Deflate64", "9, deflate64"],
    ] as const) {
      const archive = scratch(`${method}.zip`);
      bash('cd "$1"; 7z a -bd -tzip -mm="$3" "$2" text >/dev/null', tree, archive, method);
      expect(await refusal(archive)).toContain(`entry 'text' is compressed with method ${name}`);
    }
  });
});

describe("LZMA", () => {
  /** The only entry of Python's archive of a content, as it lies there. */
  function lzmaOf(content: Buffer): Buffer {
    const script =
      "import io, sys, zipfile, zlib\n" +
      "out = io.BytesIO()\n" +
      "with zipfile.ZipFile(out, 'w', zipfile.ZIP_LZMA) as archive:\n" +
      "    archive.writestr('x', sys.stdin.buffer.read())\n" +
      "info = archive.infolist()[0]\n" +
      "sys.stdout.buffer.write(out.getvalue()[31:31 + info.compress_size])";
    return run(["python3", "-c", script], content);
  }
  const entryOf = (content: Buffer, stored: Buffer, flags = 2) => ({
    ...{ name: "x", content, method: 14, stored, flags },
  });

  it("that is damaged gives one line, wherever it is", async () => {
    const content = CONTENTS.text!.subarray(0, 20_000);
    const stored = lzmaOf(content);
    const found = await readZip(fileOf(zipOf([entryOf(content, stored)])));
    expect(found.get("x")?.content?.equals(content)).toBe(true);
    const random = new Random(5);
    for (let round = 0; round < 300; round++) {
      const changed = Buffer.from(stored);
      changed[random.below(changed.length)]! ^= 1 + random.below(255);
      const path = fileOf(zipOf([entryOf(content, changed)]));
      // The version and a larger dictionary change nothing.
      const read = await readZip(path).then(
        (files) => files.get("x")!.content!,
        (error: Error) => {
          expect(error.message).toMatch(/^test\.zip: entry 'x'[^\n]*$/);
          return content;
        },
      );
      expect(read.equals(content)).toBe(true);
    }
    for (let length = 0; length < stored.length; length += 1 + random.below(97)) {
      const cut = entryOf(content, stored.subarray(0, length));
      expect(await refusal(fileOf(zipOf([cut])))).toContain("its LZMA data ends too early");
    }
    const longer = Buffer.concat([stored, Buffer.from("more")]);
    expect(await refusal(fileOf(zipOf([entryOf(content, longer)])))).toContain("follows it");
  });

  it("needs no more memory than its content has", async () => {
    const content = Buffer.from("small");
    const stored = lzmaOf(content);
    stored.writeUInt32LE(0xffffffff, 5);
    const found = await readZip(fileOf(zipOf([entryOf(content, stored)])));
    expect(found.get("x")?.content?.toString()).toBe("small");
    const huge = { ...entryOf(content, stored), size: 200 * MIB };
    const path = fileOf(zipOf([huge]));
    const limits = { maxRatio: 2 ** 40 };
    expect(await refusal(path, { limits })).toContain("a dictionary of more than 128 MiB");
  });
});
