// SPDX-License-Identifier: MIT
import type { HostPath } from "../host/path.js";

/** Bytes of an archive, as a source gets them. */
export type ByteInput =
  /** A range of a file of this machine that stays as it is: contents in it need no copy. */
  | {
      readonly kind: "file";
      readonly path: HostPath;
      /** First byte, from the start of the file. */
      readonly offset: number;
      /** Bytes. */
      readonly size: number;
    }
  /** Bytes that come once, such as standard input or a download. */
  | { readonly kind: "stream"; readonly stream: AsyncIterable<Uint8Array> };
