// SPDX-License-Identifier: MIT
// Zip archives that would take everything, that are cut short, or damaged at random.
import { writeFileSync } from "node:fs";
import { crc32, deflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { BuildError } from "../../../src/errors.js";
import { Random, scratchDirectory } from "../../support/support.js";
import {
  extra,
  fields,
  readZip,
  refusal,
  withSource,
  type ZipEntry,
  zipOf,
} from "../../support/zip.js";

const scratch = scratchDirectory();
const MIB = 2 ** 20;
/** It does not compress well. */
const LARGE = new Random(1).bytes(MIB);

function fileOf(bytes: Buffer): string {
  const path = scratch("archive.zip");
  writeFileSync(path, bytes);
  return path;
}

const archive = (entries: readonly ZipEntry[]) => fileOf(zipOf(entries));

describe("limits", () => {
  const zeros = (size: number): ZipEntry => ({
    name: "zeros",
    content: Buffer.alloc(size),
    method: 8,
  });

  it("hold back what unpacks to far more than its size, unless it does no harm", async () => {
    const found = await readZip(archive([zeros(60 * MIB)]));
    expect(found.get("zeros")?.inode).toMatchObject({ size: 60 * MIB });
    const bomb = archive([zeros(70 * MIB)]);
    expect(await refusal(bomb)).toMatch(
      /entry 'zeros' unpacks to 73400320 bytes, more than 1000 times its length/,
    );
    const raised = await readZip(bomb, { limits: { maxRatio: 1100 } });
    expect(raised.get("zeros")?.inode).toMatchObject({ size: 70 * MIB });
  });

  it("hold back entries that share their bytes", async () => {
    const size = MIB;
    const stored = deflateRawSync(LARGE.subarray(0, size));
    const shared = { content: LARGE, method: 8, stored, offset: 0 };
    const first = { ...shared, name: "x" };
    // 100 times the archive, in the archive.
    const others = Array.from({ length: 100 }, () => ({
      ...first,
      stored: Buffer.alloc(0),
      compressedSize: stored.length,
    }));
    const path = archive([first, ...others]);
    expect(await refusal(path, { limits: { maxRatio: 90 } })).toContain(
      "test.zip: unpacks to more than 90 times its length",
    );
    expect((await readZip(path)).size).toBe(1);
  });

  it("hold back more than is allowed altogether, before it is unpacked", async () => {
    const path = archive([zeros(MIB), { ...zeros(MIB), name: "second" }]);
    const limits = { maxSize: 2 * MIB };
    expect((await readZip(path, { limits })).size).toBe(2);
    expect(await refusal(path, { limits: { maxSize: 2 * MIB - 1 } })).toContain(
      "test.zip: its files have more than 2097151 bytes (raise --max-size",
    );
  });
});

it("is given up when the build is", async () => {
  const entries = [0, 8].flatMap((method) =>
    Array.from({ length: 20 }, (_, copy) => ({
      name: `${method}-${copy}`,
      content: LARGE,
      method,
    })),
  );
  const path = archive(entries);
  const controller = new AbortController();
  const reason = new Error("enough");
  await withSource(path, { signal: controller.signal }, async (source) => {
    const batches = source.entries();
    await batches.next();
    controller.abort(reason);
    await expect(
      (async () => {
        for await (const _ of batches);
      })(),
    ).rejects.toBe(reason);
  });
});

/** An archive of all that there is, small enough to be broken in every place. */
function sample(zip64: boolean): Buffer {
  const ux = extra(0x7875, fields([1, 1], [1, 4], [4, 1000], [1, 4], [4, 1000]));
  const times = extra(0x5455, fields([1, 1], [4, 1_700_000_000]));
  return zipOf(
    [
      { name: "d/", mode: 0o040755, extra: ux },
      { name: "d/stored", content: "stored content", extra: Buffer.concat([times, ux]) },
      { name: "d/deflated", content: "deflated ".repeat(30), method: 8, local: { extra: times } },
      { name: "d/link", content: "stored", mode: 0o120777 },
      {
        name: "d/caf_",
        extra: extra(0x7075, fields([1, 1], [4, crc32("d/caf_")]), Buffer.from("é")),
      },
      { name: "dos", host: 0, attributes: 0x20, content: "x" },
    ],
    { zip64, comment: Buffer.from("comment") },
  );
}

describe("damage", () => {
  it("that cuts an archive short anywhere is noticed", async () => {
    for (const zip64 of [false, true]) {
      const whole = sample(zip64);
      expect((await readZip(fileOf(whole))).size).toBe(6);
      for (let length = 0; length < whole.length; length++) {
        await refusal(fileOf(whole.subarray(0, length)));
      }
    }
  });

  it("that takes bytes out of the middle is noticed", async () => {
    const whole = sample(false);
    for (let start = 0; start < whole.length - 29; start += 3) {
      const bytes = Buffer.concat([whole.subarray(0, start), whole.subarray(start + 7)]);
      await refusal(fileOf(bytes));
    }
  });

  it("at random gives entries or one line, and an end", async () => {
    const random = new Random(26);
    const samples = [sample(false), sample(true)];
    let taken = 0;
    const rounds = 2000;
    for (let round = 0; round < rounds; round++) {
      const bytes = Buffer.from(samples[round % 2]!);
      for (let change = random.below(3); change >= 0; change--) {
        const at = random.below(bytes.length);
        const kind = random.below(4);
        if (kind === 0) bytes[at] = random.below(256);
        else if (kind === 1) bytes[at]! ^= 1 << random.below(8);
        else bytes.subarray(at, at + 1 + random.below(8)).fill(kind === 2 ? 0xff : 0);
      }
      try {
        await readZip(fileOf(bytes));
        taken++;
      } catch (error) {
        if (!(error instanceof BuildError)) throw error;
        expect(error.message).toMatch(/^test\.zip/);
        expect(error.message).not.toContain("\n");
      }
    }
    // Changes to times and such are no damage: it must not be that everything is refused.
    expect(taken).toBeGreaterThan(rounds / 20);
    expect(taken).toBeLessThan(rounds / 2);
  });
});
