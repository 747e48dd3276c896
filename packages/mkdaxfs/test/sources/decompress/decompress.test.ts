// SPDX-License-Identifier: MIT
import { writeFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import {
  decompress,
  detectCompression,
  fileStream,
  withFirstBytes,
} from "../../../src/sources/decompress/decompress.js";
import { KINDS, type Kind, packed, someData, unpacked } from "../../support/decompress.js";
import { Random, scratchDirectory } from "../../support/support.js";
import { chunked, header, messageOf } from "../../support/tar.js";

const scratch = scratchDirectory();
const MIB = 1024 * 1024;
const data = someData(600_000);
const other = someData(60_000, 2);
const nothing = Buffer.alloc(0);

/** A frame of zstd that holds no data, with as many bytes to be skipped. */
function skippable(length: number, nibble = 0): Buffer {
  const frame = Buffer.alloc(8 + length, "skip");
  frame.writeUInt32LE(0x184d2a50 + nibble, 0);
  frame.writeUInt32LE(length, 4);
  return frame;
}

describe("the kind of a compression", () => {
  it.each(KINDS)("is told by what %s writes first, of nothing too", (kind) => {
    expect(detectCompression(packed(kind, data))).toBe(kind);
    expect(detectCompression(packed(kind, nothing))).toBe(kind);
  });

  it("is none where there is no magic, or not all of it", () => {
    expect(detectCompression(nothing)).toBe("none");
    expect(detectCompression(header())).toBe("none");
    // Files may be called that.
    expect(detectCompression(header({ name: "BZh9" }))).toBe("none");
    expect(detectCompression(header({ name: "(file" }))).toBe("none");
    expect(detectCompression(Buffer.from("\x1f\x8b", "latin1"))).toBe("none");
  });

  it("may begin with frames that are skipped", () => {
    for (let nibble = 0; nibble < 16; nibble++) {
      expect(detectCompression(skippable(4, nibble))).toBe("zstd");
    }
    expect(detectCompression(Buffer.from("\x60\x2a\x4d\x18", "latin1"))).toBe("none");
  });
});

describe.each(KINDS)("%s", (kind: Kind) => {
  it.each([1, 7, 4096, 1_000_000])("unpacks in chunks of %i bytes", async (chunkSize) => {
    const part = chunkSize < 10 ? other : data;
    expect((await unpacked(kind, packed(kind, part), chunkSize)).equals(part)).toBe(true);
  });

  it("unpacks nothing, a byte, and what does not compress", async () => {
    for (const part of [nothing, Buffer.from("x"), new Random(3).bytes(300_000)]) {
      expect((await unpacked(kind, packed(kind, part))).equals(part)).toBe(true);
    }
  });

  it("unpacks the best and the fastest compression, and long runs", async () => {
    const part = Buffer.concat([Buffer.alloc(3 * MIB), data, Buffer.alloc(MIB, "ab"), data]);
    // More than -6 would take xz more than half a GiB.
    for (const level of ["-1", kind === "xz" ? "-6" : "-9"]) {
      expect((await unpacked(kind, packed(kind, part, level))).equals(part)).toBe(true);
    }
  });

  it("unpacks several in a row, wherever chunks end", async () => {
    const [first, second] = [packed(kind, other), packed(kind, Buffer.from("second"))];
    const bytes = Buffer.concat([first, second, packed(kind, nothing), second]);
    const wanted = Buffer.concat([other, Buffer.from("secondsecond")]);
    const ends = [first.length - 1, first.length, first.length + 1, first.length + second.length];
    for (const chunkSize of [3, 4096, bytes.length, ...ends]) {
      expect((await unpacked(kind, bytes, chunkSize)).equals(wanted), String(chunkSize)).toBe(true);
    }
  });

  it("unpacks very many in a row", async () => {
    const one = packed(kind, Buffer.from("0123456789"));
    const bytes = Buffer.concat(new Array<Buffer>(3000).fill(one));
    expect((await unpacked(kind, bytes)).toString()).toBe("0123456789".repeat(3000));
  });
});

describe("gzip", () => {
  it("may be followed by zeros, wherever chunks end", async () => {
    const text = Buffer.from("a short text");
    const bytes = packed("gzip", text);
    for (const zeros of [1, 511, 5000]) {
      const longer = Buffer.concat([bytes, Buffer.alloc(zeros)]);
      for (const chunkSize of [bytes.length, bytes.length + 1, longer.length, 4096, 1]) {
        expect((await unpacked("gzip", longer, chunkSize)).equals(text)).toBe(true);
      }
    }
  });

  it("may have a name, a comment and a checksum in its header", async () => {
    const bytes = packed("gzip", other);
    const header = Buffer.concat([
      bytes.subarray(0, 3),
      // FEXTRA, FNAME and FCOMMENT.
      Buffer.from([0x1c]),
      bytes.subarray(4, 10),
      Buffer.from([3, 0, 1, 2, 3]),
      Buffer.from("name\0comment\0"),
    ]);
    const rest = bytes.subarray(10);
    expect((await unpacked("gzip", Buffer.concat([header, rest]), 5)).equals(other)).toBe(true);
  });
});

describe("zstd", () => {
  it("has frames that are skipped, first, last, and between", async () => {
    const frame = packed("zstd", other);
    const orders = [
      [skippable(4), frame],
      [skippable(0), skippable(0, 15), skippable(200_000), frame],
      [frame, skippable(7)],
      [frame, skippable(7), frame, skippable(0), skippable(0)],
    ];
    for (const parts of orders) {
      const frames = parts.filter((part) => part === frame).length;
      const wanted = Buffer.concat(new Array<Buffer>(frames).fill(other));
      for (const chunkSize of [1, 1000, MIB]) {
        const got = await unpacked("zstd", Buffer.concat(parts), chunkSize);
        expect(got.equals(wanted)).toBe(true);
      }
    }
  });

  it("has windows of up to 128 MiB, and no larger", async () => {
    const far = Buffer.concat([data, Buffer.alloc(40 * MIB), data]);
    const bytes = packed("zstd", far, "--long=27");
    // The second copy was found in the first.
    expect(bytes.length).toBeLessThan(data.length);
    expect((await unpacked("zstd", bytes)).equals(far)).toBe(true);
    // A frame with one byte as it is, behind the size of its window: 2 to the power of so much.
    const frame = (window: number) =>
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (window - 10) << 3, 9, 0, 0, 0x78]);
    expect((await unpacked("zstd", frame(27))).toString()).toBe("x");
    expect(await messageOf(unpacked("zstd", frame(28)))).toBe(
      "a.tar.x: its zstd data needs a window of more than 128 MiB (compress it with --long=27 or less)",
    );
  });

  it("may have no checksum", async () => {
    const bytes = packed("zstd", data, "--no-check");
    expect((await unpacked("zstd", bytes)).equals(data)).toBe(true);
  });
});

