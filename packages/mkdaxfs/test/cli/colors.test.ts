// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { summary } from "../../src/cli/build-messages.js";
import { colorsFor, PLAIN } from "../../src/cli/colors.js";
import { createProgram } from "../../src/cli/program.js";

const TERMINAL = { TERM: "xterm" };

describe("colours", () => {
  it("are for terminals", async () => {
    const { bar, error, warning, built } = await colorsFor(true, TERMINAL);
    expect(bar("#")).toBe("\x1b[36m#\x1b[39m");
    expect(error("mkdaxfs:")).toBe("\x1b[31mmkdaxfs:\x1b[39m");
    expect(warning("mkdaxfs:")).toBe("\x1b[33mmkdaxfs:\x1b[39m");
    expect(built("image")).toBe("\x1b[32mimage\x1b[39m");
  });

  it.each([
    ["a pipe", false, TERMINAL],
    ["a stream that does not say what it is", undefined, TERMINAL],
    ["a terminal without colours", true, { TERM: "dumb" }],
    ["NO_COLOR", true, { ...TERMINAL, NO_COLOR: "1" }],
  ])("are left out for %s", async (_, isTerminal, environment) => {
    expect(await colorsFor(isTerminal, environment)).toBe(PLAIN);
  });

  it("are used where NO_COLOR is empty", async () => {
    expect(await colorsFor(true, { ...TERMINAL, NO_COLOR: "" })).not.toBe(PLAIN);
  });

  it("mark the program's name in front of a usage error", async () => {
    let complaint = "";
    const { error } = await colorsFor(true, TERMINAL);
    const program = createProgram({ build: () => {}, check: () => {} }, "1.2.3", error);
    program.configureOutput({
      writeErr: (text) => {
        complaint += text;
      },
    });
    await expect(program.parseAsync(["node", "mkdaxfs", "--no-such"])).rejects.toThrow();
    expect(complaint).toBe("\x1b[31mmkdaxfs:\x1b[39m unknown option '--no-such'\n");
  });

  it("mark the image that was built", async () => {
    const report = {
      ...{
        inodes: 1,
        types: { regular: 0, directory: 1, symlink: 0, device: 0, fifo: 0, socket: 0 },
      },
      ...{ hardLinks: 0, totalSize: 8192, contentSize: 0, storedSize: 0, uuid: undefined },
      ...{ digest: undefined, omittedXattrs: new Map(), images: [] },
      timings: { read: 0, hash: 0, plan: 0, write: 0, total: 0 },
    };
    expect(summary("image", report, await colorsFor(true, TERMINAL))).toMatch(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequence is what is tested
      /^\x1b\[32mimage\x1b\[39m: 1 inodes/,
    );
  });
});
