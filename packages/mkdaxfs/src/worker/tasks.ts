// SPDX-License-Identifier: MIT
/** The tasks that workers do. */
import { fingerprintTask, hashTask } from "../content/hash.js";
import type { Task } from "../jobs/task.js";
import { listTask } from "../sources/directory/listing.js";
import { copyTask } from "../write/copy-request.js";
import { digestTask } from "../write/digest.js";

/** A task whose input and output are not known here. */
type AnyTask = Task<never, unknown>;

/** By name. */
export const TASKS: ReadonlyMap<string, AnyTask> = new Map(
  [listTask, fingerprintTask, hashTask, copyTask, digestTask].map((task): [string, AnyTask] => [
    task.name,
    task,
  ]),
);
