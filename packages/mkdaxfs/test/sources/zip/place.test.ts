// SPDX-License-Identifier: MIT
// Where the directory of a zip archive is: behind stubs, in front of other bytes, by zip64 or not.
import { spawn } from "node:child_process";
import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openPath } from "../../../src/sources/detect/detect.js";
import { ZipSource } from "../../../src/sources/zip/zip-source.js";
import { messageOf, testContext } from "../../support/image.js";
import { Random, scratchDirectory } from "../../support/support.js";
import { bash, extra, fields, needs, readZip, refusal, zipOf } from "../../support/zip.js";

const scratch = scratchDirectory();
let made = 0;

function fileOf(...bytes: readonly (Buffer | string)[]): string {
  const path = scratch(`archive${made++}`);
  writeFileSync(path, Buffer.concat(bytes.map((part) => Buffer.from(part as Buffer))));
  return path;
}

const TWO = [
  { name: "x", content: "first" },
  { name: "y", content: "second ".repeat(50), method: 8 },
];
const contentsOf = async (path: string, warnings: string[] = []) =>
  [...(await readZip(path, { warnings }))].map(([name, { content }]) => `${name}=${content}`);
const TWO_CONTENTS = ["x=first", `y=${"second ".repeat(50)}`];

/** Whether a path is taken as a zip archive, whatever it begins with. */
const isZip = async (path: string) =>
  (await openPath(path, testContext())).sources[0] instanceof ZipSource;

const STUBS = {
  script: Buffer.from('#!/bin/sh\nexec java -jar "$0" "$@"\n'),
  "DOS program": Buffer.concat([Buffer.from("MZ"), new Random(1).bytes(70_000)]),
  "ELF program": Buffer.concat([Buffer.from("\x7fELF"), new Random(2).bytes(300_000)]),
  "Mach-O program": Buffer.concat([Buffer.from("cffaedfe", "hex"), new Random(3).bytes(999)]),
  text: Buffer.from("Unpack this with unzip.\n"),
  noise: new Random(4).bytes(5000),
  "marker of one volume": Buffer.from("PK00"),
  // The signature of an entry's header as a constant in machine code.
  "program that knows zip": Buffer.concat([
    Buffer.from("\x7fELF and PK\x03\x04", "latin1"),
    Buffer.alloc(60, 0x90),
  ]),
};

describe("an archive behind", () => {
  it.each(Object.entries(STUBS))(
    "a stub is read, whatever its offsets count: %s",
    async (_, stub) => {
      for (const zip64 of [false, true]) {
        for (const base of [0, stub.length]) {
          const path = fileOf(stub, zipOf(TWO, { zip64, base }));
          expect(await contentsOf(path)).toEqual(TWO_CONTENTS);
          expect(await isZip(path)).toBe(true);
        }
      }
    },
  );

  it("a stub may be empty, have a comment, and bytes behind it", async () => {
    const empty = fileOf("#!/bin/sh\n", zipOf([]));
    expect(await contentsOf(empty)).toEqual([]);
    const commented = fileOf("#!/bin/sh\n", zipOf(TWO, { comment: Buffer.from("a comment") }));
    expect(await contentsOf(commented)).toEqual(TWO_CONTENTS);
    expect(await isZip(commented)).toBe(true);
    const warnings: string[] = [];
    const signed = fileOf(STUBS["DOS program"], zipOf(TWO), "a signature");
    expect(await contentsOf(signed, warnings)).toEqual(TWO_CONTENTS);
    expect(warnings).toEqual(["test.zip: what follows the archive, 11 bytes, was left out"]);
    expect(await isZip(signed)).toBe(true);
  });

  it("another archive is refused, since the first would be lost", async () => {
    const message = "another archive comes before the one that begins at byte";
    const first = zipOf([{ name: "other", content: "other" }]);
    expect(await refusal(fileOf(first, zipOf(TWO)))).toContain(message);
    // One that was cut short, and holds a whole one as it is; behind a stub too.
    const outer = zipOf([
      { name: "inner.zip", content: zipOf(TWO) },
      { name: "lost", content: "lost ".repeat(1000) },
    ]);
    const cut = outer.subarray(0, outer.length - 1000);
    expect(await refusal(fileOf(cut))).toContain(message);
    expect(await refusal(fileOf(STUBS["ELF program"], cut))).toContain(message);
  });

  it("an image of a filesystem, another archive or zeros is not looked for", async () => {
    for (const [front, kind] of [
      [Buffer.from("hsqs"), "a squashfs image"],
      [Buffer.from("070701"), "a cpio archive"],
      [Buffer.from("QFI\xfb", "latin1"), "a qcow2 disk image"],
    ] as const) {
      const path = fileOf(front, Buffer.alloc(500, 1), zipOf(TWO));
      const message = await messageOf(openPath(path, testContext()));
      expect(message).toContain(kind);
    }
    const zeros = fileOf(Buffer.alloc(4096), zipOf(TWO));
    const opened = await openPath(zeros, testContext()).catch(() => undefined);
    expect(opened?.sources[0]).not.toBeInstanceOf(ZipSource);
    // It has to end with the file.
    const inside = fileOf("some text\n", zipOf(TWO), "more text");
    expect(await messageOf(openPath(inside, testContext()))).toContain("not an archive");
    const program = fileOf("\x7fELF", Buffer.alloc(500, 1));
    expect(await messageOf(openPath(program, testContext()))).toContain("an ELF program");
  });

  it("a stub is read from a pipe", async () => {
    for (const name of ["script", "ELF program"] as const) {
      const path = fileOf(STUBS[name], zipOf(TWO));
      const fifo = scratch(`fifo ${name}`);
      bash('mkfifo "$1"', fifo);
      spawn("sh", ["-c", 'cat "$1" >"$2"', "sh", path, fifo], { stdio: "ignore" });
      expect(await isZip(fifo)).toBe(true);
    }
  });
});

