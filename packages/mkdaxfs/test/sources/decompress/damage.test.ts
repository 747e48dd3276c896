// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { BuildError } from "../../../src/errors.js";
import { KINDS, type Kind, packed, someData, unpacked } from "../../support/decompress.js";
import { Random } from "../../support/support.js";
import { messageOf } from "../../support/tar.js";

const data = someData(150_000);
const text = Buffer.from("a short text, and again a short text\n");

const cut = (kind: Kind) => `a.tar.x: its ${kind} data ends too early (get it again)`;
const damage = (kind: Kind) =>
  new RegExp(`^a\\.tar\\.x: its ${kind} data is damaged: .+ \\(get it again\\)$`);

describe.each(KINDS)("%s", (kind: Kind) => {
  it("that ends too early is refused, wherever it ends", async () => {
    const bytes = packed(kind, text);
    for (let length = 1; length < bytes.length; length++) {
      expect(await messageOf(unpacked(kind, bytes.subarray(0, length))), String(length)).toBe(
        cut(kind),
      );
    }
    const long = packed(kind, data);
    for (const missing of [1, 2, 4, 8, 9, 12, 24, 1000, 50_000, long.length - 20]) {
      const shorter = long.subarray(0, long.length - missing);
      expect(await messageOf(unpacked(kind, shorter)), String(missing)).toBe(cut(kind));
      expect(await messageOf(unpacked(kind, shorter, 1000)), String(missing)).toBe(cut(kind));
    }
  });

  it("that ends too early in the second of two is refused", async () => {
    const first = packed(kind, data);
    const bytes = Buffer.concat([first, packed(kind, text)]);
    // xz may be padded, and gzip be followed by zeros; neither is what these bytes are.
    for (let length = first.length + 1; length < bytes.length; length++) {
      for (const chunkSize of [bytes.length, 999]) {
        const message = await messageOf(unpacked(kind, bytes.subarray(0, length), chunkSize));
        expect(message, String(length)).toBe(cut(kind));
      }
    }
  });

  it("with a changed byte is refused, wherever it is", async () => {
    const bytes = packed(kind, text);
    let harmless = 0;
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x10;
      const outcome = await unpacked(kind, changed).catch((error: unknown) => error);
      // There are a few bits without a meaning, such as gzip's time.
      if (Buffer.isBuffer(outcome) && outcome.equals(text)) harmless++;
      else expect(outcome, String(at)).toBeInstanceOf(BuildError);
    }
    expect(harmless).toBeLessThan(kind === "gzip" ? 9 : 4);
  });

  it("with a changed byte in a large one is refused", async () => {
    const bytes = packed(kind, data);
    const random = new Random(11);
    for (let round = 0; round < 60; round++) {
      const changed = Buffer.from(bytes);
      const at = 10 + random.below(bytes.length - 10);
      changed[at]! ^= 1 << random.below(8);
      const message = await messageOf(unpacked(kind, changed, 1 + random.below(100_000)));
      expect(
        message === cut(kind) || damage(kind).test(message) || /rare kind|window of/.test(message),
        message,
      ).toBe(true);
    }
  });

  it("with something behind it is taken, with a warning", async () => {
    // The start of another one, as short as it may be, is not just anything.
    const magic = packed(kind, text)[0]!;
    for (const { bytes, content } of [
      { bytes: packed(kind, text), content: text },
      { bytes: packed(kind, data), content: data },
      {
        bytes: Buffer.concat([packed(kind, text), packed(kind, text)]),
        content: Buffer.concat([text, text]),
      },
    ]) {
      for (const rest of [
        Buffer.from("x"),
        Buffer.from("\n"),
        Buffer.from("something else"),
        Buffer.from([magic ^ 1, magic]),
        Buffer.from([magic, magic, magic, magic, magic, magic, magic]),
        new Random(1).bytes(300_000).fill(1, 0, 1),
      ]) {
        for (const zeros of [0, 1, 4, 7, 512]) {
          const longer = Buffer.concat([bytes, Buffer.alloc(zeros), rest]);
          for (const chunkSize of [longer.length, bytes.length, bytes.length + 1, 997]) {
            const warnings: string[] = [];
            const got = await unpacked(kind, longer, chunkSize, 1e6, (line) => warnings.push(line));
            expect(got.equals(content)).toBe(true);
            const size = rest.length === 1 ? "1 byte" : `${rest.length} bytes`;
            expect(warnings).toEqual([
              `a.tar.x: left out ${size} behind the end of its ${kind} data`,
            ]);
          }
        }
      }
    }
  });

  it("with zeros behind it, or between two, is taken as it is", async () => {
    const bytes = packed(kind, text);
    for (const zeros of [1, 2, 3, 4, 511, 512, 10_240, 600_000]) {
      const padding = Buffer.alloc(zeros);
      for (const chunkSize of [700_000, bytes.length, bytes.length + 1, 997]) {
        const warnings: string[] = [];
        const read = (...parts: readonly Buffer[]) =>
          unpacked(kind, Buffer.concat(parts), chunkSize, 1e6, (line) => warnings.push(line));
        expect((await read(bytes, padding)).equals(text)).toBe(true);
        const two = await read(bytes, padding, bytes, padding);
        expect(two.equals(Buffer.concat([text, text]))).toBe(true);
        expect(warnings).toEqual([]);
      }
    }
  });

  it("that is anything at all gives data, or an error for the user, and always ends", async () => {
    const random = new Random(5);
    const bytes = packed(kind, text);
    for (let round = 0; round < 400; round++) {
      const changed = Buffer.from(bytes);
      for (let n = random.below(6); n >= 0; n--)
        changed[random.below(bytes.length)] = random.below(256);
      const rest = random.bytes(random.below(300));
      try {
        await unpacked(
          kind,
          Buffer.concat([changed.subarray(0, 1 + random.below(bytes.length)), rest]),
        );
      } catch (error) {
        if (!(error instanceof BuildError)) throw error;
      }
    }
  });
});

