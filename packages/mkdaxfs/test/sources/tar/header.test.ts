// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { looksLikeTar, parseHeader, TarError } from "../../../src/sources/tar/header.js";
import { base256, type HeaderFields, header } from "../../support/tar.js";

const parsed = (fields: HeaderFields) => parseHeader(header(fields))!;

describe("a tar header", () => {
  it.each([
    ["0000644\0", 0o644],
    ["   644 \0", 0o644],
    ["644\0\0\0\0\0", 0o644],
    ["00000644", 0o644],
    ["\0\0\0\0\0\0\0\0", 0],
    ["        ", 0],
    // The file type, which some programs leave in.
    ["0100755\0", 0o755],
  ])("has the octal number %j", (raw, mode) => {
    expect(parsed({ raw: { 100: raw } }).mode).toBe(mode);
  });

  it("has numbers that leave no room for a NUL", () => {
    expect(parsed({ raw: { 124: "777777777777" } }).size).toBe(0o777777777777);
  });

  it.each([
    [124, 12, "size", 8n * 1024n ** 3n],
    [124, 12, "size", 2n ** 53n - 1n],
    [108, 8, "uid", 4294967295n],
    [116, 8, "gid", 2097152n],
    [136, 12, "mtime", 2n ** 40n],
    [136, 12, "mtime", -1n],
    [136, 12, "mtime", -(2n ** 33n)],
  ] as const)("has a base-256 number at byte %i of %i: %s %s", (at, length, field, value) => {
    expect(parsed({ raw: { [at]: base256(value, length) } })[field]).toBe(Number(value));
  });

  it.each([
    [{ 124: base256(-1n, 12) }, "its size is -1, not 0 to 9007199254740991"],
    [{ 124: base256(2n ** 53n, 12) }, "its size is out of range"],
    [{ 124: base256(2n ** 90n, 12) }, "its size is out of range"],
    [{ 108: base256(-2n, 8) }, "its uid is -2, not 0 to 4294967295"],
    [{ 116: base256(2n ** 32n, 8) }, "its gid is 4294967296, not 0 to 4294967295"],
    [{ 124: "0000000008\0" }, "its size is not a number"],
    [{ 108: "12x4567\0" }, "its uid is not a number"],
    [{ 100: "-644\0\0\0\0" }, "its mode is not a number"],
    // Behind a NUL: GNU tar and libarchive see no number there, Go's tar sees one.
    [{ 100: "\x000644\0" }, "its mode is not a number"],
    [{ 108: "\0\0\0\0\0\x001\0" }, "its uid is not a number"],
    [{ 116: "  \0  7\0\0" }, "its gid is not a number"],
    [{ 124: `\0${"0".repeat(10)}4` }, "its size is not a number"],
    [{ 136: "\x0012345670000" }, "its mtime is not a number"],
    [{ 124: "\0\0\0\0x\0\0\0\0\0\0\0" }, "its size is not a number"],
  ])("refuses the numbers %j", (raw, message) => {
    expect(() => parsed({ raw })).toThrow(new TarError(message));
  });

  it("has no number for a field of spaces and NULs, in any order", () => {
    for (const raw of ["\0\0\0\0\0\0\0\0", "        ", "   \0\0\0  ", "\0 \0 \0 \0 "]) {
      expect(parsed({ raw: { 108: raw } }).uid).toBe(0);
    }
  });

  it("has the checksum where it does not begin with a NUL", () => {
    const block = header();
    const sum = block.toString("latin1", 148, 154);
    block.write(`\0${sum}\0`, 148, "latin1");
    expect(() => parseHeader(block)).toThrow("no tar header found");
    block.write(` ${sum}\0`, 148, "latin1");
    expect(parseHeader(block)?.path).toBe("file");
  });

  it("has the nearest time to one that no number holds", () => {
    const mtime = (value: bigint) => parsed({ raw: { 136: base256(value, 12) } }).mtime;
    expect(mtime(-(2n ** 80n))).toBe(Number.MIN_SAFE_INTEGER);
    expect(mtime(2n ** 80n)).toBe(Number.MAX_SAFE_INTEGER);
    expect(mtime(2n ** 53n)).toBe(Number.MAX_SAFE_INTEGER);
  });

  it("has a device number only where there is a device", () => {
    const raw = { 329: "garbage!", 337: "0000007\0" };
    expect(parsed({ raw })).toMatchObject({ deviceMajor: 0, deviceMinor: 0 });
    expect(() => parsed({ raw, type: "3" })).toThrow("its devmajor is not a number");
    const device = parsed({ type: "4", raw: { 329: "0000010\0", 337: "0000377\0" } });
    expect(device).toMatchObject({ deviceMajor: 8, deviceMinor: 255 });
  });

  it("has a path of 100 bytes without a NUL, and a prefix of 155 in ustar alone", () => {
    const name = "n".repeat(100);
    const prefix = "p".repeat(155);
    expect(parsed({ name, prefix }).path).toBe(`${prefix}/${name}`);
    expect(parsed({ name, prefix, magic: "gnu" }).path).toBe(name);
    expect(parsed({ name, prefix, magic: "v7" }).path).toBe(name);
    expect(parsed({ name: Buffer.from([0xff, 0xfe, 0]) }).path).toBe("\xff\xfe");
    expect(parsed({ name: "a", linkName: "l".repeat(100) }).linkPath).toBe("l".repeat(100));
  });

  it("has a checksum of bytes, signed or not", () => {
    const name = Buffer.from("na\xefve", "latin1");
    expect(parsed({ name }).path).toBe("na\xefve");
    expect(parsed({ name, signed: true }).path).toBe("na\xefve");
    expect(() => parsed({ name, wrong: 1 })).toThrow("no tar header found");
    expect(() => parseHeader(Buffer.alloc(512, "x"))).toThrow("no tar header found");
    expect(parseHeader(Buffer.alloc(512))).toBeUndefined();
  });

  it("is known by its checksum", () => {
    expect(looksLikeTar(header({ magic: "v7" }))).toBe(true);
    expect(looksLikeTar(Buffer.alloc(512))).toBe(true);
    expect(looksLikeTar(Buffer.alloc(511))).toBe(false);
    expect(looksLikeTar(Buffer.alloc(512, "ustar"))).toBe(false);
    expect(looksLikeTar(header({ wrong: 8 }))).toBe(false);
  });
});
