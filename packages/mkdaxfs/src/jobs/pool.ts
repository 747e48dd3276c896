// SPDX-License-Identifier: MIT
import { setImmediate as eventTurn, setTimeout as pause } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { BuildError } from "../errors.js";
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

/** Parts that wait in the worker, so that it need not wait for this thread. */
const QUEUED_IN_WORKER = 4;

/** A worker thread that takes tasks while this thread does others. */
export class WorkerPool {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;
  private closed = false;

  constructor() {
    // The worker holds little at a time; large young generations would only cost memory.
    this.worker = new Worker(new URL("./worker.cjs", import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
    this.worker.on("message", (reply: Reply) => this.settle(reply));
    this.worker.on("error", (error) => this.fail(error));
    this.worker.on("exit", () => this.fail(new Error("a worker thread ended early")));
  }

  /**
   * Has the worker do a task.
   * @throws BuildError for what the user can mend.
   */
  run<T extends TaskName>(task: T, input: TaskInput<T>): Promise<TaskOutput<T>> {
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (output: unknown) => void, reject });
      this.worker.postMessage({ id, task, input });
    });
  }

  /**
   * Does the parts of a task here and in the worker; whoever is free takes the next. Between parts
   * this thread sees to its events, so that a signal is heard.
   * @param count number of parts
   * @param inputOf makes the input of a part when its turn comes
   * @param here how this thread does a part, where that is not as the worker does it
   * @param meanwhile what this thread does before it takes a part, and while only the worker has
   *   one: tells whether there was anything to do
   * @returns the outputs in the order of the parts
   * @throws BuildError for what the user can mend.
   */
  async runShared<T extends TaskName>(
    task: T,
    count: number,
    inputOf: (part: number) => TaskInput<T>,
    here: (input: TaskInput<T>) => TaskOutput<T> = (input) =>
      TASKS[task](input as never) as TaskOutput<T>,
    meanwhile?: () => boolean,
  ): Promise<TaskOutput<T>[]> {
    const outputs = new Array<TaskOutput<T>>(count);
    const inWorker = new Set<Promise<void>>();
    let front = 0;
    let back = count;
    let failure: { readonly error: unknown } | undefined;
    const feed = () => {
      while (inWorker.size < QUEUED_IN_WORKER && front < back && failure === undefined) {
        const part = --back;
        const done = this.run(task, inputOf(part)).then(
          (output) => {
            outputs[part] = output;
            inWorker.delete(done);
            feed();
          },
          (error: unknown) => {
            failure ??= { error };
            inWorker.delete(done);
          },
        );
        inWorker.add(done);
      }
    };
    feed();
    while (front < back && failure === undefined) {
      if (!meanwhile?.()) {
        const part = front++;
        outputs[part] = here(inputOf(part));
      }
      await eventTurn();
    }
    while (inWorker.size > 0 && failure === undefined) {
      await (meanwhile?.() ? eventTurn() : Promise.race([...inWorker, pause(1)]));
    }
    if (failure !== undefined) throw failure.error;
    return outputs;
  }

  /**
   * Lets the worker do a task unless this thread gets to it first.
   * @returns a promise of the output, and how to take the task back
   */
  offer<T extends TaskName>(task: T, input: TaskInput<T>): Offer<T> {
    const claim = new Int32Array(new SharedArrayBuffer(4));
    const id = ++this.lastId;
    const output = new Promise<TaskOutput<T>>((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (output: unknown) => void, reject });
      this.worker.postMessage({ id, task, input, claim });
    });
    // Whoever waits for it hears of a failure; after another failure nobody does.
    output.catch(() => {});
    const takeBack = () => {
      if (!claimFirst(claim)) return undefined;
      this.waiting.delete(id);
      return TASKS[task](input as never) as TaskOutput<T>;
    };
    return { output, takeBack };
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.worker.terminate();
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
    for (const waiting of this.waiting.values()) waiting.reject(error);
    this.waiting.clear();
  }
}
