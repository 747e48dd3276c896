// SPDX-License-Identifier: MIT
import { statSync } from "node:fs";

const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

/**
 * Milliseconds in which a further signal is the same one: npm passes on what the terminal has sent
 * to all of its processes.
 */
const ECHO_TIME = 500;

/** Goes through what a signal gave up. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";

  /** @param status with which the process ends, as a shell shows a process that a signal ended */
  constructor(readonly status: number) {
    super("interrupted");
  }
}

/**
 * Runs an action that cleans up after itself when its signal is aborted, and aborts that when the
 * process is told to end. Told again after a while, the process ends as it is.
 * @throws InterruptedError in place of what the action throws once it was told
 */
export async function interruptible<T>(action: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let told = 0;
  const handlers = Object.entries(SIGNALS).map(([name, number]) => {
    const handler = () => {
      const interrupted = new InterruptedError(128 + number);
      if (!controller.signal.aborted) {
        told = performance.now();
        controller.abort(interrupted);
      } else if (performance.now() - told > ECHO_TIME) {
        process.exit(interrupted.status);
      }
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  try {
    return await action(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    for (const [name, handler] of handlers) process.removeListener(name, handler);
  }
}

/**
 * Whether a build that is interrupted has something to take away: the file that it makes. A pipe or
 * a device has what it got, and a thread that waits for a reader hears no signal but the one that
 * ends it.
 */
export function makesFile(output: string | undefined): boolean {
  if (output === undefined || output === "-") return false;
  try {
    return statSync(output).isFile();
  } catch {
    return true;
  }
}
