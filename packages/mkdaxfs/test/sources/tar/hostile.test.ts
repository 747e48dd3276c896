// SPDX-License-Identifier: MIT
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BuildError } from "../../../src/errors.js";
import { Random, scratchDirectory } from "../../support/support.js";
import {
  archive,
  base256,
  chunked,
  header,
  member,
  padded,
  pax,
  readTar,
  refusal,
  run,
} from "../../support/tar.js";

const scratch = scratchDirectory();
const next = member({ name: "next" }, "next");

describe("what is no archive", () => {
  it("is said to be none", async () => {
    expect(await refusal(Buffer.alloc(0))).toBe("a.tar: is not a tar archive: it has only 0 bytes");
    expect(await refusal(Buffer.from("hello\n"))).toBe(
      "a.tar: is not a tar archive: it has only 6 bytes",
    );
    expect(await refusal(new Random(1).bytes(5000))).toBe("a.tar: is not a tar archive");
    expect(await refusal(Buffer.alloc(512, "ustar"))).toBe("a.tar: is not a tar archive");
  });

  it("in the middle of one is said to be damage, and where", async () => {
    expect(await refusal(archive(next, Buffer.alloc(512, 7), next))).toBe(
      "a.tar: is damaged: at byte 1024 of the archive, no tar header found (get it again)",
    );
    expect(await refusal(archive(next, header({ wrong: 1 })))).toBe(
      "a.tar: is damaged: at byte 1024 of the archive, no tar header found (get it again)",
    );
    expect(await refusal(archive(header({ raw: { 108: "joe" } })))).toBe(
      "a.tar: is damaged: at byte 0 of the archive, its uid is not a number (get it again)",
    );
  });
});

