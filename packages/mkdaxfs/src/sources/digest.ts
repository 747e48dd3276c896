// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { readSync } from "node:fs";
import { BuildError } from "../errors.js";
import { withFile } from "../host/file.js";
import type { ByteInput } from "./byte-input.js";
import { shownText } from "./json.js";

/** The algorithms that the OCI image specification registers, with their digits. */
const HEX_LENGTHS = { sha256: 64, sha512: 128 } as const;

/** A digest in its parts. Only lower-case hexadecimal gets in, so it is safe as a part of a path. */
export interface Digest {
  readonly algorithm: keyof typeof HEX_LENGTHS;
  readonly hex: string;
}

/** What a descriptor says of its blob. */
export interface Expectation {
  /** "sha256:…" or "sha512:…" */
  readonly digest: string;
  /** Bytes; undefined where it is not known. */
  readonly size: number | undefined;
}

/** The parts of "sha256:…" or "sha512:…", undefined for any other text. */
export function parseDigest(text: string): Digest | undefined {
  const [, algorithm, hex] = /^(sha256|sha512):([0-9a-f]+)$/.exec(text) ?? [];
  if (algorithm !== "sha256" && algorithm !== "sha512") return undefined;
  return hex?.length === HEX_LENGTHS[algorithm] ? { algorithm, hex } : undefined;
}

/** The digest of bytes, as text. */
export function digestOf(bytes: Uint8Array, algorithm: Digest["algorithm"] = "sha256"): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/**
 * Holds bytes against their descriptor.
 * @param what the blob, for messages
 * @throws BuildError when size or digest differ.
 */
export function verifyBytes(bytes: Uint8Array, expected: Expectation, what: string): void {
  if (expected.size !== undefined && bytes.length !== expected.size) {
    throw wrongSize(what, expected.size, bytes.length);
  }
  const found = digestOf(bytes, parseDigest(expected.digest)?.algorithm);
  if (found !== expected.digest) {
    throw new BuildError(
      `${what}: its digest is ${found} instead of ${shownText(expected.digest)} ` +
        "(it is damaged or was altered: get it again)",
    );
  }
}

/**
 * Reads a document into memory and checks it against its descriptor.
 * @param limit bytes that such a document may have
 * @param what the document, for messages
 * @throws BuildError when it is larger, or is not what the descriptor says.
 */
export async function readVerified(
  input: ByteInput,
  expected: Expectation,
  limit: number,
  what: string,
): Promise<Uint8Array> {
  // A size that is wrong is said before anything is read, and before a limit that depends on it.
  const { size } = expected;
  if (input.kind === "file" && size !== undefined && input.size !== size) {
    throw wrongSize(what, size, input.size);
  }
  if (size !== undefined && size > limit) throw tooLarge(what, limit);
  const bytes = await readSmall(input, size ?? limit, what);
  verifyBytes(bytes, expected, what);
  return bytes;
}

/**
 * Reads a document into memory.
 * @param limit bytes that it may have
 * @param what the document, for messages
 * @throws BuildError when it is larger.
 */
export async function readSmall(
  input: ByteInput,
  limit: number,
  what: string,
): Promise<Uint8Array> {
  if (input.kind === "file") return readRange(input, limit, what);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of input.stream) {
    size += part.length;
    if (size > limit) throw tooLarge(what, limit);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function readRange(
  { path, offset, size }: Extract<ByteInput, { kind: "file" }>,
  limit: number,
  what: string,
): Uint8Array {
  if (size > limit) throw tooLarge(what, limit);
  return withFile(path, (descriptor) => {
    const bytes = Buffer.allocUnsafeSlow(size);
    let done = 0;
    while (done < size) {
      const got = readSync(descriptor, bytes, done, size - done, offset + done);
      if (got === 0) throw wrongSize(what, size, done);
      done += got;
    }
    return bytes;
  });
}

function wrongSize(what: string, expected: number, found: number): BuildError {
  return new BuildError(
    `${what}: it has ${found} bytes instead of ${expected} (it is damaged: get it again)`,
  );
}

function tooLarge(what: string, limit: number): BuildError {
  return new BuildError(
    `${what}: it has more than ${limit} bytes (it is not what it should be: get it again)`,
  );
}
