// SPDX-License-Identifier: MIT
// Registries that want to see something, and the servers that give it.
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BuildError } from "../../../../src/errors.js";
import type { ContainerImage } from "../../../../src/sources/container/container-image.js";
import { parseChallenges } from "../../../../src/sources/container/registry/challenge.js";
import { openRegistryImage } from "../../../../src/sources/container/registry/registry-image.js";
import {
  Store,
  sendError,
  type TestContext,
  TestServer,
  testContext,
} from "../../../support/registry-server.js";
import { scratchDirectory } from "../../../support/support.js";

const scratch = scratchDirectory();
const layers = Array.from({ length: 6 }, (_, index) => Buffer.alloc(1000, index));

let store: Store;
let context: TestContext;
let home: string;
let number = 0;
let endings: (() => unknown)[] = [];

beforeEach(() => {
  store = new Store();
  store.image("1", layers);
  context = testContext();
  home = scratch(`home-${++number}`);
  mkdirSync(join(home, ".docker"), { recursive: true });
});
afterEach(async () => {
  for (const ending of endings) await ending();
  endings = [];
});

async function serve(listener: RequestListener): Promise<TestServer> {
  const server = await TestServer.start(listener);
  endings.unshift(() => server.stop());
  return server;
}

async function open(reference: string): Promise<ContainerImage> {
  const environment = { HOME: home, PATH: `${home}:${process.env.PATH}` };
  const image = await openRegistryImage(reference, context, { environment, retryDelayMs: 1 });
  endings.unshift(() => image.close());
  return image;
}

const openLayers = (image: ContainerImage) =>
  Promise.all(image.layers.map((layer) => layer.open()));

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

const base64 = (text: string) => Buffer.from(text).toString("base64");

function logIn(host: string, entry: object): void {
  writeFileSync(join(home, ".docker/config.json"), JSON.stringify({ auths: { [host]: entry } }));
}

/** A registry that takes one token at a time, from a server of its own. */
interface Guarded {
  readonly registry: TestServer;
  readonly tokens: TestServer;
  /** The token that is good now. */
  good: string;
  /** What the token server answers with; the good token unless it is set. */
  answer: RequestListener | undefined;
  /** What requests to the token server had in their bodies. */
  readonly bodies: string[];
}

async function guard(challenge?: (tokens: TestServer) => string): Promise<Guarded> {
  const bodies: string[] = [];
  const tokens = await serve((request, response) => {
    let body = "";
    request.on("data", (part) => {
      body += String(part);
    });
    request.on("end", () => {
      bodies.push(body);
      if (guarded.answer !== undefined) guarded.answer(request, response);
      else response.end(JSON.stringify({ token: guarded.good, expires_in: 60 }));
    });
  });
  const registry = await serve((request, response) => {
    if (request.headers.authorization === `Bearer ${guarded.good}`) {
      return store.answer(request, response);
    }
    const usual = `Bearer realm="${tokens.url}/token",service="test",scope="repository:a/b:pull"`;
    response.setHeader("www-authenticate", challenge?.(tokens) ?? usual);
    sendError(response, 401, "UNAUTHORIZED");
  });
  const guarded: Guarded = { registry, tokens, good: "first", answer: undefined, bodies };
  return guarded;
}

