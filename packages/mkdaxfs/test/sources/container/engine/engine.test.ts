// SPDX-License-Identifier: MIT
// Engines that are played by a server on a socket: where they are looked for, and what becomes of
// what they say.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, createServer as createPlainServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "tar-stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BuildError } from "../../../../src/errors.js";
import { findEndpoints } from "../../../../src/sources/container/engine/endpoints.js";
import { openEngineImage } from "../../../../src/sources/container/engine/engine-image.js";
import { newFileSpool } from "../../../../src/sources/spool.js";
import { sha256, type TestContext, testContext } from "../../../support/registry-server.js";

const HEX = "0123456789abcdef".repeat(4);

// Paths of sockets may have 107 bytes.
let home: string;
let context: TestContext;
let endings: (() => unknown)[] = [];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "engine-"));
  mkdirSync(join(home, ".docker"));
  mkdirSync(join(home, "run/podman"), { recursive: true });
  context = engineContext();
});
afterEach(async () => {
  for (const ending of endings) await ending();
  endings = [];
  rmSync(home, { recursive: true });
});

function engineContext(changes: Parameters<typeof testContext>[0] = {}): TestContext {
  return testContext({
    newSpool: () => {
      const spool = newFileSpool(home);
      endings.push(() => spool.close());
      return spool;
    },
    ...changes,
  });
}

const layer = Buffer.alloc(10_240);

/** An archive of `docker save` with one layer. */
async function archive(): Promise<Buffer> {
  const packed = pack();
  const config = Buffer.from(
    JSON.stringify({
      os: "linux",
      architecture: "amd64",
      rootfs: { type: "layers", diff_ids: [sha256(layer)] },
    }),
  );
  const name = `${createHash("sha256").update(config).digest("hex")}.json`;
  packed.entry({ name }, config);
  packed.entry({ name: "1/layer.tar" }, layer);
  const manifest = [{ Config: name, RepoTags: ["app:1"], Layers: ["1/layer.tar"] }];
  packed.entry({ name: "manifest.json" }, JSON.stringify(manifest));
  packed.finalize();
  const parts: Buffer[] = [];
  for await (const part of packed) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

interface Engine {
  readonly server: Server;
  readonly asked: string[];
}

/** An engine at a socket, or at a port of loopback, that has the image `app:1`. */
async function engine(at: string | undefined, special?: RequestListener): Promise<Engine> {
  const saved = await archive();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    if (special !== undefined) return special(request, response);
    response.setHeader("content-type", "application/json");
    if (request.url === "/images/app:1/json") {
      response.end(JSON.stringify({ Id: `sha256:${HEX}`, Os: "linux", Architecture: "amd64" }));
    } else if (request.url === "/images/app:1/get") {
      response.end(saved);
    } else {
      response.writeHead(404).end('{"message":"no such image"}');
    }
  });
  await new Promise<void>((resolve) =>
    at === undefined ? server.listen(0, "127.0.0.1", resolve) : server.listen(at, resolve),
  );
  endings.push(() => new Promise((resolve) => server.close(resolve)));
  endings.push(() => server.closeAllConnections());
  return { server, asked };
}

const environment = (more: Record<string, string> = {}) => ({ HOME: home, ...more });
const open = (reference: string, more: Record<string, string> = {}) =>
  openEngineImage(reference, context, environment(more));
const socket = () => join(home, "engine.sock");
const atSocket = () => ({ DOCKER_HOST: `unix://${socket()}` });

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

