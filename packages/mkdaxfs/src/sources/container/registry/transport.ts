// SPDX-License-Identifier: MIT
import type { SecureContext } from "node:tls";
import type { Dispatcher } from "undici";
import { BuildError, withoutAddressSpace } from "../../../errors.js";
import { shownText } from "../../json.js";
import { secureContextFor } from "./certificates.js";
import { proxyFor } from "./proxy.js";
import { transportError } from "./transport-errors.js";

/** Milliseconds until a connection stands. */
const CONNECT_TIMEOUT = 30_000;
/** Redirects from one request on. */
const MAX_REDIRECTS = 5;

export interface TransportOptions {
  /** False allows certificates that can't be verified, and plain http. */
  readonly tlsVerify: boolean;
  readonly environment: NodeJS.ProcessEnv;
  /** Milliseconds without a byte after which a server is given up. */
  readonly idleTimeoutMs: number;
  /** Ends every request that is under way. */
  readonly signal: AbortSignal;
}

export interface Request {
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent only to the host of the first URL, wherever that redirects to. */
  readonly authorization?: string | undefined;
  readonly body?: string;
}

/** What a server answers. The body must be read or dropped. */
export interface Reply {
  readonly status: number;
  /** Where it comes from in the end. */
  readonly url: URL;
  /** A header's value; of one that came several times, all of them with commas between. */
  header(name: string): string | undefined;
  /** @throws BuildError, TemporaryError, the signal's reason */
  body(): AsyncGenerator<Uint8Array>;
  /** Does without the body. */
  drop(): Promise<void>;
}

/** What of WebAssembly is used here: the types of Node have none of it. */
declare const WebAssembly: { readonly Memory: new (size: { initial: number }) => unknown };

/** Speaks HTTP, through proxies where the environment says so. */
export class Transport {
  private readonly dispatchers = new Map<string, Dispatcher>();
  private readonly secureContexts = new Map<string, SecureContext>();

  private constructor(
    private readonly undici: typeof import("undici"),
    private readonly options: TransportOptions,
  ) {}

  static async open(options: TransportOptions): Promise<Transport> {
    // It takes longer to load than all the rest of the builder, and few builds need it.
    const undici = await import("undici");
    try {
      // Its parser takes as much, and an error in that can't be caught.
      new WebAssembly.Memory({ initial: 1 });
    } catch (error) {
      throw withoutAddressSpace(() => "cannot reach a registry", error);
    }
    return new Transport(undici, options);
  }

  /**
   * Sends a request and follows redirects.
   * @throws BuildError; TemporaryError for what may be gone at the next try; the signal's reason
   */
  async send(first: URL, request: Request = {}): Promise<Reply> {
    let url = first;
    for (let count = 0; ; count++) {
      const isFirstHost = url.origin === first.origin;
      const reply = await this.sendOnce(url, request, isFirstHost);
      const location = reply.header("location");
      const redirects = [301, 302, 303, 307, 308].includes(reply.status);
      // A body that is sent may hold a secret, which is only for the first host.
      if (!redirects || location === undefined || request.body !== undefined) return reply;
      await reply.drop();
      if (count === MAX_REDIRECTS) {
        throw new BuildError(`${first.host} redirects more than ${MAX_REDIRECTS} times`);
      }
      url = this.redirected(url, location);
    }
  }

  close(): void {
    for (const dispatcher of this.dispatchers.values()) {
      // What it rejects was given up already.
      dispatcher.destroy().catch(() => {});
    }
  }

  private redirected(from: URL, location: string): URL {
    let to: URL;
    try {
      to = new URL(location, from);
    } catch {
      throw new BuildError(`${from.host} redirects to an invalid URL: ${shownText(location)}`);
    }
    const isHttp = to.protocol === "http:";
    if (!isHttp && to.protocol !== "https:") {
      throw new BuildError(
        `${from.host} redirects to ${shownText(to.protocol)}, which is not http`,
      );
    }
    if (isHttp && from.protocol === "https:" && this.options.tlsVerify) {
      throw new BuildError(
        `${from.host} redirects from https to plain http at ${shownText(to.host)} ` +
          "(--tls-verify=false allows it)",
      );
    }
    return to;
  }

  private async sendOnce(url: URL, request: Request, withSecret: boolean): Promise<Reply> {
    const { signal, idleTimeoutMs } = this.options;
    signal.throwIfAborted();
    const secret =
      withSecret && request.authorization !== undefined
        ? { authorization: request.authorization }
        : {};
    let response: Dispatcher.ResponseData;
    try {
      response = await this.undici.request(url, {
        method: request.method ?? "GET",
        headers: { "user-agent": "mkdaxfs", ...request.headers, ...secret },
        body: request.body ?? null,
        dispatcher: this.dispatcherFor(url),
        headersTimeout: idleTimeoutMs,
        bodyTimeout: idleTimeoutMs,
        signal,
      });
    } catch (error) {
      throw transportError(error, url, signal);
    }
    const { statusCode, headers, body } = response;
    // A body that nobody reads to its end may fail still.
    body.on("error", () => {});
    const failed = (error: unknown) => transportError(error, url, signal);
    return {
      status: statusCode,
      url,
      header(name) {
        const value = headers[name];
        return Array.isArray(value) ? value.join(", ") : value;
      },
      async *body() {
        try {
          yield* body as AsyncIterable<Uint8Array>;
        } catch (error) {
          throw failed(error);
        }
      },
      async drop() {
        // Undici reads what is small, so that the connection can be used again, and closes others.
        await body.dump().catch(() => {});
      },
    };
  }

  private dispatcherFor(url: URL): Dispatcher {
    const proxy = proxyFor(url, this.options.environment);
    const key = `${url.origin} ${proxy?.href ?? ""}`;
    const known = this.dispatchers.get(key);
    if (known !== undefined) return known;
    const { Agent, ProxyAgent } = this.undici;
    const made =
      proxy === undefined
        ? new Agent({ connect: this.connectOptions(url) })
        : new ProxyAgent({
            uri: proxy.href,
            // Undici leaves out a user without a password, and can't be told both in one.
            ...(proxy.username === "" ? {} : { token: proxyToken(proxy) }),
            requestTls: this.connectOptions(url),
            // A socks proxy that is given any would be spoken to in TLS.
            ...(proxy.protocol === "socks5:" ? {} : { proxyTls: this.connectOptions(proxy) }),
            // Plain http is asked of the proxy itself, as curl does; few let it through a tunnel.
            proxyTunnel: url.protocol === "https:",
          });
    this.dispatchers.set(key, made);
    return made;
  }

  private connectOptions(url: URL): { timeout: number; [option: string]: unknown } {
    if (url.protocol !== "https:") return { timeout: CONNECT_TIMEOUT };
    const { environment, tlsVerify } = this.options;
    let secureContext = this.secureContexts.get(url.host);
    if (secureContext === undefined) {
      secureContext = secureContextFor(url.host, environment, tlsVerify);
      this.secureContexts.set(url.host, secureContext);
    }
    return { timeout: CONNECT_TIMEOUT, secureContext, rejectUnauthorized: tlsVerify };
  }
}

function proxyToken({ username, password }: URL): string {
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(text).toString("base64")}`;
}
