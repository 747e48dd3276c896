// SPDX-License-Identifier: MIT
import { parentPort } from "node:worker_threads";
import { BuildError } from "../errors.js";
import { type Reply, type Request, TASKS } from "./tasks.js";

parentPort?.on("message", ({ id, task, input }: Request) => {
  let reply: Reply;
  try {
    reply = { id, output: TASKS[task](input as never) };
  } catch (error) {
    if (error instanceof BuildError) reply = { id, userError: error.message };
    else reply = { id, fault: error instanceof Error ? String(error.stack) : String(error) };
  }
  parentPort?.postMessage(reply);
});

// Says that it has started.
parentPort?.postMessage("started" satisfies Reply);
