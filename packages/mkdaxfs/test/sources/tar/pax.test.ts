// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { aclValue } from "../../../src/sources/tar/acl.js";
import { parsePaxRecords, paxNumber, paxPath, paxTime } from "../../../src/sources/tar/pax.js";
import { paxRecord } from "../../support/tar.js";

const records = (text: string) => parsePaxRecords(Buffer.from(text, "latin1"));

describe("PAX records", () => {
  it("hold any bytes as values", () => {
    const value = "a\0b\nc=d\xff 12 x=y\n";
    const bytes = Buffer.concat([paxRecord("k", value), paxRecord("empty", "")]);
    expect(parsePaxRecords(bytes)).toEqual([
      ["k", value],
      ["empty", ""],
    ]);
    expect(parsePaxRecords(new Uint8Array(0))).toEqual([]);
  });

  it("count their length with its digits", () => {
    for (const size of [1, 90, 91, 92, 93, 94, 95, 990, 991, 992, 993, 9990, 65536]) {
      const value = "v".repeat(size);
      expect(parsePaxRecords(paxRecord("key", value))).toEqual([["key", value]]);
    }
  });

  it.each([
    ["6 a=b", "its last byte is missing"],
    ["5 a=b\n", "the newline is not where the length says"],
    ["7 a=b\n", "it claims more than there is"],
    ["99999999 a=b\n", "it claims far more"],
    ["9999999999999999999999 a=b\n", "its length has too many digits"],
    ["0 a=b\n", "it has no length"],
    ["1 a=b\n", "it ends inside its length"],
    ["2 a=b\n", "it ends behind its length"],
    ["-6 a=b\n", "its length is negative"],
    ["0x6 a=b\n", "its length is no decimal"],
    [" 6 a=b\n", "something precedes the length"],
    ["a=b\n", "there is no length"],
    ["5 ab\n", "there is no value"],
    ["5 =b\n", "there is no keyword"],
    ["6 a=b\n7", "a second one is cut short"],
    ["6 a=b\n\0\0\0\0", "zeros follow"],
  ])("are refused where they are damaged: %j, %s", (text) => {
    expect(() => records(text)).toThrow(/the record at byte \d+ of its PAX header is damaged/);
  });

  it.each([
    ["0", 0n],
    ["1", 1_000_000_000n],
    ["1234567890.123456789", 1_234_567_890_123_456_789n],
    ["1.5", 1_500_000_000n],
    ["1.", 1_000_000_000n],
    ["1.0000000019", 1_000_000_001n],
    ["-1", -1_000_000_000n],
    ["-1.5", -1_500_000_000n],
    ["-0.000000001", -1n],
    // Cut off downwards, not towards zero.
    ["-1.0000000001", -1_000_000_001n],
    ["-1.0000000000", -1_000_000_000n],
    ["253402300799.999999999", 253_402_300_799_999_999_999n],
    ["00000000000000000000000001.5", 1_500_000_000n],
    ["-0000000000000000000000000001", -1_000_000_000n],
    ["0".repeat(30), 0n],
    // Far outside any image: which time it is makes no difference.
    ["9".repeat(19), 999_999_999_999_999_999_000_000_000n],
    [`-${"9".repeat(30)}.5`, -999_999_999_999_999_999_500_000_000n],
  ])("have the time %s to the nanosecond", (text, nanoseconds) => {
    expect(paxTime(["mtime", text])).toBe(nanoseconds);
  });

  it.each(["", "-", "+1", "1e9", " 1", "1.5.5", "0x10", "1,5", "NaN"])(
    "refuse %j as a time",
    (text) => {
      expect(() => paxTime(["mtime", text])).toThrow(
        `its PAX record mtime has the value '${text}'`,
      );
    },
  );

  it("refuse numbers and paths that are none", () => {
    expect(paxNumber(["size", "9007199254740991"])).toBe(Number.MAX_SAFE_INTEGER);
    for (const value of ["9007199254740992", "-1", "1.0", "", "1 ", "99999999999999999999999"]) {
      expect(() => paxNumber(["size", value])).toThrow("its PAX record size has the value");
    }
    expect(() => paxNumber(["uid", "4294967296"], 0xffffffff)).toThrow("uid");
    expect(paxNumber(["size", `${"0".repeat(40)}42`])).toBe(42);
    expect(() => paxNumber(["uid", "0004294967296"], 0xffffffff)).toThrow("uid");
    expect(() => paxPath(["path", "a\0b"])).toThrow("its PAX record path has the value 'a\\x00b'");
  });

  it("show the byte that is wrong in a long value", () => {
    const long = "p".repeat(100);
    const around = `'…${"p".repeat(20)}\\x00${"p".repeat(19)}…'`;
    for (const keyword of ["path", "linkpath"]) {
      expect(() => paxPath([keyword, `${long}\0${long}`])).toThrow(
        `its PAX record ${keyword} has the value ${around}`,
      );
    }
    expect(() => paxPath(["path", `${long}\0`])).toThrow(`'…${"p".repeat(20)}\\x00'`);
    expect(() => paxNumber(["uid", `${"1".repeat(60)}x`])).toThrow(`'…${"1".repeat(20)}x'`);
    expect(() => paxTime(["mtime", `1.${"0".repeat(60)}x`])).toThrow(`'…${"0".repeat(20)}x'`);
  });

  it("may have zeros in front of their length", () => {
    const value = "v".repeat(20);
    const record = `00000000000000000042 path=${value}`;
    const whole = `${record.replace("42", String(record.length + 1))}\n`;
    expect(records(whole)).toEqual([["path", value]]);
    expect(() => records("0".repeat(50))).toThrow("is damaged");
  });
});

