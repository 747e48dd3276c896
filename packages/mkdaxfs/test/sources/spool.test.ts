// SPDX-License-Identifier: MIT
import {
  chmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
} from "node:fs";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import { joined } from "../../src/host/path.js";
import { newFileSpool, type Spool } from "../../src/sources/spool.js";
import { Random, scratchDirectory } from "../support/support.js";
import { messageOf } from "../support/tar.js";

const scratch = scratchDirectory();
const open: Spool[] = [];

function spoolIn(directory?: string): Spool {
  const spool = newFileSpool(directory);
  open.push(spool);
  return spool;
}

afterEach(() => {
  for (const spool of open.splice(0)) spool.close();
});

const pathOf = (spool: Spool) => joined(spool.directory, spool.name);
const MIB = 1024 * 1024;

describe("a spool", () => {
  it("holds what was added, in pieces of any size, and zeros", () => {
    const spool = spoolIn();
    const random = new Random(1);
    const parts: Buffer[] = [];
    let size = 0;
    for (const length of [0, 1, 10, 5000, MIB - 1, 1, 1, MIB, 3 * MIB, 100, 2 * MIB, 7]) {
      const bytes = random.bytes(Math.min(length, 4096));
      const part = Buffer.alloc(length, bytes.length > 0 ? bytes : 0);
      parts.push(Buffer.from(part));
      spool.append(part);
      // It may be used again.
      part.fill(0xee);
      size += length;
      expect(spool.size).toBe(size);
      if (length % 2 === 0) {
        spool.skip(length * 2);
        parts.push(Buffer.alloc(length * 2));
        size += length * 2;
        expect(spool.size).toBe(size);
      }
    }
    spool.flush();
    const content = readFileSync(pathOf(spool));
    expect(content.length).toBe(size);
    expect(content.equals(Buffer.concat(parts))).toBe(true);
  });

  it("ends with zeros that were skipped, and goes on behind them", () => {
    const spool = spoolIn();
    spool.skip(5);
    spool.flush();
    expect(readFileSync(pathOf(spool)).toString("latin1")).toBe("\0\0\0\0\0");
    spool.append(Buffer.from("x"));
    spool.flush();
    spool.skip(2);
    spool.flush();
    spool.flush();
    expect(readFileSync(pathOf(spool)).toString("latin1")).toBe("\0\0\0\0\0x\0\0");
  });

  it("takes no room for zeros", () => {
    const spool = spoolIn();
    spool.append(Buffer.from("x"));
    spool.skip(50 * 1024 * MIB);
    spool.append(Buffer.from("y"));
    spool.flush();
    const { size, blocks } = statSync(pathOf(spool));
    expect(size).toBe(50 * 1024 * MIB + 2);
    expect(blocks * 512).toBeLessThan(MIB);
  });

  it("has no name, and lets nobody else read it", () => {
    const spool = spoolIn(scratch("."));
    expect(readdirSync(scratch("."))).toEqual([]);
    expect(readlinkSync(pathOf(spool))).toContain("(deleted)");
    expect(fstatSync(Number(spool.name)).mode & 0o777).toBe(0o600);
    expect(fstatSync(Number(spool.name)).nlink).toBe(0);
  });

  it("can be read by other threads", async () => {
    const spool = spoolIn();
    spool.append(Buffer.from("for all"));
    spool.flush();
    const script =
      'const { parentPort, workerData } = require("node:worker_threads");' +
      'parentPort.postMessage(require("node:fs").readFileSync(workerData, "utf8"));';
    const worker = new Worker(script, { eval: true, workerData: pathOf(spool) });
    const content = await new Promise((resolve, reject) => {
      worker.on("message", resolve).on("error", reject);
    });
    expect(content).toBe("for all");
    await worker.terminate();
  });

  it("is gone when it was closed, once and again", () => {
    const spool = spoolIn();
    const { name } = spool;
    spool.close();
    expect(() => fstatSync(Number(name))).toThrow("EBADF");
    // The number is someone else's now.
    const other = openSync("/dev/null", "r");
    expect(String(other)).toBe(name);
    spool.close();
    expect(fstatSync(other).isCharacterDevice()).toBe(true);
  });
});

describe("where a spool takes its room", () => {
  const devices = (spool: Spool) => statSync(pathOf(spool)).dev;

  it("is TMPDIR, else /var/tmp", () => {
    const before = process.env.TMPDIR;
    try {
      mkdirSync(scratch("tmp"));
      process.env.TMPDIR = scratch("tmp");
      expect(readlinkSync(pathOf(spoolIn()))).toContain(scratch("tmp/"));
      for (const none of [undefined, ""]) {
        if (none === undefined) delete process.env.TMPDIR;
        else process.env.TMPDIR = none;
        expect(readlinkSync(pathOf(spoolIn()))).toContain("/var/tmp/");
      }
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
    }
    expect(devices(spoolIn("/dev/shm"))).toBe(statSync("/dev/shm").dev);
  });

  it("is named when there is none", async () => {
    const message = (directory: string) => messageOf((async () => spoolIn(directory))());
    expect(await message(scratch("missing"))).toBe(
      `cannot make a temporary file in ${scratch("missing")}: no such file or directory (set TMPDIR ` +
        "to a directory that can be written to)",
    );
    if (process.getuid?.() !== 0) {
      mkdirSync(scratch("closed"));
      chmodSync(scratch("closed"), 0o500);
      expect(await message(scratch("closed"))).toContain(": permission denied (set TMPDIR");
    }
  });

  it("is named when no file can be as long as it should", async () => {
    const spool = spoolIn(scratch("."));
    spool.skip(2 ** 46);
    expect(await messageOf((async () => spool.flush())())).toBe(
      `cannot write a temporary file in ${scratch(".")}: file too large (set TMPDIR to a directory ` +
        "with more room)",
    );
  });

  it("is never longer than an image can be", async () => {
    const message =
      "what is unpacked would take more than 70368744177664 bytes (no image can be that long)";
    const spool = spoolIn(scratch("."));
    expect(await messageOf((async () => spool.skip(2 ** 46 + 1))())).toBe(message);
    expect(await messageOf((async () => spool.skip(2 ** 53))())).toBe(message);
    spool.skip(2 ** 46);
    expect(await messageOf((async () => spool.append(Buffer.of(1)))())).toBe(message);
  });
});
