// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { parseReport } from "../src/index.js";

const encode = (text: string) => Buffer.from(text).toString("base64");

describe("parseReport", () => {
  it("decodes every kind of frame", () => {
    const text = [
      `R ${encode("a check")} pass `,
      `R ${encode("other")} fail ${encode("line 1\nline 2\n")}`,
      `V ${encode("key")} ${encode("a value")}`,
      `A ${encode("file")} ${Buffer.from([0, 255, 10]).toString("base64")}`,
      "E 3",
      "",
    ].join("\r\n");
    expect(parseReport(text)).toEqual({
      records: [
        { name: "a check", status: "pass", detail: "" },
        { name: "other", status: "fail", detail: "line 1\nline 2\n" },
      ],
      values: { key: "a value" },
      attachments: { file: Buffer.from([0, 255, 10]) },
      exitStatus: 3,
    });
  });

  it("ignores a line that was cut off", () => {
    expect(parseReport(`V ${encode("a")} ${encode("b")}\nE`).exitStatus).toBeUndefined();
  });

  it("refuses what it does not know", () => {
    expect(() => parseReport("junk\n")).toThrow(/garbled/);
    expect(() => parseReport("V a=b c\n")).toThrow(/garbled/);
    expect(() => parseReport(`R ${encode("x")} passed \n`)).toThrow(/unknown status "passed"/);
  });
});
