// SPDX-License-Identifier: MIT
import type { ByteInput } from "../byte-input.js";

/** One layer of a container image, from whatever place the image lies in. */
export interface LayerBlob {
  /** For messages: the image and the layer's digest. */
  readonly description: string;
  /** "sha256:…" of the bytes that `open` gives, undefined where the place names none. */
  readonly digest: string | undefined;
  /** Whether the bytes that `open` gives have been checked against their digest already. */
  readonly isVerified?: boolean;
  /** Bytes that `open` gives, undefined where it is not known. */
  readonly size: number | undefined;
  /** "sha256:…" of the uncompressed tar stream, as the image's config has it. */
  readonly diffId: string | undefined;
  /** @throws BuildError */
  open(): Promise<ByteInput>;
}

/**
 * A container image, whichever place it lies in: an OCI layout, a docker archive, an engine, a
 * registry. Its manifest and config have been verified by the time there is one of these.
 */
export interface ContainerImage {
  /** For messages. */
  readonly description: string;
  /** "sha256:…" of its manifest, undefined for formats without one. */
  readonly digest: string | undefined;
  /** From the lowest to the highest; may be empty. */
  readonly layers: readonly LayerBlob[];
  /** Gives back what layers lie in. */
  close(): void;
}
