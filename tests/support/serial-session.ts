// SPDX-License-Identifier: MIT
/** A person at a serial terminal of a guest, as a script. */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** How often a connection to the socket is tried, in milliseconds. */
const CONNECT_INTERVAL = 200;

/**
 * A serial line of a guest, on a socket of QEMU's: the next free one, so ttyS2 where `runGuest` has
 * the first two.
 */
export class SerialSession {
  readonly qemuArguments: string[];
  #text = "";
  /** Where the search for what was not there yet begins. */
  #seen = 0;
  #socket: Socket | undefined;
  #closed = false;
  #wake: () => void = () => {};

  /** @param path for the socket; the kernel takes no path of more than 107 bytes */
  constructor(readonly path: string) {
    this.qemuArguments = [
      ["-chardev", `socket,id=terminal,path=${path},server=on,wait=off`],
      ["-serial", "chardev:terminal"],
    ].flat();
  }

  /** All that the guest has sent. */
  get text(): string {
    return this.#text;
  }

  /** Sends a line. */
  type(line: string): void {
    this.#seen = this.#text.length;
    this.#socket?.write(`${line}\r`);
  }

  /**
   * Waits until what the guest has sent since the last line was typed matches. Throws, with the end
   * of it, after `seconds`, or when the session is closed.
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

  /** Ends the session; whoever waits is told. */
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
    // What goes wrong ends in "close".
    this.#socket.on("error", () => {});
  }

  #error(message: string): Error {
    return new Error(`${message}; its last words:\n${this.#text.slice(-1000)}`);
  }
}

function tryToConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket.removeAllListeners()));
    socket.once("error", () => resolve(undefined));
  });
}
