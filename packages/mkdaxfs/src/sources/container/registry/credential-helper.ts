// SPDX-License-Identifier: MIT
import { spawn } from "node:child_process";
import { isSystemError, systemErrorText } from "../../../errors.js";
import { JsonValue, shownText } from "../../json.js";

/** Bytes that a helper may say. */
const OUTPUT_LIMIT = 64 * 1024;

/** What a helper knows, or why it could not be asked. */
export type HelperAnswer =
  | { readonly kind: "found"; readonly username: string; readonly secret: string }
  | { readonly kind: "none" }
  | { readonly kind: "failed"; readonly problem: string };

/**
 * Asks a credential helper, docker-credential-NAME, for the credentials of a server
 * (https://github.com/docker/docker-credential-helpers).
 * @throws the signal's reason
 */
export async function askHelper(
  name: string,
  server: string,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<HelperAnswer> {
  const program = `docker-credential-${name}`;
  const failed = (why: string): HelperAnswer => ({
    kind: "failed",
    problem: `credential helper ${shownText(program)}: ${why}`,
  });
  // It is the name of a program, not a path to one.
  if (!/^[\w.-]+$/.test(name)) return failed("that is not a program's name");
  let run: Run;
  try {
    run = await runProgram(program, `${server}\n`, environment, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!isSystemError(error)) throw error;
    return failed(error.code === "ENOENT" ? "not in PATH" : systemErrorText(error));
  }
  if (run.status !== 0) {
    // It says on standard output what went wrong.
    const said = run.output.trim();
    if (/credentials not found/.test(said)) return { kind: "none" };
    // But what looks like an answer may hold a secret.
    const shown = said === "" || said.includes("{") ? "" : `: ${shownText(said)}`;
    return failed(`it ended with status ${run.status}${shown}`);
  }
  try {
    const answer = JsonValue.parse(Buffer.from(run.output), "what it says");
    const username = answer.get("Username").optionalString();
    const secret = answer.get("Secret").optionalString();
    return username === "" && secret === ""
      ? { kind: "none" }
      : { kind: "found", username, secret };
  } catch (error) {
    return failed(error instanceof Error ? error.message : "");
  }
}

interface Run {
  /** 128 and more for one that a signal ended. */
  readonly status: number;
  readonly output: string;
}

function runProgram(
  program: string,
  input: string,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ["get"], {
      env: environment,
      signal,
      stdio: ["pipe", "pipe", "ignore"],
    });
    const parts: Buffer[] = [];
    let size = 0;
    const stop = () => {
      child.kill();
      // What it has started itself may hold the other end.
      child.stdout.destroy();
    };
    child.stdout.on("data", (part: Buffer) => {
      size += part.length;
      if (size <= OUTPUT_LIMIT) parts.push(part);
      else stop();
    });
    child.on("error", (error) => {
      stop();
      reject(error);
    });
    child.on("close", (code) => {
      resolve({ status: code ?? 128, output: Buffer.concat(parts).toString() });
    });
    // One that ends without reading says so by its status.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}
