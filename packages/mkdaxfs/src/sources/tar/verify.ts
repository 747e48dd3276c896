// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { BuildError } from "../../errors.js";

/** Digests as the OCI image specification has them, "Descriptors". */
const DIGEST = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/**
 * Passes a stream through, and at its end holds it against a digest.
 * @param digest "sha256:…" or "sha512:…"; undefined when there is nothing to verify
 * @param what the stream, for messages
 * @throws BuildError when the digest is another, or is of no known kind
 */
export function verified(
  stream: AsyncIterable<Uint8Array>,
  digest: string | undefined,
  what: string,
): AsyncIterable<Uint8Array> {
  return digest === undefined ? stream : verifying(stream, digest, what);
}

async function* verifying(
  stream: AsyncIterable<Uint8Array>,
  digest: string,
  what: string,
): AsyncGenerator<Uint8Array> {
  if (!DIGEST.test(digest)) {
    throw new BuildError(`${what}: its digest '${digest}' is neither SHA-256 nor SHA-512`);
  }
  const algorithm = digest.slice(0, 6);
  const hash = createHash(algorithm);
  for await (const chunk of stream) {
    hash.update(chunk);
    yield chunk;
  }
  const found = `${algorithm}:${hash.digest("hex")}`;
  if (found === digest) return;
  throw new BuildError(`${what}: has the digest ${found}, not ${digest} (get it again)`);
}
