// SPDX-License-Identifier: MIT
import { byteStringOfText } from "@daxfs/format";
import { BuildError } from "../../../errors.js";
import type { ContainerContext } from "../../context.js";
import { digestOf, parseDigest, readVerified, verifyBytes } from "../../digest.js";
import { shownText } from "../../json.js";
import type { ContainerImage, LayerBlob } from "../container-image.js";
import type { Descriptor } from "../oci/descriptor.js";
import { MANIFEST_LIMIT } from "../oci/manifest.js";
import { isForeignLayer, MANIFEST_MEDIA_TYPES } from "../oci/media-types.js";
import {
  bareDescriptor,
  DOCUMENT_LIMITS,
  type DocumentKind,
  type ResolvedLayer,
  resolveImage,
} from "../oci/resolve.js";
import { BlobCache } from "./blob-cache.js";
import { RegistryClient } from "./client.js";
import { findCredentials } from "./credentials.js";
import { fetchBlob } from "./download.js";
import { parseReference, type Reference, referenceText } from "./reference.js";
import { Transport } from "./transport.js";

/** What a test has otherwise than a user. */
export interface Surroundings {
  readonly environment: NodeJS.ProcessEnv;
  /** Milliseconds, about, before the second try of what fails. */
  readonly retryDelayMs: number;
  /** Milliseconds without a byte after which a server is given up. */
  readonly idleTimeoutMs: number;
}

const USUAL: Surroundings = {
  environment: process.env,
  retryDelayMs: 1000,
  idleTimeoutMs: 60_000,
};

/**
 * Opens an image in a registry. All its layers are being fetched from then on, some at once; what
 * goes wrong with one is said by every layer's `open`.
 * @param reference as docker has it: `postgres:16`, `localhost:5000/a/b@sha256:…`
 * @throws BuildError when it can't be had; the signal's reason
 */
export async function openRegistryImage(
  reference: string,
  context: ContainerContext,
  changes: Partial<Surroundings> = {},
): Promise<ContainerImage> {
  const { environment, retryDelayMs, idleTimeoutMs } = { ...USUAL, ...changes };
  const parsed = parseReference(reference);
  const ending = new AbortController();
  const signal = AbortSignal.any([context.signal, ending.signal]);
  const { tlsVerify } = context.registry;
  const transport = await Transport.open({ tlsVerify, environment, idleTimeoutMs, signal });
  const client = new RegistryClient({
    reference: parsed,
    transport,
    tlsVerify,
    findCredentials: async () => {
      const found = await findCredentials(parsed, environment, signal);
      if (found.problem !== undefined) context.warn(`${found.problem}; going on without`);
      return found;
    },
    signal,
    retryDelayMs,
  });
  let cache: BlobCache | undefined;
  const close = () => {
    ending.abort();
    transport.close();
    cache?.close();
  };
  try {
    cache = BlobCache.open(environment, context.warn);
    const fail = (error: unknown) => ending.abort(error);
    return await RegistryImage.open(parsed, context, { client, cache, signal, fail, close });
  } catch (error) {
    close();
    throw error;
  }
}

/** What to do about a blob that the registry does not have. */
const INCOMPLETE = "the image is not complete there: push it again";

interface Means {
  readonly client: RegistryClient;
  readonly cache: BlobCache;
  readonly signal: AbortSignal;
  /** Gives everything up: all who wait for something get this error. */
  readonly fail: (error: unknown) => void;
  readonly close: () => void;
}

class RegistryImage implements ContainerImage {
  readonly layers: readonly LayerBlob[];
  /** Downloads by digest and size: a layer may come twice. */
  private readonly fetched = new Map<string, Promise<FetchedBlob>>();
  private readonly waiting: (() => void)[] = [];
  private running = 0;
  /** Bytes of all that is fetched, so far and in the end. */
  private done = 0;
  private total = 0;

  private constructor(
    readonly description: string,
    readonly digest: string,
    layers: readonly ResolvedLayer[],
    private readonly context: ContainerContext,
    private readonly means: Means,
  ) {
    this.layers = layers.map((layer) => this.layer(layer));
  }

