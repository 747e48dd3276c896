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

/** Threads that nobody has taken yet. */
const spare = new Set<Worker>();

/**
 * Starts threads that are to be taken later. Node takes as long for one as for the modules of a
 * build, so whoever starts them before it loads those has both in the same time.
 */
export function startSpareThreads(count: number): void {
  for (let started = 0; started < count; started++) {
    const worker = startThread();
    if (worker === undefined) return;
    spare.add(worker);
    // A process that ends without a build does not wait for them.
    worker.unref();
    // Whoever takes a thread starts another in its place, and hears what is wrong.
    const forget = () => spare.delete(worker);
    worker.once("error", forget);
    worker.once("exit", forget);
  }
}

/** A thread, undefined where the system gives none: then others do its work. */
export function takeThread(): Worker | undefined {
  for (const worker of spare) {
    spare.delete(worker);
    worker.ref();
    return worker;
  }
  return startThread();
}

function startThread(): Worker | undefined {
  try {
    // It holds little at a time; a large young generation would only cost memory.
    return new Worker(new URL("./worker.cjs", import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
  } catch (error) {
    if (isSystemError(error) || (error instanceof Error && /EAGAIN|ENOMEM/.test(error.message))) {
      return undefined;
    }
    throw error;
  }
}
