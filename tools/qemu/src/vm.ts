// SPDX-License-Identifier: MIT
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { execa } from "execa";
import { findKernelWarnings, hasPhantomBreakpoint, kernelMessages } from "./console.js";
import { type GuestSetup, prepareGuest } from "./guest.js";
import { GUEST_FILES, runInit } from "./guest-scripts.js";
import { type GuestRecord, type GuestReport, parseReport } from "./report.js";
import { rememberRestart } from "./restarts.js";

/** What `runGuest` boots and runs. */
export interface GuestOptions extends GuestSetup {
  /** Text for the guest's busybox sh. */
  script: string;
  /** Names the console log; "guest" by default. */
  name?: string;
  /** The guest is killed after this time, or the kernel's multiple of it; 300 by default. */
  timeoutSeconds?: number;
  /** The time in which it must come to its /init, or the kernel's multiple of it; 120 by default. */
  bootTimeoutSeconds?: number;
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
  /** Only the kernel's messages, with their time stamps. */
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
    /** Whether its kernel died or hung before anything of the caller's ran. */
    readonly diedAtBoot: boolean,
  ) {
    super(`${message}\nconsole log: ${consoleLogPath}`);
  }
}

let runs = 0;

/**
 * Boots a virtual machine, runs a script in it and returns what that reported. A script that fails
 * is a result; a guest that hangs, dies, can't load its modules or prints a kernel warning throws a
 * `GuestError`, and its console log is kept. One that dies or hangs before its /init, where nothing
 * of the caller's ran, or that QEMU makes run a breakpoint which is not in memory, is started once
 * more, and standard error says so: emulated processors do that now and then.
 */
export async function runGuest(options: GuestOptions): Promise<GuestResult> {
  try {
    return await runGuestOnce(options);
  } catch (error) {
    if (!(error instanceof GuestError)) throw error;
    const excuse = await excuseOf(error);
    if (excuse === undefined) throw error;
    process.stderr.write(`${excuse}; the guest is started once more; ${error.message}\n`);
    await rememberRestart(options.kernel.cacheDirectory, `${options.name ?? "guest"}: ${excuse}`);
    return runGuestOnce(options);
  }
}

/** What a guest died of that is none of its own, nor of what it ran. */
async function excuseOf(error: GuestError): Promise<string | undefined> {
  if (error.diedAtBoot) return "The guest's kernel did not come to its /init";
  if (hasPhantomBreakpoint(await readConsole(error.consoleLogPath))) {
    return "QEMU ran a breakpoint that is not in the guest's memory";
  }
  return undefined;
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
    const slowness = options.kernel.slowness ?? 1;
    const reportPath = join(guest.directory, "report");
    const { killedAfter, ...end } = await runQemu(guest, reportPath, {
      whole: (options.timeoutSeconds ?? 300) * slowness,
      boot: (options.bootTimeoutSeconds ?? 120) * slowness,
    });
    const consoleLog = await readConsole(logPath);
    const warnings = findKernelWarnings(consoleLog);
    const reportText = await readReportText(reportPath);
    const diedAtBoot = reportText === "" && (killedAfter !== undefined || warnings.length > 0);
    const fail = (message: string, records: readonly GuestRecord[] = []) =>
      new GuestError(message, logPath, records, warnings, diedAtBoot);
    const report = parse(reportText, fail);
    const problem = findProblem(report, warnings, {
      timedOutAfter: killedAfter,
      qemu: end.output,
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
      durationSeconds: end.durationSeconds,
    };
  } finally {
    await guest.remove();
  }
}

interface QemuEnd {
  /** What it printed, or else how it ended. */
  output: string;
  durationSeconds: number;
  /** The number of seconds after which it was killed, if it was. */
  killedAfter: number | undefined;
}

/** Runs a guest's QEMU for so many seconds at most, fewer if no report has begun by then. */
async function runQemu(
  { command, commandArguments }: { command: string; commandArguments: readonly string[] },
  reportPath: string,
  seconds: { whole: number; boot: number },
): Promise<QemuEnd> {
  const running = execa(command, commandArguments, {
    stdin: "ignore",
    all: true,
    reject: false,
    timeout: seconds.whole * 1000,
    killSignal: "SIGKILL",
  });
  let killedAfter: number | undefined;
  const bootTimer = setTimeout(async () => {
    if ((await readReportText(reportPath)) !== "") return;
    killedAfter = seconds.boot;
    running.kill("SIGKILL");
  }, seconds.boot * 1000);
  const end = await running;
  clearTimeout(bootTimer);
  if (end.timedOut) killedAfter = seconds.whole;
  return {
    output: end.all || end.shortMessage || `exit status ${end.exitCode}`,
    durationSeconds: end.durationMs / 1000,
    killedAfter,
  };
}

async function readConsole(path: string): Promise<string> {
  return (await readFile(path, "utf8")).replaceAll("\r", "");
}

/** Empty until the guest's /init runs. QEMU makes the file when it starts, which it may fail to. */
function readReportText(path: string): Promise<string> {
  return readFile(path, "latin1").catch(() => "");
}

function parse(text: string, fail: (message: string) => Error): GuestReport {
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
