// SPDX-License-Identifier: MIT
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { isSystemError } from "../errors.js";

/** Threads that are worth having: Linux lets one at a time write into the image. */
const JOBS_DEFAULT_MAX = 4;

/** How many threads a build uses unless it is told. */
export function defaultJobs(): number {
  return Math.min(availableParallelism(), JOBS_DEFAULT_MAX);
}

/** A thread for the tasks of a build. */
export interface Thread {
  readonly worker: Worker;
  /** Settled when it has loaded what it needs; never when it fails to. */
  readonly started: Promise<void>;
}

/** Threads that nobody has taken yet. */
const spare: Thread[] = [];

/**
 * Starts threads for a build to come. Node takes as long for one as for the modules of a build, so
 * whoever starts them before it loads those has both in the same time.
 * @returns what `keepSpareThreads` is to be given
 */
export function startThreads(count: number): Thread[] {
  const threads = Array.from({ length: count }, startThread).filter((one) => one !== undefined);
  for (const { worker } of threads) {
    // A process that ends without a build does not wait for them.
    worker.unref();
    // One that dies before it is taken never takes part, and others do its work.
    worker.on("error", () => {});
  }
  return threads;
}

/** Has builds take these threads before they start any. */
export function keepSpareThreads(threads: readonly Thread[]): void {
  spare.push(...threads);
}

/** A thread, undefined where the system gives none: then others do its work. */
export function takeThread(): Thread | undefined {
  const thread = spare.pop() ?? startThread();
  thread?.worker.ref();
  return thread;
}

function startThread(): Thread | undefined {
  try {
    // It holds little at a time; a large young generation would only cost memory.
    const worker = new Worker(new URL("./worker.cjs", import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
    // Its first message says so.
    const started = new Promise<void>((resolve) => worker.once("message", () => resolve()));
    return { worker, started };
  } catch (error) {
    if (isSystemError(error) || (error instanceof Error && /EAGAIN|ENOMEM/.test(error.message))) {
      return undefined;
    }
    throw error;
  }
}