describe("real programs", () => {
  it("make zipapps, self-extractors and split archives", async (context) => {
    needs(context, "python3", "zip");
    const tree = scratch("tree");
    bash('mkdir "$1"; cd "$1"; echo "print(1)" >__main__.py; seq 10000 >numbers', tree);
    const app = scratch("app.pyz");
    bash('python3 -m zipapp -p "/usr/bin/env python3" -o "$2" "$1"', tree, app);
    expect([...(await readZip(app)).keys()].sort()).toEqual(["__main__.py", "numbers"]);
    expect(await isZip(app)).toBe(true);

    const plain = scratch("plain.zip");
    bash('cd "$1"; zip -qr "$2" .', tree, plain);
    // As unzipsfx is used: a program in front, then "zip -A" to have offsets count it.
    const sfx = scratch("sfx");
    bash(
      'cat /bin/true "$1" >"$2"; cp "$2" "$2.adjusted.zip"; zip -qA "$2.adjusted.zip"',
      plain,
      sfx,
    );
    for (const path of [sfx, `${sfx}.adjusted.zip`]) {
      chmodSync(path, 0o755);
      expect((await readZip(path)).get("numbers")?.inode).toMatchObject({ size: 48_894 });
      expect(await isZip(path)).toBe(true);
    }

    const split = scratch("split");
    bash(
      'mkdir "$1"; cd "$2"; head -c 200000 /dev/urandom >noise; zip -qr -s 64k "$1/s.zip" .',
      split,
      tree,
    );
    expect(readdirSync(split).length).toBeGreaterThan(2);
    for (const name of readdirSync(split)) {
      const message = await refusal(`${split}/${name}`);
      if (name === "s.z01" || name === "s.zip") {
        expect(message).toMatch(/several volumes.* \(join them with zip -s 0 /);
      }
      expect(message).not.toContain("Error:");
    }
    expect(await isZip(`${split}/s.zip`)).toBe(true);
  });
});

describe("the number of entries", () => {
  const crowd = (length: number) => Array.from({ length }, (_, index) => ({ name: `${index}` }));

  it.each([65_535, 65_537])("may lack its upper bits where it has 16: %i", async (count) => {
    expect((await readZip(fileOf(zipOf(crowd(count))))).size).toBe(count);
  });

  it("is right in the bits that there are", { timeout: 120_000 }, async () => {
    const bytes = zipOf(crowd(65_537));
    // On this disk, and in all.
    bytes.writeUInt16LE(2, bytes.length - 14);
    bytes.writeUInt16LE(2, bytes.length - 12);
    expect(await refusal(fileOf(bytes))).toContain("does not end after the 2 entries");
    const zip64 = fileOf(zipOf(crowd(3), { count: 1, zip64: true }));
    expect(await refusal(zip64)).toContain("does not end after the 1 entries");
  });
});

describe("a zip64 locator", () => {
  /** An archive whose end record says all by itself, with something in front of that. */
  const withLocator = (...front: readonly Buffer[]) => {
    const bytes = zipOf(TWO);
    const end = bytes.length - 22;
    return fileOf(bytes.subarray(0, end), ...front, bytes.subarray(end));
  };
  const locator = (offset: number) => fields([4, 0x07064b50], [4, 0], [8, offset], [4, 1]);

  it("is not looked at where the end record has all numbers", async () => {
    for (const path of [
      withLocator(locator(0)),
      withLocator(locator(2 ** 40)),
      withLocator(fields([4, 0x07064b50], [4, 9], [8, 0], [4, 9])),
    ]) {
      // It lies between directory and end record, so it has to be told from a further entry.
      expect(await contentsOf(path)).toEqual(TWO_CONTENTS);
    }
  });

  it("may be the end of the last entry's comment", async () => {
    const bytes = zipOf(TWO);
    const end = bytes.length - 22;
    const comment = locator(7);
    const directory = bytes.lastIndexOf(Buffer.from("PK\x01\x02", "latin1"));
    const changed = Buffer.concat([bytes.subarray(0, end), comment, bytes.subarray(end)]);
    changed.writeUInt16LE(comment.length, directory + 32);
    changed.writeUInt32LE(changed.readUInt32LE(end + 20 + 12) + comment.length, end + 20 + 12);
    expect(await contentsOf(fileOf(changed))).toEqual(TWO_CONTENTS);
  });

  it("counts where any number is all ones, and is refused where it leads nowhere", async () => {
    const whole = zipOf(TWO, { zip64: true });
    const end = whole.length - 22;
    const plain = zipOf(TWO);
    const plainEnd = plain.subarray(plain.length - 22);
    for (const [at, length] of [
      [8, 4],
      [12, 4],
      [16, 4],
    ] as const) {
      const record = Buffer.from(plainEnd);
      record.fill(0xff, at, at + length);
      expect(await contentsOf(fileOf(whole.subarray(0, end), record))).toEqual(TWO_CONTENTS);
    }
    const lost = Buffer.from(whole);
    lost.fill(0, end - 20 - 56, end - 20 - 52);
    expect(await refusal(fileOf(lost))).toContain("its zip64 end record is not where");
  });

  it("may lead to a record with more fields than usual", async () => {
    const whole = zipOf(TWO, { zip64: true });
    const locatorStart = whole.length - 22 - 20;
    const more = Buffer.concat([
      whole.subarray(0, locatorStart),
      extra(0x1234, Buffer.from("more")),
      whole.subarray(locatorStart),
    ]);
    expect(await contentsOf(fileOf(more))).toEqual(TWO_CONTENTS);
  });
});
