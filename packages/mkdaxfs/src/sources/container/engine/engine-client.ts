// SPDX-License-Identifier: MIT
import type { IncomingMessage } from "node:http";
import { BuildError, isSystemError, systemErrorText } from "../../../errors.js";
import { readSmall } from "../../digest.js";
import { JsonValue, shownText } from "../../json.js";
import type { Endpoint } from "./endpoints.js";

/** Milliseconds until an engine answers a small question. */
const ANSWER_TIMEOUT = 30_000;
/** Milliseconds without a byte of an image, which an engine may have to put together first. */
const SAVE_TIMEOUT = 600_000;
/** Bytes that an answer may have which is not an image. */
const ANSWER_LIMIT = 16 * 1024 * 1024;

/** Says that there is no engine at an endpoint, in the words behind the endpoint's name. */
export class NoEngine extends BuildError {}

/** Speaks the API of docker's engine, without a version in its paths: the engine's own then. */
export class EngineClient {
  constructor(
    private readonly endpoint: Endpoint,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * What the engine knows of an image.
   * @returns undefined when it has no such image
   * @throws NoEngine; BuildError; the signal's reason
   */
  async inspectImage(name: string): Promise<JsonValue | undefined> {
    const reply = await this.get(`/images/${name}/json`, ANSWER_TIMEOUT);
    if (reply.statusCode === 200) {
      const what = `what the engine at ${this.endpoint.url} says about ${name}`;
      return JsonValue.parse(await this.bytes(reply), what);
    }
    const message = await this.message(reply);
    if (reply.statusCode === 404 && message !== undefined) return undefined;
    throw this.refusal(reply, message);
  }

  /**
   * An image as an archive of `docker save`.
   * @throws BuildError; the signal's reason; both while the stream is read, too
   */
  async *saveImage(name: string): AsyncGenerator<Uint8Array> {
    const reply = await this.get(`/images/${name}/get`, SAVE_TIMEOUT);
    if (reply.statusCode !== 200) throw this.refusal(reply, await this.message(reply));
    yield* this.body(reply);
  }

  private async get(path: string, timeout: number): Promise<IncomingMessage> {
    const { signal } = this;
    signal.throwIfAborted();
    const { target } = this.endpoint;
    const tls = "socketPath" in target ? undefined : target.tls;
    const { request } = await (tls === undefined ? import("node:http") : import("node:https"));
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          ...("socketPath" in target ? target : { host: target.host, port: target.port, ...tls }),
          path,
          signal,
          agent: false,
        },
        resolve,
      );
      sent.setTimeout(timeout, () => {
        sent.destroy(new Error(`nothing within ${timeout / 1000} s`));
      });
      sent.on("error", (error) => {
        reject(this.signal.aborted ? this.signal.reason : new NoEngine(words(error)));
      });
      sent.end();
    });
  }

  private async *body(reply: IncomingMessage): AsyncGenerator<Uint8Array> {
    try {
      for await (const part of reply) yield part as Uint8Array;
    } catch (error) {
      this.signal.throwIfAborted();
      throw new BuildError(`the engine at ${this.endpoint.url} broke off: ${words(error)}`);
    }
  }

  private bytes(reply: IncomingMessage): Promise<Uint8Array> {
    const what = `the answer of the engine at ${this.endpoint.url}`;
    return readSmall({ kind: "stream", stream: this.body(reply) }, ANSWER_LIMIT, what);
  }

  /** What an engine says of an error; undefined when it is no engine that says it. */
  private async message(reply: IncomingMessage): Promise<string | undefined> {
    const bytes = await this.bytes(reply);
    try {
      return shownText(JsonValue.parse(bytes, "it").get("message").string());
    } catch {
      return undefined;
    }
  }

  private refusal({ statusCode }: IncomingMessage, message: string | undefined): BuildError {
    const { url } = this.endpoint;
    return message === undefined
      ? new NoEngine(`is not a container engine: it answered ${statusCode}`)
      : new BuildError(`the engine at ${url} answers ${statusCode}: ${message}`);
  }
}

function words(error: unknown): string {
  const cause: unknown = error instanceof AggregateError ? error.errors[0] : error;
  if (isSystemError(cause)) return systemErrorText(cause);
  return cause instanceof Error ? shownText(cause.message) : "";
}
