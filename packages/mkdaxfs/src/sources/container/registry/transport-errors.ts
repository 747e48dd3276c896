// SPDX-License-Identifier: MIT
/** Errors of connections, in words. */
import { getSystemErrorMap } from "node:util";
import { BuildError } from "../../../errors.js";
import { shownText } from "../../json.js";
import { TemporaryError } from "./retry.js";

/**
 * What is thrown for an error of undici's or of the system's: a BuildError, a TemporaryError for what
 * may be gone at the next try, the signal's reason where it is aborted, or the error itself.
 */
export function transportError(error: unknown, url: URL, signal: AbortSignal): unknown {
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
  if (temporary !== undefined) return new TemporaryError(`${url.host}: ${temporary}`);
  return new BuildError(
    `cannot reach ${url.host}: ${words(cause, code)} ` +
      "(check its name, the network, and the proxy's settings)",
  );
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
  ["UND_ERR_CONNECT_TIMEOUT", "it does not accept connections"],
  ["UND_ERR_HEADERS_TIMEOUT", "it does not answer"],
  ["UND_ERR_BODY_TIMEOUT", "it sends nothing more"],
  ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "the connection was closed"],
]);

function words(error: Error, code: string): string {
  if (code === "ENOTFOUND") return "no such host";
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
    ? new TemporaryError(message)
    : new BuildError(message);
}