describe("bzip2", () => {
  /** A stream of one block with the byte "a" alone; its symbols as bits: "10", "11" and, last, "0". */
  function stream(symbols: string): Buffer {
    const field = (value: number, length: number) => value.toString(2).padStart(length, "0");
    const magics = field(0x425a6839, 32) + field(0x314159, 24) + field(0x265359, 24);
    // Neither a checksum nor randomised, and it begins at the first byte.
    const start = field(0, 32 + 1 + 24);
    const alphabet = field(0x8000 >>> 6, 16) + field(0x8000 >>> 1, 16);
    // Two codes, and 100 groups that have the first of them.
    const selectors = field(2, 3) + field(100, 15) + "0".repeat(100);
    // Both have symbols of 2, 2 and 1 bits.
    const codes = `${field(2, 5)}00110`.repeat(2);
    const bits = magics + start + alphabet + selectors + codes + symbols;
    const bytes = bits.match(/.{1,8}/g) ?? [];
    return Buffer.from(bytes.map((byte) => Number.parseInt(byte.padEnd(8, "0"), 2)));
  }
  const message = (symbols: string) =>
    messageOf(unpacked("bzip2", Buffer.concat([stream(symbols), Buffer.alloc(100)])));

  it("with a run whose length passes all numbers is refused", async () => {
    // Each of these doubles the run; 32 of them are where the length would be negative.
    for (const count of [20, 21, 22, 31, 32, 33, 34, 64, 1000]) {
      expect(await message(`${"11".repeat(count)}0`), String(count)).toBe(
        "a.tar.x: its bzip2 data is damaged: a run is too long (get it again)",
      );
    }
    // A run that is right gets as far as the checksum.
    for (const count of [1, 2, 18]) {
      expect(await message(`${"11".repeat(count)}0`), String(count)).toBe(
        "a.tar.x: its bzip2 data is damaged: the checksum of a block is wrong (get it again)",
      );
    }
  });
});
