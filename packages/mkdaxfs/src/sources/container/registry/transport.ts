// SPDX-License-Identifier: MIT
import type { SecureContext } from "node:tls";
import { getSystemErrorMap } from "node:util";
import type { Dispatcher } from "undici";
import { BuildError, withoutAddressSpace } from "../../../errors.js";
import { shownText } from "../../json.js";
import { secureContextFor } from "./certificates.js";
import { proxyFor } from "./proxy.js";
import { TemporaryFailure } from "./retry.js";

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
  /** @throws BuildError, TemporaryFailure, the signal's reason */
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
   * @throws BuildError; TemporaryFailure for what may be gone at the next try; the signal's reason
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
      throw new BuildError(`${from.host} redirects to what is no URL: ${shownText(location)}`);
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
      throw this.failure(error, url);
    }
    const { statusCode, headers, body } = response;
    // A body that nobody reads to its end may fail still.
    body.on("error", () => {});
    const failed = (error: unknown) => this.failure(error, url);
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

  /** What is thrown for an error of undici's or of the system's. */
  private failure(error: unknown, url: URL): unknown {
    const { signal } = this.options;
    if (signal.aborted) return signal.reason;
    if (!(error instanceof Error) || error instanceof BuildError) return error;
    const cause = error instanceof AggregateError ? error.errors[0] : error;
    const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
    const proxyStatus = /^Proxy response \((\d+)\)/.exec(error.message)?.[1];
    if (proxyStatus !== undefined) return proxyFailure(proxyStatus, url);
    const text = `${code} ${cause.message}`;
    if (NOT_HTTPS.test(text)) {
      return new BuildError(
        `${url.host} does not speak https (--tls-verify=false allows plain http)`,
      );
    }
    if (TLS_ALERT.test(text)) {
      return new BuildError(
        `${url.host} breaks off TLS: ${shownText(cause.message)} ` +
          "(it may want to see a certificate of yours: put one in certs.d)",
      );
    }
    if (/CERT|SIGNATURE|ISSUER|^ERR_TLS_/.test(code)) {
      return new BuildError(
        `the certificate of ${url.host} can't be verified: ${shownText(cause.message)} ` +
          "(name its CA in SSL_CERT_FILE, or give --tls-verify=false)",
      );
    }
    const temporary = TEMPORARY.get(code);
    if (temporary !== undefined) return new TemporaryFailure(`${url.host}: ${temporary}`);
    return new BuildError(
      `cannot reach ${url.host}: ${words(cause, code)} ` +
        "(check its name, the network, and the proxy's settings)",
    );
  }
}

// What OpenSSL says is in the code or, on the writing side, only in the message.
/** Where the other side does not speak TLS. */
const NOT_HTTPS = /wrong.version.number|packet.length.too.long|ssl.http.request/i;
/** Where the other side has ended it. */
const TLS_ALERT = /ssl.*alert/i;

/** What may be gone at the next try, in words. */
const TEMPORARY: ReadonlyMap<string, string> = new Map([
  ["ECONNRESET", "the connection was reset"],
  ["EPIPE", "the connection was closed"],
  ["ETIMEDOUT", "the connection timed out"],
  ["EAI_AGAIN", "its name can't be looked up at the moment"],
  ["UND_ERR_SOCKET", "the connection was closed"],
  ["UND_ERR_CONNECT_TIMEOUT", "it takes no connection"],
  ["UND_ERR_HEADERS_TIMEOUT", "it does not answer"],
  ["UND_ERR_BODY_TIMEOUT", "it sends nothing more"],
  ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "the connection was closed"],
]);

function words(error: Error, code: string): string {
  if (code === "ENOTFOUND") return "there is no such host";
  for (const [name, text] of getSystemErrorMap().values()) if (name === code) return text;
  return shownText(error.message);
}

function proxyFailure(status: string, url: URL): Error {
  if (status === "407") {
    return new BuildError(
      `the proxy for ${url.host} wants a login (give http://USER:PASSWORD@HOST:PORT as its URL)`,
    );
  }
  const message = `the proxy can't reach ${url.host}: it answers ${status}`;
  return Number(status) >= 500 || status === "429"
    ? new TemporaryFailure(message)
    : new BuildError(message);
}

function proxyToken({ username, password }: URL): string {
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(text).toString("base64")}`;
}
