// SPDX-License-Identifier: MIT

/** What a worker is sent. */
export interface TaskMessage {
  readonly id: number;
  /** The task's name. */
  readonly task: string;
  readonly input: unknown;
}

/** What a worker sends: first that it has started, then outputs, messages for the user, and bugs. */
export type Reply =
  | "started"
  | { readonly id: number; readonly output: unknown }
  | { readonly id: number; readonly userError: string }
  | { readonly id: number; readonly bug: string };
