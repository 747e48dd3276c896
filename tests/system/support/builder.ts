// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { constants } from "node:os";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { checkImageFile, describeFinding } from "@daxfs/format";
import { execa, type Options } from "execa";
import { expect } from "vitest";

/** The command, as it is installed. */
export const COMMAND = fileURLToPath(
  new URL("../../../packages/mkdaxfs/bin/mkdaxfs.cjs", import.meta.url),
);

const BUNDLE = new URL("../../../packages/mkdaxfs/dist/cli.cjs", import.meta.url);
if (!existsSync(BUNDLE)) throw new Error("mkdaxfs is not built (run pnpm build)");

export interface Outcome {
  /** As a shell shows it: 128 and the signal's number for a process that a signal ended. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The environment of a build, so that the caller's does not change what is built. */
export const ENVIRONMENT: Record<string, string> = { SOURCE_DATE_EPOCH: "", LC_ALL: "C.UTF-8" };

type RunOptions = Pick<Options, "cwd" | "env" | "timeout">;

/** Starts a program; the result has its exit status, and is not an error when that is not 0. */
export function start(program: string, args: readonly string[], options: RunOptions = {}) {
  return execa(program, args, {
    timeout: 120_000,
    killSignal: "SIGKILL",
    ...options,
    env: { ...ENVIRONMENT, ...options.env },
    reject: false,
    stripFinalNewline: false,
  });
}

export type Running = ReturnType<typeof start>;

export async function outcome(running: Running): Promise<Outcome> {
  const result = await running;
  if (result.timedOut) throw new Error(`it hung: ${result.command}`);
  const signal = result.signal === undefined ? undefined : constants.signals[result.signal];
  const status = result.exitCode ?? (signal === undefined ? -1 : 128 + signal);
  return { status, stdout: String(result.stdout), stderr: String(result.stderr) };
}

/** Starts the command under this Node. */
export const startMkdaxfs = (args: readonly string[], options?: RunOptions): Running =>
  start(process.execPath, [COMMAND, ...args], options);

export const mkdaxfs = (args: readonly string[], options?: RunOptions): Promise<Outcome> =>
  outcome(startMkdaxfs(args, options));

/** Builds an image that must come out sound; returns what was said. */
export async function build(
  source: string,
  image: string,
  args: readonly string[] = [],
  options?: RunOptions,
): Promise<Outcome> {
  const result = await mkdaxfs([source, "-o", image, ...args], options);
  expect(result.stderr).not.toContain("bug");
  expect({ status: result.status, stderr: result.stderr }).toMatchObject({ status: 0 });
  expect(checkImageFile(image).map(describeFinding)).toEqual([]);
  return result;
}

/** SHA-256 of a file, or of whatever a stream gives. */
export async function sha256(from: string | NodeJS.ReadableStream): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(typeof from === "string" ? createReadStream(from) : from, hash);
  return hash.digest("hex");
}

/** Runs a bash script; `$1` and so on are its arguments. */
export async function bash(script: string, ...args: string[]): Promise<string> {
  const run = await execa("bash", ["-c", `set -euo pipefail\n${script}`, "bash", ...args], {
    env: { LC_ALL: "C" },
    encoding: "latin1",
    maxBuffer: 256 * 1024 * 1024,
    stripFinalNewline: false,
  });
  return run.stdout;
}
