// SPDX-License-Identifier: MIT

/**
 * Work that any thread can do. Its input and output pass between threads as structured clones. The
 * room that does the work defines the task; `worker/tasks.ts` lists all tasks for the workers.
 */
export interface Task<Input, Output> {
  /** Unique among all tasks. */
  readonly name: string;
  /** @throws BuildError for what the user can mend */
  readonly run: (input: Input) => Output;
}
