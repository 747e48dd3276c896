// SPDX-License-Identifier: MIT
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { execa } from "execa";
import { findKernelWarnings, hasPhantomBreakpoint, kernelMessages } from "./console.js";
import { type GuestSetup, prepareGuest } from "./guest.js";
import { GUEST_FILES, runInit } from "./guest-scripts.js";
import { type GuestRecord, type GuestReport, parseReport } from "./report.js";

/** What `runGuest` boots and runs. */
export interface GuestOptions extends GuestSetup {
  /** Text for the guest's busybox sh. */
  script: string;
  /** Names the console log; "guest" by default. */
  name?: string;
  /** The guest is killed after this time, or the kernel's multiple of it; 300 by default. */
  timeoutSeconds?: number;
  /** Where the console log goes; `logs` in the kernel's cache directory by default. */
  logDirectory?: string;
  /** Keep the console log of a successful run, too. */
  keepLog?: boolean;
}

/** What a guest that came to its end reported. */
export interface GuestResult {
  /** The script's exit status. */
  exitStatus: number;
  records: GuestRecord[];
  /** What the script sent with `value`. */
  values: Record<string, string>;
  /** What the script sent with `attach`, byte for byte. */
  attachments: Record<string, Buffer>;
  /** Text of the console: the kernel's messages and what programs printed. */
  consoleLog: string;
  /** The kernel's messages alone, with their time stamps. */
  kernelMessages: string[];
  durationSeconds: number;
}

/** A guest that did not come to its end, or whose kernel complained. */
export class GuestError extends Error {
  override readonly name = "GuestError";

  constructor(
    message: string,
    /** Path of the console log. */
    readonly consoleLogPath: string,
    /** The checks that were reported until then. */
    readonly records: readonly GuestRecord[],
    /** The kernel's complaints, if it had any. */
    readonly kernelWarnings: readonly string[],
  ) {
    super(`${message}\nconsole log: ${consoleLogPath}`);
  }
}

let runs = 0;

/**
 * Boots a virtual machine, runs a script in it and returns what that reported. A script that fails
 * is a result; a guest that hangs, dies, can't load its modules or prints a kernel warning throws a
 * `GuestError`, and its console log is kept. One that QEMU made run a breakpoint of its own is
 * started once more, which a line on standard error says.
 */
export async function runGuest(options: GuestOptions): Promise<GuestResult> {
  try {
    return await runGuestOnce(options);
  } catch (error) {
    if (!(error instanceof GuestError)) throw error;
    if (!hasPhantomBreakpoint(await readConsole(error.consoleLogPath))) throw error;
    process.stderr.write(
      "QEMU ran a breakpoint that is not in the guest's memory, which is a fault of its own; " +
        `the guest is started once more; console log: ${error.consoleLogPath}\n`,
    );
    return runGuestOnce(options);
  }
}

async function runGuestOnce(options: GuestOptions): Promise<GuestResult> {
  const logDirectory = resolve(options.logDirectory ?? join(options.kernel.cacheDirectory, "logs"));
  await mkdir(logDirectory, { recursive: true });
  const logPath = join(logDirectory, `${options.name ?? "guest"}-${process.pid}-${++runs}.log`);
  await writeFile(logPath, "");
  const guest = await prepareGuest(
    options,
    runInit,
    [{ guestPath: GUEST_FILES.script, content: options.script }],
    (directory) => [`file:${logPath}`, `file:${join(directory, "report")}`],
  );
  try {
    const timeoutSeconds = (options.timeoutSeconds ?? 300) * (options.kernel.slowness ?? 1);
    const end = await execa(guest.command, guest.commandArguments, {
      stdin: "ignore",
      all: true,
      reject: false,
      timeout: timeoutSeconds * 1000,
      killSignal: "SIGKILL",
    });
    const consoleLog = await readConsole(logPath);
    const warnings = findKernelWarnings(consoleLog);
    const fail = (message: string, records: readonly GuestRecord[] = []) =>
      new GuestError(message, logPath, records, warnings);
    const report = await readReport(join(guest.directory, "report"), fail);
    const problem = findProblem(report, warnings, {
      timedOutAfter: end.timedOut ? timeoutSeconds : undefined,
      qemu: end.all || end.shortMessage || `exit status ${end.exitCode}`,
      lastLines: consoleLog.trimEnd().split("\n").slice(-10).join("\n"),
    });
    if (problem !== undefined) throw fail(problem, report.records);
    if (options.keepLog !== true) await rm(logPath);
    return {
      exitStatus: report.exitStatus ?? Number.NaN,
      records: report.records,
      values: report.values,
      attachments: report.attachments,
      consoleLog,
      kernelMessages: kernelMessages(consoleLog),
      durationSeconds: end.durationMs / 1000,
    };
  } finally {
    await guest.remove();
  }
}

async function readConsole(path: string): Promise<string> {
  return (await readFile(path, "utf8")).replaceAll("\r", "");
}

async function readReport(path: string, fail: (message: string) => Error): Promise<GuestReport> {
  // QEMU makes the file when it starts, which it may have failed to.
  const text = await readFile(path, "latin1").catch(() => "");
  try {
    return parseReport(text);
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error));
  }
}

interface Circumstances {
  timedOutAfter: number | undefined;
  qemu: string;
  lastLines: string;
}

/** Says what is wrong with a run, the most telling thing first. */
function findProblem(
  report: GuestReport,
  warnings: readonly string[],
  { timedOutAfter, qemu, lastLines }: Circumstances,
): string | undefined {
  const complaints = warnings.slice(0, 5).join("\n");
  if (timedOutAfter !== undefined) {
    return `the guest was killed after ${timedOutAfter} s; its last lines:\n${complaints || lastLines}`;
  }
  if (warnings.length > 0) return `the guest's kernel complained:\n${complaints}`;
  if (report.setupFailure !== undefined) return `the guest can't start: ${report.setupFailure}`;
  if (report.exitStatus === undefined) {
    return `the guest died before its script ended (QEMU: ${qemu}); its last lines:\n${lastLines}`;
  }
  return undefined;
}
