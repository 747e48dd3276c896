// SPDX-License-Identifier: MIT
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/cli/usage-error.js";
import {
  parseBoolean,
  parseId,
  parseIdMapping,
  parseJobs,
  parseRatio,
  parseSize,
  parseTime,
} from "../../src/cli/values.js";

const NS = 1_000_000_000n;

describe("a time", () => {
  it.each<[string, bigint]>([
    ["@0", 0n],
    ["@1700000000", 1_700_000_000n * NS],
    ["@-1.5", -1_500_000_000n],
    ["@-0.000000001", -1n],
    ["@9223372036.854775807", 2n ** 63n - 1n],
    ["1970-01-01", 0n],
    ["2024-02-29", 1_709_164_800n * NS],
    ["2024-02-29T12:30", 1_709_209_800n * NS],
    ["2024-02-29 12:30:15", 1_709_209_815n * NS],
    ["2024-02-29T12:30:15.5Z", 1_709_209_815n * NS + 500_000_000n],
    ["2024-02-29T12:30:15.123456789+02:00", 1_709_202_615n * NS + 123_456_789n],
    ["2024-02-29T12:30:15-0130", 1_709_215_215n * NS],
    ["1969-12-31T23:59:59.25Z", -750_000_000n],
  ])("'%s'", (text, expected) => {
    expect(parseTime(text)).toBe(expected);
  });

  it("is what date(1) takes it for", () => {
    for (const text of ["1700-03-01", "2000-02-29T23:59:59Z", "2261-12-31 00:00:01+14:00"]) {
      const seconds = execFileSync("date", ["-u", "-d", text, "+%s"], { encoding: "utf8" });
      expect(parseTime(text), text).toBe(BigInt(seconds) * NS);
    }
  });

  it.each([
    "",
    "now",
    "0",
    "@",
    "@x",
    "@1.",
    "@1.1234567890",
    "@9223372036.854775808",
    "@999999999999",
    "@9999999999999",
    "2023-02-29",
    "2024-13-01",
    "2024-1-1",
    "1600-01-01",
    "0050-01-01",
    "2300-01-01",
    "2024-02-29T24:01",
    "2024-02-29T12:60",
    "2024-02-29T12:30:61",
    "2024-02-29T12:30:15.Z",
    "2024-02-29T12:30:15+25:00",
    "2024-02-29T12:30:15+01:60",
    "2024-02-29Z",
    "2024-02-29T12:30:15Z\n",
  ])("is not '%s'", (text) => {
    expect(() => parseTime(text)).toThrow(UsageError);
  });
});

describe("a size", () => {
  it.each<[string, number]>([
    ["0", 0],
    ["4096", 4096],
    ["1k", 1024],
    ["12K", 12 * 1024],
    ["3M", 3 * 2 ** 20],
    ["2g", 2 ** 31],
    ["5T", 5 * 2 ** 40],
  ])("'%s'", (text, expected) => {
    expect(parseSize(text)).toBe(expected);
  });

  it.each(["", "K", "1.5G", "-1", "1 M", "1P", "0x10", "9007199254740993", "9000000T", "1e9"])(
    "is not '%s'",
    (text) => {
      expect(() => parseSize(text)).toThrow(UsageError);
    },
  );
});

describe("numbers", () => {
  it("are whole ones in their range", () => {
    expect([parseId("0"), parseId("4294967294"), parseJobs("1"), parseRatio("1")]).toEqual([
      0,
      2 ** 32 - 2,
      1,
      1,
    ]);
    expect(parseIdMapping("1:2:3")).toEqual({ from: 1, to: 2, count: 3 });
    expect([parseBoolean("true"), parseBoolean("false")]).toEqual([true, false]);
  });

  it.each<[(text: string) => unknown, string[]]>([
    [parseId, ["", "-1", "root", "4294967295", "1e3", "99999999999999999999"]],
    [parseJobs, ["", "0", "257", "2.5"]],
    [parseRatio, ["", "0", "1.5", "-2"]],
    [parseIdMapping, ["", "1", "1:2", "1:2:", "1:2:3:4", "a:b:c", "1:2:-3"]],
    [parseBoolean, ["", "yes", "TRUE", "1"]],
  ])("%o are not others", (parser, texts) => {
    for (const text of texts) expect(() => parser(text), text).toThrow(UsageError);
  });
});
