// SPDX-License-Identifier: MIT
// Images in registries that are out of order in one way or the other.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BuildError } from "../src/errors.js";
import type { ContainerImage } from "../src/sources/image/image.js";
import { openRegistryImage } from "../src/sources/image/registry/registry.js";
import {
  LAYER,
  Store,
  sendError,
  sendRange,
  sha256,
  type TestContext,
  TestServer,
  testContext,
} from "./registry-server.js";
import { scratchDirectory } from "./support.js";

const MIB = 2 ** 20;
const scratch = scratchDirectory();

let store: Store;
let context: TestContext;
let home: string;
let number = 0;
let endings: (() => unknown)[] = [];
const layers = [randomBytes(3 * MIB), randomBytes(100), randomBytes(2 * MIB + 1)];

beforeEach(() => {
  store = new Store();
  context = testContext();
  home = scratch(`home-${++number}`);
});
afterEach(async () => {
  for (const ending of endings) await ending();
  endings = [];
});

async function serve(listener: RequestListener = store.answer): Promise<TestServer> {
  const server = await TestServer.start(listener);
  endings.unshift(() => server.stop());
  return server;
}

async function open(reference: string, changes: object = {}): Promise<ContainerImage> {
  const image = await openRegistryImage(reference, context, {
    environment: { HOME: home },
    retryDelayMs: 1,
    ...changes,
  });
  endings.unshift(() => image.close());
  return image;
}

/** Digests of what the layers of an image hold, in their order. */
async function contents(image: ContainerImage): Promise<string[]> {
  const inputs = await Promise.all(image.layers.map((layer) => layer.open()));
  return inputs.map((input) => {
    if (input.kind !== "file") throw new Error("a layer should lie in a file");
    expect(input.offset).toBe(0);
    const bytes = readFileSync(input.path);
    expect(bytes.length).toBe(input.size);
    return sha256(bytes);
  });
}

const digestOf = (bytes: Buffer | undefined) => sha256(bytes ?? Buffer.alloc(0));

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

/** Names in the cache. */
const cached = () => readdirSync(join(home, ".cache/mkdaxfs/blobs/sha256")).sort();
const fileOf = (bytes: Buffer) =>
  join(home, ".cache/mkdaxfs/blobs/sha256", sha256(bytes).slice("sha256:".length));

/** Answers with `handle` where it returns true, and as it should elsewhere. */
const unless =
  (handle: (...args: Parameters<RequestListener>) => boolean): RequestListener =>
  (request, response) => {
    if (!handle(request, response)) store.answer(request, response);
  };