describe("xz", () => {
  it("may have padding between streams and behind them", async () => {
    const stream = packed("xz", other);
    const bytes = Buffer.concat([stream, Buffer.alloc(8), stream, Buffer.alloc(4)]);
    expect((await unpacked("xz", bytes, 1000)).equals(Buffer.concat([other, other]))).toBe(true);
  });

  it.each([
    [["--check=crc32"]],
    [["--check=crc64"]],
    [["--check=none"]],
    [["-T2", "--block-size=100000"]],
  ])("may be made with %j", async (options) => {
    expect((await unpacked("xz", packed("xz", data, ...options))).equals(data)).toBe(true);
  });

  it("is refused with a way out where it has what is rare", async () => {
    const rare =
      "a.tar.x: its xz data has a check or a filter of a rare kind (compress it with --check=crc64 --lzma2)";
    expect(await messageOf(unpacked("xz", packed("xz", data, "--check=sha256")))).toBe(rare);
    expect(await messageOf(unpacked("xz", packed("xz", data, "--x86", "--lzma2")))).toBe(rare);
    // What its header says of the dictionary: 64 and 96 MiB.
    const withDictionary = (size: number) => {
      const bytes = packed("xz", other);
      bytes[16] = size;
      bytes.writeUInt32LE(crc32(bytes.subarray(12, 20)), 20);
      return bytes;
    };
    expect((await unpacked("xz", withDictionary(28))).equals(other)).toBe(true);
    expect(await messageOf(unpacked("xz", withDictionary(29)))).toBe(
      "a.tar.x: its xz data needs a dictionary of more than 64 MiB (compress it with --lzma2=dict=64MiB)",
    );
  });

  it("may be given up and begun again", async () => {
    const bytes = packed("xz", data);
    for (let i = 0; i < 3; i++) {
      for await (const _ of decompress(chunked(bytes, 1000), "xz", "x", {
        maxSize: undefined,
        maxRatio: 1000,
      }))
        break;
    }
    expect((await unpacked("xz", bytes)).equals(data)).toBe(true);
  });
});

describe("bzip2", () => {
  it.each(["-1", "-5", "-9"])("has blocks of all sizes: %s", async (level) => {
    const part = Buffer.concat([
      data,
      Buffer.alloc(1_000_000, "aaaab"),
      new Random(5).bytes(950_000),
    ]);
    expect((await unpacked("bzip2", packed("bzip2", part, level))).equals(part)).toBe(true);
  });

  it("has runs of all lengths", async () => {
    const runs = Array.from({ length: 600 }, (_, length) =>
      Buffer.alloc(length, 97 + (length % 3)),
    );
    const part = Buffer.concat([
      ...runs,
      Buffer.alloc(4),
      Buffer.alloc(5_000_000, 1),
      Buffer.alloc(4, 2),
    ]);
    expect((await unpacked("bzip2", packed("bzip2", part))).equals(part)).toBe(true);
  });

  it("has bytes of all values", async () => {
    const part = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * i + (i >> 8)) & 0xff));
    expect((await unpacked("bzip2", packed("bzip2", part))).equals(part)).toBe(true);
  });
});

