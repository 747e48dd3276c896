// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { CommanderError } from "commander";
import { BuildError, isSystemError, systemErrorText } from "../errors.js";
import { keepSpareThreads, type Thread } from "../jobs/threads.js";
import { colorsFor } from "./colors.js";
import { InterruptedError } from "./interruption.js";
import { oneLine } from "./one-line.js";
import { type Actions, createProgram } from "./program.js";
import { UsageError } from "./usage-error.js";

/** Exit status for a command that was used wrongly, as for most tools of Unix. */
const USAGE_ERROR = 2;

function version(): string {
  const manifest = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url), "utf8"),
  ) as { version: string };
  return manifest.version;
}

/** Loaded when they are asked for: help and errors in the command line come sooner without them. */
const actions: Actions = {
  build: async (sources, flags) => {
    const { runBuild } = await import("./build-command.js");
    await runBuild(sources, flags);
  },
  check: async (image, flags) => {
    const { runCheck } = await import("./check-command.js");
    await runCheck(image, flags);
  },
};

/**
 * Runs the command line. The only place, with the commands it calls, that prints or ends.
 * @returns the exit status
 */
async function main(argv: readonly string[]): Promise<number> {
  const { error: paint } = await colorsFor(process.stderr.isTTY, process.env);
  try {
    await createProgram(actions, version(), paint).parseAsync([...argv]);
    return process.exitCode === undefined ? 0 : Number(process.exitCode);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_ERROR;
    // What keeps the process alive has been given up.
    if (error instanceof InterruptedError) process.exit(error.status);
    if (error instanceof BuildError) {
      process.stderr.write(`${paint("mkdaxfs:")} ${oneLine(error.message)}\n`);
      return error instanceof UsageError ? USAGE_ERROR : 1;
    }
    const detail = error instanceof Error ? error.stack : String(error);
    process.stderr.write(`${paint("mkdaxfs:")} this is a bug, please report it: ${detail}\n`);
    return 70;
  }
}

/** Ends for a full disk; a reader that went away, as `head` does, is no failure. */
function watchOutput(): void {
  process.stdout.on("error", (error) => {
    if (isSystemError(error) && error.code === "EPIPE") return;
    const text = isSystemError(error) ? systemErrorText(error) : error.message;
    process.stderr.write(`mkdaxfs: cannot write standard output: ${text}\n`);
    process.exit(1);
  });
  // Nobody hears it, and the image can be built all the same.
  process.stderr.on("error", () => {});
}

/** Settled when all that was written to a stream has gone out, or can't. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write("", () => resolve()));
}

/**
 * Runs the command, and ends the process.
 * @param threads that have been started for it
 */
export async function run(argv: readonly string[], threads: readonly Thread[]): Promise<void> {
  watchOutput();
  keepSpareThreads(threads);
  process.exitCode = await main(argv);
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  // What Node does when nothing is left to do takes longer than this, for memory that is given up
  // anyway.
  process.exit();
}