describe("an image in a registry", () => {
  it("comes with its layers, their digests and diffIDs", async () => {
    const manifest = store.image("1", layers);
    const server = await serve();
    const image = await open(`${server.host}/some/app:1`);
    expect(image.description).toBe(`${server.host}/some/app:1`);
    expect(image.digest).toBe(manifest.digest);
    expect(image.layers.map(({ diffId }) => diffId)).toEqual(layers.map(sha256));
    expect(image.layers.map(({ size }) => size)).toEqual(layers.map(({ length }) => length));
    expect(image.layers.map(({ mediaType }) => mediaType)).toEqual(layers.map(() => LAYER));
    expect(await contents(image)).toEqual(layers.map(sha256));
    expect(context.warnings).toEqual([]);
    const total = 5 * MIB + 101;
    expect(context.reports.at(-1)).toEqual({ stage: "fetch", done: total, total });
  });

  it("is the one for the platform, out of nested indexes with attestations", async () => {
    const arm = store.image("arm", [layers[1]!], { os: "linux", architecture: "arm64" });
    const amd = store.image("amd", [layers[0]!]);
    const attestation = {
      ...store.image("att", []),
      platform: { os: "unknown", architecture: "unknown" },
    };
    const inner = store.index("inner", [
      { ...amd, platform: { os: "linux", architecture: "amd64" } },
    ]);
    const root = store.index("latest", [
      attestation,
      { ...arm, platform: { os: "linux", architecture: "arm64" } },
      inner,
    ]);
    const server = await serve();
    expect((await open(`${server.host}/app`)).digest).toBe(amd.digest);
    expect((await open(`${server.host}/app@${root.digest}`)).digest).toBe(amd.digest);
    context = testContext({ platform: { os: "linux", architecture: "arm64" } });
    expect((await open(`${server.host}/app`)).digest).toBe(arm.digest);
    context = testContext({ platform: { os: "linux", architecture: "s390x" } });
    expect(await refusal(open(`${server.host}/app`))).toMatch(/no image for linux\/s390x/);
  });

  it("may have no layers, or the same one twice", async () => {
    store.image("none", []);
    store.image("twice", [layers[1]!, layers[1]!]);
    const server = await serve();
    expect((await open(`${server.host}/app:none`)).layers).toEqual([]);
    const image = await open(`${server.host}/app:twice`);
    expect(await contents(image)).toEqual([layers[1], layers[1]].map(digestOf));
    const digest = sha256(layers[1]!);
    expect(server.paths.filter((path) => path.endsWith(digest)).length).toBe(1);
  });

  it("fetches several layers at once, and no more than it may", async () => {
    const many = Array.from({ length: 8 }, () => randomBytes(1000));
    store.image("1", many);
    let running = 0;
    let most = 0;
    const digests = new Set(many.map(sha256));
    const server = await serve((request, response) => {
      if (!digests.has(request.url?.split("/").at(-1) ?? ""))
        return store.answer(request, response);
      most = Math.max(most, ++running);
      setTimeout(() => {
        running--;
        store.answer(request, response);
      }, 20);
    });
    const image = await open(`${server.host}/app:1`);
    // Nobody has opened a layer yet.
    await expect.poll(() => most).toBe(3);
    expect(await contents(image)).toEqual(many.map(sha256));
    expect(most).toBe(3);
  });

  it("is refused when it is not there", async () => {
    const server = await serve();
    const message = await refusal(open(`${server.host}/app:1`));
    expect(message).toBe(
      `${server.host}/app:1: ${server.host} does not have it (check the name and the tag)`,
    );
  });

  it("is refused by name when it is of schema 1, encrypted, or no image", async () => {
    const server = await serve();
    store.document("one", "application/vnd.docker.distribution.manifest.v1+prettyjws", {
      schemaVersion: 1,
    });
    expect(await refusal(open(`${server.host}/app:one`))).toMatch(/schema 1/);
    const encrypted = store.blob(layers[1]!, `${LAYER}+gzip+encrypted`);
    const config = store.blob(Buffer.from("{}"), "application/vnd.oci.image.config.v1+json");
    const type = "application/vnd.oci.image.manifest.v1+json";
    store.document("enc", type, { schemaVersion: 2, config, layers: [encrypted] });
    expect(await refusal(open(`${server.host}/app:enc`))).toMatch(/is encrypted/);
    store.document("page", "text/html", { schemaVersion: 2 });
    expect(await refusal(open(`${server.host}/app:page`))).toMatch(/text\/html/);
  });

  it("names a foreign layer that the registry does not have", async () => {
    const type = "application/vnd.oci.image.layer.nondistributable.v1.tar";
    store.image("1", [layers[1]!]);
    const { bytes } = store.manifests.get("1")!;
    const manifest = JSON.parse(bytes.toString());
    manifest.layers[0].mediaType = type;
    manifest.layers[0].urls = ["https://example.com/layer"];
    store.document("1", manifest.mediaType, manifest);
    const server = await serve();
    expect(await contents(await open(`${server.host}/app:1`))).toEqual([layers[1]].map(digestOf));
    home = scratch("home-foreign");
    store.blobs.delete(sha256(layers[1]!));
    const image = await open(`${server.host}/app:1`);
    expect(await refusal(contents(image))).toMatch(
      /does not have it \(it is foreign, .*nondistributable.*, from https:\/\/example.com\/layer: push/,
    );
  });
});

describe("members of documents that are missing or null", () => {
  const TYPE = "application/vnd.oci.image.manifest.v1+json";
  const absent = () => ({});
  const nulls = () => ({ size: null, mediaType: null, annotations: null, urls: null, data: null });

  it.each([
    ["missing", absent],
    ["null", nulls],
  ])("mean what they mean to skopeo: %s", async (_, empty) => {
    const bare = (bytes: Buffer) => ({ ...empty(), digest: store.blob(bytes, "").digest });
    for (const config of [{}, { rootfs: null }, { rootfs: { diff_ids: null } }]) {
      const manifest = store.document("1", TYPE, {
        ...empty(),
        schemaVersion: 2,
        config: bare(Buffer.from(JSON.stringify(config))),
        layers: layers.map(bare),
      });
      store.index("all", [{ ...empty(), digest: manifest.digest, platform: null }]);
      const server = await serve();
      for (const tag of ["1", "all"]) {
        const image = await open(`${server.host}/app:${tag}`);
        expect(image.digest).toBe(manifest.digest);
        expect(await contents(image)).toEqual(layers.map(sha256));
        expect(image.layers.map(({ diffId }) => diffId)).toEqual(layers.map(() => undefined));
      }
    }
  });

  it("leave every blob checked against its digest", async () => {
    const config = { digest: store.blob(Buffer.from("{}"), "").digest };
    const { digest } = store.blob(layers[0]!, "");
    store.document("1", TYPE, { config, layers: [{ digest }] });
    store.blobs.set(digest, Buffer.from(layers[0]!).fill(0, 5, 9));
    const server = await serve();
    const said = await refusal(open(`${server.host}/app:1`).then(contents));
    expect(said).toContain(`/app:1: layer ${digest}`);
    expect(said).toMatch(/: its digest is sha256:/);
  });

  it("are refused where nothing can be got without them", async () => {
    const config = { digest: store.blob(Buffer.from("{}"), "").digest };
    const server = await serve();
    for (const [tag, document, said] of [
      ["no-layer-digest", { config, layers: [{ size: 3 }] }, /layer.*digest/],
      ["null-layer-digest", { config, layers: [{ digest: null, size: 3 }] }, /layer.*digest/],
      ["no-config", { layers: [] }, /config/],
      ["null-manifests", { manifests: null, mediaType: "" }, /config|no image/],
    ] as const) {
      store.document(tag, TYPE, document);
      expect(await refusal(open(`${server.host}/app:${tag}`).then(contents)), tag).toMatch(said);
    }
    store.index("empty", null as never);
    expect(await refusal(open(`${server.host}/app:empty`))).toMatch(/no image/);
  });
});

describe("what is not what it should be", () => {
  it("is a manifest with another digest than was asked for", async () => {
    const { digest } = store.image("1", layers);
    store.manifests.get(digest)!.bytes = Buffer.from("{}");
    const server = await serve();
    expect(await refusal(open(`${server.host}/app@${digest}`))).toMatch(
      /its digest is sha256:44136/,
    );
  });

  it("is a manifest with another digest than the registry says", async () => {
    store.image("1", layers);
    const server = await serve(
      unless((request, response) => {
        if (!request.url?.endsWith("/manifests/1")) return false;
        response.setHeader("docker-content-digest", sha256(Buffer.from("other")));
        response.end(store.manifests.get("1")!.bytes);
        return true;
      }),
    );
    expect(await refusal(open(`${server.host}/app:1`))).toMatch(/its digest is sha256:/);
  });

  it("is a manifest without an end", async () => {
    const server = await serve((request, response) => {
      if (request.url === "/v2/") return response.end();
      response.on("error", () => {});
      // Not in the callback itself: Node may call that at once when the client has gone, and then
      // nothing else of this process would run.
      const more = (error?: Error | null) => {
        if (!error && !response.destroyed)
          setImmediate(() => response.write(Buffer.alloc(MIB), more));
      };
      more();
    });
    expect(await refusal(open(`${server.host}/app:1`))).toMatch(/more than 4194304 bytes/);
  });

  it("is an index whose image was changed", async () => {
    const image = store.image("image", layers);
    store.index("1", [{ ...image, platform: { os: "linux", architecture: "amd64" } }]);
    const changed = store.manifests.get(image.digest)!;
    const server = await serve();
    changed.bytes = Buffer.from(changed.bytes.toString().replace('"size":100', '"size":101'));
    expect(await refusal(open(`${server.host}/app:1`))).toMatch(/manifest sha256:.* its digest is/);
  });

  it("is a config with another digest", async () => {
    store.image("1", []);
    const config = [...store.blobs.keys()][0]!;
    store.blobs.set(config, Buffer.from(store.blobs.get(config)!.toString().replace("amd", "AMD")));
    const server = await serve();
    expect(await refusal(open(`${server.host}/app:1`))).toMatch(/config sha256:.*its digest is/);
  });

  const layer = layers[2]!;
  const digest = sha256(layer);
  const broken: [string, Buffer, boolean, RegExp][] = [
    ["with another digest", Buffer.from(layer).fill(0, 5, 9), true, /its digest is sha256:/],
    [
      "that is too short, as its length says",
      layer.subarray(1),
      true,
      /has 2097152 bytes of it instead of 2097153/,
    ],
    [
      "that is too long, as its length says",
      Buffer.concat([layer, layer]),
      true,
      /has 4194306 bytes of it instead of/,
    ],
    [
      "that is too long, and its length unsaid",
      Buffer.concat([layer, layer]),
      false,
      /gives more than its 2097153 bytes/,
    ],
    [
      "that is too short, and its length unsaid",
      layer.subarray(1),
      false,
      /gives 2097152 of 2097153 bytes \(tried 5 times/,
    ],
  ];
  for (const [what, bytes, hasLength, message] of broken) {
    it(`is a layer ${what}`, async () => {
      store.image("1", [layer]);
      const server = await serve(
        unless((request, response) => {
          if (!request.url?.endsWith(digest)) return false;
          if (hasLength) response.setHeader("content-length", bytes.length);
          response.write(bytes.subarray(0, 1000));
          response.end(bytes.subarray(1000));
          return true;
        }),
      );
      const image = await open(`${server.host}/app:1`);
      const said = await refusal(contents(image));
      expect(said).toMatch(message);
      expect(said).toContain(`${server.host}/app:1: layer ${digest}: `);
      image.close();
      expect(existsSync(fileOf(layer))).toBe(false);
    });
  }

  it("is a layer that comes again with another size", async () => {
    const { mediaType } = store.image("1", [layer, layer]);
    const manifest = JSON.parse(store.manifests.get("1")!.bytes.toString());
    manifest.layers[1].size = 5;
    store.document("1", mediaType, manifest);
    const server = await serve();
    const image = await open(`${server.host}/app:1`);
    expect(await refusal(contents(image))).toMatch(/has 2097153 bytes of it instead of 5/);
  });

  it("is said by the layers before it, too", async () => {
    store.image("1", [layers[0]!, layers[2]!]);
    store.blobs.delete(digest);
    const server = await serve(
      // The first layer would take forever.
      unless((request) => request.url?.endsWith(sha256(layers[0]!)) === true),
    );
    const image = await open(`${server.host}/app:1`);
    const message = await refusal(image.layers[0]!.open());
    expect(message).toMatch(/does not have it \(the image is not complete there: push it again\)/);
  });
});

describe("a failure that may be temporary", () => {
  it("is tried again: 500s, 429s, and connections that break", async () => {
    store.image("1", layers);
    const seen = new Map<string, number>();
    const server = await serve(
      unless((request, response) => {
        const path = request.url ?? "";
        const count = (seen.get(path) ?? 0) + 1;
        seen.set(path, count);
        if (path === "/v2/" || count > 4) return false;
        if (count === 1) sendError(response, 500, "UNKNOWN");
        if (count === 2) sendError(response, 429, "TOOMANYREQUESTS");
        if (count === 3) request.socket.destroy();
        if (count === 4) response.writeHead(503).end("<html>");
        return true;
      }),
    );
    expect(await contents(await open(`${server.host}/app:1`))).toEqual(layers.map(sha256));
  });

  it("is given up after five times", async () => {
    const server = await serve(
      unless((request, response) => {
        if (request.url === "/v2/") return false;
        sendError(response, 502, "UNKNOWN");
        return true;
      }),
    );
    const message = await refusal(open(`${server.host}/app:1`));
    expect(message).toMatch(/answers 502 \(tried 5 times: try again later\)$/);
    expect(server.paths.filter((path) => path !== "/v2/").length).toBe(5);
  });

  it("is not tried again when it is none", async () => {
    const server = await serve(
      unless((request, response) => {
        if (request.url === "/v2/") return false;
        sendError(response, 400, "NAME_INVALID");
        return true;
      }),
    );
    const message = await refusal(open(`${server.host}/app:1`));
    expect(message).toMatch(/answers 400: about NAME_INVALID$/);
    expect(server.paths.filter((path) => path !== "/v2/").length).toBe(1);
  });

  it("waits as long as it is asked to", async () => {
    store.image("1", []);
    const times: number[] = [];
    const server = await serve(
      unless((request, response) => {
        if (!request.url?.endsWith("manifests/1")) return false;
        times.push(Date.now());
        if (times.length > 1) return false;
        response.setHeader("retry-after", "1");
        sendError(response, 429, "TOOMANYREQUESTS");
        return true;
      }),
    );
    await open(`${server.host}/app:1`);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(950);
  });

  it("is given up when it is asked to wait for hours, in seconds or as a date", async () => {
    for (const after of ["7200", new Date(Date.now() + 7_200_000).toUTCString()]) {
      const server = await serve((request, response) => {
        if (request.url === "/v2/") return response.end();
        response.setHeader("retry-after", after);
        sendError(response, 429, "TOOMANYREQUESTS");
      });
      const message = await refusal(open(`${server.host}/app:1`));
      expect(message).toMatch(
        /allows no more requests for now \(429\) \(try again in 7(200|199) s, /,
      );
      expect(server.paths.length).toBe(2);
    }
  });

  it("ends at once when the build is given up", async () => {
    const controller = new AbortController();
    context = testContext({ signal: controller.signal });
    const server = await serve((request, response) => {
      if (request.url === "/v2/") return response.end();
      sendError(response, 500, "UNKNOWN");
      setTimeout(() => controller.abort(new Error("given up")), 20);
    });
    await expect(open(`${server.host}/app:1`, { retryDelayMs: 60_000 })).rejects.toThrow(
      "given up",
    );
  });
});

describe("a download that breaks", () => {
  /** Breaks off each answer with a blob after so many bytes. */
  const breaking = (bytes: number, ranges: (string | undefined)[], withRanges = true) =>
    unless((request, response) => {
      const digest = request.url?.split("/").at(-1) ?? "";
      const blob = store.blobs.get(digest);
      if (blob === undefined || blob.length < 1000) return false;
      ranges.push(request.headers.range);
      const range = withRanges ? request.headers.range : undefined;
      const start = Number(/\d+/.exec(range ?? "0")?.[0]);
      const rest = blob.length - start;
      if (range === undefined) response.writeHead(200, { "content-length": blob.length });
      else {
        response.writeHead(206, {
          "content-range": `bytes ${start}-${blob.length - 1}/${blob.length}`,
          "content-length": rest,
        });
      }
      if (rest <= bytes) response.end(blob.subarray(start));
      else response.write(blob.subarray(start, start + bytes), () => request.socket.destroySoon());
      return true;
    });

  it("is resumed where it broke, however often, as long as it gets on", async () => {
    const blob = randomBytes(20 * MIB);
    store.image("1", [blob]);
    const ranges: string[] = [];
    const server = await serve(breaking(1.5 * MIB, ranges));
    expect(await contents(await open(`${server.host}/app:1`))).toEqual([blob].map(digestOf));
    expect(ranges.length).toBe(14);
    expect(ranges.slice(0, 3)).toEqual([undefined, "bytes=1572864-", "bytes=3145728-"]);
  });

  it("is resumed when nothing more comes", async () => {
    const blob = randomBytes(2 * MIB);
    store.image("1", [blob]);
    const ranges: (string | undefined)[] = [];
    const server = await serve(
      unless((request, response) => {
        if (!request.url?.endsWith(sha256(blob))) return false;
        ranges.push(request.headers.range);
        // The third does not even answer.
        if (ranges.length === 3) return true;
        if (ranges.length > 3) return false;
        const start = ranges.length === 1 ? 0 : MIB;
        const range = `bytes ${start}-${blob.length - 1}/${blob.length}`;
        response.writeHead(start === 0 ? 200 : 206, { "content-range": range });
        response.write(blob.subarray(start, start + MIB - start / 2));
        return true;
      }),
    );
    const image = await open(`${server.host}/app:1`, { idleTimeoutMs: 500 });
    expect(await contents(image)).toEqual([sha256(blob)]);
    expect(ranges).toEqual([
      undefined,
      `bytes=${MIB}-`,
      `bytes=${1.5 * MIB}-`,
      `bytes=${1.5 * MIB}-`,
    ]);
  });

  it("is given up when it does not get on", async () => {
    const blob = randomBytes(2 * MIB);
    store.image("1", [blob]);
    const ranges: string[] = [];
    const server = await serve(breaking(10, ranges));
    const image = await open(`${server.host}/app:1`);
    expect(await refusal(contents(image))).toMatch(
      /the connection was (closed|reset) \(tried 5 times/,
    );
    expect(ranges.length).toBe(5);
  });

  it("starts over where a registry knows no ranges", async () => {
    const blob = randomBytes(2 * MIB);
    store.image("1", [blob]);
    const ranges: string[] = [];
    let breaks = 0;
    const broken = breaking(1.2 * MIB, ranges, false);
    const server = await serve((request, response) => {
      const isBlob = request.url?.endsWith(sha256(blob)) === true;
      if (isBlob && breaks++ < 2) return broken(request, response);
      if (!isBlob) return store.answer(request, response);
      response.end(blob);
    });
    expect(await contents(await open(`${server.host}/app:1`))).toEqual([blob].map(digestOf));
    expect(ranges.length).toBe(2);
  });

  it("is given up where it would start over forever", async () => {
    const blob = randomBytes(4 * MIB);
    store.image("1", [blob]);
    const ranges: string[] = [];
    const server = await serve(breaking(3 * MIB, ranges, false));
    const image = await open(`${server.host}/app:1`);
    expect(await refusal(contents(image))).toMatch(/tried 5 times/);
    expect(ranges.length).toBeLessThan(10);
  });

  it("starts over when it gets another part than it asked for", async () => {
    const blob = randomBytes(2 * MIB);
    store.image("1", [blob]);
    let count = 0;
    const server = await serve(
      unless((request, response) => {
        if (!request.url?.endsWith(sha256(blob))) return false;
        count++;
        if (count === 1) {
          response.writeHead(200, { "content-length": blob.length });
          response.write(blob.subarray(0, 1000), () => request.socket.destroySoon());
          return true;
        }
        if (count === 2) {
          response.writeHead(206, {
            "content-range": `bytes 5000-${blob.length - 1}/${blob.length}`,
          });
          response.end(blob.subarray(5000));
          return true;
        }
        sendRange(request, response, blob);
        return true;
      }),
    );
    expect(await contents(await open(`${server.host}/app:1`))).toEqual([blob].map(digestOf));
    expect(count).toBe(3);
  });

  it("is resumed by the next build", async () => {
    const blob = randomBytes(4 * MIB);
    store.image("1", [blob]);
    let hangs = true;
    const ranges: (string | undefined)[] = [];
    const server = await serve(
      unless((request, response) => {
        if (!request.url?.endsWith(sha256(blob))) return false;
        ranges.push(request.headers.range);
        if (!hangs) return false;
        response.writeHead(200, { "content-length": blob.length });
        response.write(blob.subarray(0, 3 * MIB));
        return true;
      }),
    );
    const first = await open(`${server.host}/app:1`);
    await expect.poll(() => context.reports.at(-1)?.done).toBe(3 * MIB);
    first.close();
    expect(cached().filter((name) => name.endsWith(".tmp"))).toEqual([]);
    expect(existsSync(`${fileOf(blob)}.partial`)).toBe(true);
    hangs = false;
    expect(await contents(await open(`${server.host}/app:1`))).toEqual([blob].map(digestOf));
    expect(ranges).toEqual([undefined, `bytes=${3 * MIB}-`]);
    expect(existsSync(`${fileOf(blob)}.partial`)).toBe(false);
  });

  it("does without what another build has left, if that is damaged", async () => {
    const blob = randomBytes(2 * MIB);
    store.image("1", [blob]);
    const server = await serve();
    mkdirSync(join(home, ".cache/mkdaxfs/blobs/sha256"), { recursive: true });
    writeFileSync(`${fileOf(blob)}.partial`, randomBytes(MIB));
    expect(await contents(await open(`${server.host}/app:1`))).toEqual([blob].map(digestOf));
    writeFileSync(`${fileOf(blob)}.partial`, Buffer.concat([blob, blob]));
    writeFileSync(fileOf(blob), "short");
    expect(await contents(await open(`${server.host}/app:1`))).toEqual([blob].map(digestOf));
  });
});

describe("a redirect", () => {
  it("leads to a store, which does not get the registry's secrets", async () => {
    store.image("1", layers);
    const secrets: (string | undefined)[] = [];
    const elsewhere = await serve((request, response) => {
      secrets.push(request.headers.authorization);
      sendRange(request, response, store.blobs.get(request.url!.slice(1))!);
    });
    const server = await serve(
      unless((request, response) => {
        if (request.url !== "/v2/" && request.headers.authorization === undefined) {
          response.setHeader("www-authenticate", 'Basic realm="x"');
          sendError(response, 401, "UNAUTHORIZED");
          return true;
        }
        const digest = /\/blobs\/(.*)$/.exec(request.url ?? "")?.[1];
        if (digest === undefined) return false;
        response.writeHead(307, { location: `${elsewhere.url}/${digest}` }).end();
        return true;
      }),
    );
    mkdirSync(join(home, ".docker"), { recursive: true });
    const auth = Buffer.from("me:secret").toString("base64");
    writeFileSync(
      join(home, ".docker/config.json"),
      JSON.stringify({ auths: { [server.host]: { auth } } }),
    );
    expect(await contents(await open(`${server.host}/app:1`))).toEqual(layers.map(sha256));
    expect(secrets).toEqual([undefined, undefined, undefined, undefined]);
  });

  it("that went stale is asked for anew", async () => {
    store.image("1", [layers[2]!]);
    let count = 0;
    const elsewhere = await serve((request, response) => {
      if (++count === 1) return sendError(response, 403, "EXPIRED");
      sendRange(request, response, store.blobs.get(request.url!.slice(1))!);
    });
    const server = await serve(
      unless((request, response) => {
        const digest = /\/blobs\/(.*)$/.exec(request.url ?? "")?.[1];
        if (digest !== sha256(layers[2]!)) return false;
        response.writeHead(302, { location: `${elsewhere.url}/${digest}` }).end();
        return true;
      }),
    );
    expect(await contents(await open(`${server.host}/app:1`))).toEqual([layers[2]].map(digestOf));
    expect(count).toBe(2);
  });

  it("is not followed forever, nor to what is no http", async () => {
    let location = "";
    const server = await serve((request, response) => {
      if (request.url === "/v2/") return response.end();
      response.writeHead(302, { location }).end();
    });
    for (const [to, message] of [
      ["/v2/app/manifests/1", /redirects more than 5 times/],
      ["ftp://example.com/", /redirects to ftp:, which is not http/],
      ["http://[", /redirects to what is no URL/],
    ] as const) {
      location = to;
      expect(await refusal(open(`${server.host}/app:1`))).toMatch(message);
    }
  });
});

describe("plain http", () => {
  it("needs --tls-verify=false, on loopback too", async () => {
    store.image("1", []);
    const server = await serve();
    context = testContext({ tlsVerify: true });
    expect(await refusal(open(`${server.host}/app:1`))).toBe(
      `${server.host} does not speak https (--tls-verify=false allows plain http)`,
    );
    expect(server.paths).toEqual([]);
    const local = server.host.replace("127.0.0.1", "localhost");
    expect(await refusal(open(`${local}/app:1`))).toMatch(/does not speak https/);
    context = testContext();
    expect((await open(`${local}/app:1`)).layers).toEqual([]);
  });
});

it("says when nobody is there", async () => {
  const server = await TestServer.start(store.answer);
  const { host } = server;
  await server.stop();
  expect(await refusal(open(`${host}/app`))).toMatch(
    new RegExp(`^cannot reach ${host}: connection refused \\(check its name`),
  );
  context = testContext({ tlsVerify: true });
  expect(await refusal(open("name.invalid/app"))).toMatch(/^(cannot reach )?name\.invalid: /);
});