describe("the ratio", () => {
  it.each(KINDS)("of %s is limited once there are 64 MiB", async (kind) => {
    const below = packed(kind, Buffer.alloc(63 * MIB));
    expect(await unpacked(kind, below, 1000, 10)).toHaveLength(63 * MIB);
    const above = packed(kind, Buffer.alloc(66 * MIB));
    expect(await messageOf(unpacked(kind, above, 1000, 10))).toBe(
      "a.tar.x: unpacks to more than 10 times its length (raise --max-ratio if it is to be trusted)",
    );
    expect(await unpacked(kind, above, 1000, 10_000_000)).toHaveLength(66 * MIB);
  });
});

describe("two streams", () => {
  it.each(KINDS)("of %s can be unpacked in turns", async (kind) => {
    const limits = { maxSize: undefined, maxRatio: 1000 };
    // One that takes much memory begins while the other is half done.
    const first = decompress(chunked(packed(kind, data), 100), kind, "x", limits);
    const second = decompress(chunked(packed(kind, other, "-6"), 100), kind, "y", limits);
    const parts: [Uint8Array[], Uint8Array[]] = [[], []];
    for (let open = 2; open > 0; ) {
      open = 0;
      for (const [index, stream] of [first, second].entries()) {
        const next = await stream.next();
        if (next.done) continue;
        parts[index]!.push(next.value);
        open++;
      }
    }
    expect(Buffer.concat(parts[0]).equals(data)).toBe(true);
    expect(Buffer.concat(parts[1]).equals(other)).toBe(true);
  });
});

describe("a stream", () => {
  it("that is not compressed passes as it is", async () => {
    expect((await unpacked("none", data)).equals(data)).toBe(true);
  });

  it("can be looked at without losing anything", async () => {
    for (const [size, count] of [
      [20, 10],
      [20, 7],
      [5, 10],
      [0, 10],
      [10, 10],
      [3000, 10],
    ] as const) {
      const bytes = data.subarray(0, size);
      const { first, stream } = await withFirstBytes(chunked(bytes, 7), count);
      expect(Buffer.from(first)).toEqual(bytes.subarray(0, count));
      const parts: Uint8Array[] = [];
      for await (const part of stream) parts.push(part);
      expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    }
  });

  it("that fails inside a decoder fails as it would without", async () => {
    for (const kind of [...KINDS, "none"] as const) {
      const failure = new Error("the connection is gone");
      const bytes = kind === "none" ? data : packed(kind, data);
      async function* broken() {
        yield bytes.subarray(0, 5000);
        throw failure;
      }
      const reading = (async () => {
        for await (const _ of decompress(broken(), kind, "x", {
          maxSize: undefined,
          maxRatio: 1000,
        }));
      })();
      await expect(reading, kind).rejects.toBe(failure);
    }
  });

  it("is closed when nobody wants more of it", async () => {
    for (const kind of [...KINDS, "none"] as const) {
      const bytes = kind === "none" ? data : packed(kind, data);
      let closed = false;
      async function* endless() {
        try {
          for (;;) yield* chunked(bytes, 50_000);
        } finally {
          closed = true;
        }
      }
      const limits = { maxSize: undefined, maxRatio: 1000 };
      for await (const _ of decompress(endless(), kind, "x", limits)) break;
      expect(closed, kind).toBe(true);
    }
  });
});

describe("a stretch of a file as a stream", () => {
  const long = someData(1_300_000);

  it("is that stretch, in chunks that stay as they are", async () => {
    writeFileSync(scratch("data"), long);
    for (const [offset, size] of [
      [0, long.length],
      [1000, 1_200_000],
      [5, 0],
      [long.length - 1, 1],
    ] as const) {
      const parts: Uint8Array[] = [];
      for await (const part of fileStream(scratch("data"), offset, size)) parts.push(part);
      expect(Buffer.concat(parts).equals(long.subarray(offset, offset + size))).toBe(true);
    }
  });

  it("that is not there is named", async () => {
    const reading = async (path: string, size: number) => {
      for await (const _ of fileStream(path, 0, size));
    };
    writeFileSync(scratch("data"), data);
    expect(await messageOf(reading(scratch("data"), data.length + 1))).toBe(
      `${scratch("data")} became shorter while it was read (build again)`,
    );
    expect(await messageOf(reading(scratch("missing"), 1))).toBe(
      `cannot read ${scratch("missing")}: no such file or directory`,
    );
    expect(await messageOf(reading(scratch("."), 1))).toContain("illegal operation on a directory");
  });
});
