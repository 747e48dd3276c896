// SPDX-License-Identifier: MIT
import { availableParallelism } from "node:os";
import { setImmediate as eventTurn, setTimeout as pause } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { BuildError, isSystemError } from "../errors.js";
import {
  claimFirst,
  type Reply,
  TASKS,
  type TaskInput,
  type TaskName,
  type TaskOutput,
} from "./tasks.js";

interface Waiting {
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A task that waits for whichever thread is free first. */
export interface Offer<T extends TaskName> {
  /** Never settles when the task was taken back. */
  readonly output: Promise<TaskOutput<T>>;
  /** Does the task here, if the worker has not begun it. @throws BuildError */
  readonly takeBack: () => TaskOutput<T> | undefined;
}

/** A task in parts that any thread can do. */
export interface SharedTask<T extends TaskName> {
  readonly task: T;
  /** How many parts. */
  readonly count: number;
  /** Makes the input of a part when its turn comes, for the worker of that index. */
  readonly inputOf: (part: number, worker: number) => TaskInput<T>;
  /** How this thread does a part. */
  readonly here: (part: number) => TaskOutput<T>;
  /**
   * What this thread does before it takes a part, and while only workers have one; tells whether
   * there was anything to do.
   */
  readonly meanwhile?: () => boolean;
  /** Hears of each part that is done, by whomever. */
  readonly finished?: (part: number) => void;
}

/** Parts that wait in the worker, so that it need not wait for this thread. */
const QUEUED_IN_WORKER = 4;

/** Threads that are worth having; a build is bound by the one that writes. */
const JOBS_DEFAULT_MAX = 4;

/** How many threads a build uses unless it is told. */
export function defaultJobs(): number {
  return Math.min(availableParallelism(), JOBS_DEFAULT_MAX);
}

/** Worker threads that take tasks while this thread does others. */
export class WorkerPool {
  /** None where one thread is to do it all. */
  private readonly workers: readonly Worker[];
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;
  private closed = false;
  /** Set when a worker has died: what it was to do would never come. */
  private failure: Error | undefined;

  /**
   * @param jobs threads together with this one
   * @param signal gives up what is under way when it is aborted
   */
  constructor(
    jobs: number,
    private readonly signal: AbortSignal,
  ) {
    this.workers = Array.from({ length: jobs - 1 }, () => this.newWorker()).filter(
      (worker) => worker !== undefined,
    );
  }

  /** A thread, undefined where the system gives none: then others do its work. */
  private newWorker(): Worker | undefined {
    let worker: Worker;
    try {
      // It holds little at a time; a large young generation would only cost memory.
      worker = new Worker(new URL("./worker.cjs", import.meta.url), {
        resourceLimits: { maxYoungGenerationSizeMb: 4 },
      });
    } catch (error) {
      if (isSystemError(error) || (error instanceof Error && /EAGAIN|ENOMEM/.test(error.message))) {
        return undefined;
      }
      throw error;
    }
    worker.on("message", (reply: Reply) => this.settle(reply));
    worker.on("error", (error) => this.fail(error));
    worker.on("exit", () => this.fail(new Error("a worker thread ended early")));
    return worker;
  }

  /** Workers there are besides this thread. */
  get workerCount(): number {
    return this.workers.length;
  }

  /** Has a worker do a task. @throws BuildError for what the user can mend. */
  private run<T extends TaskName>(
    worker: Worker,
    task: T,
    input: TaskInput<T>,
    claim?: Int32Array,
  ): { readonly id: number; readonly output: Promise<TaskOutput<T>> } {
    const id = ++this.lastId;
    const output = new Promise<TaskOutput<T>>((resolve, reject) => {
      if (this.failure !== undefined) {
        reject(this.failure);
        return;
      }
      this.waiting.set(id, { resolve: resolve as (output: unknown) => void, reject });
      worker.postMessage({ id, task, input, claim });
    });
    return { id, output };
  }

  /**
   * Does the parts of a task here and in the workers; whoever is free takes the next. Between parts
   * this thread sees to its events, so that a signal is heard.
   * @returns the outputs in the order of the parts
   * @throws BuildError for what the user can mend; the reason of the signal when it is aborted.
   */
  async runShared<T extends TaskName>(shared: SharedTask<T>): Promise<TaskOutput<T>[]> {
    const { task, count, inputOf, here, meanwhile, finished } = shared;
    const outputs = new Array<TaskOutput<T>>(count);
    const inWorkers = new Set<Promise<void>>();
    let front = 0;
    let back = count;
    let failure: { readonly error: unknown } | undefined;
    const handOver = (worker: Worker, index: number) => {
      const part = --back;
      const done = this.run(worker, task, inputOf(part, index)).output.then(
        (output) => {
          outputs[part] = output;
          finished?.(part);
          inWorkers.delete(done);
          if (front < back && failure === undefined) handOver(worker, index);
        },
        (error: unknown) => {
          failure ??= { error };
          inWorkers.delete(done);
        },
      );
      inWorkers.add(done);
    };
    for (let queued = 0; queued < QUEUED_IN_WORKER; queued++) {
      for (const [index, worker] of this.workers.entries()) {
        if (front < back) handOver(worker, index);
      }
    }
    while (front < back && failure === undefined) {
      if (!meanwhile?.()) {
        const part = front++;
        outputs[part] = here(part);
        finished?.(part);
      }
      await eventTurn();
      this.signal.throwIfAborted();
    }
    while (inWorkers.size > 0 && failure === undefined) {
      await (meanwhile?.() ? eventTurn() : Promise.race([...inWorkers, pause(1)]));
      this.signal.throwIfAborted();
    }
    if (failure !== undefined) throw failure.error;
    return outputs;
  }

  /**
   * Lets a worker do a task unless this thread gets to it first.
   * @returns a promise of the output, and how to take the task back
   */
  offer<T extends TaskName>(task: T, input: TaskInput<T>): Offer<T> {
    const claim = new Int32Array(new SharedArrayBuffer(4));
    const doHere = () => TASKS[task](input as never) as TaskOutput<T>;
    const worker = this.workers[this.lastId % Math.max(1, this.workers.length)];
    if (worker === undefined) {
      return {
        output: new Promise(() => {}),
        takeBack: () => (claimFirst(claim) ? doHere() : undefined),
      };
    }
    const { id, output } = this.run(worker, task, input, claim);
    // Whoever waits for it hears of a failure; after another failure nobody does.
    output.catch(() => {});
    const takeBack = () => {
      if (!claimFirst(claim)) return undefined;
      this.waiting.delete(id);
      return doHere();
    };
    return { output, takeBack };
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  private settle(reply: Reply): void {
    const waiting = this.waiting.get(reply.id);
    this.waiting.delete(reply.id);
    if ("output" in reply) waiting?.resolve(reply.output);
    else if ("userError" in reply) waiting?.reject(new BuildError(reply.userError));
    else waiting?.reject(new Error(reply.fault));
  }

  private fail(error: Error): void {
    if (this.closed) return;
    this.failure = error;
    for (const waiting of this.waiting.values()) waiting.reject(error);
    this.waiting.clear();
  }
}