describe("a token", () => {
  it("is fetched once and used for everything, without credentials", async () => {
    const { registry, tokens } = await guard();
    await openLayers(await open(`${registry.host}/a/b:1`));
    expect(tokens.paths).toEqual(["/token?service=test&scope=repository%3Aa%2Fb%3Apull"]);
    expect(tokens.requests[0]?.headers.authorization).toBeUndefined();
    const refused = registry.requests.filter(({ headers }) => headers.authorization === undefined);
    // The one that looks for https, and the first real one.
    expect(refused.length).toBe(2);
  });

  it("is asked for with a password, and for our repository where no scope is named", async () => {
    const { registry, tokens } = await guard(({ url }) => `Bearer realm="${url}/t?x=1",service=s`);
    logIn(registry.host, { auth: base64("me:se:cret") });
    await open(`${registry.host}/a/b:1`);
    expect(tokens.paths).toEqual(["/t?x=1&service=s&scope=repository%3Aa%2Fb%3Apull&account=me"]);
    expect(tokens.requests[0]?.headers.authorization).toBe(`Basic ${base64("me:se:cret")}`);
  });

  it("is asked for with an identity token", async () => {
    const guarded = await guard();
    guarded.answer = (_, response) => response.end(JSON.stringify({ access_token: "first" }));
    logIn(guarded.registry.host, { identitytoken: "long-lived" });
    await open(`${guarded.registry.host}/a/b:1`);
    const [request] = guarded.tokens.requests;
    expect(request?.method).toBe("POST");
    expect(request?.headers.authorization).toBeUndefined();
    expect(Object.fromEntries(new URLSearchParams(guarded.bodies[0]))).toEqual({
      grant_type: "refresh_token",
      refresh_token: "long-lived",
      client_id: "mkdaxfs",
      service: "test",
      scope: "repository:a/b:pull",
    });
  });

  it("that goes bad in the middle is renewed, once for all downloads", async () => {
    const guarded = await guard();
    const { registry, tokens } = guarded;
    const image = await open(`${registry.host}/a/b:1`);
    guarded.good = "second";
    await openLayers(image);
    expect(tokens.paths.length).toBe(2);
  });

  it("that goes bad while a blob is on its way is renewed for the rest", async () => {
    const guarded = await guard();
    const blob = Buffer.alloc(100_000, 7);
    store.image("big", [blob]);
    const { server } = guarded.registry;
    const [listener] = server.listeners("request");
    server.removeAllListeners("request");
    server.on("request", (request, response) => {
      const wanted = store.blobs.get(request.url?.split("/").at(-1) ?? "");
      const isFirst = request.headers.authorization === "Bearer first" && guarded.good === "first";
      if (!isFirst || wanted?.length !== blob.length) return listener?.(request, response);
      guarded.good = "second";
      response.writeHead(200, { "content-length": wanted.length });
      response.write(wanted.subarray(0, 50_000), () => request.socket.destroySoon());
    });
    await openLayers(await open(`${guarded.registry.host}/a/b:big`));
    expect(guarded.tokens.paths.length).toBe(2);
    const ranges = guarded.registry.requests.map(({ headers }) => headers.range);
    expect(ranges.filter((range) => range !== undefined)).toEqual(["bytes=50000-", "bytes=50000-"]);
  });

  it("is asked for again when its server fails for a moment", async () => {
    const guarded = await guard();
    let count = 0;
    guarded.answer = (_, response) => {
      count++;
      if (count < 3) response.writeHead(503).end();
      else response.end(JSON.stringify({ token: "first" }));
    };
    await open(`${guarded.registry.host}/a/b:1`);
    expect(count).toBe(3);
  });

  const answers: [string, RequestListener, RegExp][] = [
    [
      "no JSON",
      (_, response) => response.end("<html>"),
      /the answer of the token server of .* is not JSON/,
    ],
    ["no token", (_, response) => response.end("{}"), /access_token is missing/],
    [
      "a token that breaks headers",
      (_, response) => response.end('{"token":"a\\r\\nb: c"}'),
      /gives an invalid token/,
    ],
    ["too much", (_, response) => response.end(Buffer.alloc(2 ** 21)), /more than 1048576 bytes/],
    ["404", (_, response) => response.writeHead(404).end(), /the token server of .* answers 404/],
  ];
  for (const [what, answer, message] of answers) {
    it(`can't be had from a server that gives ${what}`, async () => {
      const guarded = await guard();
      guarded.answer = answer;
      expect(await refusal(open(`${guarded.registry.host}/a/b:1`))).toMatch(message);
    });
  }

  it("does not go to another host with a redirect", async () => {
    const guarded = await guard();
    const elsewhere = await serve((_, response) => response.end("{}"));
    guarded.answer = (_, response) => {
      response.writeHead(307, { location: elsewhere.url }).end();
    };
    logIn(guarded.registry.host, { identitytoken: "long-lived" });
    expect(await refusal(open(`${guarded.registry.host}/a/b:1`))).toMatch(/answers 307/);
    expect(elsewhere.requests).toEqual([]);
    logIn(guarded.registry.host, { auth: base64("me:secret") });
    await refusal(open(`${guarded.registry.host}/a/b:1`));
    expect(elsewhere.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });
});

describe("access that is denied", () => {
  it("says that there are no credentials", async () => {
    const guarded = await guard();
    guarded.answer = (_, response) => response.end('{"token":"useless"}');
    const { host } = guarded.registry;
    expect(await refusal(open(`${host}/a/b:1`))).toBe(
      `${host} denies access to a/b (about UNAUTHORIZED): there are no credentials for it ` +
        `(check the name, or docker login ${host})`,
    );
  });

  it("says that the credentials don't do, and not what they are", async () => {
    const guarded = await guard();
    guarded.answer = (_, response) => response.writeHead(401).end();
    const { host } = guarded.registry;
    logIn(host, { auth: base64("me:hidden") });
    const message = await refusal(open(`${host}/a/b:1`));
    expect(message).toMatch(/denies access to a\/b: the credentials for it don't suffice/);
    expect(message).not.toMatch(/hidden|me:/);
  });

  it("says so of 403 as well", async () => {
    const server = await serve((request, response) => {
      if (request.url === "/v2/") response.end();
      else sendError(response, 403, "DENIED");
    });
    expect(await refusal(open(`${server.host}/a/b:1`))).toMatch(
      /denies access to a\/b \(about DENIED\)/,
    );
  });

  it("says why a credential helper had none to give", async () => {
    const server = await serve((_, response) => {
      response.setHeader("www-authenticate", "Basic");
      sendError(response, 401, "UNAUTHORIZED");
    });
    writeFileSync(join(home, ".docker/config.json"), '{"credsStore":"gone"}');
    const problem = "credential helper docker-credential-gone: not in PATH";
    expect(await refusal(open(`${server.host}/a/b:1`))).toContain(
      `there are no credentials for it (${problem})`,
    );
    expect(context.warnings).toEqual([`${problem}; going on without`]);
  });
});

describe("a password", () => {
  const basic = (credentials: string): RequestListener => {
    return (request, response) => {
      if (request.headers.authorization === `Basic ${base64(credentials)}`) {
        return store.answer(request, response);
      }
      response.setHeader("www-authenticate", 'Basic realm="x"');
      sendError(response, 401, "UNAUTHORIZED");
    };
  };

  it("opens a registry that asks for one", async () => {
    const server = await serve(basic("me:sécret"));
    logIn(server.host, { auth: base64("me:sécret") });
    await openLayers(await open(`${server.host}/a/b:1`));
  });

  it("comes from a credential helper", async () => {
    const server = await serve(basic("helped:well"));
    const script = `#!/bin/sh
      read server; [ "$1" = get ] && [ "$server" = ${server.host} ] || exit 3
      echo '{"ServerURL":"x","Username":"helped","Secret":"well"}'`;
    writeFileSync(join(home, "docker-credential-test"), script);
    chmodSync(join(home, "docker-credential-test"), 0o755);
    const config = { credHelpers: { [server.host]: "test" } };
    writeFileSync(join(home, ".docker/config.json"), JSON.stringify(config));
    await openLayers(await open(`${server.host}/a/b:1`));
    expect(context.warnings).toEqual([]);
  });

  it("that is wrong is not sent over and over", async () => {
    const server = await serve(basic("me:right"));
    logIn(server.host, { auth: base64("me:wrong") });
    expect(await refusal(open(`${server.host}/a/b:1`))).toMatch(/don't suffice/);
    expect(server.paths.length).toBe(3);
  });

  it("is of no use where something else is asked for", async () => {
    const server = await serve((_, response) => {
      response.setHeader("www-authenticate", 'Negotiate, Digest realm="x"');
      sendError(response, 401, "UNAUTHORIZED");
    });
    expect(await refusal(open(`${server.host}/a/b:1`))).toMatch(
      /asks for negotiate, digest where bearer or basic is known/,
    );
  });
});

describe("a token server", () => {
  it("must be one", async () => {
    for (const realm of ["", "nonsense", "ftp://example.com/"]) {
      const { registry } = await guard(() => `Bearer realm="${realm}"`);
      expect(await refusal(open(`${registry.host}/a/b:1`))).toMatch(/names no token server, but '/);
    }
  });
});

describe("challenges are told apart", () => {
  const cases: [string, [string, Record<string, string>][]][] = [
    [
      'Bearer realm="https://a/t",service="s",scope="x:y:pull,push"',
      [["bearer", { realm: "https://a/t", service: "s", scope: "x:y:pull,push" }]],
    ],
    ["BEARER Realm=x , Service = y", [["bearer", { realm: "x", service: "y" }]]],
    [
      'Basic realm="a", Bearer realm="b"',
      [
        ["basic", { realm: "a" }],
        ["bearer", { realm: "b" }],
      ],
    ],
    ['Basic realm="a \\"quoted\\" one"', [["basic", { realm: 'a "quoted" one' }]]],
    [
      "Negotiate, Basic",
      [
        ["negotiate", {}],
        ["basic", {}],
      ],
    ],
    ['Bearer realm="",error=""', [["bearer", { realm: "", error: "" }]]],
    ["", []],
    ["=,=", []],
    ['Bearer realm="unfinished', [["bearer", { realm: "" }]]],
  ];
  for (const [header, expected] of cases) {
    it(header || "none", () => {
      const found = parseChallenges(header).map(({ scheme, parameters }) => [
        scheme,
        Object.fromEntries(parameters),
      ]);
      expect(found).toEqual(expected);
    });
  }

  it("in little time, whatever comes", () => {
    const start = Date.now();
    for (const part of ["a", "a,", '"', '\\"', "a=", " ", ',="', 'a="b\\']) {
      parseChallenges(part.repeat(20_000));
    }
    expect(Date.now() - start).toBeLessThan(2000);
  });
});
