// SPDX-License-Identifier: MIT
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { BlobCache } from "../../../../src/sources/container/registry/blob-cache.js";
import { sha256 } from "../../../support/registry-server.js";
import { scratchDirectory } from "../../../support/support.js";

const scratch = scratchDirectory();
const { signal } = new AbortController();
const blob = randomBytes(3_000_000);
const digest = sha256(blob);
const hex = digest.slice("sha256:".length);

let base: string;
let directory: string;
let warnings: string[];
let number = 0;
beforeEach(() => {
  base = scratch(`cache-${++number}`);
  directory = join(base, "mkdaxfs/blobs/sha256");
  warnings = [];
});

const openCache = (environment: Record<string, string> = { XDG_CACHE_HOME: base }) =>
  BlobCache.open(environment, (text) => warnings.push(text));

const find = (cache: BlobCache) => cache.find(digest, blob.length, signal);

describe("the cache of blobs", () => {
  it("keeps what was fetched whole, for its owner alone", async () => {
    const cache = openCache();
    expect(await find(cache)).toBeUndefined();
    const download = await cache.begin(digest, signal);
    download.append(blob.subarray(0, 1_000_000));
    expect(await find(cache)).toBeUndefined();
    download.append(blob.subarray(1_000_000));
    expect(download.size).toBe(blob.length);
    expect(download.digest()).toBe(digest);
    const path = download.complete();
    expect(path).toBe(join(directory, hex));
    download.leave();
    cache.close();
    expect(readdirSync(directory)).toEqual([hex]);
    expect(await find(openCache())).toBe(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(warnings).toEqual([]);
  });

  it("lies in XDG_CACHE_HOME, else in ~/.cache", () => {
    openCache({ XDG_CACHE_HOME: "relative", HOME: base });
    expect(existsSync(join(base, ".cache/mkdaxfs/blobs/sha256"))).toBe(true);
    expect(existsSync("relative")).toBe(false);
  });

  it("holds every byte against its digest", async () => {
    const cache = openCache();
    writeFileSync(join(directory, hex), blob.subarray(1));
    expect(await find(cache)).toBeUndefined();
    const damaged = Buffer.from(blob);
    damaged.fill(0, 2_000_000, 2_000_010);
    writeFileSync(join(directory, hex), damaged);
    expect(await find(cache)).toBeUndefined();
    // It stays until there is a good one to replace it.
    expect(existsSync(join(directory, hex))).toBe(true);
    const download = await cache.begin(digest, signal);
    download.append(blob);
    download.complete();
    expect(await find(cache)).toBe(join(directory, hex));
  });

  it("takes digests of either algorithm", async () => {
    const cache = openCache();
    const sha512 = `sha512:${"ab".repeat(64)}`;
    const download = await cache.begin(sha512, signal);
    download.append(blob);
    expect(download.digest()).toMatch(/^sha512:[0-9a-f]{128}$/);
    download.leave();
    expect(readdirSync(join(base, "mkdaxfs/blobs/sha512"))).toEqual([`${"ab".repeat(64)}.partial`]);
  });
});

describe("a download that was left", () => {
  it("is resumed, by one of those that try", async () => {
    const first = await openCache().begin(digest, signal);
    first.append(blob.subarray(0, 1_500_000));
    first.leave();
    first.leave();
    expect(readdirSync(directory)).toEqual([`${hex}.partial`]);
    const [one, other] = await Promise.all([
      openCache().begin(digest, signal),
      openCache().begin(digest, signal),
    ]);
    expect([one.size, other.size].sort()).toEqual([0, 1_500_000]);
    expect([one.isResumed, other.isResumed].sort()).toEqual([false, true]);
    for (const download of [one, other]) {
      download.append(blob.subarray(download.size));
      expect(download.digest()).toBe(digest);
      download.complete();
    }
    expect(readdirSync(directory)).toEqual([hex]);
    expect(readFileSync(join(directory, hex)).equals(blob)).toBe(true);
  });

  it("can start from nothing", async () => {
    const cache = openCache();
    writeFileSync(join(directory, `${hex}.partial`), "rubbish");
    const download = await cache.begin(digest, signal);
    expect(download.isResumed).toBe(true);
    download.restart();
    expect(download.isResumed).toBe(false);
    download.append(blob);
    expect(download.digest()).toBe(digest);
    expect(readFileSync(download.complete()).equals(blob)).toBe(true);
  });

  it("leaves nothing where there is nothing", async () => {
    const cache = openCache();
    (await cache.begin(digest, signal)).leave();
    expect(readdirSync(directory)).toEqual([]);
  });

  it("is left by closing the cache", async () => {
    const cache = openCache();
    (await cache.begin(digest, signal)).append(blob.subarray(0, 10));
    cache.close();
    expect(readdirSync(directory)).toEqual([`${hex}.partial`]);
  });

  it("goes away after a week, and nothing else does", () => {
    openCache();
    const names = [
      "1.0011223344556677.tmp",
      "2.0011223344556677.tmp",
      "3.partial",
      "4.partial",
      "5",
    ];
    for (const name of names) writeFileSync(join(directory, name), "x");
    const old = new Date(Date.now() - 8 * 24 * 3600 * 1000);
    for (const name of [names[0]!, names[2]!, names[4]!])
      utimesSync(join(directory, name), old, old);
    openCache();
    expect(readdirSync(directory).sort()).toEqual([names[1], names[3], names[4]]);
  });
});

describe("where no cache can be", () => {
  it("blobs lie in a temporary directory that goes away", async () => {
    mkdirSync(base);
    writeFileSync(join(base, "mkdaxfs"), "a file where the directory should be");
    const cache = openCache({ XDG_CACHE_HOME: base, TMPDIR: scratch(".") });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      /^blobs are not kept: cannot write to .*: not a directory \(set XDG_/,
    );
    const download = await cache.begin(digest, signal);
    download.append(blob);
    const path = download.complete();
    expect(path.startsWith(scratch("mkdaxfs-blobs-"))).toBe(true);
    expect(await find(cache)).toBe(path);
    cache.close();
    expect(existsSync(path)).toBe(false);
    expect(readdirSync(scratch(".")).filter((name) => name.startsWith("mkdaxfs-blobs-"))).toEqual(
      [],
    );
  });

  it("nor a temporary directory, there is an error", () => {
    mkdirSync(base);
    writeFileSync(join(base, "mkdaxfs"), "");
    const environment = { XDG_CACHE_HOME: base, TMPDIR: scratch("missing") };
    expect(() => openCache(environment)).toThrow(
      /^cannot make a directory for blobs: no such file/,
    );
  });
});
