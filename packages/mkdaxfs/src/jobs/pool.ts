// SPDX-License-Identifier: MIT
import { setImmediate as eventTurn, setTimeout as pause } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { BuildError } from "../errors.js";
import type { Reply, TaskMessage } from "./messages.js";
import type { Task } from "./task.js";
import { type Thread, takeThread } from "./threads.js";

interface Waiting {
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A task in parts that any thread can do. */
export interface SharedTask<Input, Output> {
  readonly task: Task<Input, Output>;
  /** How many parts. */
  readonly count: number;
  /** Makes the input of a part when its turn comes. */
  readonly inputOf: (part: number) => Input;
  /** How this thread does a part, where that differs from `task.run`. */
  readonly here?: (part: number) => Output;
  /** What this thread does first, while the workers have begun. */
  readonly first?: () => void;
  /** Hears of each part that is done, by whomever. */
  readonly finished?: (part: number) => void;
}

/** A task in parts that come to light while others are done. */
export interface GrowingTask<Input, Output> {
  readonly task: Task<Input, Output>;
  /** The input of the next part, undefined while there is none. */
  readonly next: () => Input | undefined;
}

/** Parts that wait in the worker, so that it need not wait for this thread. */
const QUEUED_IN_WORKER = 3;
/** The same where this thread does something else first. */
const QUEUED_AT_FIRST = 12;
/** The same where parts come to light: one that waits in a worker can't be done by another thread. */
const QUEUED_WHILE_GROWING = 2;

/**
 * Worker threads that take tasks while this thread does others. Each takes part from when it has
 * started: what is given to it before would wait, and this thread for it.
 */
export class WorkerPool {
  /** None where one thread is to do it all. */
  private readonly threads: readonly Thread[];
  /** Those that have started. */
  private readonly workers: Worker[] = [];
  /** Hears of a worker that has started. */
  private joined: (worker: Worker) => void = () => {};
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
    this.threads = Array.from({ length: jobs - 1 }, takeThread).filter(
      (thread) => thread !== undefined,
    );
    for (const { worker, started } of this.threads) {
      worker.on("message", (reply: Reply) => this.settle(reply));
      worker.on("error", (error) => this.fail(error));
      worker.on("exit", () => this.fail(new Error("a worker thread ended early")));
      void started.then(() => {
        this.workers.push(worker);
        if (!this.closed) this.joined(worker);
      });
    }
  }

  /** Has a worker do a task. @throws BuildError for what the user can mend. */
  private run<Input, Output>(
    worker: Worker,
    task: Task<Input, Output>,
    input: Input,
  ): Promise<Output> {
    return new Promise<Output>((resolve, reject) => {
      if (this.failure !== undefined) {
        reject(this.failure);
        return;
      }
      const id = ++this.lastId;
      this.waiting.set(id, { resolve: resolve as (output: unknown) => void, reject });
      worker.postMessage({ id, task: task.name, input } satisfies TaskMessage);
    });
  }

  /**
   * Does the parts of a task here and in the workers; whoever is free takes the next. Between parts
   * this thread sees to its events, so that a signal is heard.
   * @returns the outputs in the order of the parts
   * @throws BuildError for what the user can mend; the reason of the signal when it is aborted.
   */
  async runShared<Input, Output>(shared: SharedTask<Input, Output>): Promise<Output[]> {
    const { task, count, inputOf, first, finished } = shared;
    const here = shared.here ?? ((part) => task.run(inputOf(part)));
    const outputs = new Array<Output>(count);
    const inWorkers = new Set<Promise<void>>();
    let front = 0;
    let back = count;
    let failure: { readonly error: unknown } | undefined;
    const handOver = (worker: Worker, queue: { length: number }) => {
      const part = --back;
      queue.length++;
      const done = this.run(worker, task, inputOf(part)).then(
        (output) => {
          outputs[part] = output;
          finished?.(part);
          inWorkers.delete(done);
          queue.length--;
          // Towards the end fewer wait in workers, so that all are done at about the same time.
          const most = Math.min(
            QUEUED_IN_WORKER,
            Math.ceil((back - front) / this.threads.length / 2),
          );
          if (failure === undefined && queue.length < most) handOver(worker, queue);
        },
        (error: unknown) => {
          failure ??= { error };
          inWorkers.delete(done);
        },
      );
      inWorkers.add(done);
    };
    // No more than the share of each, so that a few parts are not all left to one.
    const share = Math.ceil(count / (this.threads.length + 1));
    const ahead = Math.min(share, first === undefined ? QUEUED_IN_WORKER : QUEUED_AT_FIRST);
    this.joined = (worker) => {
      const queue = { length: 0 };
      while (queue.length < ahead && front < back && failure === undefined) {
        handOver(worker, queue);
      }
    };
    this.workers.forEach(this.joined);
    first?.();
    while (front < back && failure === undefined) {
      const part = front++;
      outputs[part] = here(part);
      finished?.(part);
      await eventTurn();
      this.signal.throwIfAborted();
    }
    while (inWorkers.size > 0 && failure === undefined) {
      await Promise.race([...inWorkers, pause(1)]);
      this.signal.throwIfAborted();
    }
    if (failure !== undefined) throw failure.error;
    return outputs;
  }

  /**
   * Does the parts of a task here and in the workers, and gives the output of each as it is done, in
   * any order. The caller may bring further parts to light before it asks for the next output.
   * @throws BuildError for what the user can mend; the reason of the signal when it is aborted.
   */
  async *runGrowing<Input, Output>({
    task,
    next,
  }: GrowingTask<Input, Output>): AsyncGenerator<Output> {
    const done: Output[] = [];
    const queued = this.threads.map(() => 0);
    let failure: { readonly error: unknown } | undefined;
    let wake = () => {};
    const handOver = (worker: Worker, index: number, input: Input) => {
      queued[index]!++;
      this.run(worker, task, input)
        .then(
          (output) => void done.push(output),
          (error: unknown) => {
            failure ??= { error };
          },
        )
        .finally(() => {
          queued[index]!--;
          wake();
        });
    };
    for (;;) {
      const own = next();
      for (let depth = 0; depth < QUEUED_WHILE_GROWING; depth++) {
        for (const [index, worker] of this.workers.entries()) {
          const input = queued[index]! <= depth ? next() : undefined;
          if (input !== undefined) handOver(worker, index, input);
        }
      }
      if (own !== undefined) {
        done.push(task.run(own));
      } else if (done.length === 0) {
        if (queued.every((count) => count === 0)) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      await eventTurn();
      this.signal.throwIfAborted();
      if (failure !== undefined) throw failure.error;
      yield* done.splice(0);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(this.threads.map(({ worker }) => worker.terminate()));
  }

  private settle(reply: Reply): void {
    if (reply === "started") return;
    const waiting = this.waiting.get(reply.id);
    this.waiting.delete(reply.id);
    if ("output" in reply) waiting?.resolve(reply.output);
    else if ("userError" in reply) waiting?.reject(new BuildError(reply.userError));
    else waiting?.reject(new Error(reply.bug));
  }

  private fail(error: Error): void {
    if (this.closed) return;
    this.failure = error;
    for (const waiting of this.waiting.values()) waiting.reject(error);
    this.waiting.clear();
  }
}
