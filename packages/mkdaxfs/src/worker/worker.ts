// SPDX-License-Identifier: MIT
import { parentPort } from "node:worker_threads";
import { BuildError } from "../errors.js";
import type { Reply, TaskMessage } from "../jobs/messages.js";
import { TASKS } from "./tasks.js";

parentPort?.on("message", ({ id, task: name, input }: TaskMessage) => {
  let reply: Reply;
  try {
    const task = TASKS.get(name);
    if (task === undefined) throw new Error(`worker/tasks.ts lists no task '${name}'`);
    reply = { id, output: task.run(input as never) };
  } catch (error) {
    if (error instanceof BuildError) reply = { id, userError: error.message };
    else reply = { id, bug: error instanceof Error ? String(error.stack) : String(error) };
  }
  parentPort?.postMessage(reply);
});

// Says that it has started.
parentPort?.postMessage("started" satisfies Reply);
