// SPDX-License-Identifier: MIT
// Registries behind TLS, private CAs, and proxies.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, RequestListener } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { TlsOptions } from "node:tls";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { BuildError } from "../../../../src/errors.js";
import { openRegistryImage } from "../../../../src/sources/container/registry/registry-image.js";
import {
  Store,
  type TestContext,
  TestServer,
  testContext,
} from "../../../support/registry-server.js";
import { scratchDirectory } from "../../../support/support.js";

const scratch = scratchDirectory();

let store: Store;
let context: TestContext;
let home: string;
let number = 0;
let endings: (() => unknown)[] = [];

/** Makes a CA, and certificates of it: for 127.0.0.1, for somebody else, out of date, for clients. */
beforeAll(() => {
  const openssl = (...args: string[]) =>
    execFileSync("openssl", args, { cwd: scratch("."), stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
    "-days",
    "2",
    "-subj",
    "/CN=Test CA",
  );
  const issue = (name: string, alternative: string, ...dates: string[]) => {
    openssl("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    writeFileSync(scratch(`${name}.ext`), `subjectAltName=${alternative}\n`);
    openssl(
      ...["x509", "-req", "-in", `${name}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key"],
      ...["-CAcreateserial", "-out", `${name}.pem`, "-extfile", `${name}.ext`, ...dates],
    );
  };
  issue("good", "IP:127.0.0.1,DNS:registry.test,DNS:localhost", "-days", "2");
  issue("other", "DNS:other.test", "-days", "2");
  issue("client", "DNS:client", "-days", "2");
});

const certificate = (name: string): TlsOptions => ({
  cert: readFileSync(scratch(`${name}.pem`)),
  key: readFileSync(scratch(`${name}.key`)),
});

beforeEach(() => {
  store = new Store();
  store.image("1", [Buffer.alloc(1000)]);
  context = testContext({ tlsVerify: true });
  home = scratch(`home-${++number}`);
  mkdirSync(home);
});
afterEach(async () => {
  for (const ending of endings) await ending();
  endings = [];
});

async function serve(tls?: TlsOptions, listener: RequestListener = store.answer) {
  const server = await TestServer.start(listener, tls);
  endings.unshift(() => server.stop());
  return server;
}

/** Opens an image and its layers. */
async function fetch(reference: string, environment: Record<string, string> = {}): Promise<void> {
  const image = await openRegistryImage(reference, context, {
    environment: { HOME: home, ...environment },
    retryDelayMs: 1,
  });
  endings.unshift(() => image.close());
  for (const layer of image.layers) await layer.open();
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(BuildError);
  const { message } = error as BuildError;
  expect(message).not.toMatch(/[\n\r]/);
  return message;
}

describe("a private CA", () => {
  it("is known by the variables that curl and Node have for it", async () => {
    const { host } = await serve(certificate("good"));
    const ca = scratch("ca.pem");
    mkdirSync(join(home, "certs"));
    writeFileSync(join(home, "certs/some.pem"), readFileSync(ca));
    writeFileSync(join(home, "certs/README"), "no certificate");
    for (const environment of [
      { CURL_CA_BUNDLE: ca },
      { SSL_CERT_FILE: ca },
      { SSL_CERT_DIR: join(home, "certs") },
      { SSL_CERT_DIR: `${home}:${join(home, "certs")}` },
      { NODE_EXTRA_CA_CERTS: ca },
      { SSL_CERT_FILE: scratch("other.pem"), NODE_EXTRA_CA_CERTS: ca },
      { CURL_CA_BUNDLE: ca, SSL_CERT_FILE: join(home, "not looked at") },
    ]) {
      await fetch(`${host}/app:1`, environment);
    }
  });

  it("is known by a registry's directory in certs.d", async () => {
    const { host } = await serve(certificate("good"));
    const directory = join(home, ".config/containers/certs.d", host);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "ca.crt"), readFileSync(scratch("ca.pem")));
    await fetch(`${host}/app:1`);
    const another = await serve(certificate("good"));
    expect(await refusal(fetch(`${another.host}/app:1`))).toMatch(/can't be verified/);
  });

  it("is not known otherwise", async () => {
    const { host } = await serve(certificate("good"));
    const message = new RegExp(
      `^the certificate of ${host} can't be verified: .* \\(name its CA in SSL_CERT_FILE, or give --tls-verify=false\\)$`,
    );
    expect(await refusal(fetch(`${host}/app:1`))).toMatch(message);
    // These are all the roots that there are, then.
    expect(await refusal(fetch(`${host}/app:1`, { SSL_CERT_FILE: scratch("other.pem") }))).toMatch(
      message,
    );
    context = testContext();
    await fetch(`${host}/app:1`);
  });

  it("does not vouch for other hosts", async () => {
    const { host } = await serve(certificate("other"));
    const environment = { SSL_CERT_FILE: scratch("ca.pem") };
    expect(await refusal(fetch(`${host}/app:1`, environment))).toMatch(
      /can't be verified: .*altnames/,
    );
    context = testContext();
    await fetch(`${host}/app:1`, environment);
  });

  it("must be in a file of certificates", async () => {
    const { host } = await serve(certificate("good"));
    const missing = join(home, "missing.pem");
    expect(await refusal(fetch(`${host}/app:1`, { CURL_CA_BUNDLE: missing }))).toBe(
      `cannot read ${missing}, which CURL_CA_BUNDLE names: no such file or directory`,
    );
    writeFileSync(missing, "rubbish");
    expect(await refusal(fetch(`${host}/app:1`, { SSL_CERT_FILE: missing }))).toMatch(
      /which SSL_CERT_FILE names, has no certificates/,
    );
    expect(await refusal(fetch(`${host}/app:1`, { SSL_CERT_DIR: missing }))).toMatch(
      /cannot read .*, which SSL_CERT_DIR names: not a directory/,
    );
  });

  it("may want to see a certificate of ours", async () => {
    const ca = readFileSync(scratch("ca.pem"));
    const { host } = await serve({ ...certificate("good"), ca, requestCert: true });
    const directory = join(home, ".config/containers/certs.d", host);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "ca.crt"), ca);
    expect(await refusal(fetch(`${host}/app:1`))).toMatch(/closed|reset|breaks off TLS/);
    writeFileSync(join(directory, "client.cert"), readFileSync(scratch("client.pem")));
    expect(await refusal(fetch(`${host}/app:1`))).toMatch(/client\.key, which certs\.d names/);
    writeFileSync(join(directory, "client.key"), "rubbish");
    expect(await refusal(fetch(`${host}/app:1`))).toMatch(/can't be used/);
    writeFileSync(join(directory, "client.key"), readFileSync(scratch("client.key")));
    await fetch(`${host}/app:1`);
  });
});

describe("https", () => {
  it("is not left for plain http, by a redirect or for a token", async () => {
    const plain = await serve();
    const redirecting = await serve(certificate("good"), (_, response) => {
      response.writeHead(307, { location: plain.url }).end();
    });
    const environment = { SSL_CERT_FILE: scratch("ca.pem") };
    expect(await refusal(fetch(`${redirecting.host}/app:1`, environment))).toMatch(
      /redirects from https to plain http at .* \(--tls-verify=false allows it\)/,
    );
    const asking = await serve(certificate("good"), (_, response) => {
      response.writeHead(401, { "www-authenticate": `Bearer realm="${plain.url}"` }).end();
    });
    expect(await refusal(fetch(`${asking.host}/app:1`, environment))).toMatch(
      /names a token server without https, .* \(--tls-verify=false allows it\)/,
    );
    expect(plain.requests).toEqual([]);
  });

  it("is tried before plain http even where that is allowed", async () => {
    const secure = await serve(certificate("good"));
    context = testContext();
    await fetch(`${secure.host}/app:1`);
    const broken = await serve(certificate("good"), (_, response) => response.writeHead(500).end());
    expect(await refusal(fetch(`${broken.host}/app:1`))).toMatch(/answers 500/);
  });
});

/** A proxy as curl knows them, which takes every name for this machine. */
class TestProxy {
  /** What was asked of it: method and target. */
  readonly asked: string[] = [];
  readonly logins: (string | undefined)[] = [];
  /** Status of its answers to CONNECT. */
  status = 200;

  private constructor(readonly server: TestServer) {}

  static async start(tls?: TlsOptions): Promise<TestProxy> {
    const server = await serve(tls, (request, response) => {
      proxy.note(request);
      // Plain http: the target is a whole URL.
      const url = new URL(request.url ?? "");
      request.url = url.pathname;
      store.answer(request, response);
    });
    const proxy = new TestProxy(server);
    server.server.on("connect", (request: IncomingMessage, socket: Socket) => {
      proxy.note(request);
      if (proxy.status !== 200) {
        socket.end(`HTTP/1.1 ${proxy.status} No\r\ncontent-length: 0\r\n\r\n`);
        return;
      }
      const upstream = connect(Number(request.url?.split(":").at(-1)), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(upstream).pipe(socket);
      });
      upstream.on("error", () => socket.destroy());
      socket.on("error", () => upstream.destroy());
      socket.on("close", () => upstream.destroy());
    });
    return proxy;
  }

  private note({ method, url, headers }: IncomingMessage): void {
    this.asked.push(`${method} ${url}`);
    this.logins.push(headers["proxy-authorization"]);
  }
}