  static async open(
    reference: Reference,
    context: ContainerContext,
    means: Means,
  ): Promise<RegistryImage> {
    const description = referenceText(reference);
    const { client, cache, signal } = means;
    const root = await fetchRoot(reference, description, client);
    const read = async (descriptor: Descriptor, kind: DocumentKind, what: string) => {
      const limit = DOCUMENT_LIMITS[kind];
      const { digest, mediaType } = descriptor;
      if (digest === root.descriptor.digest) return root.bytes;
      if (kind === "manifest") {
        const types = mediaType === "" ? MANIFEST_MEDIA_TYPES : [mediaType];
        const { bytes } = await client.manifest(digest, types, limit, what);
        verifyBytes(bytes, descriptor, what);
        return bytes;
      }
      const size = await sizeOf(descriptor, client, what);
      if (size > limit) throw new BuildError(`${what}: it has more than ${limit} bytes`);
      const path = await fetchBlob({
        client,
        cache,
        expected: { digest, size },
        what,
        missing: INCOMPLETE,
        signal,
        onProgress: () => {},
      });
      const file = { kind: "file", path: byteStringOfText(path), offset: 0, size } as const;
      return readVerified(file, descriptor, limit, what);
    };
    const { platform, warn } = context;
    const image = await resolveImage(root.descriptor, { description, platform, read, warn });
    return new RegistryImage(description, image.digest, image.layers, context, means);
  }

  close(): void {
    this.means.close();
  }

  private layer({ descriptor, diffId }: ResolvedLayer): LayerBlob {
    const { digest, size } = descriptor;
    const description = `${this.description}: layer ${digest}`;
    const key = `${digest} ${size}`;
    let path = this.fetched.get(key);
    if (path === undefined) {
      path = this.fetch(descriptor, description);
      // `open` says it, that of any layer, if anybody still wants to know.
      path.catch(this.means.fail);
      this.fetched.set(key, path);
    }
    const fetched = path;
    return {
      description,
      // Every byte has been checked against it by the time there is a file.
      digest: undefined,
      isVerified: true,
      size,
      diffId,
      async open() {
        const file = await fetched;
        return { kind: "file", path: byteStringOfText(file.path), offset: 0, size: file.size };
      },
    };
  }

  /** Fetches a blob when its turn comes. */
  private async fetch(descriptor: Descriptor, what: string): Promise<FetchedBlob> {
    const { digest } = descriptor;
    const { client, cache, signal } = this.means;
    this.total += descriptor.size ?? 0;
    let had = 0;
    const onProgress = (has: number) => {
      this.done += has - had;
      had = has;
      this.context.report({ stage: "fetch", done: this.done, total: this.total });
    };
    if (this.running >= this.context.registry.parallel) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else {
      this.running++;
    }
    try {
      signal.throwIfAborted();
      const size = await sizeOf(descriptor, client, what);
      if (descriptor.size === undefined) this.total += size;
      const path = await fetchBlob({
        client,
        cache,
        expected: { digest, size },
        what,
        missing: missingHint(descriptor),
        signal,
        onProgress,
      });
      return { path, size };
    } finally {
      // The next one takes the place.
      const next = this.waiting.shift();
      if (next === undefined) this.running--;
      else next();
    }
  }
}

interface FetchedBlob {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** Bytes of a blob; where its descriptor does not say, the registry is asked. @throws BuildError */
async function sizeOf(
  descriptor: Descriptor,
  client: RegistryClient,
  what: string,
): Promise<number> {
  if (descriptor.size !== undefined) return descriptor.size;
  const reply = await client.blob(descriptor.digest, 0, what, missingHint(descriptor));
  const length = reply.header("content-length");
  await reply.drop();
  if (length !== undefined && /^\d+$/.test(length)) return Number(length);
  throw new BuildError(
    `${what}: neither its descriptor nor the registry says its size (push it again)`,
  );
}

/** What to do about a layer that the registry does not have. */
function missingHint({ mediaType, urls }: Descriptor): string {
  if (!isForeignLayer(mediaType)) return INCOMPLETE;
  const from = urls.length === 0 ? "" : `, from ${urls.join(" ")}`;
  return shownText(`it is foreign, ${mediaType}${from}: push the image with its foreign layers`);
}

/** Fetches what a reference leads to: a manifest or an index. */
async function fetchRoot(
  { tag, digest }: Reference,
  what: string,
  client: RegistryClient,
): Promise<{ bytes: Uint8Array; descriptor: Descriptor }> {
  const name = digest ?? tag ?? "latest";
  const got = await client.manifest(name, MANIFEST_MEDIA_TYPES, MANIFEST_LIMIT, what);
  const { bytes, mediaType } = got;
  const size = bytes.length;
  // What a registry says of what it gives is of use against what changes it on the way.
  const expected = digest ?? got.digest;
  const algorithm = parseDigest(expected ?? "")?.algorithm;
  if (expected !== undefined && algorithm === undefined) {
    throw new BuildError(`${what}: ${client.host} names no digest but ${shownText(expected)}`);
  }
  const found = expected ?? digestOf(bytes);
  verifyBytes(bytes, { digest: found, size }, what);
  return { bytes, descriptor: bareDescriptor(mediaType, found, size) };
}
