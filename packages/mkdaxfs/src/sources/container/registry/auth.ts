// SPDX-License-Identifier: MIT
import { BuildError } from "../../../errors.js";
import { readSmall } from "../../digest.js";
import { JsonValue, shownText } from "../../json.js";
import { type Challenge, parseChallenges } from "./challenge.js";
import type { Credentials, FoundCredentials } from "./credentials.js";
import { temporaryStatus } from "./retry.js";
import type { Reply, Transport } from "./transport.js";

/** Bytes that the answer of a token server may have. */
const TOKEN_LIMIT = 1024 * 1024;

export interface AuthOptions {
  /** The registry, for messages. */
  readonly host: string;
  readonly repository: string;
  readonly transport: Transport;
  /** Whether secrets may be sent only over https. */
  readonly tlsVerify: boolean;
  /** Looked for once a server wants any. */
  readonly findCredentials: () => Promise<FoundCredentials>;
}

/**
 * Gets past what a registry wants to see: a token of a token server, as
 * https://distribution.github.io/distribution/spec/auth/ has it, or a password.
 */
export class Authenticator {
  private header: string | undefined;
  private found: Promise<FoundCredentials> | undefined;
  private renewal: Promise<void> | undefined;

  constructor(private readonly options: AuthOptions) {}

  /** What to send as Authorization, if anything. */
  get authorization(): string | undefined {
    return this.header;
  }

  /**
   * Gets an authorization that a registry wants to see, once for all who are refused at a time.
   * @param challenge the WWW-Authenticate header
   * @param refused what it was sent in vain
   * @throws BuildError when there is none to be had; TemporaryError
   */
  async answer(challenge: string | undefined, refused: string | undefined): Promise<void> {
    // Another request has seen to it meanwhile.
    if (this.header !== refused) return;
    this.renewal ??= this.renew(challenge ?? "").finally(() => {
      this.renewal = undefined;
    });
    await this.renewal;
  }

  /** The error for a registry that refuses even so. */
  async denial(said: string): Promise<BuildError> {
    const { host, repository } = this.options;
    const { credentials, problem } = await this.credentials();
    const why =
      credentials === undefined
        ? `there are no credentials for it${problem === undefined ? "" : ` (${problem})`}`
        : "the credentials for it don't suffice";
    return new BuildError(
      `${host} denies access to ${repository}${said === "" ? "" : ` (${said})`}: ${why} ` +
        `(check the name, or docker login ${host})`,
    );
  }

  private async renew(header: string): Promise<void> {
    const challenges = parseChallenges(header);
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer !== undefined) {
      this.header = `Bearer ${await this.token(bearer)}`;
      return;
    }
    const { host } = this.options;
    if (!challenges.some(({ scheme }) => scheme === "basic")) {
      const schemes = challenges.map(({ scheme }) => shownText(scheme)).join(", ") || "nothing";
      throw new BuildError(`${host} asks for ${schemes} where bearer or basic is known`);
    }
    const { credentials } = await this.credentials();
    if (credentials === undefined || "identityToken" in credentials) throw await this.denial("");
    this.header = basic(credentials);
  }

  /** Gets a token. */
  private async token({ parameters }: Challenge): Promise<string> {
    const { host, repository, transport } = this.options;
    const realm = this.realm(parameters.get("realm") ?? "");
    const what = `the token server of ${host}`;
    const fields = new URLSearchParams();
    const service = parameters.get("service");
    if (service !== undefined) fields.set("service", service);
    fields.set("scope", parameters.get("scope") ?? `repository:${repository}:pull`);

    const { credentials } = await this.credentials();
    let reply: Reply;
    if (credentials !== undefined && "identityToken" in credentials) {
      fields.set("grant_type", "refresh_token");
      fields.set("refresh_token", credentials.identityToken);
      fields.set("client_id", "mkdaxfs");
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      reply = await transport.send(realm, { method: "POST", headers, body: fields.toString() });
    } else {
      if (credentials !== undefined) fields.set("account", credentials.username);
      for (const [name, value] of fields) realm.searchParams.append(name, value);
      const authorization = credentials === undefined ? undefined : basic(credentials);
      reply = await transport.send(realm, { authorization });
    }
    if (reply.status !== 200) {
      await reply.drop();
      const temporary = temporaryStatus(reply, what);
      if (temporary !== undefined) throw temporary;
      if (reply.status === 401 || reply.status === 403) throw await this.denial("");
      throw new BuildError(`${what} answers ${reply.status} (try again later)`);
    }
    const bytes = await readSmall({ kind: "stream", stream: reply.body() }, TOKEN_LIMIT, what);
    return tokenIn(bytes, what);
  }

  private realm(text: string): URL {
    const { host, tlsVerify } = this.options;
    let realm: URL | undefined;
    try {
      realm = new URL(text);
    } catch {
      // Said below.
    }
    if (realm?.protocol !== "https:" && realm?.protocol !== "http:") {
      throw new BuildError(`${host} names no token server, but '${shownText(text)}'`);
    }
    if (realm.protocol === "http:" && tlsVerify) {
      throw new BuildError(
        `${host} names a token server without https, ${shownText(realm.host)} ` +
          "(--tls-verify=false allows it)",
      );
    }
    return realm;
  }

  private credentials(): Promise<FoundCredentials> {
    this.found ??= this.options.findCredentials();
    return this.found;
  }
}

function tokenIn(bytes: Uint8Array, what: string): string {
  const document = JsonValue.parse(bytes, `the answer of ${what}`);
  const token = document.get("token").optionalString() || document.get("access_token").string();
  // It becomes part of a header.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new BuildError(`${what} gives an invalid token`);
  return token;
}

function basic({ username, password }: Exclude<Credentials, { identityToken: string }>): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