describe("a proxy", () => {
  const ca = () => ({ SSL_CERT_FILE: scratch("ca.pem") });

  it("gets a tunnel to a registry behind TLS, whose name it looks up", async () => {
    const { host } = await serve(certificate("good"));
    const port = host.split(":")[1];
    const proxy = await TestProxy.start();
    await fetch(`registry.test:${port}/app:1`, { ...ca(), https_proxy: proxy.server.url });
    expect(new Set(proxy.asked)).toEqual(new Set([`CONNECT registry.test:${port}`]));
    expect(proxy.logins[0]).toBeUndefined();
  });

  it("is asked for plain http itself", async () => {
    context = testContext();
    const proxy = await TestProxy.start();
    await fetch("registry.test/app:1", { http_proxy: proxy.server.url, no_proxy: "other.test" });
    expect(proxy.asked).toContain("GET http://registry.test/v2/app/manifests/1");
    expect(proxy.asked.filter((line) => line.startsWith("CONNECT"))).toEqual([]);
  });

  it("is passed by for what NO_PROXY names", async () => {
    const { host } = await serve(certificate("good"));
    const proxy = await TestProxy.start();
    await fetch(`${host}/app:1`, { ...ca(), ALL_PROXY: proxy.server.url, NO_PROXY: "127.0.0.1" });
    expect(proxy.asked).toEqual([]);
    await fetch(`${host}/app:1`, { ...ca(), ALL_PROXY: proxy.server.url, NO_PROXY: "127.0.0.2" });
    expect(proxy.asked.length).toBeGreaterThan(0);
  });

  it("may be behind TLS", async () => {
    const { host } = await serve(certificate("good"));
    const proxy = await TestProxy.start(certificate("good"));
    await fetch(`${host}/app:1`, { ...ca(), https_proxy: proxy.server.url });
    expect(proxy.asked).toContain(`CONNECT ${host}`);
    const other = await TestProxy.start(certificate("other"));
    const message = await refusal(
      fetch(`${host}/app:1`, { ...ca(), https_proxy: other.server.url }),
    );
    expect(message).toMatch(/verif|reach/);
  });

  it("may want a login", async () => {
    const { host } = await serve(certificate("good"));
    const proxy = await TestProxy.start();
    const base64 = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
    const url = proxy.server.host;
    await fetch(`${host}/app:1`, { ...ca(), https_proxy: `http://me:s%40cret@${url}` });
    expect(proxy.logins.at(-1)).toBe(base64("me:s@cret"));
    await fetch(`${host}/app:1`, { ...ca(), https_proxy: `http://me@${url}` });
    expect(proxy.logins.at(-1)).toBe(base64("me:"));
    proxy.status = 407;
    const message = await refusal(
      fetch(`${host}/app:1`, { ...ca(), https_proxy: `http://me:hidden@${url}` }),
    );
    expect(message).toMatch(/the proxy for .* wants a login/);
    expect(message).not.toMatch(/hidden/);
  });

  it("may not get there", async () => {
    const { host } = await serve(certificate("good"));
    const proxy = await TestProxy.start();
    const environment = { ...ca(), https_proxy: proxy.server.url };
    proxy.status = 403;
    expect(await refusal(fetch(`${host}/app:1`, environment))).toBe(
      `the proxy can't reach ${host}: it answers 403`,
    );
    proxy.asked.length = 0;
    proxy.status = 502;
    expect(await refusal(fetch(`${host}/app:1`, environment))).toMatch(
      /it answers 502 \(tried 5 times/,
    );
    expect(proxy.asked.length).toBe(5);
  });

  it("may not be there", async () => {
    const server = await TestServer.start(store.answer);
    const { url } = server;
    await server.stop();
    const message = await refusal(fetch("registry.test/app:1", { https_proxy: url }));
    expect(message).toMatch(/cannot reach registry\.test: connection refused .*proxy/);
  });

  it("may be one of socks5", async () => {
    const { host } = await serve(certificate("good"));
    const port = host.split(":")[1];
    const names: string[] = [];
    const server = createServer((socket) => {
      socket.once("data", () => {
        socket.write(Buffer.from([5, 0]));
        socket.once("data", (request: Buffer) => {
          // Version 5, connect, a domain name with its length before it, a port.
          expect([...request.subarray(0, 4)]).toEqual([5, 1, 0, 3]);
          names.push(request.subarray(5, 5 + request[4]!).toString());
          const upstream = connect(request.readUInt16BE(5 + request[4]!), "127.0.0.1", () => {
            socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
            socket.pipe(upstream).pipe(socket);
          });
          for (const side of [socket, upstream]) side.on("error", () => {});
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    endings.push(() => server.close());
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const all_proxy = `socks5h://127.0.0.1:${address.port}`;
    await fetch(`registry.test:${port}/app:1`, { ...ca(), all_proxy });
    expect(new Set(names)).toEqual(new Set(["registry.test"]));
  });
});
