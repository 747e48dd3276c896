// SPDX-License-Identifier: MIT
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../src/cli.js";

let output = "";

beforeEach(() => {
  output = "";
  const collect = (text: string | Uint8Array) => {
    output += text.toString();
    return true;
  };
  vi.spyOn(process.stdout, "write").mockImplementation(collect);
  vi.spyOn(process.stderr, "write").mockImplementation(collect);
});

afterEach(() => {
  vi.restoreAllMocks();
});

describe("the command line", () => {
  it("explains itself", async () => {
    expect(await main(["--help"])).toBe(0);
    expect(output).toContain("vm run [options] SCRIPT");
  });

  it.each([
    [[], "no command given"],
    [["boot"], 'bad use of "boot"'],
    [["run"], 'bad use of "run"'],
    [["shell", "x"], 'bad use of "shell"'],
    [["shell", "--no-such"], "--no-such"],
    [["run", "--timeout", "soon", "script"], "--timeout soon: not a time"],
    [["shell", "--backing", "tape"], "--backing tape: not one of reserved, ivshmem,"],
    [["shell", "--kernel", "6.2"], "--kernel 6.2: not one of oldest (6.1), middle (6.12), newest"],
  ])("refuses %j", async (commandLine, message) => {
    expect(await main(commandLine)).toBe(2);
    expect(output).toContain(message);
    expect(output).toContain("usage:");
  });
});
