// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { CompilerTuning } from "../../src/cli/v8-tuning.js";

/** What V8 of some version is told while entries are read, and then other stages run. */
function flagsOf(version: string, counts: readonly number[]): string[] {
  const flags: string[] = [];
  const tuning = new CompilerTuning((flag) => flags.push(flag), version);
  for (const done of counts) tuning.update({ stage: "read", done, total: undefined });
  tuning.update({ stage: "hash", done: 1, total: 10 });
  tuning.update({ stage: "copy", done: 1, total: 10 });
  return flags;
}

describe("the tuning of the compiler", () => {
  it("lasts while a build is small", () => {
    expect(flagsOf("11.3.244.8-node.33", [1, 5_000, 14_999])).toEqual([
      "--interrupt-budget=675840",
    ]);
  });

  it("ends when it turns out to be large", () => {
    expect(flagsOf("11.3.244.8-node.33", [1, 14_000, 16_000, 20_000])).toEqual([
      "--interrupt-budget=675840",
      "--interrupt-budget=67584",
    ]);
  });

  it("does not begin where many entries come at once", () => {
    expect(flagsOf("11.3.244.8-node.33", [15_000])).toEqual([]);
  });

  it("leaves a V8 alone that has a compiler in between", () => {
    expect(flagsOf("12.4.254.21-node.33", [1, 20_000])).toEqual([]);
    expect(flagsOf("13.6.233.17-node.41", [1, 20_000])).toEqual([]);
  });
});