describe("an image of an engine", () => {
  it("comes as an archive, whose layers lie in one file", async () => {
    const { asked } = await engine(socket());
    const image = await open("app:1", atSocket());
    expect(asked).toEqual(["/images/app:1/json", "/images/app:1/get"]);
    expect(image?.layers.map(({ diffId }) => diffId)).toEqual([sha256(layer)]);
    const input = await image?.layers[0]?.open();
    if (input?.kind !== "file") throw new Error("a layer should lie in a file");
    const bytes = readFileSync(input.path).subarray(input.offset, input.offset + input.size);
    expect(sha256(bytes)).toBe(sha256(layer));
    expect(context.warnings).toEqual([]);
    const size = (await archive()).length;
    expect(context.reports.at(-1)).toEqual({ stage: "fetch", done: size, total: undefined });
    image?.close();
  });

  it("is asked for as the user wrote it, or by its digest, or its ID", async () => {
    const { asked } = await engine(socket());
    for (const name of ["postgres:16", `a:1@sha256:${HEX}`, HEX, `sha256:${HEX}`, "4ab3"]) {
      expect(await open(name, atSocket())).toBeUndefined();
    }
    expect(asked).toEqual([
      "/images/postgres:16/json",
      `/images/docker.io/library/a@sha256:${HEX}/json`,
      `/images/${HEX}/json`,
      `/images/sha256:${HEX}/json`,
      "/images/4ab3/json",
    ]);
    for (const name of ["../containers/x", "a b", "A", "a?x"])
      await refusal(open(name, atSocket()));
    expect(asked.length).toBe(5);
  });

  it("may not be there", async () => {
    await engine(socket());
    expect(await open("other", atSocket())).toBeUndefined();
    expect(context.warnings).toEqual([
      `other: the engine at unix://${socket()} has no such image; asking the registry`,
    ]);
  });

  it("may be for another platform", async () => {
    await engine(socket());
    context = engineContext({ platform: { os: "linux", architecture: "arm64" } });
    expect(await open("app:1", atSocket())).toBeUndefined();
    expect(context.warnings).toEqual([
      `app:1: the engine at unix://${socket()} has it for linux/amd64, not for linux/arm64; ` +
        "asking the registry",
    ]);
  });

  const failures: [string, RequestListener, RegExp][] = [
    [
      "fails",
      (_, response) => response.writeHead(500).end('{"message":"disk\\nfull"}'),
      /^the engine at unix:.* answers 500: disk\\x0afull$/,
    ],
    [
      "fails when it is to give the image",
      (request, response) => {
        if (request.url?.endsWith("/json")) response.end("{}");
        else response.writeHead(500).end('{"message":"disk full"}');
      },
      /^the engine at unix:.* answers 500: disk full$/,
    ],
    [
      "breaks off",
      (request, response) => {
        if (request.url?.endsWith("/json")) return response.end("{}");
        response.write(Buffer.alloc(100_000), () => response.destroy());
      },
      /^the engine at unix:.* broke off: aborted$/,
    ],
    [
      "gives what is no image",
      (request, response) =>
        response.end(request.url?.endsWith("/json") ? "{}" : Buffer.alloc(10_240)),
      /^app:1: /,
    ],
    [
      "says what is no JSON",
      (_, response) => response.end("hello"),
      /what the engine at .* says about app:1 is not JSON/,
    ],
    [
      "says too much",
      (_, response) => response.end(Buffer.alloc(2 ** 25)),
      /more than 16777216 bytes/,
    ],
    [
      "is no engine",
      (_, response) => response.writeHead(404).end("<html>"),
      /: is not a container engine: it answered 404 \(start the engine, or unset DOCKER_HOST\)/,
    ],
  ];
  for (const [what, listener, message] of failures) {
    it(`can't be had from one that ${what}`, async () => {
      await engine(socket(), listener);
      expect(await refusal(open("app:1", atSocket()))).toMatch(message);
    });
  }

  it("is given up with the build", async () => {
    const controller = new AbortController();
    context = engineContext({ signal: controller.signal });
    await engine(socket(), (request, response) => {
      if (request.url?.endsWith("/json")) return response.end("{}");
      response.write("start");
      setTimeout(() => controller.abort(new Error("given up")), 20);
    });
    await expect(open("app:1", atSocket())).rejects.toThrow("given up");
    await expect(open("app:1", atSocket())).rejects.toThrow("given up");
  });
});

