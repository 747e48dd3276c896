// SPDX-License-Identifier: MIT
import { BuildError } from "../../../errors.js";
import { readSmall } from "../../digest.js";
import { JsonValue, shownText } from "../../json.js";
import { Authenticator } from "./auth.js";
import type { FoundCredentials } from "./credentials.js";
import { API_HOST, DOCKER_HUB, type Reference } from "./reference.js";
import { Patience, TemporaryError, temporaryStatus } from "./retry.js";
import type { Reply, Transport } from "./transport.js";

/** Bytes of an error's text that are read. */
const ERROR_LIMIT = 64 * 1024;

export interface ClientOptions {
  readonly reference: Reference;
  readonly transport: Transport;
  readonly tlsVerify: boolean;
  readonly findCredentials: () => Promise<FoundCredentials>;
  readonly signal: AbortSignal;
  /** Milliseconds, about, before the second try of what fails. */
  readonly retryDelayMs: number;
}

/**
 * Asks one repository of a registry for manifests and blobs
 * (https://github.com/opencontainers/distribution-spec/blob/main/spec.md).
 */
export class RegistryClient {
  /** The registry's host, for messages. */
  readonly host: string;
  private readonly authenticator: Authenticator;
  private base: Promise<URL> | undefined;

  constructor(private readonly options: ClientOptions) {
    const { reference, transport, tlsVerify, findCredentials } = options;
    this.host = reference.domain;
    const { repository } = reference;
    this.authenticator = new Authenticator({
      host: this.host,
      repository,
      transport,
      tlsVerify,
      findCredentials,
    });
  }

  /** For something that is tried until it succeeds. */
  patience(): Patience {
    return new Patience(this.options.retryDelayMs, this.options.signal);
  }

  /**
   * Reads a manifest or an index.
   * @param name a tag or a digest
   * @param accept media types
   * @param limit bytes that it may have
   * @param what the document, for messages
   * @throws BuildError; the signal's reason
   */
  async manifest(
    name: string,
    accept: readonly string[],
    limit: number,
    what: string,
  ): Promise<{ bytes: Uint8Array; mediaType: string; digest: string | undefined }> {
    return this.patience().persist(async () => {
      const headers = { accept: accept.join(", ") };
      const missing = "check the name and the tag";
      const reply = await this.get(`manifests/${name}`, headers, what, missing);
      const bytes = await readSmall({ kind: "stream", stream: reply.body() }, limit, what);
      const mediaType = /^[^;\s]*/.exec(reply.header("content-type") ?? "")?.[0] ?? "";
      return { bytes, mediaType, digest: reply.header("docker-content-digest") };
    });
  }

  /**
   * Begins to read a blob. The answer's status is 200, or 206 or 416 for a part of it.
   * @param offset first byte that is wanted
   * @param what the blob, for messages
   * @param missing what to do when it is not there, for the message
   * @throws BuildError; TemporaryError; the signal's reason
   */
  blob(digest: string, offset: number, what: string, missing: string): Promise<Reply> {
    const range = offset === 0 ? {} : { range: `bytes=${offset}-` };
    // Nothing must be packed once more on the way: digests are of what lies there.
    const headers = { "accept-encoding": "identity", ...range };
    return this.get(`blobs/${digest}`, headers, what, missing);
  }

  private async get(
    path: string,
    headers: Record<string, string>,
    what: string,
    missing: string,
  ): Promise<Reply> {
    this.base ??= this.findBase().catch((error: unknown) => {
      this.base = undefined;
      throw error;
    });
    const url = new URL(`${this.options.reference.repository}/${path}`, await this.base);
    for (let isFirst = true; ; isFirst = false) {
      const { authorization } = this.authenticator;
      const reply = await this.options.transport.send(url, { headers, authorization });
      if (reply.status === 200 || reply.status === 206 || reply.status === 416) return reply;
      const isElsewhere = reply.url.origin !== url.origin;
      if (reply.status === 401 && !isElsewhere && isFirst) {
        await reply.drop();
        await this.authenticator.answer(reply.header("www-authenticate"), authorization);
        continue;
      }
      if (reply.status === 404) {
        await reply.drop();
        throw new BuildError(`${what}: ${shownText(reply.url.host)} does not have it (${missing})`);
      }
      throw await this.failure(reply, isElsewhere, what);
    }
  }

  /** What to throw for an answer that is none. */
  private async failure(reply: Reply, isElsewhere: boolean, what: string): Promise<Error> {
    const host = shownText(reply.url.host);
    const temporary = temporaryStatus(reply, `${what}: ${host}`);
    if (temporary !== undefined) {
      await reply.drop();
      return temporary;
    }
    if (isElsewhere && (reply.status === 401 || reply.status === 403)) {
      await reply.drop();
      // Redirects to a store hold for some minutes; the next one may do.
      return new TemporaryError(`${what}: ${host} denies access (${reply.status})`);
    }
    const said = await errorText(reply);
    const shown = said === "" ? "" : `: ${said}`;
    if (reply.status === 401 || reply.status === 403) return this.authenticator.denial(said);
    return new BuildError(`${what}: ${host} answers ${reply.status}${shown}`);
  }

  /** The start of all paths: https, unless plain http is allowed and it speaks nothing else. */
  private async findBase(): Promise<URL> {
    const { tlsVerify, transport } = this.options;
    const host = this.host === DOCKER_HUB ? API_HOST : this.host;
    const secure = new URL(`https://${host}/v2/`);
    if (tlsVerify) return secure;
    try {
      await (await transport.send(secure)).drop();
      return secure;
    } catch (error) {
      this.options.signal.throwIfAborted();
      const plain = new URL(`http://${host}/v2/`);
      const status = await transport.send(plain).then(
        async (reply) => {
          await reply.drop();
          return reply.status;
        },
        () => undefined,
      );
      // With 400, servers that do speak https answer what is not.
      if (status === undefined || status === 400) throw error;
      return plain;
    }
  }
}

/** What a registry says of an error, "" where that is not as the specification has it. */
async function errorText(reply: Reply): Promise<string> {
  try {
    const bytes = await readSmall({ kind: "stream", stream: reply.body() }, ERROR_LIMIT, "it");
    const [first] = JsonValue.parse(bytes, "it").get("errors").list();
    return shownText(first?.get("message").optionalString() || first?.get("code").string() || "");
  } catch {
    return "";
  }
}