describe("a size that is a lie", () => {
  it.each([
    ["a little", 5000],
    ["much", 0o77777777777],
  ])("is found by what is missing: %s", async (_, size) => {
    expect(await refusal(archive(header({ name: "d/file", size })))).toBe(
      `a.tar: ends inside d/file: ${size - 1024} bytes are missing (get the archive again)`,
    );
  });

  it.each([
    ["base-256", { raw: { 124: base256(2n ** 53n - 1n, 12) } }],
    ["an unread directory", { type: "D", raw: { 124: base256(2n ** 50n, 12) } }],
    ["a volume's label", { type: "V", raw: { 124: base256(2n ** 50n, 12) } }],
  ])("does no harm in %s", async (_, fields) => {
    expect(await refusal(archive(header(fields)))).toMatch(
      /^a\.tar: ends inside (file|the entry at byte 0): \d+ bytes are missing/,
    );
  });

  it("is no number in PAX's words", async () => {
    const bytes = archive(pax([["size", "9007199254740991"]]), header({}));
    expect(await refusal(bytes)).toMatch(/^a\.tar: ends inside file: 9007199254739967 bytes/);
  });

  it.each([
    ["L", 2 ** 31, 2 ** 16],
    ["K", 2 ** 16 + 1, 2 ** 16],
    ["x", 2 ** 31, 2 ** 24],
    ["g", 2 ** 16 + 1, 2 ** 16],
  ])("of an extra header of type %s is refused before it is read", async (type, size, max) => {
    expect(await refusal(archive(header({ type, size, name: "extra" })))).toBe(
      `a.tar: the entry at byte 0: its extra header has ${size} bytes (at most ${max} are read)`,
    );
  });

  it("does not add up over many extra headers", async () => {
    const large = (type: string) => pax([["comment", "c".repeat(40 * 1024)]], type);
    expect(await refusal(archive(large("g"), large("g"), next))).toMatch(
      /its extra header has \d+ bytes \(at most/,
    );
    expect(await refusal(archive(large("x"), large("x"), next))).toContain(
      "has more than one PAX header",
    );
  });
});

describe("a PAX header", () => {
  it.each([
    "99 path=x\n",
    "1 path=x\n",
    "9 path=x",
    "9 path=x\n\0\0\0",
    "4294967295 path=x\n",
    "9 path\0x\n",
  ])("that lies about its length is refused: %j", async (text) => {
    expect(await refusal(archive(member({ type: "x", name: "extra" }, text), next))).toMatch(
      /^a\.tar: the entry at byte 0: the record at byte \d+ of its PAX header is damaged$/,
    );
  });

  it("with a path that no system takes is refused", async () => {
    for (const keyword of ["path", "linkpath"]) {
      const bytes = archive(pax([[keyword, "a/".repeat(40_000)]]), next);
      expect(await refusal(bytes)).toMatch(
        new RegExp(`its PAX record ${keyword} has 80000 bytes, at most 65536$`),
      );
    }
  });

  it("with nothing behind it is refused", async () => {
    for (const extra of [pax([["path", "x"]]), member({ type: "L", name: "x" }, "x")]) {
      const message =
        "a.tar: the entry at byte 1024: ends where an entry should follow its extra header (get it again)";
      expect(await refusal(archive(extra))).toBe(message);
      expect(await refusal(extra)).toBe(message);
    }
  });
});

describe("an archive that is cut short", () => {
  it("says what is missing, wherever it is cut", async () => {
    const parts: readonly [string, Buffer][] = [
      [
        "a PAX header",
        pax([
          ["path", "of-pax"],
          ["size", "600"],
        ]),
      ],
      ["a header", header({ name: "cut" })],
      ["a content", padded("x".repeat(600))],
      ["a long name", member({ name: "x", type: "L", magic: "gnu" }, `${"n".repeat(600)}\0`)],
      [
        "a sparse header",
        header({
          type: "S",
          magic: "gnu",
          size: 4,
          raw: { 386: "00000000000\x0000000000004\0", 482: "\x01", 483: "00000000010\0" },
        }),
      ],
      ["a sparse block", Buffer.alloc(512)],
      ["a sparse content", padded("data")],
      ["a plain entry", member({}, "data")],
    ];
    const whole = Buffer.concat(parts.map(([, bytes]) => bytes));
    expect((await readTar({ kind: "stream", stream: chunked(archive(whole)) })).seen).toHaveLength(
      3,
    );
    const between = new Set([0, 2560, 2560 + 1536 + 512 * 3, whole.length]);
    const padding = [
      [2560 - 424, 2560],
      [2560 + 1536 + 512 * 3 - 508, 2560 + 1536 + 512 * 3],
      [whole.length - 508, whole.length],
    ] as const;
    const cuts = new Set<number>();
    let end = 0;
    for (const [, bytes] of parts) {
      for (const at of [1, 100, 511, 512, 513, bytes.length - 1, bytes.length]) {
        if (at <= bytes.length) cuts.add(end + at);
      }
      end += bytes.length;
    }
    for (const cut of cuts) {
      const bytes = whole.subarray(0, cut);
      // Padding behind a content that is whole is not missed, as between entries nothing is.
      const inPadding = padding.some(([from, to]) => cut >= from && cut <= to);
      if (between.has(cut) || inPadding) {
        const { warnings } = await readTar({ kind: "stream", stream: chunked(bytes) });
        expect(warnings, String(cut)).toHaveLength(1);
      } else {
        expect(await refusal(bytes), String(cut)).toMatch(
          cut < 512
            ? /is not a tar archive: it has only/
            : /: ends inside .*: \d+ bytes are missing \(get the archive again\)$|should follow/,
        );
      }
    }
  });
});

/** Archives of all kinds of entries, to be damaged. */
function specimens(): Buffer[] {
  writeFileSync(scratch("file"), "content".repeat(200));
  const descriptor = openSync(scratch("sparse"), "w");
  for (const at of [0, 100_000, 299_000]) writeSync(descriptor, "some bytes", at);
  closeSync(descriptor);
  run(["ln", "-sf", "t".repeat(150), scratch("symlink")]);
  run(["ln", "-f", scratch("file"), scratch("z-link")]);
  writeFileSync(scratch("n".repeat(180)), "long");
  const names = ["file", "sparse", "symlink", "z-link", "n".repeat(180)];
  return ["gnu", "oldgnu", "posix --sparse-version=0.0", "posix --sparse-version=0.1", "posix"].map(
    (format) =>
      run(["tar", ...`--format=${format}`.split(" "), "-C", scratch("."), "-Scf", "-", ...names]),
  );
}

describe("a damaged archive", () => {
  it("gives entries, or an error for the user, and always ends", async () => {
    const random = new Random(20_241);
    const counts = { read: 0, refused: 0 };
    for (const original of specimens()) {
      const size = original.length;
      for (let round = 0; round < 150; round++) {
        const bytes = Buffer.from(original);
        // Where headers and maps are is where damage is of interest; the checksum is made right.
        const block = random.below(Math.floor(size / 512)) * 512;
        for (let n = random.below(4); n >= 0; n--) {
          const at = block + random.below(512);
          bytes[at] =
            random.below(3) === 0
              ? random.below(256)
              : "0123456789\n =,-\0\xff".charCodeAt(random.below(17));
        }
        if (random.below(4) > 0) mend(bytes, block);
        const cut = random.below(5) === 0 ? random.below(size) : size;
        const input = chunked(bytes.subarray(0, cut), 1 + random.below(4000));
        try {
          await readTar({ kind: "stream", stream: input }, { limits: { maxSize: 2 ** 24 } });
          counts.read++;
        } catch (error) {
          if (!(error instanceof BuildError)) throw error;
          counts.refused++;
        }
      }
    }
    // Both happen often, or the damage would be of no use.
    expect(counts.read).toBeGreaterThan(100);
    expect(counts.refused).toBeGreaterThan(100);
  });
});

/** Makes the checksum of a block right, where it looks like a header. */
function mend(bytes: Buffer, at: number): void {
  if (bytes.toString("latin1", at + 257, at + 262) !== "ustar") return;
  bytes.write("        ", at + 148, "latin1");
  let sum = 0;
  for (let i = at; i < at + 512; i++) sum += bytes[i]!;
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
}