describe("an engine that is asked for", () => {
  it("must answer", async () => {
    expect(await refusal(open("app", atSocket()))).toBe(
      `unix://${socket()}: no such file or directory (start the engine, or unset DOCKER_HOST)`,
    );
    const { server } = await engine(undefined);
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const DOCKER_HOST = `tcp://127.0.0.1:${port}`;
    expect(await refusal(open("app", { DOCKER_HOST }))).toBe(
      `tcp://127.0.0.1:${port}: connection refused (start the engine, or unset DOCKER_HOST)`,
    );
  });

  it("may listen on the network", async () => {
    const { server } = await engine(undefined);
    const { port } = server.address() as AddressInfo;
    expect(await open("app:1", { DOCKER_HOST: `tcp://127.0.0.1:${port}` })).toBeDefined();
    expect(await open("app:1", { DOCKER_HOST: `http://127.0.0.1:${port}/` })).toBeDefined();
  });

  it("may listen behind TLS, and want to know who comes", async () => {
    const certs = join(home, "certs");
    mkdirSync(certs);
    execFileSync(
      "openssl",
      [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
        ...["-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=both"],
        ...["-addext", "subjectAltName=IP:127.0.0.1"],
      ],
      { cwd: certs, stdio: "pipe" },
    );
    const [cert, key] = ["cert.pem", "key.pem"].map((name) => readFileSync(join(certs, name)));
    const server = createSecureServer({ cert, key, ca: cert, requestCert: true });
    server.on("request", (_, response) => response.writeHead(404).end('{"message":"none"}'));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    endings.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const DOCKER_HOST = `tcp://127.0.0.1:${port}`;
    const verify = { DOCKER_HOST, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: certs };
    expect(await refusal(open("app", verify))).toMatch(/self-signed certificate/);
    copyFileSync(join(certs, "cert.pem"), join(certs, "ca.pem"));
    expect(await open("app", verify)).toBeUndefined();
    expect(context.warnings[0]).toMatch(/has no such image/);
    rmSync(join(certs, "key.pem"));
    rmSync(join(certs, "cert.pem"));
    await refusal(open("app", verify));
  });

  it("may speak no HTTP", async () => {
    const server = createPlainServer((client) => client.end("SSH-2.0-x\r\n"));
    await new Promise<void>((resolve) => server.listen(socket(), resolve));
    endings.push(() => server.close());
    expect(await refusal(open("app:1", atSocket()))).toMatch(
      /^unix:.*Parse Error.*unset DOCKER_HOST\)$/,
    );
  });

  it("is one of a context, too", async () => {
    await engine(socket());
    const hex = createHash("sha256").update("mine").digest("hex");
    const directory = join(home, ".docker/contexts/meta", hex);
    mkdirSync(directory, { recursive: true });
    const meta = { Name: "mine", Endpoints: { docker: { Host: `unix://${socket()}` } } };
    writeFileSync(join(directory, "meta.json"), JSON.stringify(meta));
    expect(await open("app:1", { DOCKER_CONTEXT: "mine" })).toBeDefined();
    writeFileSync(join(home, ".docker/config.json"), '{"currentContext":"mine"}');
    expect(await open("app:1")).toBeDefined();
    expect(await refusal(open("app:1", { DOCKER_CONTEXT: "other" }))).toBe(
      "there is no docker context other (docker context ls shows those that there are)",
    );
    writeFileSync(join(home, ".docker/config.json"), '{"currentContext":"other"}');
    expect(await refusal(open("app:1"))).toMatch(/no docker context other/);
    // DOCKER_HOST goes before all of them.
    expect(await open("app:1", atSocket())).toBeDefined();
  });

  it("is looked for all the same when docker's config.json can't be read", async () => {
    await engine(join(home, "run/docker.sock"));
    for (const content of ["{", "", "[]", '{"currentContext":1}']) {
      context.warnings.length = 0;
      writeFileSync(join(home, ".docker/config.json"), content);
      expect(await open("app:1", { XDG_RUNTIME_DIR: join(home, "run") })).toBeDefined();
      expect(context.warnings).toEqual([
        expect.stringMatching(/config\.json.* \(.*\); looking for an engine without$/),
      ]);
    }
  });

  it("need not answer where it is the current context's alone", async () => {
    const hex = createHash("sha256").update("mine").digest("hex");
    const directory = join(home, ".docker/contexts/meta", hex);
    mkdirSync(directory, { recursive: true });
    const meta = { Endpoints: { docker: { Host: `unix://${socket()}` } } };
    writeFileSync(join(directory, "meta.json"), JSON.stringify(meta));
    writeFileSync(join(home, ".docker/config.json"), '{"currentContext":"mine"}');
    expect(await open("app:1")).toBeUndefined();
    expect(context.warnings).toEqual([
      `app:1: unix://${socket()}: no such file or directory; asking the registry`,
    ]);
    expect(await refusal(open("app:1", { DOCKER_CONTEXT: "mine" }))).toMatch(
      /unset DOCKER_CONTEXT/,
    );
  });
});

