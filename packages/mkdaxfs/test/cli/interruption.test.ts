// SPDX-License-Identifier: MIT
import { execFileSync } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { InterruptedError, interruptible, makesFile } from "../../src/cli/interruption.js";
import { scratchDirectory } from "../support/support.js";

const scratch = scratchDirectory();
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const listeners = () => SIGNALS.map((name) => process.listenerCount(name));

/** Fails with what its signal says, some turns after it was told. */
async function untilAborted(signal: AbortSignal): Promise<never> {
  while (!signal.aborted) await new Promise((resolve) => setImmediate(resolve));
  throw new Error("what was under way failed");
}

describe("an action that signals give up", () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("by %s", async (name, status) => {
    const before = listeners();
    const running = interruptible(untilAborted);
    expect(listeners()).toEqual(before.map((count) => count + 1));
    process.emit(name);
    await expect(running).rejects.toBeInstanceOf(InterruptedError);
    await expect(running).rejects.toMatchObject({ status });
    expect(listeners()).toEqual(before);
  });

  it("gives its result, or fails, when there is none", async () => {
    const before = listeners();
    await expect(interruptible(async () => 7)).resolves.toBe(7);
    const failing = interruptible(async () => {
      throw new TypeError("its own");
    });
    await expect(failing).rejects.toThrow(TypeError);
    expect(listeners()).toEqual(before);
  });

  it("is given time to clean up, though the signal comes again at once", async () => {
    const running = interruptible(async (signal) => {
      await untilAborted(signal).catch(() => {});
      process.emit("SIGINT");
      throw new Error("cleaned up");
    });
    process.emit("SIGINT");
    await expect(running).rejects.toMatchObject({ status: 130 });
  });

  it("gives its result when it was done all the same", async () => {
    const done = interruptible(async (signal) => {
      process.emit("SIGTERM");
      return signal.aborted;
    });
    await expect(done).resolves.toBe(true);
  });
});

describe("what an interrupted build leaves", () => {
  it("is to be taken away where it is a file", () => {
    writeFileSync(scratch("file"), "");
    symlinkSync(scratch("file"), scratch("link"));
    expect([scratch("file"), scratch("link"), scratch("none")].map(makesFile)).toEqual([
      true,
      true,
      true,
    ]);
  });

  it("is nothing elsewhere", () => {
    execFileSync("mkfifo", [scratch("fifo")]);
    expect([undefined, "-", "/dev/null", scratch("fifo")].map(makesFile)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});
