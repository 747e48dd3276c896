// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { BuildError } from "../../errors.js";
import { type Digest, parseDigest } from "../digest.js";
import { shownText } from "../json.js";

/** What a digest is made of. @param what the bytes, for messages @throws BuildError */
export function knownDigest(text: string, what: string): Digest {
  const digest = parseDigest(text);
  if (digest !== undefined) return digest;
  throw new BuildError(`${what}: its digest '${shownText(text)}' is neither SHA-256 nor SHA-512`);
}

/**
 * Passes a stream through, and at its end checks it against a digest.
 * @param what the stream, for messages
 * @param isUnpacked whether it comes from bytes that have a digest of their own, and were right: then
 *   it is the image that was made wrong, and not what came of it here
 * @throws BuildError when the digest is another
 */
export async function* verified(
  stream: AsyncIterable<Uint8Array>,
  { algorithm, hex }: Digest,
  what: string,
  isUnpacked = false,
): AsyncGenerator<Uint8Array> {
  const hash = createHash(algorithm);
  for await (const chunk of stream) {
    hash.update(chunk);
    yield chunk;
  }
  const found = hash.digest("hex");
  if (found === hex) return;
  if (isUnpacked) {
    throw new BuildError(
      `${what}: it unpacks to ${algorithm}:${found}, not ${algorithm}:${hex}, which the image's ` +
        "config says (the image was made wrong: build or push it anew)",
    );
  }
  throw new BuildError(
    `${what}: its digest is ${algorithm}:${found}, not ${algorithm}:${hex} ` +
      "(it is damaged or was altered: get it again)",
  );
}