describe("the text form of an access control list", () => {
  const value = (text: string, kind: "access" | "default" = "access") => {
    const bytes = aclValue(text, kind);
    return bytes && Buffer.from(bytes).toString("hex");
  };

  it("becomes the attribute, in the kernel's order", () => {
    const text = "user::rw-,user:9:r-x,user:3:rwx,group::r--,group:7:-w-,mask::rwx,other::---";
    const expected = [
      ["02000000"],
      ["0100", "0600", "ffffffff"],
      ["0200", "0700", "03000000"],
      ["0200", "0500", "09000000"],
      ["0400", "0400", "ffffffff"],
      ["0800", "0200", "07000000"],
      ["1000", "0700", "ffffffff"],
      ["2000", "0000", "ffffffff"],
    ];
    expect(value(text)).toBe(expected.flat().join(""));
    // As star and libarchive add the number, and with comments as getfacl has them.
    const named = text.replace("user:9:r-x", "user:joe:r-x:9").replaceAll(",", " \t#effective\n");
    expect(value(named)).toBe(value(text));
    const zeros = text.replaceAll(/(user|group):(\d)/g, "$1:000000000000$2");
    expect(value(zeros)).toBe(value(text));
    expect(value(named.replace(":9", ":000000000009"))).toBe(value(text));
  });

  it("is no attribute where permissions say the same, except as a default", () => {
    const text = "user::rwx\ngroup::r-x\nother::r-x\n";
    expect(value(text)).toBeUndefined();
    expect(value(text, "default")).toHaveLength((4 + 3 * 8) * 2);
  });

  it.each([
    ["user::rw-,group::r--", "is wrong at"],
    ["user::rw-,group::r--,other::r--,user:5:rwx", "is wrong at"],
    ["user::rw-,user::rw-,group::r--,other::r--", "is wrong at"],
    ["user::rw-,user:5:r--,user:5:rw-,group::r--,mask::rwx,other::r--", "is wrong at"],
    ["user::rwz,group::r--,other::r--", "is wrong at 'user::rwz'"],
    ["everyone@:rwx:allow,user::rw-,group::r--,other::r--", "is wrong at 'everyone@:rwx:allow'"],
    ["user::rw-,user:joe:rw-,group::r--,mask::rw-,other::r--", "names 'joe', without a number"],
    ["user::rw-,user:99999999999:rw-,group::r--,mask::rw-,other::r--", "names '99999999999'"],
    ["user::rw-,user:4294967295:rw-,group::r--,mask::rw-,other::r--", "names '4294967295'"],
  ])("is refused where it is wrong: %s", (text, message) => {
    expect(() => value(text)).toThrow(`its access control list ${message}`);
  });
});
