// SPDX-License-Identifier: MIT

import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TlsOptions } from "node:tls";
import type { Progress } from "../../src/options.js";
import type { OpenContext } from "../../src/sources/context.js";

export const sha256 = (bytes: Uint8Array) =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
export const LAYER = "application/vnd.oci.image.layer.v1.tar";

/** A server on loopback that forgets nothing. */
export class TestServer {
  readonly requests: IncomingMessage[] = [];
  private readonly sockets = new Set<Socket>();
  private constructor(
    readonly server: Server,
    private readonly scheme: string,
  ) {
    server.on("connection", (socket: Socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
  }

  static async start(listener: RequestListener, tls?: TlsOptions): Promise<TestServer> {
    const server = tls === undefined ? createServer() : createSecureServer(tls);
    const started = new TestServer(server, tls === undefined ? "http" : "https");
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      started.requests.push(request);
      listener(request, response);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return started;
  }

  get host(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `${this.scheme}://${this.host}`;
  }

  /** Paths that were asked for. */
  get paths(): string[] {
    return this.requests.map(({ url }) => url ?? "");
  }

  async stop(): Promise<void> {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await once(this.server, "close");
  }
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** What a registry holds, and how it answers. */
export class Store {
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, { type: string; bytes: Buffer }>();

  blob(bytes: Buffer, mediaType: string): Descriptor {
    const digest = sha256(bytes);
    this.blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  /** Adds an image of uncompressed layers. @returns the descriptor of its manifest */
  image(tag: string, layers: readonly Buffer[], platform = { os: "linux", architecture: "amd64" }) {
    const config = {
      ...platform,
      rootfs: { type: "layers", diff_ids: layers.map(sha256) },
    };
    return this.document(tag, MANIFEST, {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: this.blob(Buffer.from(JSON.stringify(config)), CONFIG),
      layers: layers.map((layer) => this.blob(layer, LAYER)),
    });
  }

  index(tag: string, manifests: readonly object[]): Descriptor {
    return this.document(tag, INDEX, { schemaVersion: 2, mediaType: INDEX, manifests });
  }

  document(tag: string, type: string, content: object): Descriptor {
    const bytes = Buffer.from(JSON.stringify(content));
    const digest = sha256(bytes);
    this.manifests.set(tag, { type, bytes });
    this.manifests.set(digest, { type, bytes });
    return { mediaType: type, digest, size: bytes.length };
  }

  /** Answers as a registry should, with ranges. */
  readonly answer: RequestListener = (request, response) => {
    const [, kind, name = ""] = /^\/v2\/.+\/(manifests|blobs)\/(.+)$/.exec(request.url ?? "") ?? [];
    if (request.url === "/v2/") {
      response.end("{}");
    } else if (kind === "manifests" && this.manifests.has(name)) {
      const { type, bytes } = this.manifests.get(name)!;
      response.setHeader("docker-content-digest", sha256(bytes));
      response.setHeader("content-type", type);
      response.end(bytes);
    } else if (kind === "blobs" && this.blobs.has(name)) {
      sendRange(request, response, this.blobs.get(name)!);
    } else {
      sendError(response, 404, kind === "blobs" ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN");
    }
  };
}

/** Answers with all of something, or with the part that was asked for. */
export function sendRange(request: IncomingMessage, response: ServerResponse, bytes: Buffer): void {
  const start = /^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1];
  if (start === undefined) {
    response.setHeader("content-length", bytes.length);
    response.end(bytes);
  } else if (Number(start) >= bytes.length) {
    response.writeHead(416).end();
  } else {
    const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    const part = bytes.subarray(Number(start));
    response.writeHead(206, { "content-range": range, "content-length": part.length });
    response.end(part);
  }
}

export function sendError(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ errors: [{ code, message: `about ${code}` }] }));
}

/** A source's context that takes down what it is told. */
export interface TestContext extends OpenContext {
  readonly warnings: string[];
  readonly reports: Progress[];
}

export function testContext(
  changes: Partial<OpenContext> & { readonly tlsVerify?: boolean } = {},
): TestContext {
  const warnings: string[] = [];
  const reports: Progress[] = [];
  const { tlsVerify = false, ...rest } = changes;
  return {
    pool: undefined as never,
    newSpool: () => {
      throw new Error("no spool was thought to be needed");
    },
    signal: new AbortController().signal,
    limits: { maxSize: undefined, maxRatio: 1000 },
    platform: { os: "linux", architecture: "amd64" },
    registry: { tlsVerify, parallel: 3 },
    outputDirectory: undefined,
    outputFile: undefined,
    wanted: () => true,
    xattrs: true,
    xattrVerdict: () => "kept",
    report: (progress) => reports.push(progress),
    warn: (text) => warnings.push(text),
    ...rest,
    warnings,
    reports,
  };
}