describe("engines that are looked for", () => {
  // What else listens on the machine that runs this is not known.
  const runtime = () => ({ XDG_RUNTIME_DIR: join(home, "run") });

  it("are those of the user, too, and the first that has the image counts", async () => {
    const docker = await engine(join(home, "run/docker.sock"), (_, response) =>
      response.writeHead(404).end('{"message":"no such image"}'),
    );
    const podman = await engine(join(home, "run/podman/podman.sock"));
    expect(await open("app:1", runtime())).toBeDefined();
    expect(docker.asked).toEqual(["/images/app:1/json"]);
    expect(podman.asked).toEqual(["/images/app:1/json", "/images/app:1/get"]);
    expect(context.warnings).toEqual([]);
  });

  it("may be none, which is said", async () => {
    expect(await open("app:1", runtime())).toBeUndefined();
    expect(context.warnings).toHaveLength(1);
    expect(context.warnings[0]).toMatch(/^app:1: .*; asking the registry$/);
  });

  it("may have gone and left their sockets", async () => {
    writeFileSync(join(home, "run/docker.sock"), "");
    expect(await open("app:1", runtime())).toBeUndefined();
    expect(context.warnings[0]).toMatch(/run\/docker\.sock: connection refused/);
  });
});

describe("addresses of engines", () => {
  const target = (DOCKER_HOST: string, more: Record<string, string> = {}) =>
    findEndpoints(environment({ DOCKER_HOST, ...more })).list[0]?.target;
  const tls = { ca: undefined, cert: undefined, key: undefined };

  it("come in several shapes", () => {
    expect(target("unix:///a/b.sock")).toEqual({ socketPath: "/a/b.sock" });
    expect(target("http+unix://%2Fa%2Fb.sock")).toEqual({ socketPath: "/a/b.sock" });
    expect(target("tcp://host")).toEqual({ host: "host", port: 2375, tls: undefined });
    expect(target("tcp://host:80")).toEqual({ host: "host", port: 80, tls: undefined });
    expect(target("tcp://[::1]:99")).toEqual({ host: "::1", port: 99, tls: undefined });
    expect(target("https://host")).toEqual({ host: "host", port: 2376, tls });
  });

  it("may be behind TLS", () => {
    mkdirSync(join(home, "certs"));
    writeFileSync(join(home, "certs/ca.pem"), "ca");
    const verify = { DOCKER_TLS_VERIFY: "1" };
    expect(target("tcp://host", verify)).toEqual({ host: "host", port: 2376, tls });
    const files = { ...verify, DOCKER_CERT_PATH: join(home, "certs") };
    const ca = Buffer.from("ca");
    expect(target("tcp://host:1", files)).toEqual({ host: "host", port: 1, tls: { ...tls, ca } });
  });

  it("are refused by name where they can't be reached", () => {
    for (const scheme of ["ssh", "npipe", "fd"]) {
      expect(() => target(`${scheme}://x`)).toThrow(
        `DOCKER_HOST: engines at ${scheme}:// can't be reached`,
      );
    }
    for (const host of [
      "nonsense",
      "unix://relative",
      "tcp://",
      "http+unix://%zz",
      "127.0.0.1:1",
    ]) {
      expect(() => target(host)).toThrow(
        /^DOCKER_HOST is '.*', which is not an engine's address \(give unix:/,
      );
    }
  });
});
