// SPDX-License-Identifier: MIT
/** The work that can be done on any thread: what each task takes and gives. */
import { fingerprintContents, hashContents } from "../content/hash.js";
import type { ContentList } from "../content/list.js";
import { type Inspection, type InspectOrder, inspectFiles } from "../sources/inspect.js";
import { type CopyOrder, copyIntoRing } from "../write/copy-order.js";
import { type DigestOrder, digestPieces } from "../write/digest.js";

export const TASKS = {
  inspect: (order: InspectOrder): Inspection => inspectFiles(order),
  fingerprint: (contents: ContentList): Uint32Array => fingerprintContents(contents),
  hash: (contents: ContentList): Uint8Array => hashContents(contents),
  copy: (order: CopyOrder): Uint32Array => copyIntoRing(order),
  digest: (order: DigestOrder): Uint8Array => digestPieces(order),
};

export type TaskName = keyof typeof TASKS;
export type TaskInput<T extends TaskName> = Parameters<(typeof TASKS)[T]>[0];
export type TaskOutput<T extends TaskName> = ReturnType<(typeof TASKS)[T]>;

export interface Request {
  readonly id: number;
  readonly task: TaskName;
  readonly input: unknown;
  /** Shared by the threads that may do the task; the first to claim it does. */
  readonly claim?: Int32Array;
}

/** Claims a task: true for one caller alone. */
export function claimFirst(claim: Int32Array): boolean {
  return Atomics.compareExchange(claim, 0, 0, 1) === 0;
}

/** What comes back: a result, a message for the user, or a fault of ours. */
export type Reply =
  | { readonly id: number; readonly output: unknown }
  | { readonly id: number; readonly userError: string }
  | { readonly id: number; readonly fault: string };
