// SPDX-License-Identifier: MIT
import { createReadStream, open } from "node:fs";
import { Socket } from "node:net";
import { addAbortSignal, type Readable } from "node:stream";
import { isatty } from "node:tty";
import { promisify } from "node:util";
import { BuildError, described } from "../../errors.js";
import { fsPath, type HostPath, shown } from "../../host/path.js";

/** Bytes that come once, from outside. */
export interface OneWayInput {
  /** For messages. */
  readonly description: string;
  readonly stream: AsyncIterable<Uint8Array>;
  /** Stops reading; else whoever writes the other end would keep this process alive. */
  close(): void;
}

/** Bytes that are read at once. */
const CHUNK = 256 * 1024;

/** @throws BuildError when it is a terminal. */
export function standardInput(signal: AbortSignal): OneWayInput {
  if (isatty(0)) {
    throw new BuildError("standard input is a terminal (pipe an archive into it)");
  }
  return inputOf(process.stdin, "standard input", signal);
}

/**
 * Opens a fifo, such as the shell makes for `<(command)`.
 * @throws BuildError when it can't be opened.
 */
export async function fifoInput(path: HostPath, signal: AbortSignal): Promise<OneWayInput> {
  try {
    const descriptor = await promisify(open)(fsPath(path), "r");
    // A socket, unlike a stream of a file, has no thread wait for what may never come.
    const socket = new Socket({ fd: descriptor, readable: true, writable: false });
    return inputOf(socket, shown(path), signal);
  } catch (error) {
    throw described(() => `cannot read ${shown(path)}`, error);
  }
}

/** Reads a character device as it comes. */
export function deviceInput(path: HostPath, signal: AbortSignal): OneWayInput {
  const stream = createReadStream(fsPath(path), { highWaterMark: CHUNK });
  return inputOf(stream, shown(path), signal);
}

function inputOf(readable: Readable, description: string, signal: AbortSignal): OneWayInput {
  addAbortSignal(signal, readable);
  // Whoever reads hears of an error; while nobody does, it must not end the process.
  readable.on("error", () => {});
  return {
    description,
    stream: chunks(readable, description, signal),
    close: () => {
      readable.destroy();
    },
  };
}

async function* chunks(
  readable: Readable,
  description: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of readable) yield chunk as Uint8Array;
  } catch (error) {
    // The stream says that it was aborted, and not why.
    signal.throwIfAborted();
    throw described(() => `cannot read ${description}`, error);
  }
}
