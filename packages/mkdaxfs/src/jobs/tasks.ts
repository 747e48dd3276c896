// SPDX-License-Identifier: MIT
/** The work that can be done on any thread: what each task takes and gives. */
import { fingerprintContents, hashContents } from "../content/hash.js";
import type { ContentList } from "../content/list.js";
import { type Listing, type ListOrder, listDirectories } from "../sources/listing.js";
import { type CopyOrder, copyPieces } from "../write/copy-order.js";
import { type DigestOrder, digestPieces } from "../write/digest.js";

export const TASKS = {
  list: (order: ListOrder): Listing => listDirectories(order),
  fingerprint: (contents: ContentList): Uint32Array => fingerprintContents(contents),
  hash: (contents: ContentList): Uint8Array => hashContents(contents),
  copy: (order: CopyOrder): Uint32Array => copyPieces(order),
  digest: (order: DigestOrder): Uint8Array => digestPieces(order),
};

export type TaskName = keyof typeof TASKS;
export type TaskInput<T extends TaskName> = Parameters<(typeof TASKS)[T]>[0];
export type TaskOutput<T extends TaskName> = ReturnType<(typeof TASKS)[T]>;

export interface Request {
  readonly id: number;
  readonly task: TaskName;
  readonly input: unknown;
}

/** What comes back: first that the thread has started, then results, messages for the user, faults. */
export type Reply =
  | "started"
  | { readonly id: number; readonly output: unknown }
  | { readonly id: number; readonly userError: string }
  | { readonly id: number; readonly fault: string };
