// SPDX-License-Identifier: MIT
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BuildError } from "../../src/errors.js";
import { parseModeChange } from "../../src/tree/file-mode.js";
import { Random, scratchDirectory } from "../support/support.js";

const scratch = scratchDirectory();

describe("a change of modes", () => {
  it.each<[string, number, number, number]>([
    ["0644", 0o100755, 0o100644, 0o40644],
    ["u=rwX,go=rX", 0o100640, 0o100644, 0o40755],
    ["a+X", 0o100700, 0o100711, 0o40711],
    ["go-w", 0o100666, 0o100644, 0o40644],
    ["g=u", 0o100740, 0o100770, 0o40770],
    ["u+s", 0o100755, 0o104755, 0o44755],
    ["+", 0o101234, 0o101234, 0o41234],
    ["u+g,o=", 0o101234, 0o100330, 0o40330],
  ])("'%s' does what it says", (text, before, file, folder) => {
    const change = parseModeChange(text);
    expect(change(before, false).toString(8)).toBe(file.toString(8));
    expect(change((before & 0o7777) | 0o40000, true).toString(8)).toBe(folder.toString(8));
  });

  it.each([
    "",
    " ",
    "8",
    "00644x",
    "10000",
    "000644",
    "u",
    "rwx",
    "u+q",
    "u+rg",
    "u=rw,",
    ",u=r",
    "u=rw g=r",
    "+0644",
    "u=a",
    "0x1ff",
    "u+x\n",
  ])("is not '%s'", (text) => {
    expect(() => parseModeChange(text)).toThrow(BuildError);
    expect(() => parseModeChange(text)).toThrow(/is not a mode/);
  });

  it("is what chmod makes of it", () => {
    const random = new Random(3);
    const pick = (letters: string, most: number) =>
      Array.from(
        { length: random.below(most + 1) },
        () => letters[random.below(letters.length)],
      ).join("");
    const action = () =>
      pick("+-=", 0) +
      "+-="[random.below(3)] +
      (random.below(4) ? pick("rwxXst", 4) : "ugo"[random.below(3)]);
    const clause = () =>
      pick("ugoa", 2) + Array.from({ length: 1 + random.below(2) }, action).join("");
    const octal = () => random.below(0o10000).toString(8).padStart(random.below(6), "0");
    const expressions = Array.from({ length: 120 }, () =>
      random.below(6) === 0
        ? octal()
        : Array.from({ length: 1 + random.below(3) }, clause).join(","),
    );
    const modes = [0o0, 0o644, 0o755, 0o4711, 0o6750, 0o1777, 0o7777, 0o2070, 0o100, 0o3];
    mkdirSync(scratch("modes"));
    const paths = modes.flatMap((mode) => {
      const [file, folder] = [scratch(`modes/f${mode}`), scratch(`modes/d${mode}`)];
      writeFileSync(file, "");
      mkdirSync(folder);
      return [file, folder];
    });
    for (const expression of expressions) {
      for (const [index, path] of paths.entries()) chmodSync(path, modes[index >> 1]!);
      const before = paths.map((path) => statSync(path).mode);
      const script = 'umask 0; exec chmod -- "$@"';
      execFileSync("/bin/sh", ["-c", script, "sh", expression, ...paths]);
      const change = parseModeChange(expression);
      for (const [index, path] of paths.entries()) {
        const { mode } = statSync(path);
        const ours = change(before[index]!, index % 2 === 1);
        const what = `${expression} of ${before[index]!.toString(8)}`;
        expect(ours.toString(8), what).toBe(mode.toString(8));
      }
    }
  });
});
