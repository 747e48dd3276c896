// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { SourceContext } from "../../../src/sources/context.js";
import { TarSource } from "../../../src/sources/tar/tar-source.js";
import { scratchDirectory } from "../../support/support.js";
import {
  archive,
  chunked,
  header,
  member,
  messageOf,
  readBoth,
  readTar,
  refusal,
  tarContext,
} from "../../support/tar.js";

const scratch = scratchDirectory();
const bytes = archive(member({ name: "file" }, "x".repeat(5000)), member({ name: "next" }, "next"));
// Digests count what follows the end, too.
const tar = Buffer.concat([bytes, Buffer.alloc(9000)]);
const packed = gzipSync(tar);

const digestOf = (data: Uint8Array, algorithm = "sha256") =>
  `${algorithm}:${createHash(algorithm).update(data).digest("hex")}`;
const WRONG = `sha256:${"0".repeat(64)}`;
const wrong = (found: Uint8Array) =>
  `a.tar: its digest is ${digestOf(found)}, not ${WRONG} (it is damaged or was altered: get ` +
  "it again)";

describe("digests", () => {
  it.each(["sha256", "sha512"])("of %s are verified, of both forms of an archive", async (kind) => {
    const diffId = digestOf(tar, kind);
    await readBoth(tar, { digest: diffId, diffId });
    await readBoth(tar, { digest: digestOf(tar, "sha256"), diffId });
    await readBoth(packed, { digest: digestOf(packed, kind), diffId });
    await readBoth(packed, { diffId });
  });

  it.each([
    ["plain", tar],
    ["compressed", packed],
  ])("that are others are said, and what was found: %s", async (_, data) => {
    expect(await refusal(data, { digest: WRONG })).toBe(wrong(data));
    // Bytes that are right make up an image that is wrong.
    const image =
      `a.tar: it unpacks to ${digestOf(tar)}, not ${WRONG}, which the image's config says ` +
      "(the image was made wrong: build or push it anew)";
    expect(await refusal(data, { digest: digestOf(data), diffId: WRONG })).toBe(image);
    expect(await refusal(data, { isVerified: true, diffId: WRONG })).toBe(image);
    expect(await refusal(data, { diffId: WRONG })).toBe(wrong(tar));
  });

  it("see a byte behind the end of the archive, and behind the compressed data", async () => {
    const longer = Buffer.concat([tar, Buffer.alloc(1)]);
    expect(await refusal(longer, { diffId: digestOf(tar) })).toContain(digestOf(longer));
    const after = Buffer.concat([packed, Buffer.alloc(1)]);
    expect(await refusal(after, { digest: digestOf(packed) })).toContain(digestOf(after));
  });

  it.each(["md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:00", `sha256:${"A".repeat(64)}`, ""])(
    "of no known kind are refused: %j",
    async (digest) => {
      expect(await refusal(tar, { digest })).toBe(
        `a.tar: its digest '${digest}' is neither SHA-256 nor SHA-512`,
      );
    },
  );

  it("leave contents of a plain archive where they are", async () => {
    expect((await readBoth(tar, { digest: digestOf(tar) })).spooled).toBe(0);
  });

  it("settle that an archive without an end marker is whole", async () => {
    const open = member({}, "data");
    expect((await readBoth(open)).warnings).toHaveLength(1);
    expect((await readBoth(open, { diffId: digestOf(open) })).warnings).toEqual([]);
  });
});

describe("limits", () => {
  it("hold the contents of all entries together", async () => {
    await readBoth(tar, { limits: { maxSize: 5004 } });
    const message =
      "a.tar: its files have more than 5003 bytes (raise --max-size if that is right)";
    expect(await refusal(tar, { limits: { maxSize: 5003 } })).toBe(message);
    expect(await refusal(packed, { limits: { maxSize: 5003 } })).toBe(message);
  });

  it("stop what unpacks to far too much", async () => {
    const large = gzipSync(archive(member({}, Buffer.alloc(80 * 1024 * 1024))));
    expect(await refusal(large, { limits: { maxRatio: 100 } })).toBe(
      "a.tar: unpacks to more than 100 times its length (raise --max-ratio if it is to be trusted)",
    );
    const { seen } = await readTar(
      { kind: "stream", stream: chunked(large) },
      { limits: { maxRatio: 2000 } },
    );
    expect(seen).toHaveLength(1);
  });
});

describe("a source", () => {
  const many = archive(...Array.from({ length: 2000 }, (_, i) => header({ name: `f${i}` })));

  it.each(["file", "stream"] as const)(
    "stops between batches of a %s when it is told to",
    async (kind) => {
      writeFileSync(scratch("many"), many);
      const reason = new Error("enough");
      const control = new AbortController();
      let batches = 0;
      const report: SourceContext["report"] = () => {
        if (++batches === 2) control.abort(reason);
      };
      const input =
        kind === "file"
          ? ({ kind, path: scratch("many"), offset: 0, size: many.length } as const)
          : ({ kind, stream: chunked(many) } as const);
      await expect(readTar(input, { signal: control.signal, report })).rejects.toBe(reason);
      expect(batches).toBe(2);
    },
  );

  it("tells how many entries it read", async () => {
    const told: number[] = [];
    await readTar(
      { kind: "stream", stream: chunked(many) },
      { report: ({ stage, done }) => (stage === "read" ? told.push(done) : fail()) },
    );
    expect(told.at(-1)).toBe(2000);
    expect(told.length).toBeGreaterThan(2);
    expect(told).toEqual([...told].sort((a, b) => a - b));
  });

  it("passes on what the stream throws, and closes it", async () => {
    const failure = new Error("the connection is gone");
    async function* broken() {
      yield many.subarray(0, 3000);
      throw failure;
    }
    await expect(readTar({ kind: "stream", stream: broken() })).rejects.toBe(failure);
    let closed = false;
    async function* endless() {
      try {
        for (;;) yield Buffer.alloc(512, 1);
      } finally {
        closed = true;
      }
    }
    expect(await messageOf(readTar({ kind: "stream", stream: endless() }))).toBe(
      "a.tar: is not a tar archive",
    );
    expect(closed).toBe(true);
  });

  it("names a file that can't be read, or became shorter", async () => {
    const missing = { kind: "file", path: scratch("missing"), offset: 0, size: 10 } as const;
    expect(await messageOf(readTar(missing))).toContain(
      `cannot read ${scratch("missing")}: no such file or directory`,
    );
    writeFileSync(scratch("short"), many.subarray(0, 5000));
    const short = { kind: "file", path: scratch("short"), offset: 0, size: many.length } as const;
    const message = `${scratch("short")} became shorter while it was read (build again)`;
    expect(await messageOf(readTar(short))).toBe(message);
    expect(await messageOf(readTar(short, { digest: digestOf(many) }))).toBe(message);
  });

  it("says whose it is and whether it is a layer", () => {
    const context = tarContext({}, [], []);
    const open = async () => ({ kind: "stream", stream: chunked(many) }) as const;
    const source = new TarSource({ description: "layer x", isLayer: true, context, open });
    expect(source).toMatchObject({ description: "layer x", isLayer: true });
  });
});

function fail(): never {
  throw new Error("a stage that is none of a source's");
}
