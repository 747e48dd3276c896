// SPDX-License-Identifier: MIT
/** Scripted input and output on a serial terminal of a guest. */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Interval between attempts to connect to the socket, in milliseconds. */
const CONNECT_INTERVAL = 200;

/**
 * A serial line of a guest, on a socket of QEMU. It is the next free line: ttyS2, because `runGuest`
 * uses the first two.
 */
export class SerialSession {
  readonly qemuArguments: string[];
  #text = "";
  /** Length of the text when the last line was typed. */
  #seen = 0;
  #socket: Socket | undefined;
  #closed = false;
  #wake: () => void = () => {};

  /** @param path of the socket, at most 107 bytes, a limit of the kernel */
  constructor(readonly path: string) {
    this.qemuArguments = [
      ["-chardev", `socket,id=terminal,path=${path},server=on,wait=off`],
      ["-serial", "chardev:terminal"],
    ].flat();
  }

  /** All output of the guest. */
  get text(): string {
    return this.#text;
  }

  /** Sends a line. */
  type(line: string): void {
    this.#seen = this.#text.length;
    this.#socket?.write(`${line}\r`);
  }

  /**
   * Waits until the output since the last typed line matches. Throws, with the end of the output,
   * after `seconds` or when the session is closed.
   */
  async wait(pattern: RegExp, seconds: number): Promise<void> {
    const end = Date.now() + seconds * 1000;
    await this.#connect(end);
    while (!pattern.test(this.#text.slice(this.#seen))) {
      const left = end - Date.now();
      if (this.#closed) throw this.#error(`the guest ended, and did not send ${pattern}`);
      if (left <= 0) throw this.#error(`the guest did not send ${pattern} in ${seconds} s`);
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await Promise.race([woken, sleep(left, undefined, { ref: false })]);
    }
  }

  /** Ends the session. Pending waits fail. */
  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
    this.#wake();
  }

  async #connect(end: number): Promise<void> {
    while (this.#socket === undefined) {
      if (this.#closed || Date.now() > end) throw this.#error(`nobody listens at ${this.path}`);
      this.#socket = await tryToConnect(this.path);
      if (this.#socket === undefined) await sleep(CONNECT_INTERVAL);
    }
    if (this.#socket.listenerCount("data") > 0) return;
    this.#socket.on("data", (data) => {
      this.#text += data.toString("latin1").replaceAll("\r", "");
      this.#wake();
    });
    this.#socket.on("close", () => this.close());
    // "close" follows every error.
    this.#socket.on("error", () => {});
  }

  #error(message: string): Error {
    return new Error(`${message}; the end of its output:\n${this.#text.slice(-1000)}`);
  }
}

function tryToConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket.removeAllListeners()));
    socket.once("error", () => resolve(undefined));
  });
}
