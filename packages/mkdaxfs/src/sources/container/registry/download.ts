// SPDX-License-Identifier: MIT
import { BuildError } from "../../../errors.js";
import type { Expectation } from "../../digest.js";
import type { BlobCache, PartialBlob } from "./blob-cache.js";
import type { RegistryClient } from "./client.js";
import { TemporaryError } from "./retry.js";
import type { Reply } from "./transport.js";

/** Bytes that count as getting on, after which a failure is the first one again. */
const PROGRESS = 1024 * 1024;

export interface Download {
  readonly client: RegistryClient;
  readonly cache: BlobCache;
  readonly expected: Expectation & { readonly size: number };
  /** The blob, for messages. */
  readonly what: string;
  /** What to do when the registry does not have it, for the message. */
  readonly missing: string;
  readonly signal: AbortSignal;
  /** Called with the bytes that are there, of the blob's size. */
  readonly onProgress: (done: number) => void;
}

/**
 * Gets a blob into the cache, unless it is there. Broken connections are resumed where they broke.
 * @returns its path
 * @throws BuildError when it can't be had, or is not what its descriptor says; the signal's reason
 */
export async function fetchBlob(download: Download): Promise<string> {
  const { cache, expected, signal, onProgress } = download;
  const cached = await cache.find(expected.digest, expected.size, signal);
  if (cached !== undefined) {
    onProgress(expected.size);
    return cached;
  }
  const blob = await cache.begin(expected.digest, signal);
  try {
    return await fill(blob, download);
  } finally {
    blob.leave();
  }
}

async function fill(blob: PartialBlob, download: Download): Promise<string> {
  const { client, expected, what } = download;
  const patience = client.patience();
  let furthest = 0;
  const progress = () => {
    download.onProgress(blob.size);
    // What is fetched again is no progress, or a server that never gives all would have us forever.
    if (blob.size < furthest + PROGRESS) return;
    furthest = blob.size;
    patience.renew();
  };
  if (blob.size > expected.size) blob.restart();
  for (;;) {
    await patience.persist(() => fetchRest(blob, download, progress));
    const found = blob.digest();
    if (found === expected.digest) return blob.complete();
    const wasResumed = blob.isResumed;
    blob.restart();
    if (!wasResumed) {
      throw new BuildError(
        `${what}: its digest is ${found} (the registry, or a proxy before it, gives something else)`,
      );
    }
  }
}

/** Fetches what is missing, with one request. @throws TemporaryError when that is not all of it. */
async function fetchRest(
  blob: PartialBlob,
  { client, expected, what, missing, signal }: Download,
  progress: () => void,
): Promise<void> {
  const { size } = expected;
  if (blob.size === size) return;
  const reply = await client.blob(expected.digest, blob.size, what, missing);
  const start = startOf(reply, blob.size);
  if (start !== blob.size) {
    blob.restart();
    if (start !== 0) {
      await reply.drop();
      throw new TemporaryError(`${what}: ${reply.url.host} gives another part than it should`);
    }
  }
  const announced = Number(reply.header("content-length") ?? size - blob.size);
  if (blob.size + announced !== size) {
    await reply.drop();
    throw new BuildError(
      `${what}: ${reply.url.host} has ${blob.size + announced} bytes of it instead of ${size} ` +
        "(the image is damaged there: push it again)",
    );
  }
  for await (const part of reply.body()) {
    signal.throwIfAborted();
    if (blob.size + part.length > size) {
      blob.restart();
      throw new BuildError(
        `${what}: ${reply.url.host} gives more than its ${size} bytes (push the image again)`,
      );
    }
    blob.append(part);
    progress();
  }
  if (blob.size < size) {
    throw new TemporaryError(`${what}: ${reply.url.host} gives ${blob.size} of ${size} bytes`);
  }
}

/** Where in the blob an answer begins; undefined where it does not say. */
function startOf(reply: Reply, asked: number): number | undefined {
  if (reply.status === 200) return 0;
  if (reply.status !== 206 || asked === 0) return undefined;
  const start = /^bytes (\d+)-/.exec(reply.header("content-range") ?? "")?.[1];
  return start === undefined ? undefined : Number(start);
}
